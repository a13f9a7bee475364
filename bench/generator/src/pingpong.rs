//! One visitor, one message at a time: the latency of the way there and back. With a rate,
//! messages have their times, as those of somebody who types; the next one waits for the last
//! answer, and that counts.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::pace::Pace;
use crate::report::Report;
use crate::stats::Latencies;
use crate::sys::precise;
use crate::wire::Mode;

/// Not measured: the first trips pay for the connection and cold caches.
const WARM_UP: usize = 200;
/// Beside other traffic each may take long, and that traffic has its end.
const PACED_WARM_UP: usize = 20;
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Limit of a run that ends by its count, and that count.
const COUNTED_SECONDS: f64 = 120.0;
const COUNT: usize = 20_000;
const PACED_SECONDS: f64 = 2.0;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let size = usize::try_from(args.size("size", 64)?.max(1)).unwrap_or(usize::MAX);
    match args.optional_count("rate")? {
        Some(rate) => {
            let seconds = args.seconds("seconds", PACED_SECONDS)?;
            paced(&mut Echo::open(addr, size)?, rate, seconds)
        }
        None => {
            let count = args.count("count", COUNT)?;
            let seconds = args.seconds("seconds", COUNTED_SECONDS)?;
            in_turn(&mut Echo::open(addr, size)?, count, seconds)
        }
    }
}

/// Each message as soon as the last one is back.
fn in_turn(echo: &mut Echo, count: usize, seconds: Duration) -> io::Result<Report> {
    echo.warm_up(WARM_UP)?;
    let mut latencies = Latencies::with_capacity(count);
    let until = Instant::now() + seconds;
    for _ in 0..count {
        let started = Instant::now();
        if started >= until {
            break;
        }
        echo.trip()?;
        latencies.record(started.elapsed());
    }
    let report = Report::default().count("trips", latencies.len() as u64);
    Ok(latencies.report(report))
}

/// Each message when it is due, or as soon after as the last one is back.
fn paced(echo: &mut Echo, rate: usize, seconds: Duration) -> io::Result<Report> {
    precise::wake_on_time()?;
    echo.warm_up(PACED_WARM_UP)?;
    let pace = Pace::start(rate, seconds);
    let mut latencies = Latencies::with_capacity(pace.total().min(COUNT));
    for index in 0..pace.total() {
        let due = pace.due(index);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if Instant::now() >= pace.end() {
            break;
        }
        echo.trip()?;
        latencies.record(due.elapsed());
    }
    let (trips, ended) = (latencies.len(), Instant::now());
    for index in trips..pace.total() {
        Pace::record_unanswered(&mut latencies, pace.due(index), ended);
    }
    let elapsed = pace.seconds(ended);
    let report = Report::default()
        .count("trips", trips as u64)
        .count("late", (pace.total() - trips) as u64)
        .number("seconds", elapsed)
        .number("per_second", trips as f64 / elapsed);
    Ok(latencies.report(report))
}

struct Echo {
    stream: TcpStream,
    message: Vec<u8>,
    reply: Vec<u8>,
}

impl Echo {
    fn open(addr: SocketAddrV4, size: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        stream.write_all(&Mode::Echo.encode())?;
        Ok(Self {
            stream,
            message: vec![0x5a; size],
            reply: vec![0; size],
        })
    }

    fn warm_up(&mut self, trips: usize) -> io::Result<()> {
        (0..trips).try_for_each(|_| self.trip())
    }

    fn trip(&mut self) -> io::Result<()> {
        self.reply.fill(0);
        self.stream.write_all(&self.message)?;
        self.stream.read_exact(&mut self.reply)?;
        if self.reply == self.message {
            return Ok(());
        }
        let message = "the echo differs";
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}
