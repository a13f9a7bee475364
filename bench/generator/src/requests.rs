//! Request and response over connections that stay open: each sends its next 64 B when the last
//! answer is back.

use std::io;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::stats::Latencies;

/// All connections must have had their first answer by then.
const WARM_UP: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let connections = args.count("connections", 32)?;
    let seconds = args.seconds("seconds", 2.0)?;

    let mut fleet = Fleet::new(connections)?;
    let mut finished = Vec::new();
    for slot in 0..connections {
        let visitor = Exchange::open(addr, slot as u64, Instant::now())?;
        fleet.open(slot, visitor)?;
    }
    let deadline = Instant::now() + WARM_UP;
    let mut warm = 0;
    while warm < connections {
        fleet.wait(deadline, &mut finished)?;
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for done in finished.drain(..) {
            done.outcome?;
            warm += 1;
        }
    }

    let mut latencies = Latencies::with_capacity(1 << 20);
    let started = Instant::now();
    let until = started + seconds;
    for slot in 0..connections {
        fleet.again(slot, Instant::now())?;
    }
    while Instant::now() < until {
        fleet.wait(until, &mut finished)?;
        for done in finished.drain(..) {
            latencies.record(done.outcome?);
            fleet.again(done.slot, Instant::now())?;
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let report = Report::default()
        .count("requests", latencies.len() as u64)
        .number("per_second", latencies.len() as f64 / elapsed);
    Ok(latencies.report(report))
}
