//! Idle visitors: each does one 64 B echo and then stays, so that memory can be read meanwhile.
//! They come in two steps, the first as large as is wanted, with a rest after each.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::report::Report;

/// Connections being opened at a time: this is about staying, not about arriving.
const IN_FLIGHT: usize = 32;
const OPEN_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let count = args.count("count", 1000)?;
    let seconds = args.seconds("seconds", 2.0)?;

    let first = args.count("first", count)?.min(count);

    let mut fleet = Fleet::new(count)?;
    let mut finished = Vec::new();
    let mut held = 0;
    while held < count {
        let goal = if held == 0 { first } else { count };
        open_up_to(&mut fleet, addr, held, goal)?;
        held = goal;
        Report::default()
            .count("held", fleet.open_count() as u64)
            .print();
        let until = Instant::now() + seconds;
        while Instant::now() < until {
            fleet.wait(until, &mut finished)?;
        }
    }
    let kept = fleet.open_count();
    Ok(Report::default()
        .count("kept", kept as u64)
        .count("lost", (count - kept) as u64))
}

/// Opens the slots `from` to `to` and waits until each has had its answer.
fn open_up_to(
    fleet: &mut Fleet<Exchange>,
    addr: SocketAddrV4,
    from: usize,
    to: usize,
) -> io::Result<()> {
    let mut finished = Vec::new();
    let (mut opened, mut answered) = (from, from);
    let deadline = Instant::now() + OPEN_LIMIT;
    while answered < to {
        while opened < to && opened - answered < IN_FLIGHT {
            let visitor = Exchange::open(addr, opened as u64, Instant::now())?;
            fleet.open(opened, visitor)?;
            opened += 1;
        }
        fleet.wait(deadline, &mut finished)?;
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{answered} of {to} connections came up"),
            ));
        }
        for done in finished.drain(..) {
            done.outcome?;
            answered += 1;
        }
    }
    Ok(())
}
