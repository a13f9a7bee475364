//! `splice` between real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream as Blocking};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::*;

/// A blocking end and a non-blocking one of the same connection.
fn pair() -> io::Result<(Blocking, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let outer = Blocking::connect(listener.local_addr()?)?;
    let (inner, _) = listener.accept()?;
    inner.set_nonblocking(true)?;
    Ok((outer, TcpStream::from_std(inner)))
}

/// Until it says something else than that it would block.
fn wait<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                std::thread::yield_now();
            }
            result => return result,
        }
    }
}

#[test]
fn works_here() -> io::Result<()> {
    PipeEnds::open()?.try_out()
}

#[test]
fn moves_bytes_and_tells_dry_from_ended() -> io::Result<()> {
    let pipe = PipeEnds::open()?;
    let (mut visitor, near) = pair()?;
    let (mut local, far) = pair()?;
    let dry = pipe.fill(&near, usize::MAX).map_err(|error| error.kind());
    assert_eq!(dry, Err(ErrorKind::WouldBlock));
    visitor.write_all(b"hello")?;
    assert_eq!(wait(|| pipe.fill(&near, usize::MAX))?, 5);
    // No more than is asked for, and never something else than the pipe has.
    assert_eq!(pipe.drain(&far, 2)?, 2);
    assert_eq!(pipe.drain(&far, 3)?, 3);
    let mut got = [0; 5];
    local.read_exact(&mut got)?;
    assert_eq!(&got, b"hello");
    visitor.shutdown(Shutdown::Write)?;
    assert_eq!(wait(|| pipe.fill(&near, usize::MAX))?, 0);
    Ok(())
}

#[test]
fn a_full_socket_would_block() -> io::Result<()> {
    let mut pipe = PipeEnds::open()?;
    pipe.resize(1 << 17)?;
    let (mut visitor, near) = pair()?;
    let (_local, far) = pair()?;
    // Nobody reads `_local`: at some point there is no room.
    let bytes = vec![1; 1 << 17];
    loop {
        visitor.write_all(&bytes)?;
        let mut left = wait(|| pipe.fill(&near, usize::MAX))?;
        while left > 0 {
            match pipe.drain(&far, left) {
                Ok(moved) => left -= moved,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return Ok(());
                }
            }
        }
    }
}

/// Whatever comes after it: more, the end, or both.
#[test]
fn urgent_data_neither_stops_nor_ends_a_stream() -> io::Result<()> {
    for (more, end) in [(true, false), (true, true), (false, true)] {
        let pipe = PipeEnds::open()?;
        let (mut visitor, near) = pair()?;
        visitor.write_all(b"before")?;
        assert_eq!(wait(|| pipe.fill(&near, usize::MAX))?, 6);
        SockRef::from(&visitor).send_out_of_band(b"!")?;
        if more {
            visitor.write_all(b"more")?;
        }
        if end {
            visitor.shutdown(Shutdown::Write)?;
        }
        let result = wait(|| pipe.fill(&near, usize::MAX)).map_err(|error| error.kind());
        if more {
            assert_eq!(result, Err(ErrorKind::Unsupported));
            // Nothing was lost.
            let mut got = [0; 4];
            (&near).read_exact(&mut got)?;
            assert_eq!(&got, b"more");
        } else {
            assert_eq!(result, Ok(0));
        }
        if end {
            assert_eq!(wait(|| (&near).read(&mut [0]))?, 0);
        }
    }
    Ok(())
}

#[test]
fn a_reset_is_an_error_on_either_side() -> io::Result<()> {
    let pipe = PipeEnds::open()?;
    let (mut visitor, near) = pair()?;
    visitor.write_all(b"lost")?;
    wait(|| pipe.fill(&near, usize::MAX))?;
    let (local, far) = pair()?;
    for end in [&visitor, &local] {
        SockRef::from(end).set_linger(Some(Duration::ZERO))?;
    }
    drop((visitor, local));
    let read = wait(|| PipeEnds::open()?.fill(&near, usize::MAX)).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
    let write = pipe.drain(&far, 4).map_err(|error| error.kind());
    assert_eq!(write, Err(ErrorKind::ConnectionReset));
    let write = pipe.drain(&far, 4).map_err(|error| error.kind());
    assert_eq!(write, Err(ErrorKind::BrokenPipe));
    Ok(())
}

/// In a process of its own, as the default action of SIGPIPE would end this one.
#[test]
fn a_broken_pipe_ends_no_process() -> io::Result<()> {
    let child = |name: &str| {
        let name = format!(
            "{}::{name}",
            module_path!().split_once("::").map_or("", |it| it.1)
        );
        let arguments = ["--ignored", "--exact", &name, "--test-threads=1"];
        Command::new(std::env::current_exe()?)
            .args(arguments)
            .output()
    };
    let ignored = child("writes_after_the_end_ignoring")?;
    assert!(ignored.status.success(), "{ignored:?}");
    assert!(
        String::from_utf8_lossy(&ignored.stdout).contains("1 passed"),
        "{ignored:?}"
    );
    // The test can fail: without it the signal comes.
    let plain = child("writes_after_the_end")?;
    assert_eq!(plain.status.signal(), Some(libc::SIGPIPE), "{plain:?}");
    Ok(())
}

#[test]
#[ignore = "the process for a_broken_pipe_ends_no_process"]
fn writes_after_the_end_ignoring() -> io::Result<()> {
    ignore_broken_pipes();
    writes_after_the_end()
}

#[test]
#[ignore = "the process for a_broken_pipe_ends_no_process"]
fn writes_after_the_end() -> io::Result<()> {
    // SAFETY: no handler of ours is installed; the default action is valid for the signal. Rust's
    // start-up code had it ignored, which an engine within another program cannot rely on.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let pipe = PipeEnds::open()?;
    let (mut visitor, near) = pair()?;
    visitor.write_all(b"x")?;
    wait(|| pipe.fill(&near, usize::MAX))?;
    near.shutdown(Shutdown::Write)?;
    let result = pipe.drain(&near, 1).map_err(|error| error.kind());
    assert_eq!(result, Err(ErrorKind::BrokenPipe));
    Ok(())
}
