//! The client's side of one udp data channel: a connected local socket per visitor, bounded, gone
//! after the idle time (wire-v1 3.3, W25). A local service that is down for a while costs datagrams,
//! not the session (W29).

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::context::{SharedFacts, VisitorEnd};
use crate::reason::EndReason;
use crate::resolve::{literal, resolve};
use crate::shard::Shard;
use crate::spec::ClientServiceSpec;
use crate::sys;
use crate::system_error::connect_error;
use crate::task::{Cancelled, TaskId};
use crate::udp_batch::{Batch, Mark};
use crate::udp_buffers::{with_batch, with_receiver};
use crate::udp_channel::{Malformed, Share, UdpChannel};
use crate::udp_frame::{Decoded, PAYLOAD_MAX, VisitorKey, decode};
use crate::udp_queue::DatagramQueue;
use crate::udp_socket::UdpLink;
use crate::udp_table::{Found, UdpTable};
use crate::upcall::SystemError;

/// Datagrams of one visitor that wait for its socket to be connected.
const CONNECTING_MAX: usize = 64;
/// Batches of one session before other tasks have their turn.
const BATCHES_PER_TURN: usize = 2;

struct LocalSession {
    key: VisitorKey,
    since: Instant,
    /// `None`: it is being made, or closed.
    link: RefCell<Option<UdpLink>>,
    waiting: RefCell<DatagramQueue<()>>,
    task: Cell<TaskId>,
    share: Cell<Share>,
    mark: Cell<Mark>,
    segment_max: Cell<u16>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
    ended: Cell<bool>,
}

/// What the locals of all channels of one service share.
pub(crate) struct LocalScene {
    pub(crate) shard: Rc<Shard>,
    pub(crate) facts: SharedFacts,
    pub(crate) spec: Rc<RefCell<ClientServiceSpec>>,
    pub(crate) sessions: Cell<usize>,
}

impl LocalScene {
    /// Whether the service may have one more session.
    fn has_room(&self) -> bool {
        let context = &self.shard.context;
        let sockets = context.udp_sockets.load(Relaxed);
        self.sessions.get() < context.limits.udp_sessions
            && sockets < context.descriptors.udp_sockets()
    }

    fn count(&self, change: isize) {
        let sessions = self.sessions.get().saturating_add_signed(change);
        self.sessions.set(sessions);
        self.facts.counters.visitors_open.store(sessions, Relaxed);
        let sockets = &self.shard.context.udp_sockets;
        sockets.fetch_add(change.cast_unsigned(), Relaxed);
    }

    fn dropped(&self, count: u64) {
        if count > 0 {
            let counters = &self.facts.counters;
            counters.datagrams_dropped.fetch_add(count, Relaxed);
        }
    }
}

pub(crate) struct UdpLocals {
    scene: Rc<LocalScene>,
    channel: Rc<UdpChannel>,
    sessions: RefCell<UdpTable<Rc<LocalSession>>>,
}

impl UdpLocals {
    pub(crate) fn new(scene: &Rc<LocalScene>, channel: &Rc<UdpChannel>) -> Rc<Self> {
        let limits = &scene.shard.context.limits;
        Rc::new(Self {
            scene: Rc::clone(scene),
            channel: Rc::clone(channel),
            sessions: RefCell::new(UdpTable::new(limits.udp_sessions, limits.udp_idle_ms)),
        })
    }

    fn now(&self) -> Instant {
        self.scene.shard.now()
    }

    /// Sends what the frames carry. Returns how many bytes were whole frames.
    pub(crate) fn deliver(self: &Rc<Self>, bytes: &[u8]) -> Result<usize, Malformed> {
        with_batch(|batch| {
            batch.begin();
            let mut at = 0;
            let result = loop {
                match decode(bytes, at) {
                    Decoded::Frame { key, payload } => {
                        at = payload.end;
                        if batch.is_full() {
                            self.send(batch, bytes);
                        }
                        if !self.sort(batch, bytes, &key, payload) {
                            self.scene.dropped(1);
                        }
                    }
                    Decoded::More => break Ok(at),
                    Decoded::Bad => break Err(Malformed),
                }
            };
            self.send(batch, bytes);
            result
        })
    }

    /// False: dropped.
    fn sort(
        self: &Rc<Self>,
        batch: &mut Batch,
        bytes: &[u8],
        key: &VisitorKey,
        payload: Range<usize>,
    ) -> bool {
        let found = self.sessions.borrow_mut().find(key, self.now());
        let index = match found {
            Found::Alive(index) => Some(index),
            Found::Idle(session) => {
                self.end(&session, EndReason::Idle);
                self.open(batch, bytes, key)
            }
            Found::Absent => self.open(batch, bytes, key),
        };
        let sessions = self.sessions.borrow();
        let Some((index, session)) = index.and_then(|it| Some((it, sessions.get(it)?))) else {
            return false;
        };
        if payload.len() > PAYLOAD_MAX {
            return false;
        }
        if session.link.borrow().is_none() {
            let waiting = &mut *session.waiting.borrow_mut();
            return waiting.len() < CONNECTING_MAX && waiting.push((), &bytes[payload]);
        }
        let group = batch.group_of(session.mark.get()).unwrap_or_else(|| {
            let mark = batch.add_destination(index, None, session.segment_max.get());
            session.mark.set(mark);
            mark.group()
        });
        batch.add(group, &payload);
        true
    }

    fn send(&self, batch: &mut Batch, bytes: &[u8]) {
        let sessions = self.sessions.borrow();
        // Counted beforehand: who has got a datagram must find it counted.
        let counter = &self.scene.facts.counters.bytes_in;
        counter.fetch_add(batch.bytes(), Relaxed);
        let (mut sent, mut lost) = (0, 0);
        for group in 0..batch.destinations().len() {
            let owner = batch.destinations()[group].owner;
            // Another session may have its place by now.
            let session = sessions
                .get(owner)
                .filter(|it| batch.is_of(it.mark.get(), group));
            let link = session.map(|session| (session, session.link.borrow()));
            if let Some((session, link)) = &link
                && let Some(link) = link.as_ref()
            {
                lost += batch.send(link, bytes, group..group + 1);
                let destination = &batch.destinations()[group];
                session.segment_max.set(destination.segment_max);
                session
                    .bytes_in
                    .set(session.bytes_in.get() + destination.bytes);
                sent += destination.bytes;
            } else {
                batch.hold(group..group + 1);
            }
            lost += batch.unsent().count() as u64;
        }
        counter.fetch_sub(batch.bytes() - sent, Relaxed);
        self.scene.dropped(lost);
        batch.begin();
    }

    /// A new session of that visitor, if there is room for it and the local service has an address.
    fn open(self: &Rc<Self>, batch: &mut Batch, bytes: &[u8], key: &VisitorKey) -> Option<usize> {
        let scene = &self.scene;
        if !scene.has_room() || self.sessions.borrow().is_full() {
            // What the oldest has been sent goes out before it ends.
            self.send(batch, bytes);
            let oldest = self.sessions.borrow_mut().evict_oldest();
            match oldest {
                Some(oldest) => self.end(&oldest, EndReason::Evicted),
                None if !scene.has_room() => return None,
                None => {}
            }
        }
        let limits = &scene.shard.context.limits;
        let session = Rc::new(LocalSession {
            key: *key,
            since: self.now(),
            link: RefCell::default(),
            waiting: RefCell::new(DatagramQueue::new(limits.udp_backlog_bytes)),
            task: Cell::default(),
            share: Cell::default(),
            mark: Cell::default(),
            segment_max: Cell::new(0),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            ended: Cell::new(false),
        });
        let index = {
            let mut sessions = self.sessions.borrow_mut();
            sessions.insert(*key, Rc::clone(&session), self.now())
        };
        scene.count(1);
        scene.facts.counters.visitors_total.fetch_add(1, Relaxed);
        let local = literal(&scene.spec.borrow().local);
        if let Some(address) = local
            && let Err(error) = self.connect(&session, address)
        {
            self.unreachable(&session, error);
            return None;
        }
        self.serve(&session);
        Some(index)
    }

    /// Runs the session's task.
    fn serve(self: &Rc<Self>, session: &Rc<LocalSession>) {
        let served = Served {
            locals: Rc::clone(self),
            session: Rc::clone(session),
        };
        let task = self.scene.shard.spawn("udp session", async move {
            let Served { locals, session } = &served;
            if session.link.borrow().is_none() {
                // Rare and large: not a part of every session's task.
                let made = Box::pin(locals.make(session)).await;
                if made.is_err() {
                    return;
                }
            }
            while !session.ended.get() {
                let more = locals.replies(session);
                let tasks = &locals.scene.shard.tasks;
                let parked = if more {
                    tasks.yield_now()
                } else {
                    tasks.park(None)
                };
                if parked.await.is_err() {
                    return;
                }
            }
        });
        session.task.set(task);
        if let Some(link) = session.link.borrow().as_ref() {
            link.watch_by(task);
        }
    }

    /// The local service is a name, looked up anew for every session.
    async fn make(&self, session: &Rc<LocalSession>) -> Result<(), Cancelled> {
        let (local, prefer_ipv6) = {
            let spec = self.scene.spec.borrow();
            (spec.local.clone(), spec.prefer_ipv6)
        };
        let addresses = resolve(&self.scene.shard, &local, prefer_ipv6).await?;
        let none = || SystemError {
            code: None,
            message: format!("{} has no address", local.host),
        };
        let address = addresses.and_then(|all| all.first().copied().ok_or_else(none));
        if let Err(error) = address.and_then(|address| self.connect(session, address)) {
            self.sessions.borrow_mut().remove(&session.key);
            self.unreachable(session, error);
        }
        Ok(())
    }

    fn connect(&self, session: &LocalSession, address: SocketAddr) -> Result<(), SystemError> {
        let link = UdpLink::connect(&self.scene.shard, address)
            .map_err(|error| connect_error(&error, address))?;
        link.watch_by(session.task.get());
        session.segment_max.set(sys::segment_max(link.socket()));
        let counter = &self.scene.facts.counters.bytes_in;
        for ((), payload) in session.waiting.borrow_mut().take() {
            let bytes = payload.len() as u64;
            counter.fetch_add(bytes, Relaxed);
            if link.send(&payload, None).is_ok() {
                session.bytes_in.set(session.bytes_in.get() + bytes);
            } else {
                counter.fetch_sub(bytes, Relaxed);
                self.scene.dropped(1);
            }
        }
        *session.link.borrow_mut() = Some(link);
        Ok(())
    }

    fn unreachable(&self, session: &Rc<LocalSession>, error: SystemError) {
        let LocalScene { shard, facts, .. } = &*self.scene;
        let reason = EndReason::LocalUnreachable;
        shard
            .context
            .visitor_refused(facts, reason, Some(error.message));
        self.sessions.borrow_mut().remove(&session.key);
        self.end(session, reason);
    }

    /// What the local service has sent to a visitor. True: there may be more.
    fn replies(&self, session: &Rc<LocalSession>) -> bool {
        for _ in 0..BATCHES_PER_TURN {
            match self.receive(session) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // ECONNREFUSED while the local service restarts; the next datagram tries again.
                Err(_) => self.scene.dropped(1),
            }
        }
        true
    }

    fn receive(&self, session: &Rc<LocalSession>) -> io::Result<bool> {
        let is_readable = session
            .link
            .borrow()
            .as_ref()
            .is_some_and(UdpLink::is_readable);
        if !is_readable {
            return Ok(false);
        }
        with_receiver(&self.scene.shard, |receiver| {
            let more = match session.link.borrow().as_ref() {
                Some(link) => link.receive(receiver)?,
                None => return Ok(false),
            };
            let (mut sent, mut lost) = (0, 0);
            let mut share = session.share.get();
            for message in receiver.messages() {
                for payload in message.datagrams() {
                    // IPv6 on loopback carries a little more than a server could send on (wire-v1
                    // 7.7).
                    let fits = payload.len() <= PAYLOAD_MAX;
                    if fits && self.channel.send(&session.key, payload, &mut share) {
                        sent += payload.len() as u64;
                    } else {
                        lost += 1;
                    }
                }
            }
            session.share.set(share);
            session.bytes_out.set(session.bytes_out.get() + sent);
            self.scene.facts.counters.bytes_out.fetch_add(sent, Relaxed);
            self.scene.dropped(lost);
            // Its task writes when all sessions that were ready have had their turn.
            self.channel.wake();
            let found = self.sessions.borrow_mut().find(&session.key, self.now());
            if let Found::Idle(session) = found {
                self.end(&session, EndReason::Idle);
            }
            Ok(more)
        })
    }

    /// Ends sessions that were idle for too long. Returns when to do it again.
    pub(crate) fn sweep(&self) -> Option<Instant> {
        let now = self.now();
        loop {
            let Some(session) = self.sessions.borrow_mut().take_idle(now) else {
                break;
            };
            self.end(&session, EndReason::Idle);
        }
        self.sessions.borrow().next_sweep(now)
    }

    pub(crate) fn close(&self, reason: EndReason) {
        let sessions = self.sessions.borrow_mut().clear();
        for session in sessions {
            self.end(&session, reason);
        }
    }

    /// Of one that is not in the table any more.
    fn end(&self, session: &LocalSession, reason: EndReason) {
        if session.ended.replace(true) {
            return;
        }
        let link = session.link.borrow_mut().take();
        drop(link);
        drop(session.waiting.borrow_mut().take());
        let LocalScene { shard, facts, .. } = &*self.scene;
        shard.tasks.cancel(session.task.get(), reason);
        self.scene.count(-1);
        let duration = shard.now().saturating_duration_since(session.since);
        let end = VisitorEnd {
            visitor: Some(session.key.address()),
            bytes_in: session.bytes_in.get(),
            bytes_out: session.bytes_out.get(),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            reason,
        };
        shard.context.visitor_end(facts, &end);
    }
}

/// A session and its task: however that ends, the session does, and is counted.
struct Served {
    locals: Rc<UdpLocals>,
    session: Rc<LocalSession>,
}

impl Drop for Served {
    fn drop(&mut self) {
        if !self.session.ended.get() {
            let reason = self.locals.scene.shard.unexpected_end();
            let session = self.locals.sessions.borrow_mut().remove(&self.session.key);
            self.locals.end(&self.session, reason);
            drop(session);
        }
    }
}
