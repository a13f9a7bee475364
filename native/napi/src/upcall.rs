//! What the engine tells the control plane: one object for each upcall, told apart by its `type`.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use warren_core::{EndReason, SystemError, Upcall};

use crate::event::{BindingAddress, BindingEvent};

/// An error of the system: its code (`EADDRINUSE`), where there is one, and its text.
#[napi(object, object_from_js = false)]
pub struct BindingSystemError {
    pub code: Option<String>,
    pub message: String,
}

impl From<SystemError> for BindingSystemError {
    fn from(SystemError { code, message }: SystemError) -> Self {
        Self { code, message }
    }
}

#[napi(object_from_js = false, discriminant_case = "snake_case")]
pub enum BindingUpcall {
    Listening {
        listener: u32,
        address: BindingAddress,
    },
    ListenFailed {
        listener: u32,
        error: BindingSystemError,
    },
    ListenerClosed {
        listener: u32,
    },
    Control {
        listener: u32,
        stream: u32,
        digest: Buffer,
        peer: BindingAddress,
    },
    Dialed {
        stream: u32,
        peer: BindingAddress,
    },
    DialFailed {
        stream: u32,
        tried: String,
        #[napi(ts_type = "EndReason")]
        refusal: Option<&'static str>,
        error: Option<BindingSystemError>,
        aborted: bool,
    },
    StreamRead {
        stream: u32,
        bytes: Buffer,
    },
    StreamFlushed {
        stream: u32,
    },
    StreamEnded {
        stream: u32,
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
        error: Option<String>,
        unread: Buffer,
    },
    Address {
        service: u32,
        address: Option<BindingAddress>,
    },
    Surplus {
        service: u32,
        session: u32,
    },
    SessionEnded {
        service: u32,
        session: u32,
        #[napi(ts_type = "EndReason")]
        reason: &'static str,
    },
    ServiceClosed {
        service: u32,
    },
    Events {
        events: Vec<BindingEvent>,
    },
}

impl From<Upcall> for BindingUpcall {
    fn from(upcall: Upcall) -> Self {
        match upcall {
            Upcall::Listening { listener, address } => Self::Listening {
                listener,
                address: address.into(),
            },
            Upcall::ListenFailed { listener, error } => Self::ListenFailed {
                listener,
                error: error.into(),
            },
            Upcall::ListenerClosed { listener } => Self::ListenerClosed { listener },
            Upcall::Control {
                listener,
                stream,
                digest,
                peer,
            } => Self::Control {
                listener,
                stream,
                digest: digest.into(),
                peer: peer.into(),
            },
            Upcall::Dialed { stream, peer } => Self::Dialed {
                stream,
                peer: peer.into(),
            },
            Upcall::DialFailed {
                stream,
                tried,
                refusal,
                error,
                aborted,
            } => Self::DialFailed {
                stream,
                tried,
                refusal: refusal.map(EndReason::code),
                error: error.map(Into::into),
                aborted,
            },
            Upcall::StreamRead { stream, bytes } => Self::StreamRead {
                stream,
                bytes: bytes.into(),
            },
            Upcall::StreamFlushed { stream } => Self::StreamFlushed { stream },
            Upcall::StreamEnded {
                stream,
                reason,
                error,
                unread,
            } => Self::StreamEnded {
                stream,
                reason: reason.code(),
                error,
                unread: unread.into(),
            },
            Upcall::Address { service, address } => Self::Address {
                service,
                address: address.map(Into::into),
            },
            Upcall::Surplus { service, session } => Self::Surplus { service, session },
            Upcall::SessionEnded {
                service,
                session,
                reason,
            } => Self::SessionEnded {
                service,
                session,
                reason: reason.code(),
            },
            Upcall::ServiceClosed { service } => Self::ServiceClosed { service },
            Upcall::Events(events) => Self::Events {
                events: events.into_iter().map(Into::into).collect(),
            },
        }
    }
}
