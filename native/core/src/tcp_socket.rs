//! Makes TCP sockets with the options that every connection of ours has.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::spec::TcpSpec;
use crate::sys;

const BACKLOG: i32 = 4_096;
/// Unanswered probes after which keepalive gives up.
const KEEPALIVE_PROBES: u32 = 3;
/// More is refused by Linux.
const KEEPALIVE_MAX_SECS: u64 = 32_767;
/// Between probes, where nobody chose: the default of Linux.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(75);

/// Options of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    pub(crate) nodelay: bool,
    /// Keepalive: idle time before the first probe (0: off) and between probes (0: the system's).
    pub(crate) keepalive_ms: u64,
    pub(crate) keepalive_interval_ms: u64,
    /// Whether bytes that nobody acknowledges end the connection when keepalive would end a quiet
    /// one. See [`allow_stalls`].
    pub(crate) user_timeout: bool,
}

impl StreamOptions {
    /// Of visitors and local services: nodelay, keepalive of 60 s.
    pub(crate) const PLAIN: Self = Self {
        nodelay: true,
        keepalive_ms: 60_000,
        keepalive_interval_ms: 0,
        user_timeout: false,
    };

    /// Of tunnel connections: as the transport says.
    pub(crate) fn tunnel(tcp: &TcpSpec, nodelay: bool) -> Self {
        Self {
            nodelay,
            keepalive_ms: tcp.keepalive_ms,
            keepalive_interval_ms: tcp.keepalive_interval_ms,
            user_timeout: true,
        }
    }

    /// A socket on which one of them fails works without it.
    fn set_on(&self, socket: &Socket) {
        if self.nodelay {
            let _ = socket.set_tcp_nodelay(true);
        }
        if self.keepalive_ms == 0 {
            return;
        }
        let idle = whole_seconds(self.keepalive_ms);
        let mut keepalive = TcpKeepalive::new().with_time(idle);
        if self.keepalive_interval_ms > 0 {
            keepalive = keepalive
                .with_interval(whole_seconds(self.keepalive_interval_ms))
                .with_retries(KEEPALIVE_PROBES);
        }
        let _ = socket.set_tcp_keepalive(&keepalive);
        if self.user_timeout {
            let interval = match self.keepalive_interval_ms {
                0 => INTERVAL_DEFAULT,
                chosen => whole_seconds(chosen),
            };
            let patience = idle + interval * KEEPALIVE_PROBES;
            // With it, Linux lets keepalive give up at this time and not by the count of probes: on
            // a quiet connection that is the same moment, the one after the third probe.
            sys::set_user_timeout(socket, Some(patience));
            sys::set_retransmission_patience(socket, patience);
        }
    }
}

fn whole_seconds(milliseconds: u64) -> Duration {
    Duration::from_secs((milliseconds / 1_000).clamp(1, KEEPALIVE_MAX_SECS))
}

/// A listener, backlog 4096; what it accepts inherits the options where the system does that. On an
/// address of IPv6 it takes IPv4 as well, as Node's do.
pub(crate) fn listen(address: SocketAddr, options: &StreamOptions) -> io::Result<TcpListener> {
    let socket = open(address)?;
    // On Windows it would let another process take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if sys::LISTENER_OPTIONS_INHERITED {
        options.set_on(&socket);
        if is_loopback(address.ip()) {
            sys::avoid_bbr(&socket);
        }
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Options of what the listener accepts from now on.
pub(crate) fn update(listener: &TcpListener, options: &StreamOptions) {
    if !sys::LISTENER_OPTIONS_INHERITED {
        return;
    }
    let socket = SockRef::from(listener);
    // What it had is undone first: options that are off are not set.
    let _ = socket.set_tcp_nodelay(false);
    let _ = socket.set_keepalive(false);
    sys::set_user_timeout(&socket, None);
    sys::set_retransmission_patience(&socket, Duration::MAX);
    options.set_on(&socket);
}

/// Sets what an accepted connection did not inherit from the listener at `bound`. On Linux only one
/// over loopback, to a listener of all addresses, costs anything.
pub(crate) fn accepted(
    stream: &TcpStream,
    peer: SocketAddr,
    bound: SocketAddr,
    options: &StreamOptions,
) {
    let socket = SockRef::from(stream);
    if !sys::LISTENER_OPTIONS_INHERITED {
        options.set_on(&socket);
    }
    let inherited = sys::LISTENER_OPTIONS_INHERITED && is_loopback(bound.ip());
    if is_loopback(peer.ip()) && !inherited {
        sys::avoid_bbr(&socket);
    }
}

/// Begins to connect.
pub(crate) fn connect(address: SocketAddr, options: &StreamOptions) -> io::Result<TcpStream> {
    let socket = open(address)?;
    options.set_on(&socket);
    if is_loopback(address.ip()) {
        sys::avoid_bbr(&socket);
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Only a connected socket has a peer. (Windows answers too early.)
///
/// # Errors
/// Where nobody listens, a socket that is given that very port as its own connects to itself: the
/// visitor would hear its own bytes, and the local service could not take its port again.
pub(crate) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    let Ok(peer) = stream.peer_addr() else {
        return Ok(false);
    };
    if stream.local_addr().is_ok_and(|own| own == peer) {
        reset_on_close(stream);
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(true)
}

/// Dropping it will send RST.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    // A socket that is not connected any more cannot send one.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// For a tunnel connection that is about to carry a visitor's bytes. To the system, a peer that takes
/// nothing for long is as good as one that does not answer, and the user timeout ends both; but here
/// it may be a visitor who paused a download. From now on only an unanswered connection ends, where
/// the system can tell (Linux 6.15); elsewhere that takes it a quarter of an hour.
pub(crate) fn allow_stalls(stream: &TcpStream) {
    sys::set_user_timeout(&SockRef::from(stream), None);
}

/// The number of the socket's descriptor; -1 where there is none.
pub(crate) fn descriptor(stream: &TcpStream) -> i64 {
    #[cfg(unix)]
    return i64::from(std::os::fd::AsRawFd::as_raw_fd(stream));
    #[cfg(not(unix))]
    {
        let _ = stream;
        -1
    }
}

/// Non-blocking, and closed in child processes.
fn open(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM;
    #[cfg(target_os = "linux")]
    let kind = kind.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    #[cfg(not(target_os = "linux"))]
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Also of an IPv4 address within IPv6, as a listener for both has it.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

#[cfg(all(test, target_os = "linux"))]
#[path = "tcp_socket_tests.rs"]
mod tests;
