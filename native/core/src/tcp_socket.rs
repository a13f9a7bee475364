//! STUB (helper sys). Makes TCP sockets with the options that every connection of ours has.
use mio::net::{TcpListener, TcpStream};
use std::io;
use std::net::SocketAddr;
/// Options of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    pub(crate) nodelay: bool,
    /// Keepalive: idle time before the first probe (0: off) and between probes (0: the system's).
    pub(crate) keepalive_ms: u64,
    pub(crate) keepalive_interval_ms: u64,
    /// Whether unacknowledged bytes end the connection when keepalive would (TCP_USER_TIMEOUT).
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
}
/// A listener, backlog 4096; what it accepts inherits the options where the system does that.
pub(crate) fn listen(_address: SocketAddr, _options: &StreamOptions) -> io::Result<TcpListener> {
    todo!()
}
/// Sets what an accepted connection did not inherit.
pub(crate) fn accepted(_stream: &TcpStream, _peer: SocketAddr, _options: &StreamOptions) {
    todo!()
}
/// Begins to connect.
pub(crate) fn connect(_address: SocketAddr, _options: &StreamOptions) -> io::Result<TcpStream> {
    todo!()
}
/// The number of the socket's descriptor; -1 where there is none.
pub(crate) fn descriptor(_stream: &TcpStream) -> i64 {
    todo!()
}
