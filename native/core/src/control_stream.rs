//! A control channel as ordered bytes: reads and writes while the control plane holds it, a routine
//! while a session has it attached. See `ControlStream` in `ts/engine/engine.ts`.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::admission::Admitted;
use crate::client_session::ClientSession;
use crate::context::StreamHome;
use crate::dial::{DialError, DialOptions};
use crate::link::Link;
use crate::reason::EndReason;
use crate::server_session::ServerSession;
use crate::shard::Shard;
use crate::spec::DialSpec;
use crate::task::{Cancelled, TaskId};
use crate::tcp_socket::StreamOptions;
use crate::transport::codec::Refused;
use crate::transport::target::Target;
use crate::upcall::{ListenerId, ServiceId, StreamId, Upcall, lock};

mod linger;
mod parcel;
mod turn;

pub(crate) use parcel::{arrive, end_of_listener, hand_over};
use turn::Next;

/// Bytes that a peer who does not read may leave queued.
pub(crate) const BACKLOG_MAX_BYTES: usize = 65_536;

/// What a session's routine made of bytes that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consumed {
    pub(crate) used: usize,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    /// What is left is not the routine's.
    Suspend,
    /// The peer has ended the session, or broke its rules.
    End(EndReason),
}

/// Who has the stream.
#[derive(Clone)]
enum Holder {
    ControlPlane,
    Server(Rc<ServerSession>),
    Client(Rc<ClientSession>),
}

struct State {
    /// Absent while it is being dialled and when it is over.
    link: Option<Link>,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    /// Bytes that a read of the control plane waits for.
    wanted: Option<usize>,
    /// A write of the control plane waits to be told.
    tell_flushed: bool,
    holder: Holder,
    /// The holder's routine is suspended: the control plane reads and writes.
    suspended: bool,
    /// The handshake is behind it.
    was_attached: bool,
    end: Option<EndReason>,
    /// After `finish`: what the peer sends is discarded until its FIN or then.
    linger_until: Option<Instant>,
    fin_sent: bool,
    handshake_until: Option<Instant>,
    admitted: Option<Admitted>,
}

pub(crate) struct ControlStream {
    shard: Rc<Shard>,
    id: StreamId,
    /// Where it came in.
    listener: Option<ListenerId>,
    peer: Cell<SocketAddr>,
    service: Cell<ServiceId>,
    task: Cell<TaskId>,
    state: RefCell<State>,
}

impl ControlStream {
    fn new(
        shard: &Rc<Shard>,
        id: StreamId,
        listener: Option<ListenerId>,
        peer: SocketAddr,
        link: Option<Link>,
    ) -> Rc<Self> {
        let state = State {
            link,
            unread: Vec::new(),
            unwritten: Vec::new(),
            wanted: None,
            tell_flushed: false,
            holder: Holder::ControlPlane,
            suspended: false,
            was_attached: false,
            end: None,
            linger_until: None,
            fin_sent: false,
            handshake_until: None,
            admitted: None,
        };
        let stream = Rc::new(Self {
            shard: Rc::clone(shard),
            id,
            listener,
            peer: Cell::new(peer),
            service: Cell::new(0),
            task: Cell::new(TaskId::NONE),
            state: RefCell::new(state),
        });
        shard.streams.borrow_mut().insert(id, Rc::clone(&stream));
        stream
    }

    /// Takes a connection that showed a control hello; `unread` came behind it.
    pub(crate) fn accepted(
        link: Link,
        listener: ListenerId,
        peer: SocketAddr,
        unread: Vec<u8>,
        admitted: Admitted,
        handshake_until: Option<Instant>,
    ) -> Rc<Self> {
        let shard = Rc::clone(link.shard());
        let context = &shard.context;
        let id = context
            .next_stream
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        lock(&context.streams).insert(id, StreamHome::Shard(shard.index));
        let stream = Self::new(&shard, id, Some(listener), peer, Some(link));
        {
            let mut state = stream.state.borrow_mut();
            state.unread = unread;
            state.admitted = Some(admitted);
            state.handshake_until = handshake_until;
        }
        stream.start();
        stream
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// Dials a server. The stream exists from now on, for `abort_dial`.
    pub(crate) fn dial(shard: &Rc<Shard>, id: StreamId, spec: DialSpec) {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let stream = Self::new(shard, id, None, nowhere, None);
        let this = Rc::clone(&stream);
        let task = shard.spawn("control dial", async move { this.run_dial(spec).await });
        stream.task.set(task);
    }

    async fn run_dial(self: Rc<Self>, spec: DialSpec) {
        let options = DialOptions {
            timeout_ms: self.shard.context.limits.dial_timeout_ms,
            prefer_ipv6: spec.prefer_ipv6,
            stream: StreamOptions::tunnel(&spec.transport.tcp, true),
            first: None,
        };
        let mut guard = DialGuard(Some(Rc::clone(&self)));
        let target = Target::new(&self.shard, spec);
        let dialled = Box::pin(target.open(&self.shard, &options)).await;
        match dialled {
            Ok((link, peer)) => {
                self.peer.set(peer);
                self.state.borrow_mut().link = Some(link);
                self.start();
                guard.0 = None;
                let stream = self.id;
                self.shard.context.upcall(Upcall::Dialed { stream, peer });
            }
            Err(error) => guard.fail(error),
        }
    }

    pub(crate) fn abort_dial(&self) {
        if self.state.borrow().link.is_none() {
            self.shard
                .tasks
                .cancel(self.task.get(), EndReason::Destroyed);
        }
    }

    fn start(self: &Rc<Self>) {
        let this = Rc::clone(self);
        let task = self.shard.spawn("control stream", async move {
            let mut guard = EndGuard(Some(Rc::clone(&this)));
            if let Err(Cancelled(reason)) = this.run().await {
                this.end(reason);
            }
            guard.0 = None;
        });
        self.task.set(task);
    }

    async fn run(&self) -> Result<(), Cancelled> {
        if let Some(link) = &self.state.borrow().link {
            link.watch();
        }
        loop {
            match self.turn() {
                Next::Over => return Ok(()),
                Next::Yield => self.shard.tasks.yield_now().await?,
                Next::Wait(deadline) => self.shard.park(deadline).await?,
            }
        }
    }

    /// Lets the task look again.
    pub(crate) fn nudge(&self) {
        self.shard.tasks.wake(self.task.get());
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// Bytes that the peer has not taken yet.
    pub(crate) fn backlog(&self) -> usize {
        self.state.borrow().unwritten.len()
    }

    pub(crate) fn read(&self, length: usize) {
        self.state.borrow_mut().wanted = Some(length);
        self.serve_read();
        self.nudge();
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        {
            let mut state = self.state.borrow_mut();
            if state.end.is_some() {
                return;
            }
            state.unwritten.extend_from_slice(bytes);
            state.tell_flushed = true;
        }
        self.nudge();
    }

    /// Flushes, sends FIN and discards what comes until the peer's FIN or the linger time.
    pub(crate) fn finish(&self, reason: EndReason) {
        if self.state.borrow().end.is_some() {
            return;
        }
        let until = self.shard.after(self.shard.context.limits.linger_ms);
        self.state.borrow_mut().linger_until = until.or_else(|| Some(self.shard.now()));
        self.tell_end(reason);
        self.nudge();
    }

    /// As `finish`, behind these last bytes.
    pub(crate) fn farewell(&self, bytes: &[u8], reason: EndReason) {
        self.state.borrow_mut().unwritten.extend_from_slice(bytes);
        self.finish(reason);
    }

    /// Ends it now; an attached session hears of it by its `ended`.
    pub(crate) fn destroy(&self, reason: EndReason) {
        self.end(reason);
    }

    /// held -> attached to a server's session.
    pub(crate) fn attach_server(&self, session: Rc<ServerSession>) {
        self.attach(Holder::Server(session));
    }

    /// held -> attached to a client's session. Unread bytes go to it first.
    pub(crate) fn attach_client(&self, session: Rc<ClientSession>) {
        self.attach(Holder::Client(session));
    }

    fn attach(&self, holder: Holder) {
        {
            let mut state = self.state.borrow_mut();
            state.holder = holder;
            state.was_attached = true;
            state.handshake_until = None;
            drop(state.admitted.take());
            if let Some(link) = &state.link {
                link.set_nodelay(true);
            }
        }
        self.nudge();
    }

    /// suspended -> attached again. What is unread goes to the routine first.
    pub(crate) fn resume(&self) {
        self.state.borrow_mut().suspended = false;
        self.nudge();
    }

    fn end(&self, reason: EndReason) {
        if self.state.borrow().end.is_none() {
            self.tell_end(reason);
        }
        let (link, admitted) = {
            let mut state = self.state.borrow_mut();
            state.linger_until = None;
            (state.link.take(), state.admitted.take())
        };
        drop((link, admitted));
        self.nudge();
    }

    /// Tells the end, once, to whoever has the stream.
    fn tell_end(&self, reason: EndReason) {
        let (holder, error, unread, was_attached) = {
            let mut state = self.state.borrow_mut();
            state.end = Some(reason);
            state.handshake_until = None;
            let holder = std::mem::replace(&mut state.holder, Holder::ControlPlane);
            (
                holder,
                state.refusal(),
                std::mem::take(&mut state.unread),
                state.was_attached,
            )
        };
        let context = &self.shard.context;
        self.shard.streams.borrow_mut().remove(&self.id);
        lock(&context.streams).insert(self.id, StreamHome::Ended(reason));
        context.upcall(Upcall::StreamEnded {
            stream: self.id,
            reason,
            error,
            unread,
        });
        match holder {
            Holder::ControlPlane => {}
            Holder::Server(session) => session.ended(reason),
            Holder::Client(session) => session.ended(reason),
        }
        if self.listener.is_some() && !was_attached {
            context.reject_tunnel(reason, self.peer.get(), None);
        }
    }
}

/// A dial is answered, also when its task panicked.
struct DialGuard(Option<Rc<ControlStream>>);

impl DialGuard {
    fn fail(&mut self, error: DialError) {
        let Some(dialling) = self.0.take() else {
            return;
        };
        let (tried, refusal, error, aborted) = match error {
            DialError::Cancelled(_) => (String::new(), None, None, true),
            DialError::Failed { tried, error } => (tried, None, error, false),
            DialError::Refused(Refused { reason, text }) => (text, Some(reason), None, false),
        };
        let (shard, stream) = (&dialling.shard, dialling.id);
        shard.streams.borrow_mut().remove(&stream);
        lock(&shard.context.streams).remove(&stream);
        shard.context.upcall(Upcall::DialFailed {
            stream,
            tried,
            refusal,
            error,
            aborted,
        });
    }
}

impl Drop for DialGuard {
    fn drop(&mut self) {
        if let Some(dialling) = &self.0 {
            self.fail(match dialling.shard.unexpected_end() {
                EndReason::Destroyed => DialError::Cancelled(Cancelled(EndReason::Destroyed)),
                _ => DialError::Failed {
                    tried: "internal error".to_owned(),
                    error: None,
                },
            });
        }
    }
}

/// A task that panicked still ends its stream.
struct EndGuard(Option<Rc<ControlStream>>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.end(stream.shard.unexpected_end());
        }
    }
}

#[cfg(test)]
#[path = "control_stream_tests.rs"]
pub(crate) mod tests;
