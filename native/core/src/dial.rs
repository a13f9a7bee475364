//! STUB (helper client). From a name and a port to a connected link.
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::task::Cancelled;
use crate::tcp_link::TcpLink;
use crate::tcp_socket::StreamOptions;
use crate::upcall::SystemError;
use std::net::SocketAddr;
use std::rc::Rc;
pub(crate) struct DialOptions {
    pub(crate) timeout_ms: u64,
    pub(crate) prefer_ipv6: bool,
    pub(crate) stream: StreamOptions,
    /// Tried before the addresses of the name.
    pub(crate) first: Option<SocketAddr>,
}
pub(crate) enum DialError {
    Cancelled(Cancelled),
    /// What was tried, and the last error of the system.
    Failed {
        tried: String,
        error: Option<SystemError>,
    },
}
pub(crate) async fn dial(
    _shard: &Rc<Shard>,
    _to: &HostPort,
    _options: &DialOptions,
) -> Result<(TcpLink, SocketAddr), DialError> {
    todo!()
}
/// The code and text of an error of the system, as Node has them.
pub(crate) fn system_error(_error: &std::io::Error) -> SystemError {
    todo!()
}
