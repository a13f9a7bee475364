//! Rare facts for the log and access records, as in `ts/engine/events.ts`, which has the contract.

use std::net::SocketAddr;

use crate::reason::EndReason;
use crate::spec::ServiceType;

pub const EVENT_BATCH_MAX: usize = 4_096;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    VisitorEnd {
        service: String,
        protocol: ServiceType,
        visitor: Option<SocketAddr>,
        bytes_in: u64,
        bytes_out: u64,
        duration_ms: u64,
        reason: EndReason,
    },
    Bound {
        service: String,
        address: SocketAddr,
    },
    BindFailed {
        service: String,
        address: String,
        error: String,
        attempt: u32,
    },
    TunnelRejected {
        reason: EndReason,
        peer: Option<SocketAddr>,
        error: Option<String>,
        count: u64,
    },
    VisitorRefused {
        service: String,
        reason: EndReason,
        error: Option<String>,
        count: u64,
    },
    ChannelFailed {
        service: String,
        reason: EndReason,
        error: Option<String>,
        count: u64,
    },
    AcceptFailed {
        address: String,
        error: String,
    },
    Fault {
        place: String,
        error: String,
        stack: Option<String>,
    },
    EventsLost {
        count: u64,
    },
}
