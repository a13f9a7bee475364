//! Visitors that end badly: RST from the visitor's or from the local service's side, before, while
//! and after bytes pass, and while the visitor waits for a channel. What a tunnel keeps of them is
//! a leak.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use crate::args::Args;
use crate::bulk::unique_id;
use crate::report::Report;
use crate::sys;
use crate::wire::Mode;

/// Of this many visitors two come all at once, more than a pool has channels, and leave at once.
const CROWD: (usize, usize) = (2, 5);
/// Far more than a relay's buffer, so that bytes are on their way when the end comes.
const MUCH: u64 = 4 << 20;
/// What nobody takes to its end.
const ENDLESS: u64 = 1 << 40;
const STALL_LIMIT: Duration = Duration::from_secs(10);
const CHUNK: usize = 64 * 1024;

/// When a visitor is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Connected,
    Asked,
    Answered,
    Uploading,
    Downloading,
    HalfClosed,
    LocalAtOnce,
    LocalUploading,
    LocalDownloading,
}

const MOMENTS: [Moment; 9] = [
    Moment::Connected,
    Moment::Asked,
    Moment::Answered,
    Moment::Uploading,
    Moment::Downloading,
    Moment::HalfClosed,
    Moment::LocalAtOnce,
    Moment::LocalUploading,
    Moment::LocalDownloading,
];

/// Who ended it, and how the other side saw that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ByVisitor,
    LocalAsReset,
    LocalAsFin,
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let count = args.count("count", 500)?;
    let threads = args.count("threads", 8)?;

    let crowd = count * CROWD.0 / CROWD.1;
    abort_crowd(addr, crowd)?;
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let mine = (crowd..count).skip(worker).step_by(threads);
            thread::spawn(move || -> Vec<io::Result<End>> {
                mine.map(|visitor| abort(addr, MOMENTS[(visitor - crowd) % MOMENTS.len()]))
                    .collect()
            })
        })
        .collect();
    let mut ends = Vec::with_capacity(count);
    for worker in workers {
        let outcomes = worker
            .join()
            .map_err(|_| io::Error::other("a visitor's thread died"))?;
        ends.extend(outcomes);
    }
    if let Some(error) = ends.iter().find_map(|end| end.as_ref().err()) {
        eprintln!("warren-load abort: {error}");
    }
    let number = |wanted: Option<End>| {
        let same = |end: &&io::Result<End>| end.as_ref().ok().copied() == wanted;
        ends.iter().filter(same).count() as u64
    };
    Ok(Report::default()
        .count("waiting", crowd as u64)
        .count("by_visitor", number(Some(End::ByVisitor)))
        .count("by_local_as_reset", number(Some(End::LocalAsReset)))
        .count("by_local_as_fin", number(Some(End::LocalAsFin)))
        .count("failures", number(None)))
}

/// Comes all at once, every second one with a request, and leaves before most can be served.
fn abort_crowd(addr: SocketAddrV4, count: usize) -> io::Result<()> {
    let mut crowd = Vec::with_capacity(count);
    for index in 0..count {
        let mut visitor = TcpStream::connect(addr)?;
        if index % 2 == 0 {
            visitor.write_all(&Mode::Echo.encode())?;
        }
        sys::reset_on_close(&visitor)?;
        crowd.push(visitor);
    }
    Ok(())
}

/// One visitor until that moment. An end that comes too early or not at all is an error.
fn abort(addr: SocketAddrV4, moment: Moment) -> io::Result<End> {
    let mut visitor = TcpStream::connect(addr)?;
    visitor.set_read_timeout(Some(STALL_LIMIT))?;
    visitor.set_write_timeout(Some(STALL_LIMIT))?;
    sys::reset_on_close(&visitor)?;
    let mut ask = |mode: Mode| visitor.write_all(&mode.encode());
    match moment {
        Moment::Connected => return Ok(End::ByVisitor),
        Moment::Asked | Moment::Answered => ask(Mode::Echo)?,
        Moment::Uploading => ask(Mode::Drain { id: unique_id() })?,
        Moment::Downloading | Moment::HalfClosed => ask(Mode::Source { bytes: ENDLESS })?,
        Moment::LocalAtOnce => ask(Mode::BrokenDrain { bytes: 0 })?,
        Moment::LocalUploading => ask(Mode::BrokenDrain { bytes: MUCH })?,
        Moment::LocalDownloading => ask(Mode::BrokenSource { bytes: MUCH })?,
    }
    match moment {
        Moment::Connected => {}
        Moment::Asked => visitor.write_all(&[0x5a; 64])?,
        Moment::Answered => {
            visitor.write_all(&[0x5a; 64])?;
            visitor.read_exact(&mut [0; 64])?;
        }
        Moment::Uploading => send(&mut visitor, MUCH)?,
        Moment::Downloading => receive(&mut visitor, MUCH)?,
        Moment::HalfClosed => {
            visitor.shutdown(Shutdown::Write)?;
            receive(&mut visitor, MUCH)?;
        }
        Moment::LocalUploading => return ended(send(&mut visitor, ENDLESS)),
        Moment::LocalAtOnce | Moment::LocalDownloading => {
            return ended(receive(&mut visitor, ENDLESS));
        }
    }
    Ok(End::ByVisitor)
}

fn send(visitor: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let chunk = [0; CHUNK];
    for _ in 0..bytes / CHUNK as u64 {
        visitor.write_all(&chunk)?;
    }
    Ok(())
}

/// Takes at least that much.
///
/// # Errors
/// `UnexpectedEof` when FIN comes first.
fn receive(visitor: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = [0; CHUNK];
    let mut received = 0;
    while received < bytes {
        match visitor.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => received += count as u64,
        }
    }
    Ok(())
}

/// What the visitor of a local service that has crashed may see; anything else is an error.
fn ended(outcome: io::Result<()>) -> io::Result<End> {
    match outcome.map_err(|error| (error.kind(), error)) {
        Err((ErrorKind::ConnectionReset | ErrorKind::BrokenPipe, _)) => Ok(End::LocalAsReset),
        Err((ErrorKind::UnexpectedEof, _)) => Ok(End::LocalAsFin),
        Err((_, error)) => Err(error),
        Ok(()) => Err(io::Error::other("the stream never ended")),
    }
}
