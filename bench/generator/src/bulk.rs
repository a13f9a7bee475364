//! Throughput of long streams, one blocking thread each. The time includes the drain, and every
//! stream's byte count is compared between both ends: a tunnel that loses data fails the run.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::report::Report;
use crate::sys;
use crate::wire::{self, ANSWER, Mode};

const CHUNK: usize = 512 * 1024;
/// What one discarding read may take; nothing is copied, so only the queue bounds it.
const READ_CHUNK: usize = 4 << 20;
/// A stream that moves nothing for this long has failed.
const STALL_LIMIT: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_micros(500);

struct Outcome {
    bytes: u64,
    half_close: bool,
}

#[derive(Clone, Copy)]
struct Plan {
    connect: SocketAddrV4,
    query: SocketAddrV4,
    seconds: Duration,
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let connect = args.addr("connect")?;
    let plan = Plan {
        connect,
        query: args.addr_or("query", connect)?,
        seconds: args.seconds("seconds", 2.0)?,
    };
    let streams = args.count("streams", 1)?;
    let direction = args.choice("direction", ["up", "down"])?;
    let work = if direction == "up" { upload } else { download };
    if args.choice("priority", ["usual", "low"])? == "low" {
        sys::lower_priority()?;
    }

    let opened: Vec<TcpStream> = (0..streams)
        .map(|_| open(plan.connect))
        .collect::<io::Result<_>>()?;
    let congestion = match opened.first() {
        Some(stream) => sys::congestion(stream)?,
        None => String::new(),
    };
    let first_id = unique_id();
    let started = Instant::now();
    let threads: Vec<_> = (first_id..)
        .zip(opened)
        .map(|(id, stream)| thread::spawn(move || work(stream, id, plan)))
        .collect();
    let (mut bytes, mut half_close) = (0, true);
    for thread in threads {
        let outcome = thread
            .join()
            .map_err(|_| io::Error::other("a stream's thread died"))??;
        bytes += outcome.bytes;
        half_close &= outcome.half_close;
    }
    let elapsed = started.elapsed().as_secs_f64();
    Ok(Report::default()
        .count("bytes", bytes)
        .number("seconds", elapsed)
        .number("gbit_s", bytes as f64 * 8.0 / elapsed / 1e9)
        .flag("half_close", half_close)
        .word("congestion", &congestion))
}

/// Ids only have to differ between the runs one sink sees.
pub(crate) fn unique_id() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default();
    (now.as_nanos() as u64) << 12 ^ u64::from(std::process::id()) << 40
}

fn open(addr: SocketAddrV4) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL_LIMIT))?;
    stream.set_write_timeout(Some(STALL_LIMIT))?;
    Ok(stream)
}

fn upload(mut stream: TcpStream, id: u64, plan: Plan) -> io::Result<Outcome> {
    stream.write_all(&Mode::Drain { id }.encode())?;
    let chunk = vec![0; CHUNK];
    let until = Instant::now() + plan.seconds;
    let mut sent = 0;
    while Instant::now() < until {
        stream.write_all(&chunk)?;
        sent += CHUNK as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut answer = [0; 8];
    let half_close = stream.read_exact(&mut answer).is_ok();
    let counted = if half_close {
        u64::from_le_bytes(answer)
    } else {
        ask_finished(plan.query, id)?
    };
    same_count(sent, counted)?;
    Ok(Outcome {
        bytes: sent,
        half_close,
    })
}

fn download(mut stream: TcpStream, id: u64, plan: Plan) -> io::Result<Outcome> {
    let millis = plan.seconds.as_millis() as u64;
    stream.write_all(&Mode::Timed { id, millis }.encode())?;
    let mut buffer = vec![0; READ_CHUNK];
    let mut received = 0;
    loop {
        match sys::discard(&stream, &mut buffer)? {
            0 => break,
            count => received += count as u64,
        }
    }
    same_count(ask_finished(plan.query, id)?, received)?;
    Ok(Outcome {
        bytes: received,
        half_close: true,
    })
}

fn same_count(sent: u64, received: u64) -> io::Result<()> {
    if sent == received {
        return Ok(());
    }
    let message = format!("{sent} bytes sent, {received} received");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// The sink's count of a stream, as soon as the stream has ended there.
fn ask_finished(query: SocketAddrV4, id: u64) -> io::Result<u64> {
    let deadline = Instant::now() + STALL_LIMIT;
    let mut questions = Questions::open(query)?;
    loop {
        match questions.ask(id)? {
            (true, count) => return Ok(count),
            (false, _) if Instant::now() >= deadline => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the sink never saw the end",
                ));
            }
            (false, _) => thread::sleep(ASK_AGAIN),
        }
    }
}

/// A connection that asks the sink for its counts.
pub(crate) struct Questions {
    stream: TcpStream,
}

impl Questions {
    pub(crate) fn open(query: SocketAddrV4) -> io::Result<Self> {
        let mut stream = open(query)?;
        stream.write_all(&Mode::Query.encode())?;
        Ok(Self { stream })
    }

    /// Whether the counting has ended, and the count.
    pub(crate) fn ask(&mut self, id: u64) -> io::Result<(bool, u64)> {
        self.stream.write_all(&id.to_le_bytes())?;
        let mut answer = [0; ANSWER];
        self.stream.read_exact(&mut answer)?;
        let number = |offset| wire::read_u64(&answer, offset).unwrap_or_default();
        Ok((number(0) == 1, number(8)))
    }
}
