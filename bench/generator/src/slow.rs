//! Visitors that ask for a lot and read it slowly, then give up with RST: what a tunnel buffers
//! for them is what it lacks in back-pressure.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::report::Report;
use crate::sys;
use crate::wire::Mode;

const STEP: Duration = Duration::from_millis(50);
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// A reader's thread has no deep calls.
const STACK: usize = 256 * 1024;

#[derive(Clone, Copy)]
struct Plan {
    connect: SocketAddrV4,
    bytes: u64,
    rate: u64,
    hold: Duration,
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let count = args.count("count", 20)?;
    let plan = Plan {
        connect: args.addr("connect")?,
        bytes: args.size("bytes", 1 << 30)?,
        rate: args.size("rate", 4 << 20)?,
        hold: args.seconds("hold", 5.0)?,
    };
    let threads: Vec<_> = (0..count)
        .map(|_| {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || read_slowly(plan))
        })
        .collect::<io::Result<_>>()?;
    let (mut bytes, mut failures) = (0, 0);
    for thread in threads {
        match thread
            .join()
            .map_err(|_| io::Error::other("a reader's thread died"))?
        {
            Ok(read) => bytes += read,
            Err(_) => failures += 1,
        }
    }
    Ok(Report::default()
        .count("readers", count as u64)
        .count("failures", failures)
        .count("bytes", bytes))
}

fn read_slowly(plan: Plan) -> io::Result<u64> {
    let mut stream = TcpStream::connect(plan.connect)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL_LIMIT))?;
    stream.write_all(&Mode::Source { bytes: plan.bytes }.encode())?;
    let mut buffer = vec![0; 64 * 1024];
    let started = Instant::now();
    let mut read = 0;
    while started.elapsed() < plan.hold {
        let allowed = (plan.rate as f64 * started.elapsed().as_secs_f64()) as u64;
        while read < allowed {
            let wanted = buffer.len().min((allowed - read) as usize);
            match stream.read(&mut buffer[..wanted])? {
                0 if read < plan.bytes => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => return Ok(read),
                count => read += count as u64,
            }
        }
        thread::sleep(STEP);
    }
    sys::reset_on_close(&stream)?;
    Ok(read)
}
