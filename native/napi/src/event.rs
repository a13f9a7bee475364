//! Events cross as objects of exactly the shapes in `ts/engine/events.ts`.

use std::net::SocketAddr;

use napi::Either;
use napi::bindgen_prelude::Undefined;
use napi_derive::napi;
use warren_core::Event;

use crate::spec::protocol_name;

/// A field that is always there, `undefined` included.
type OrUndefined<T> = Either<T, Undefined>;

fn or_undefined<T, Js: From<T>>(value: Option<T>) -> OrUndefined<Js> {
    value.map_or(Either::B(()), |value| Either::A(value.into()))
}

/// An address without brackets.
#[napi(object, object_from_js = false)]
pub struct BindingAddress {
    pub host: String,
    pub port: u16,
}

impl From<SocketAddr> for BindingAddress {
    fn from(address: SocketAddr) -> Self {
        // A scope is part of a host, as in Node; a flow label is nobody's.
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        Self {
            host,
            port: address.port(),
        }
    }
}

#[napi(object_from_js = false, discriminant_case = "snake_case")]
pub enum BindingEvent {
    VisitorEnd {
        service: String,
        #[napi(ts_type = "ServiceType")]
        protocol: &'static str,
        #[napi(ts_type = "BindingAddress | undefined")]
        visitor: OrUndefined<BindingAddress>,
        bytes_in: f64,
        bytes_out: f64,
        duration_ms: f64,
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
    },
    Bound {
        service: String,
        address: BindingAddress,
    },
    BindFailed {
        service: String,
        address: String,
        error: String,
        attempt: u32,
    },
    TunnelRejected {
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
        #[napi(ts_type = "BindingAddress | undefined")]
        peer: OrUndefined<BindingAddress>,
        #[napi(ts_type = "string | undefined")]
        error: OrUndefined<String>,
        count: f64,
    },
    VisitorRefused {
        service: String,
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
        #[napi(ts_type = "string | undefined")]
        error: OrUndefined<String>,
        count: f64,
    },
    ChannelFailed {
        service: String,
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
        #[napi(ts_type = "string | undefined")]
        error: OrUndefined<String>,
        count: f64,
    },
    AcceptFailed {
        address: String,
        error: String,
    },
    Fault {
        #[napi(js_name = "where")]
        place: String,
        error: String,
        #[napi(ts_type = "string | undefined")]
        stack: OrUndefined<String>,
    },
    EventsLost {
        count: f64,
    },
}

impl From<Event> for BindingEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::VisitorEnd {
                service,
                protocol,
                visitor,
                bytes_in,
                bytes_out,
                duration_ms,
                reason,
            } => Self::VisitorEnd {
                service,
                protocol: protocol_name(protocol),
                visitor: or_undefined(visitor),
                bytes_in: bytes_in as f64,
                bytes_out: bytes_out as f64,
                duration_ms: duration_ms as f64,
                reason: reason.code(),
            },
            Event::Bound { service, address } => Self::Bound {
                service,
                address: address.into(),
            },
            Event::BindFailed {
                service,
                address,
                error,
                attempt,
            } => Self::BindFailed {
                service,
                address,
                error,
                attempt,
            },
            Event::TunnelRejected {
                reason,
                peer,
                error,
                count,
            } => Self::TunnelRejected {
                reason: reason.code(),
                peer: or_undefined(peer),
                error: or_undefined(error),
                count: count as f64,
            },
            Event::VisitorRefused {
                service,
                reason,
                error,
                count,
            } => Self::VisitorRefused {
                service,
                reason: reason.code(),
                error: or_undefined(error),
                count: count as f64,
            },
            Event::ChannelFailed {
                service,
                reason,
                error,
                count,
            } => Self::ChannelFailed {
                service,
                reason: reason.code(),
                error: or_undefined(error),
                count: count as f64,
            },
            Event::AcceptFailed { address, error } => Self::AcceptFailed { address, error },
            Event::Fault {
                place,
                error,
                stack,
            } => Self::Fault {
                place,
                error,
                stack: or_undefined(stack),
            },
            Event::EventsLost { count } => Self::EventsLost {
                count: count as f64,
            },
        }
    }
}
