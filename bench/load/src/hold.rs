//! Idle visitors: each does one 64 B echo and then stays, so that memory can be read meanwhile.

use std::io;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::fleet::Fleet;
use crate::report::Report;

/// Connections being opened at a time: this is about staying, not about arriving.
const IN_FLIGHT: usize = 32;
const OPEN_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let count = args.count("count", 1000)?;
    let seconds = args.seconds("seconds", 2.0)?;

    let mut fleet = Fleet::new(addr, count)?;
    let mut finished = Vec::new();
    let (mut opened, mut answered) = (0, 0);
    let deadline = Instant::now() + OPEN_LIMIT;
    while answered < count {
        while opened < count && opened - answered < IN_FLIGHT {
            fleet.open(opened, opened as u64)?;
            opened += 1;
        }
        fleet.wait(deadline, &mut finished)?;
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{answered} of {count} connections came up"),
            ));
        }
        for done in finished.drain(..) {
            done.outcome?;
            answered += 1;
        }
    }
    Report::default()
        .count("held", fleet.open_count() as u64)
        .print();

    let until = Instant::now() + seconds;
    while Instant::now() < until {
        fleet.wait(until, &mut finished)?;
    }
    let kept = fleet.open_count();
    Ok(Report::default()
        .count("kept", kept as u64)
        .count("lost", (count - kept) as u64))
}
