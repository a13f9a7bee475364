//! Options read back from the system, and what they do to peers that vanish or pause.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener as BlockingListener, TcpStream as Blocking};
use std::time::Instant;

use socket2::SockFilter;

use super::*;

const TUNNEL: StreamOptions = StreamOptions {
    nodelay: true,
    keepalive_ms: 20_000,
    keepalive_interval_ms: 8_000,
    user_timeout: true,
};

/// Vanished peers are noticed after 4 seconds.
const HASTY: StreamOptions = StreamOptions {
    nodelay: true,
    keepalive_ms: 1_000,
    keepalive_interval_ms: 1_000,
    user_timeout: true,
};

fn any_port(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), 0)
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

fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    wait(|| listener.accept())
}

fn assert_options(stream: &TcpStream, options: &StreamOptions) -> io::Result<()> {
    let socket = SockRef::from(stream);
    assert_eq!(socket.tcp_nodelay()?, options.nodelay);
    assert_eq!(socket.keepalive()?, options.keepalive_ms > 0);
    if options.keepalive_ms == 0 {
        return Ok(());
    }
    let idle = Duration::from_millis(options.keepalive_ms);
    let interval = Duration::from_millis(options.keepalive_interval_ms);
    assert_eq!(socket.tcp_keepalive_time()?, idle);
    if options.keepalive_interval_ms > 0 {
        assert_eq!(socket.tcp_keepalive_interval()?, interval);
        assert_eq!(socket.tcp_keepalive_retries()?, 3);
    }
    let patience = options.user_timeout.then(|| idle + interval * 3);
    assert_eq!(socket.tcp_user_timeout()?, patience);
    Ok(())
}

#[test]
fn both_ends_of_a_connection_have_the_options() -> io::Result<()> {
    for options in [TUNNEL, HASTY, StreamOptions::PLAIN] {
        let listener = listen(any_port("127.0.0.1"), &options)?;
        let near = connect(listener.local_addr()?, &options)?;
        let (far, peer) = accept(&listener)?;
        accepted(&far, peer, SocketAddr::from(([0, 0, 0, 0], 0)), &options);
        assert_options(&near, &options)?;
        assert_options(&far, &options)?;
    }
    Ok(())
}

#[test]
fn off_is_off() -> io::Result<()> {
    let options = StreamOptions {
        nodelay: false,
        keepalive_ms: 0,
        ..TUNNEL
    };
    let listener = listen(any_port("127.0.0.1"), &options)?;
    let near = connect(listener.local_addr()?, &options)?;
    let (far, _) = accept(&listener)?;
    for stream in [near, far] {
        assert_options(&stream, &options)?;
        assert_eq!(SockRef::from(&stream).tcp_user_timeout()?, None);
    }
    Ok(())
}

#[test]
fn durations_are_whole_seconds_that_the_system_takes() -> io::Result<()> {
    let options = StreamOptions {
        keepalive_ms: 1,
        keepalive_interval_ms: u64::MAX,
        ..TUNNEL
    };
    let listener = listen(any_port("127.0.0.1"), &options)?;
    let socket = SockRef::from(&listener);
    assert_eq!(socket.tcp_keepalive_time()?.as_secs(), 1);
    assert_eq!(socket.tcp_keepalive_interval()?.as_secs(), 32_767);
    let patience = socket.tcp_user_timeout()?.map(|it| it.as_secs());
    assert_eq!(patience, Some(1 + 3 * 32_767));
    Ok(())
}

#[test]
fn a_listener_changes_its_options_for_later_connections() -> io::Result<()> {
    let listener = listen(any_port("127.0.0.1"), &TUNNEL)?;
    let off = StreamOptions {
        nodelay: false,
        keepalive_ms: 0,
        ..TUNNEL
    };
    for options in [&HASTY, &off, &TUNNEL] {
        update(&listener, options);
        let _near = Blocking::connect(listener.local_addr()?)?;
        let (far, _) = accept(&listener)?;
        assert_options(&far, options)?;
        let user_timeout = SockRef::from(&far).tcp_user_timeout()?;
        assert_eq!(user_timeout.is_some(), options.keepalive_ms > 0);
    }
    Ok(())
}

#[test]
fn an_ipv6_listener_takes_ipv4_as_well() -> io::Result<()> {
    if BlockingListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: no IPv6 here");
        return Ok(());
    }
    let listener = listen(any_port("::"), &StreamOptions::PLAIN)?;
    let port = listener.local_addr()?.port();
    for address in ["127.0.0.1", "::1"] {
        let near = connect(
            SocketAddr::new(address.parse().expect("an address"), port),
            &TUNNEL,
        )?;
        let (far, peer) = accept(&listener)?;
        accepted(
            &far,
            peer,
            SocketAddr::from(([0, 0, 0, 0], 0)),
            &StreamOptions::PLAIN,
        );
        assert!(is_loopback(peer.ip()), "{peer}");
        (&near).write_all(b"x")?;
        assert_eq!(wait(|| (&far).read(&mut [0]))?, 1);
    }
    Ok(())
}

#[test]
fn a_port_can_be_taken_again_at_once_but_not_twice() -> io::Result<()> {
    let listener = listen(any_port("127.0.0.1"), &StreamOptions::PLAIN)?;
    let address = listener.local_addr()?;
    let taken = listen(address, &StreamOptions::PLAIN).map_err(|error| error.kind());
    assert_eq!(taken.err(), Some(ErrorKind::AddrInUse));
    let near = Blocking::connect(address)?;
    let far = accept(&listener)?;
    // The side that ends first is the one whose port lingers.
    drop(far);
    assert_eq!((&near).read(&mut [0])?, 0);
    drop((near, listener));
    listen(address, &StreamOptions::PLAIN)?;
    Ok(())
}

#[test]
fn nothing_blocks_and_nothing_is_inherited_by_children() -> io::Result<()> {
    let listener = listen(any_port("127.0.0.1"), &TUNNEL)?;
    let none = listener.accept().map_err(|error| error.kind());
    assert_eq!(none.err(), Some(ErrorKind::WouldBlock));
    let near = connect(listener.local_addr()?, &TUNNEL)?;
    let (far, _) = accept(&listener)?;
    for stream in [&near, &far] {
        let none = (&*stream).read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(none, Err(ErrorKind::WouldBlock));
        let number = descriptor(stream);
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = i32::from_str_radix(flags.unwrap_or("").trim(), 8).unwrap_or(0);
        assert_ne!(flags & libc::O_CLOEXEC, 0, "{info}");
    }
    Ok(())
}

#[test]
fn a_refused_connection_is_told_later() -> io::Result<()> {
    let listener = BlockingListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let stream = connect(address, &TUNNEL)?;
    let told = wait(|| match stream.take_error()? {
        Some(error) => Ok(error.kind()),
        None => Err(ErrorKind::WouldBlock.into()),
    });
    assert_eq!(told?, ErrorKind::ConnectionRefused);
    Ok(())
}

fn congestion(stream: &TcpStream) -> io::Result<String> {
    let name = SockRef::from(stream).tcp_congestion()?;
    Ok(String::from_utf8_lossy(&name)
        .trim_end_matches('\0')
        .to_owned())
}

/// Shows something only where the system's default is BBR.
#[test]
fn no_bbr_within_this_machine() -> io::Result<()> {
    let plain = BlockingListener::bind("127.0.0.1:0")?;
    let default = SockRef::from(&plain).tcp_congestion()?;
    let default = String::from_utf8_lossy(&default)
        .trim_end_matches('\0')
        .to_owned();
    let wanted = if default.starts_with("bbr") {
        "reno"
    } else {
        &default
    };
    for address in ["127.0.0.1", "0.0.0.0"] {
        let listener = listen(any_port(address), &TUNNEL)?;
        let port = listener.local_addr()?.port();
        let near = connect(SocketAddr::new([127, 0, 0, 1].into(), port), &TUNNEL)?;
        let (far, peer) = accept(&listener)?;
        accepted(&far, peer, SocketAddr::from(([0, 0, 0, 0], 0)), &TUNNEL);
        assert_eq!(congestion(&near)?, wanted);
        assert_eq!(congestion(&far)?, wanted);
    }
    // A peer from elsewhere keeps what the administrator chose.
    let _near = Blocking::connect(plain.local_addr()?)?;
    let (far, _) = plain.accept()?;
    let far = TcpStream::from_std(far);
    accepted(
        &far,
        SocketAddr::new([192, 0, 2, 1].into(), 1),
        SocketAddr::from(([0, 0, 0, 0], 0)),
        &TUNNEL,
    );
    assert_eq!(congestion(&far)?, default);
    Ok(())
}

#[test]
fn knows_its_own_machine() {
    for (address, own) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:192.0.2.1", false),
        ("192.0.2.1", false),
        ("2001:db8::1", false),
        ("0.0.0.0", false),
    ] {
        assert_eq!(
            is_loopback(address.parse().expect("an address")),
            own,
            "{address}"
        );
    }
}

/// A hasty connection, accepted or made by us, and a peer that is not ours.
fn hasty(made_by_us: bool) -> io::Result<(TcpStream, Blocking)> {
    if made_by_us {
        let listener = BlockingListener::bind("127.0.0.1:0")?;
        let ours = connect(listener.local_addr()?, &HASTY)?;
        Ok((ours, listener.accept()?.0))
    } else {
        let listener = listen(any_port("127.0.0.1"), &HASTY)?;
        let peer = Blocking::connect(listener.local_addr()?)?;
        Ok((accept(&listener)?.0, peer))
    }
}

/// From now on nothing reaches it, and it answers nothing: not even RST. False: some systems do not
/// let normal users do that.
fn vanish(peer: &Blocking) -> io::Result<bool> {
    const RETURN: u16 = 0x06;
    const NOTHING: u32 = 0;
    match SockRef::from(peer).attach_filter(&[SockFilter::new(RETURN, 0, 0, NOTHING)]) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!("skipped: {error}: no peer can be made to vanish");
            Ok(false)
        }
        result => result.map(|()| true),
    }
}

/// How long until the connection ends, and how; waits no longer than `longest`.
fn end_of(stream: &TcpStream, longest: Duration) -> io::Result<(Duration, ErrorKind)> {
    let socket = SockRef::from(stream);
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(longest))?;
    let since = Instant::now();
    let end = (&*stream).read(&mut [0]).map_err(|error| error.kind());
    Ok((since.elapsed(), end.expect_err("it sends nothing")))
}

fn fill(stream: &TcpStream) -> io::Result<usize> {
    let mut total = 0;
    loop {
        match (&*stream).write(&[0; 65_536]) {
            Ok(length) => total += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn a_vanished_peer_is_noticed_with_or_without_bytes_in_flight() -> io::Result<()> {
    let waits = [(true, false), (true, true), (false, false), (false, true)].map(|how| {
        std::thread::spawn(move || {
            let (made_by_us, in_flight) = how;
            let (ours, peer) = hasty(made_by_us)?;
            if !vanish(&peer)? {
                return Ok(None);
            }
            if in_flight {
                (&ours).write_all(b"x")?;
            }
            let end = end_of(&ours, Duration::from_secs(20));
            drop(peer);
            end.map(|end| Some((how, end)))
        })
    });
    for wait in waits {
        let Some((how, (after, end))) = wait.join().expect("no panic")? else {
            continue;
        };
        assert_eq!(end, ErrorKind::TimedOut, "{how:?}");
        // 1 s + 3 x 1 s, and the coarse timers of a busy machine.
        assert!(
            (3.5..9.0).contains(&after.as_secs_f64()),
            "{how:?}: {after:?}"
        );
    }
    Ok(())
}

#[test]
fn a_peer_that_pauses_for_long_is_not_a_vanished_one() -> io::Result<()> {
    let (ours, mut peer) = hasty(true)?;
    allow_stalls(&ours);
    assert_eq!(SockRef::from(&ours).tcp_user_timeout()?, None);
    let sent = fill(&ours)?;
    // Half as long again as the user timeout would have it.
    let (_, end) = end_of(&ours, Duration::from_secs(6))?;
    assert_eq!(end, ErrorKind::WouldBlock);
    let mut rest = vec![0; sent];
    peer.read_exact(&mut rest)?;
    Ok(())
}

#[test]
fn where_the_system_can_a_connection_with_stalls_still_notices() -> io::Result<()> {
    let (ours, peer) = hasty(true)?;
    if !sys::knows_retransmission_patience() {
        eprintln!("skipped: this kernel is older than 6.15");
        return Ok(());
    }
    allow_stalls(&ours);
    if !vanish(&peer)? {
        return Ok(());
    }
    (&ours).write_all(b"x")?;
    let (after, end) = end_of(&ours, Duration::from_secs(40))?;
    assert_eq!(end, ErrorKind::TimedOut);
    // 14.4 s, the least that the kernel's model allows.
    assert!((10.0..30.0).contains(&after.as_secs_f64()), "{after:?}");
    Ok(())
}
