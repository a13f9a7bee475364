//! A crowd that arrives at once: all connections are opened before any answer is read, and each
//! must get its own bytes back.

use std::io;
use std::time::Instant;

use crate::args::Args;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::stats::Latencies;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let count = args.count("count", 1500)?;
    let limit = args.seconds("deadline", 10.0)?;

    let mut fleet = Fleet::new(count)?;
    let mut latencies = Latencies::with_capacity(count);
    let mut failures = 0;
    let mut finished = Vec::new();
    let started = Instant::now();
    let deadline = started + limit;
    for slot in 0..count {
        let opened = Exchange::open(addr, slot as u64, Instant::now());
        let failed = opened
            .and_then(|visitor| fleet.open(slot, visitor))
            .is_err();
        failures += usize::from(failed);
    }
    let opened = started.elapsed();
    let mut last = started.elapsed();
    while latencies.len() + failures < count && Instant::now() < deadline {
        fleet.wait(deadline, &mut finished)?;
        for done in &finished {
            match done.outcome {
                Ok(elapsed) => {
                    latencies.record(elapsed);
                    last = started.elapsed();
                    // Kept open until the end, so that all of them are visitors at once.
                }
                Err(_) => failures += 1,
            }
        }
    }
    let paired = latencies.len();
    let report = Report::default()
        .count("paired", paired as u64)
        .count("failures", failures as u64)
        .count(
            "unanswered",
            (count - paired).saturating_sub(failures) as u64,
        )
        .number("opened_ms", opened.as_secs_f64() * 1e3)
        .number("last_ms", last.as_secs_f64() * 1e3);
    Ok(latencies.report(report))
}
