//! Shows by doing that this machine gives the engine what it lives by: one byte through a splice,
//! one datagram there and back. For whoever has to choose between engines.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::SockRef;

use crate::sys::{Piece, PipeEnds, Receiver, Run, Sender};

/// What is sent.
const MARK: u8 = 0x57;
/// Loopback answers in microseconds, on a machine that is busy in milliseconds.
const WAIT: Duration = Duration::from_millis(250);

/// Leaves nothing open, and is done within a second.
///
/// # Errors
/// What did not work, for people.
pub fn probe() -> Result<(), String> {
    let Some(loopback) = loopback().map_err(|error| text("socket", &error))? else {
        // It cannot be tried, which says nothing about the engine.
        return Ok(());
    };
    splice(loopback).map_err(|error| text("splice", &error))?;
    echo(loopback).map_err(|error| text("udp", &error))
}

/// A loopback address that works here; some network namespaces have none.
fn loopback() -> io::Result<Option<IpAddr>> {
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let socket = UdpSocket::bind((address, 0));
        match socket.and_then(|socket| socket.connect(socket.local_addr()?)) {
            Ok(()) => return Ok(Some(address)),
            Err(error) if is_short(&error) => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// From a socket into a pipe, and back out to the socket.
fn splice(loopback: IpAddr) -> io::Result<()> {
    let pipe = match PipeEnds::open() {
        // This kind of system has none: relays copy.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        result => result?,
    };
    let (mut near, far) = pair(loopback)?;
    near.write_all(&[MARK])?;
    // It is there when this returns; the pipe's own calls wait for nothing.
    far.peek(&mut [0])?;
    far.set_nonblocking(true)?;
    let far = mio::net::TcpStream::from_std(far);
    let filled = pipe.fill(&far, usize::MAX)?;
    let drained = pipe.drain(&far, filled)?;
    let mut back = [0];
    near.read_exact(&mut back)?;
    if (filled, drained, back) == (1, 1, [MARK]) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "one byte became {filled} in and {drained} out, {back:?}"
    )))
}

/// A connection with itself. Its end is a RST, so that not even a `TIME_WAIT` is left.
fn pair(loopback: IpAddr) -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((loopback, 0))?;
    SockRef::from(&listener).set_read_timeout(Some(WAIT))?;
    let near = TcpStream::connect_timeout(&listener.local_addr()?, WAIT)?;
    SockRef::from(&near).set_linger(Some(Duration::ZERO))?;
    near.set_read_timeout(Some(WAIT))?;
    let me = near.local_addr()?;
    loop {
        // Connected means that it is in the backlog, perhaps behind a stranger.
        let (far, peer) = listener.accept()?;
        if peer == me {
            far.set_read_timeout(Some(WAIT))?;
            return Ok((near, far));
        }
    }
}

/// A datagram to another socket and back, by the calls that take many of them.
fn echo(loopback: IpAddr) -> io::Result<()> {
    let asker = UdpSocket::bind((loopback, 0))?;
    let echoer = UdpSocket::bind((loopback, 0))?;
    asker.connect(echoer.local_addr()?)?;
    echoer.connect(asker.local_addr()?)?;
    let mut receiver = Receiver::new()?;
    let mut sender = Sender::new();
    let bytes = [MARK];
    let whole = Piece {
        start: 0,
        length: 1,
    };
    let run = Run {
        first: 0,
        count: 1,
        segment: 0,
        group: 0,
    };
    asker.set_read_timeout(Some(WAIT))?;
    echoer.set_read_timeout(Some(WAIT))?;
    let [asker, echoer] = [asker, echoer].map(mio::net::UdpSocket::from_std);
    for (from, to) in [(&asker, &echoer), (&echoer, &asker)] {
        sender.send(from, &bytes, &[whole], &[run], |_| None)?;
        // As above; receiving waits for nothing.
        to.peek(&mut [0])?;
        SockRef::from(to).set_nonblocking(true)?;
        receiver.receive(to)?;
        let mut datagrams = receiver.messages().flat_map(|message| message.datagrams());
        if datagrams.next() != Some(&bytes) || datagrams.next().is_some() {
            return Err(io::Error::other("a datagram came out as another"));
        }
    }
    Ok(())
}

fn text(what: &str, error: &io::Error) -> String {
    if matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ) {
        return format!(
            "{what}: nothing came over loopback within {} ms",
            WAIT.as_millis()
        );
    }
    if is_short(error) {
        return format!("{what}: {error}: file descriptors are short, raise their limit");
    }
    format!("{what}: {error}")
}

/// Of descriptors, this process or the whole system.
fn is_short(error: &io::Error) -> bool {
    /// `WSAEMFILE`.
    const WINDOWS: i32 = 10_024;
    let codes = if cfg!(windows) {
        [WINDOWS, WINDOWS]
    } else {
        [libc::EMFILE, libc::ENFILE]
    };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}
