//! The client's side of one udp data channel: a connected local socket per visitor, bounded, gone
//! after the idle time (wire-v1 3.3, W25). A local service that is down for a while costs datagrams,
//! not the session (W29).

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::context::{SharedFacts, VisitorEnd};
use crate::reason::EndReason;
use crate::resolve::literal;
use crate::shard::Shard;
use crate::spec::ClientServiceSpec;
use crate::udp_batch::Batch;
use crate::udp_buffers::with_batch;
use crate::udp_channel::UdpChannel;
use crate::udp_frame::{Malformed, PAYLOAD_MAX, VisitorKey, decode_all};
use crate::udp_session::LocalSession;
use crate::udp_table::{Found, UdpTable};

/// Datagrams of one visitor that wait for its socket to be connected.
const CONNECTING_MAX: usize = 64;
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

    pub(crate) fn dropped(&self, count: u64) {
        if count > 0 {
            let counters = &self.facts.counters;
            counters.datagrams_dropped.fetch_add(count, Relaxed);
        }
    }
}

pub(crate) struct UdpLocals {
    pub(crate) scene: Rc<LocalScene>,
    pub(crate) channel: Rc<UdpChannel>,
    pub(crate) sessions: RefCell<UdpTable<Rc<LocalSession>>>,
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

    pub(crate) fn now(&self) -> Instant {
        self.scene.shard.now()
    }

    /// Sends what the frames carry. Returns how many bytes were whole frames.
    pub(crate) fn deliver(self: &Rc<Self>, bytes: &[u8]) -> Result<usize, Malformed> {
        with_batch(|batch| {
            batch.begin();
            let result = decode_all(bytes, |key, payload| {
                if batch.is_full() {
                    self.send(batch, bytes);
                }
                if !self.sort(batch, bytes, key, payload) {
                    self.scene.dropped(1);
                }
            });
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
        let session = LocalSession::new(scene, key);
        let session = Rc::new(session);
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
    pub(crate) fn end(&self, session: &LocalSession, reason: EndReason) {
        if session.ended.replace(true) {
            return;
        }
        let link = session.link.borrow_mut().take();
        drop(link);
        drop(session.waiting.borrow_mut().take());
        let LocalScene { shard, facts, .. } = &*self.scene;
        shard.tasks.cancel(session.task.get(), reason);
        self.scene.count(-1);
        let end = VisitorEnd {
            visitor: Some(session.key.address()),
            bytes_in: session.bytes_in.get(),
            bytes_out: session.bytes_out.get(),
            duration_ms: shard.elapsed_ms(session.since),
            reason,
        };
        shard.context.visitor_end(facts, &end);
    }
}
