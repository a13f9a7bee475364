//! A control channel as ordered bytes: reads and writes while the control plane holds it, a routine
//! while a session has it attached. See `ControlStream` in `ts/engine/engine.ts`.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;

use crate::client_session::ClientSession;
use crate::context::{Context, StreamHome};
use crate::dial::{DialError, DialOptions, dial};
use crate::reason::EndReason;
use crate::server_session::ServerSession;
use crate::shard::{Service, Shard};
use crate::spec::DialSpec;
use crate::task::{Cancelled, TaskId};
use crate::tcp_link::TcpLink;
use crate::tcp_socket::StreamOptions;
use crate::upcall::{ListenerId, ServiceId, SessionId, StreamId, Upcall, lock};

/// Reading stops here; a command is 4 bytes, a hello 37.
const UNREAD_MAX_BYTES: usize = 4_096;
/// Reads before other tasks have their turn.
const READS_PER_TURN: usize = 16;

/// A place among the unauthenticated connections of an address.
pub(crate) struct Admitted {
    context: Arc<Context>,
    address: IpAddr,
}

impl Admitted {
    /// # Errors
    /// Why there is none.
    pub(crate) fn enter(context: &Arc<Context>, address: IpAddr) -> Result<Self, EndReason> {
        context.admission().enter(address)?;
        Ok(Self {
            context: Arc::clone(context),
            address,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.context.admission().leave(self.address);
    }
}

/// Who has the stream.
enum Holder {
    ControlPlane,
    Server(Rc<ServerSession>),
    Client(Rc<ClientSession>),
}

struct State {
    /// Absent while it is being dialled and when it is over.
    link: Option<TcpLink>,
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

/// What is left of a turn.
enum Next {
    Wait(Option<Instant>),
    Yield,
    Over,
}

/// A stream on its way to another shard.
struct Parcel {
    id: StreamId,
    listener: Option<ListenerId>,
    peer: SocketAddr,
    stream: TcpStream,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    wanted: Option<usize>,
    tell_flushed: bool,
}

impl ControlStream {
    fn new(
        shard: &Rc<Shard>,
        id: StreamId,
        listener: Option<ListenerId>,
        peer: SocketAddr,
        link: Option<TcpLink>,
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
        link: TcpLink,
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
            stream: StreamOptions {
                nodelay: true,
                keepalive_ms: spec.tcp.keepalive_ms,
                keepalive_interval_ms: spec.tcp.keepalive_interval_ms,
                user_timeout: true,
            },
            first: None,
        };
        let dialled = Box::pin(dial(&self.shard, &spec.remote, &options)).await;
        let stream = self.id;
        match dialled {
            Ok((link, peer)) => {
                self.peer.set(peer);
                self.state.borrow_mut().link = Some(link);
                self.shard.context.upcall(Upcall::Dialed { stream, peer });
                self.start();
            }
            Err(error) => {
                self.shard.streams.borrow_mut().remove(&stream);
                lock(&self.shard.context.streams).remove(&stream);
                let (tried, error, aborted) = match error {
                    DialError::Cancelled(_) => (String::new(), None, true),
                    DialError::Failed { tried, error } => (tried, error, false),
                };
                self.shard.context.upcall(Upcall::DialFailed {
                    stream,
                    tried,
                    error,
                    aborted,
                });
            }
        }
    }

    pub(crate) fn abort_dial(self: &Rc<Self>) {
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

    fn turn(&self) -> Next {
        if self.state.borrow().link.is_none() {
            return Next::Over;
        }
        if self.state.borrow().linger_until.is_some() {
            return self.linger();
        }
        if let Some(reason) = self.due() {
            self.end(reason);
            return Next::Over;
        }
        self.collect();
        if self.flush().is_err() {
            self.end(self.broken_reason());
            return Next::Over;
        }
        for _ in 0..READS_PER_TURN {
            self.process();
            match self.receive() {
                Ok(true) => {}
                Ok(false) => {
                    self.collect();
                    return self.rest();
                }
                Err(reason) => {
                    self.process();
                    self.end(reason);
                    return Next::Over;
                }
            }
        }
        Next::Yield
    }

    /// What a turn ends with: the next deadline.
    fn rest(&self) -> Next {
        let state = self.state.borrow();
        let Some(link) = &state.link else {
            return Next::Over;
        };
        // Unread bytes keep us from reading; a connection that breaks meanwhile is noticed.
        if link.is_broken() && link.take_error().is_some() {
            drop(state);
            self.end(self.broken_reason());
            return Next::Over;
        }
        let routine = match &state.holder {
            _ if state.suspended => None,
            Holder::ControlPlane => None,
            Holder::Server(session) => session.heartbeat_at(),
            Holder::Client(session) => session.deadline(),
        };
        let deadlines = [routine, state.handshake_until];
        Next::Wait(deadlines.into_iter().flatten().min())
    }

    /// The reason of a deadline that has passed.
    fn due(&self) -> Option<EndReason> {
        let now = self.shard.now();
        let state = self.state.borrow();
        if state.handshake_until.is_some_and(|at| at <= now) {
            return Some(EndReason::HandshakeTimeout);
        }
        match &state.holder {
            Holder::Client(session) if !state.suspended => {
                let passed = session.deadline().is_some_and(|at| at <= now);
                passed.then_some(EndReason::HeartbeatTimeout)
            }
            _ => None,
        }
    }

    /// Takes what a server's routine has to send.
    fn collect(&self) {
        let state = &mut *self.state.borrow_mut();
        if let Holder::Server(session) = &state.holder
            && !state.suspended
        {
            session.collect(&mut state.unwritten, self.shard.now());
        }
        if !state.unwritten.is_empty() {
            drop(self.flush_state(state));
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.flush_state(&mut self.state.borrow_mut())
    }

    fn flush_state(&self, state: &mut State) -> io::Result<()> {
        let Some(link) = &state.link else {
            return Ok(());
        };
        let mut written = 0;
        let result = loop {
            if written == state.unwritten.len() {
                break Ok(());
            }
            match link.try_write(&state.unwritten[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        state.unwritten.drain(..written);
        if state.unwritten.is_empty() && state.tell_flushed {
            state.tell_flushed = false;
            self.shard
                .context
                .upcall(Upcall::StreamFlushed { stream: self.id });
        }
        result
    }

    /// One read. False: wait.
    fn receive(&self) -> Result<bool, EndReason> {
        let state = &mut *self.state.borrow_mut();
        let Some(link) = &state.link else {
            return Ok(false);
        };
        if state.unread.len() >= UNREAD_MAX_BYTES {
            return Ok(false);
        }
        let mut buffer = self.shard.buffer.borrow_mut();
        let room = &mut buffer[..UNREAD_MAX_BYTES];
        match link.try_read(room) {
            Ok(0) if state.was_attached => Err(EndReason::ControlEof),
            Ok(0) => Err(EndReason::HandshakeEof),
            Ok(length) => {
                state.unread.extend_from_slice(&room[..length]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) if state.was_attached => Err(EndReason::ControlReset),
            Err(_) => Err(EndReason::HandshakeEof),
        }
    }

    fn broken_reason(&self) -> EndReason {
        if self.state.borrow().was_attached {
            EndReason::ControlReset
        } else {
            EndReason::HandshakeEof
        }
    }

    /// Gives what is unread to whoever has the stream.
    fn process(&self) {
        let session = {
            let state = self.state.borrow();
            if state.unread.is_empty() || state.end.is_some() {
                return;
            }
            match &state.holder {
                Holder::Client(session) if !state.suspended => Some(Rc::clone(session)),
                Holder::Server(_) if !state.suspended => None,
                _ => {
                    drop(state);
                    self.serve_read();
                    return;
                }
            }
        };
        let Some(session) = session else {
            self.suspend();
            return;
        };
        let mut unread = std::mem::take(&mut self.state.borrow_mut().unread);
        let consumed = session.bytes(&unread);
        unread.drain(..consumed.used);
        self.state.borrow_mut().unread = unread;
        if consumed.surplus {
            self.suspend();
        }
    }

    fn suspend(&self) {
        let session = {
            let state = &mut *self.state.borrow_mut();
            state.suspended = true;
            match &state.holder {
                Holder::ControlPlane => return,
                Holder::Server(session) => {
                    session.suspend();
                    session.id()
                }
                Holder::Client(session) => {
                    session.suspended();
                    session.id
                }
            }
        };
        self.shard.context.upcall(Upcall::Surplus {
            service: self.service.get(),
            session,
        });
    }

    fn serve_read(&self) {
        let state = &mut *self.state.borrow_mut();
        if let Some(length) = state.wanted
            && state.unread.len() >= length
        {
            state.wanted = None;
            let bytes = state.unread.drain(..length).collect();
            self.shard.context.upcall(Upcall::StreamRead {
                stream: self.id,
                bytes,
            });
        }
    }

    /// After `finish`: flushes, sends FIN, discards.
    fn linger(&self) -> Next {
        let broken = self.flush().is_err();
        self.send_fin();
        let over = broken || self.discard();
        let state = &mut *self.state.borrow_mut();
        if over || state.linger_until.is_none_or(|at| at <= self.shard.now()) {
            drop(state.admitted.take());
            drop(state.link.take());
            return Next::Over;
        }
        Next::Wait(state.linger_until)
    }

    fn send_fin(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.unwritten.is_empty() && !state.fin_sent {
            state.fin_sent = true;
            if let Some(link) = &state.link {
                // A connection that is gone already needs none.
                let _ = link.finish();
            }
        }
    }

    /// True: the peer has ended, and everything written is on its way.
    fn discard(&self) -> bool {
        let state = self.state.borrow();
        let Some(link) = &state.link else { return true };
        let mut buffer = self.shard.buffer.borrow_mut();
        for _ in 0..READS_PER_TURN {
            match link.try_read(&mut buffer) {
                Ok(0) => return state.unwritten.is_empty() && state.fin_sent,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        self.nudge();
        false
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
        let (holder, unread, was_attached) = {
            let mut state = self.state.borrow_mut();
            state.end = Some(reason);
            state.handshake_until = None;
            let holder = std::mem::replace(&mut state.holder, Holder::ControlPlane);
            (
                holder,
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
            unread,
        });
        match holder {
            Holder::ControlPlane => {}
            Holder::Server(session) => session.ended(reason),
            Holder::Client(session) => session.ended(reason),
        }
        if self.listener.is_some() && !was_attached {
            context.reject_tunnel(reason, self.peer.get());
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

/// Ends the control streams that came in at that listener.
pub(crate) fn end_of_listener(shard: &Rc<Shard>, listener: ListenerId, reason: EndReason) {
    let streams: Vec<_> = shard.streams.borrow().values().cloned().collect();
    for stream in streams {
        if stream.listener == Some(listener) {
            stream.end(reason);
        }
    }
}

/// Sends a held stream to the shard of its service.
pub(crate) fn hand_over(
    shard: &Rc<Shard>,
    id: StreamId,
    home: usize,
    service: ServiceId,
    session: SessionId,
) {
    let found = shard.streams.borrow().get(&id).cloned();
    let Some(stream) = found else {
        let reason = match lock(&shard.context.streams).get(&id) {
            Some(StreamHome::Ended(reason)) => *reason,
            _ => EndReason::ControlReset,
        };
        shard
            .remote(home)
            .post(move |shard| arrive(shard, service, session, Err(reason)));
        return;
    };
    if home == shard.index {
        arrive(shard, service, session, Ok(stream));
        return;
    }
    shard.streams.borrow_mut().remove(&id);
    let parcel = pack(&stream);
    shard.remote(home).post(move |shard| {
        let stream = parcel.map_err(|_| EndReason::ControlReset);
        let stream = stream.and_then(|parcel| unpack(shard, parcel));
        arrive(shard, service, session, stream);
    });
}

/// Takes the connection out; the old stream's task ends without a word.
fn pack(stream: &ControlStream) -> io::Result<Parcel> {
    let mut state = stream.state.borrow_mut();
    let link = state.link.take().ok_or(io::ErrorKind::NotConnected)?;
    drop(state.admitted.take());
    state.end = Some(EndReason::SessionEnd);
    let parcel = Parcel {
        id: stream.id,
        listener: stream.listener,
        peer: stream.peer.get(),
        unread: std::mem::take(&mut state.unread),
        unwritten: std::mem::take(&mut state.unwritten),
        wanted: state.wanted.take(),
        tell_flushed: state.tell_flushed,
        stream: link.into_stream()?,
    };
    drop(state);
    stream.nudge();
    Ok(parcel)
}

fn unpack(shard: &Rc<Shard>, parcel: Parcel) -> Result<Rc<ControlStream>, EndReason> {
    let Parcel {
        id,
        listener,
        peer,
        stream,
        unread,
        unwritten,
        wanted,
        tell_flushed,
    } = parcel;
    let link = TcpLink::adopt(shard, stream).map_err(|_| EndReason::ControlReset)?;
    let stream = ControlStream::new(shard, id, listener, peer, Some(link));
    {
        let mut state = stream.state.borrow_mut();
        state.was_attached = true;
        state.unread = unread;
        state.unwritten = unwritten;
        state.wanted = wanted;
        state.tell_flushed = tell_flushed;
    }
    stream.start();
    Ok(stream)
}

/// The session's stream has come, or had ended before it could.
pub(crate) fn arrive(
    shard: &Rc<Shard>,
    service: ServiceId,
    session: SessionId,
    stream: Result<Rc<ControlStream>, EndReason>,
) {
    if let Ok(stream) = &stream {
        stream.service.set(service);
    }
    let found = shard.services.borrow().get(&service).cloned();
    match found {
        Some(Service::Server(it)) => it.arrive(session, stream),
        Some(Service::Client(it)) => it.arrive(session, stream),
        None => {
            if let Ok(stream) = stream {
                stream.destroy(EndReason::ServiceClosed);
            }
            let reason = EndReason::ServiceClosed;
            shard.context.upcall(Upcall::SessionEnded {
                service,
                session,
                reason,
            });
        }
    }
}
