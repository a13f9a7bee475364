//! Short visitors: connect, 64 B out, 64 B back, close, and the next one.

use std::io;
use std::time::Instant;

use crate::args::Args;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::stats::Latencies;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let concurrency = args.count("concurrency", 1)?;
    let seconds = args.seconds("seconds", 2.0)?;

    let mut fleet = Fleet::new(addr, concurrency)?;
    let mut latencies = Latencies::with_capacity(1 << 16);
    let (mut failures, mut next_id) = (0, 0);
    let mut finished = Vec::new();
    let started = Instant::now();
    let until = started + seconds;
    for slot in 0..concurrency {
        fleet.open(slot, next_id)?;
        next_id += 1;
    }
    while Instant::now() < until {
        fleet.wait(until, &mut finished)?;
        for done in &finished {
            match done.outcome {
                Ok(elapsed) => latencies.record(elapsed),
                Err(_) => failures += 1,
            }
            fleet.close(done.slot);
            fleet.open(done.slot, next_id)?;
            next_id += 1;
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let visitors = latencies.len();
    let report = Report::default()
        .count("visitors", visitors as u64)
        .count("failures", failures)
        .number("per_second", visitors as f64 / elapsed);
    Ok(latencies.report(report))
}
