//! One visitor, one message at a time: the latency of the way there and back.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::report::Report;
use crate::stats::Latencies;
use crate::wire::Mode;

/// Not measured: the first trips pay for the connection and cold caches.
const WARM_UP: usize = 200;
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Limit of a run that ends by its count.
const COUNTED_SECONDS: f64 = 120.0;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let size = usize::try_from(args.size("size", 64)?.max(1)).unwrap_or(usize::MAX);
    let count = args.count("count", 20_000)?;
    let seconds = args.seconds("seconds", COUNTED_SECONDS)?;

    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    stream.write_all(&Mode::Echo.encode())?;
    let (request, mut reply) = (vec![0x5a; size], vec![0; size]);
    let mut latencies = Latencies::with_capacity(count);
    let mut until = None;
    for trip in 0..WARM_UP + count {
        let started = Instant::now();
        if trip >= WARM_UP && started >= *until.get_or_insert(started + seconds) {
            break;
        }
        stream.write_all(&request)?;
        stream.read_exact(&mut reply)?;
        if trip >= WARM_UP {
            latencies.record(started.elapsed());
        }
    }
    if reply != request {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the echo differs",
        ));
    }
    let report = Report::default().count("trips", latencies.len() as u64);
    Ok(latencies.report(report))
}
