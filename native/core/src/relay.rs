//! STUB (founder). Moves bytes both ways between two links.
use crate::context::SharedFacts;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::tcp_link::TcpLink;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// What a relay needs to know to end well.
pub(crate) struct RelayOptions {
    pub(crate) facts: SharedFacts,
    /// For the access log; unknown on a client.
    pub(crate) visitor: Option<SocketAddr>,
    pub(crate) since: Instant,
    /// What a broken link is called here.
    pub(crate) near_broken: EndReason,
    pub(crate) far_broken: EndReason,
    /// Bytes of the in direction that were read before.
    pub(crate) already_in: u64,
    /// Of those, what still has to be written to `far`, ahead of everything else.
    pub(crate) unwritten: Vec<u8>,
}

/// Relays until both directions have ended or a link broke, then counts the visitor's end (reason,
/// access record, `visitors_open` -1, drain watch). Runs as the caller's task, whose owner must be
/// `Owner::Visitor`; it may go on as another task on another shard.
pub(crate) async fn relay(
    _shard: &Rc<Shard>,
    _near: TcpLink,
    _far: TcpLink,
    _options: RelayOptions,
) {
    todo!()
}
