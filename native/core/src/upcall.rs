//! What the engine tells the control plane, in order. Upcalls are collected and taken in batches:
//! one wake-up of the control plane for all that has come meanwhile.

use std::net::SocketAddr;
use std::sync::Mutex;

use crate::events::Event;
use crate::reason::EndReason;

/// Names of things that the control plane holds. Those of listeners, services, sessions, reads and
/// dialled streams are the control plane's; streams that come in at a listener get theirs here, from
/// `FIRST_ACCEPTED_STREAM` on.
pub type ListenerId = u32;
pub type StreamId = u32;
pub type ServiceId = u32;
pub type SessionId = u32;

pub(crate) const FIRST_ACCEPTED_STREAM: StreamId = 1 << 31;

/// An error of the system: its code (`EADDRINUSE`), where there is one, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    pub code: Option<String>,
    pub message: String,
}

impl SystemError {
    pub(crate) fn is_in_use(&self) -> bool {
        self.code.as_deref() == Some("EADDRINUSE")
    }
}

#[derive(Debug)]
pub enum Upcall {
    /// A tunnel listener is bound.
    Listening {
        listener: ListenerId,
        address: SocketAddr,
    },
    ListenFailed {
        listener: ListenerId,
        error: SystemError,
    },
    /// Its port is free.
    ListenerClosed {
        listener: ListenerId,
    },
    /// A control hello came; the stream is held.
    Control {
        listener: ListenerId,
        stream: StreamId,
        digest: Vec<u8>,
        peer: SocketAddr,
    },
    Dialed {
        stream: StreamId,
        peer: SocketAddr,
    },
    /// `tried`: what was tried and how it failed, one text. `refusal`: the server or the proxy was
    /// reached, and this is why its handshake failed. `aborted`: by `abort_dial`.
    DialFailed {
        stream: StreamId,
        tried: String,
        refusal: Option<EndReason>,
        error: Option<SystemError>,
        aborted: bool,
    },
    /// The bytes that `stream_read` asked for.
    StreamRead {
        stream: StreamId,
        bytes: Vec<u8>,
    },
    /// All that was written so far is with the system.
    StreamFlushed {
        stream: StreamId,
    },
    /// It is over, whoever has it; `unread` is what nobody has taken. `error`: more than the reason
    /// says. The end of a session follows.
    StreamEnded {
        stream: StreamId,
        reason: EndReason,
        error: Option<String>,
        unread: Vec<u8>,
    },
    /// A server's service is bound there, or not bound any more.
    Address {
        service: ServiceId,
        address: Option<SocketAddr>,
    },
    /// The session's routine is suspended; its stream is held again.
    Surplus {
        service: ServiceId,
        session: SessionId,
    },
    SessionEnded {
        service: ServiceId,
        session: SessionId,
        reason: EndReason,
    },
    /// Nothing of the service is left.
    ServiceClosed {
        service: ServiceId,
    },
    Events(Vec<Event>),
}

/// So many may wait for a control plane that is slow; beyond that, no control hello is taken.
pub(crate) const UPCALLS_WAITING_MAX: usize = 4_096;

/// The queue of upcalls. `notify` is called, on whatever thread, when it gets its first entry.
pub(crate) struct Upcalls {
    queue: Mutex<Vec<Upcall>>,
    notify: Box<dyn Fn() + Send + Sync>,
}

impl Upcalls {
    pub(crate) fn new(notify: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            queue: Mutex::new(Vec::new()),
            notify,
        }
    }

    pub(crate) fn push(&self, upcall: Upcall) {
        let first = {
            let mut queue = lock(&self.queue);
            queue.push(upcall);
            queue.len() == 1
        };
        if first {
            (self.notify)();
        }
    }

    /// How many the control plane has not taken yet.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    pub(crate) fn take(&self) -> Vec<Upcall> {
        std::mem::take(&mut *lock(&self.queue))
    }
}

/// A panic while a lock was held leaves plain data behind, so poison means nothing here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
