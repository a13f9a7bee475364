//! STUB (helper client). Names to addresses, off the shard's thread.
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::task::Cancelled;
use crate::upcall::SystemError;
use std::net::SocketAddr;
use std::rc::Rc;
/// All addresses of a name, in the resolver's order; with `prefer_ipv6` those first. A literal is
/// itself, at once.
pub(crate) async fn resolve(
    _shard: &Rc<Shard>,
    _to: &HostPort,
    _prefer_ipv6: bool,
) -> Result<Result<Vec<SocketAddr>, SystemError>, Cancelled> {
    todo!()
}
