//! The public side of a tcp service: accepts visitors, pairs each with a data channel, relays.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use mio::net::TcpStream;

use crate::channel::Channel;
use crate::channel_use::Role;
use crate::channel_words::put_start;
use crate::context::{SharedFacts, VisitorEnd};
use crate::front::Line;
use crate::link::Link;
use crate::listen::{Listener, accept_all};
use crate::origin::{Addresses, Origin};
use crate::pool::Pool;
use crate::reason::EndReason;
use crate::relay::{RelayOptions, relay};
use crate::reused_link::ReusedLink;
use crate::shard::Shard;
use crate::spec::{HostPort, ReuseRules};
use crate::task::{Owner, TaskId};
use crate::tcp_link::TcpLink;
use crate::tcp_socket::{self, StreamOptions};
use crate::upcall::{SessionId, SystemError};
use crate::waiting_visitor::{WaitingVisitor, wait};

const ACCEPTED: &str = "taken out only by the functions that consume the visitor";

pub(crate) struct TcpFront {
    line: Rc<Line>,
    pool: Rc<Pool>,
    listener: RefCell<Option<Rc<Listener>>>,
    waiting: RefCell<VecDeque<Rc<WaitingVisitor>>>,
    /// Pairs waiting visitors with channels that came.
    pairing: Cell<TaskId>,
}

/// One visitor, counted as open, until it is refused or handed on. One that is dropped otherwise was
/// lost by a fault.
struct Visitor {
    front: Rc<TcpFront>,
    /// There from the moment that it is accepted until it is over.
    link: Option<TcpLink>,
    peer: SocketAddr,
    since: Instant,
    over: bool,
}

impl TcpFront {
    pub(crate) fn new(line: Rc<Line>) -> Rc<Self> {
        let floor = line.shard.context.limits.pool_floor;
        Rc::new_cyclic(|weak: &std::rc::Weak<Self>| {
            let ready = {
                let (weak, shard) = (weak.clone(), Rc::clone(&line.shard));
                Rc::new(move || {
                    if let Some(front) = weak.upgrade() {
                        shard.tasks.wake(front.pairing.get());
                    }
                })
            };
            let pairing = {
                let (weak, shard) = (weak.clone(), Rc::clone(&line.shard));
                line.shard.spawn("pairing", async move {
                    while shard.park(None).await.is_ok() {
                        let Some(front) = weak.upgrade() else { return };
                        shard.guard(|| front.pair());
                    }
                })
            };
            Self {
                pool: Pool::new(&line, floor, ready),
                line,
                listener: RefCell::default(),
                waiting: RefCell::default(),
                pairing: Cell::new(pairing),
            }
        })
    }

    fn shard(&self) -> &Rc<Shard> {
        &self.line.shard
    }

    pub(crate) fn bind(
        self: &Rc<Self>,
        addresses: &[SocketAddr],
        to: &HostPort,
    ) -> Result<SocketAddr, SystemError> {
        let listener = Listener::bind(self.shard(), addresses, &StreamOptions::PLAIN)?;
        let address = listener.address();
        let listener = Rc::new(listener);
        *self.listener.borrow_mut() = Some(Rc::clone(&listener));
        let (shard, name) = (Rc::clone(self.shard()), to.clone());
        let (front, bound) = (Rc::downgrade(self), Rc::downgrade(&listener));
        drop(listener);
        self.shard().spawn("visitor accept", async move {
            let take = |stream, peer| {
                if let Some(front) = front.upgrade() {
                    front.accept(stream, peer);
                }
            };
            let turn = || {
                if let Some(front) = front.upgrade() {
                    front.pool.refill(front.waiting.borrow().len());
                }
            };
            // Cancelled: the shard ends.
            let _ = accept_all(&shard, &name, || bound.upgrade(), take, turn).await;
        });
        Ok(address)
    }

    pub(crate) fn unbind(&self) {
        drop(self.listener.borrow_mut().take());
    }

    pub(crate) fn session_started(&self) {
        self.pool.refill(self.waiting.borrow().len());
    }

    pub(crate) fn session_ended(&self) {
        self.pool.clear();
    }

    pub(crate) fn channel(&self, link: Link, session: SessionId) {
        self.pool.add(link, session);
    }

    pub(crate) fn channel_back(&self, channel: Channel) {
        self.pool.back(channel);
    }

    pub(crate) fn end_waiting(&self, reason: EndReason) {
        for visitor in &*self.waiting.borrow() {
            self.shard().tasks.cancel(visitor.task.get(), reason);
        }
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        self.end_waiting(reason);
        self.line
            .facts
            .abort_visitors(&self.shard().context, reason);
    }

    fn accept(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let shard = self.shard();
        let counters = &self.line.facts.counters;
        counters.visitors_total.fetch_add(1, Relaxed);
        counters.visitors_open.fetch_add(1, Relaxed);
        let mut visitor = Visitor {
            front: Rc::clone(self),
            link: None,
            peer,
            since: shard.now(),
            over: false,
        };
        let descriptor = tcp_socket::descriptor(&stream);
        match TcpLink::accepted(shard, stream) {
            Ok(link) => visitor.link = Some(link),
            Err(error) => {
                visitor.refuse(EndReason::InternalError, Some(error.to_string()));
                return;
            }
        }
        let limits = &shard.context.limits;
        let waiting = self.waiting.borrow().len();
        // Each of those that wait needs one more, for its channel.
        let coming = i64::try_from(waiting).unwrap_or(i64::MAX / 2);
        let open = counters.visitors_open.load(Relaxed);
        if open > limits.visitors_per_service || waiting >= limits.visitors_waiting {
            visitor.refuse(EndReason::VisitorLimit, None);
        } else if shard.context.descriptors.is_short(descriptor + coming) {
            let text = shard.context.descriptors.text();
            visitor.refuse(EndReason::Descriptors, Some(text));
        } else {
            self.admit(visitor, waiting);
        }
    }

    fn admit(self: &Rc<Self>, visitor: Visitor, waiting: usize) {
        let counters = &self.line.facts.counters;
        // Those that wait come first.
        let channel = if waiting == 0 { self.pool.take() } else { None };
        if let Some(channel) = channel {
            counters.pool_hits.fetch_add(1, Relaxed);
            let owner = Owner::Visitor(self.line.facts.id);
            let visit = self.serve(visitor, channel, Vec::new());
            self.shard().tasks.spawn(owner, "visitor", visit);
            return;
        }
        if self.pool.ready() > waiting {
            counters.pool_hits.fetch_add(1, Relaxed);
        } else {
            counters.pool_misses.fetch_add(1, Relaxed);
            self.pool.miss(waiting + 1);
        }
        self.wait(visitor);
    }

    fn wait(self: &Rc<Self>, visitor: Visitor) {
        let place = Rc::new(WaitingVisitor::default());
        let guard = Waiting::enter(self, &place);
        let (front, queued) = (Rc::clone(self), Rc::clone(&place));
        let task = self.shard().spawn("waiting visitor", async move {
            let shard = Rc::clone(front.shard());
            visitor.link().watch();
            front.pair();
            let mut stash = Vec::new();
            let waited = wait(&shard, visitor.link(), &queued, &mut stash).await;
            drop((guard, queued));
            // Since it was handed its channel.
            let aborted = front.line.facts.aborting().map_or(Ok(()), Err);
            match waited.and_then(|channel| aborted.map(|()| channel)) {
                Ok(channel) => {
                    shard.tasks.set_owner(Owner::Visitor(front.line.facts.id));
                    let visit = front.serve(visitor, channel, stash);
                    // Relays outlive the front.
                    drop(front);
                    visit.await;
                }
                Err(reason) => {
                    visitor.refuse(reason, None);
                    front.pool.refill(front.waiting.borrow().len());
                }
            }
        });
        place.task.set(task);
        self.waiting.borrow_mut().push_back(place);
    }

    /// Hands channels that are ready to visitors that wait, both in the order they came.
    fn pair(&self) {
        loop {
            if self.waiting.borrow().is_empty() {
                break;
            }
            let Some(channel) = self.pool.take() else {
                break;
            };
            let Some(visitor) = self.waiting.borrow_mut().pop_front() else {
                break;
            };
            *visitor.channel.borrow_mut() = Some(channel);
            self.shard().tasks.wake(visitor.task.get());
        }
        self.pool.refill(self.waiting.borrow().len());
    }

    /// The start command and what the visitor has sent so far go out in one write.
    fn serve(
        &self,
        visitor: Visitor,
        mut channel: Channel,
        mut first: Vec<u8>,
    ) -> impl Future<Output = ()> + 'static {
        let wanted = self.line.nodelay.get();
        if let Some(nodelay) = wanted
            && wanted != channel.home.nodelay
        {
            channel.link.set_nodelay(nodelay);
            channel.home.nodelay = wanted;
        }
        let already_in = first.len() as u64;
        let reuse = self.line.reuse.borrow().clone();
        let far = if let Some(rules) = reuse {
            self.reuse(&visitor, channel, &rules)
        } else {
            channel.link.allow_stalls();
            first.splice(..0, self.line.start().iter().copied());
            channel.link
        };
        let options = RelayOptions {
            facts: SharedFacts::clone(&self.line.facts),
            visitor: Some(visitor.peer),
            since: visitor.since,
            near_broken: EndReason::VisitorReset,
            far_broken: EndReason::ChannelReset,
            already_in,
            unwritten: first,
        };
        relay(self.shard(), visitor.hand_on().into(), far, options)
    }

    /// Puts a reusable channel to use.
    fn reuse(&self, visitor: &Visitor, mut channel: Channel, rules: &ReuseRules) -> Link {
        let mut head = Vec::new();
        if channel.home.uses == 0 {
            // It stays so: with nothing under way, keepalive alone ends a dead connection in time.
            channel.link.allow_stalls();
            head.extend_from_slice(&rules.start);
        }
        channel.home.uses += 1;
        let public = if rules.addresses {
            self.public_address(visitor)
        } else {
            None
        };
        let origin = Origin {
            number: self.line.next_use(),
            addresses: public.map(|public| Addresses::new(visitor.peer, public)),
        };
        put_start(&mut head, &origin);
        let link = ReusedLink::new(self.shard(), Role::Server, channel, origin.number, head);
        let in_use = self.line.facts.channels_used.load(Relaxed);
        self.pool.in_use(in_use);
        Link::Reused(Box::new(link))
    }

    /// What the visitor has reached: where we listen, unless that is any address.
    fn public_address(&self, visitor: &Visitor) -> Option<SocketAddr> {
        let bound = self.listener.borrow().as_ref().map(|it| it.address());
        bound
            .filter(|bound| !bound.ip().is_unspecified())
            .or_else(|| visitor.link().address().ok())
    }

    fn refused(&self, peer: SocketAddr, since: Instant, reason: EndReason, error: Option<String>) {
        let (context, facts) = (&self.shard().context, &self.line.facts);
        context.visitor_refused(facts, reason, error);
        let duration_ms = self.shard().elapsed_ms(since);
        let visitor = Some(peer);
        let end = VisitorEnd {
            visitor,
            bytes_in: 0,
            bytes_out: 0,
            duration_ms,
            reason,
        };
        context.visitor_end(facts, &end);
        facts.visitor_gone(context);
    }
}

/// Its pairing task has nothing to pair any more.
impl Drop for TcpFront {
    fn drop(&mut self) {
        // Not only woken: it may not have begun to wait yet.
        let tasks = &self.shard().tasks;
        tasks.cancel(self.pairing.get(), EndReason::Destroyed);
    }
}

impl Visitor {
    fn link(&self) -> &TcpLink {
        self.link.as_ref().expect(ACCEPTED)
    }

    /// To whoever counts its end from now on.
    fn hand_on(mut self) -> TcpLink {
        self.over = true;
        self.link.take().expect(ACCEPTED)
    }

    fn refuse(mut self, reason: EndReason, error: Option<String>) {
        self.end(reason, error);
    }

    fn end(&mut self, reason: EndReason, error: Option<String>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        // Counted before the visitor can see it.
        self.front.refused(self.peer, self.since, reason, error);
        if let Some(link) = self.link.take() {
            link.abort();
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let reason = self.front.shard().unexpected_end();
        self.end(reason, None);
    }
}

/// A visitor's place in the queue.
struct Waiting {
    front: Rc<TcpFront>,
    place: Rc<WaitingVisitor>,
}

impl Waiting {
    fn enter(front: &Rc<TcpFront>, place: &Rc<WaitingVisitor>) -> Self {
        let counters = &front.line.facts.counters;
        counters.visitors_waiting.fetch_add(1, Relaxed);
        Self {
            front: Rc::clone(front),
            place: Rc::clone(place),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let counters = &self.front.line.facts.counters;
        counters.visitors_waiting.fetch_sub(1, Relaxed);
        let waiting = &mut *self.front.waiting.borrow_mut();
        waiting.retain(|other| !Rc::ptr_eq(other, &self.place));
    }
}

#[cfg(test)]
#[path = "tcp_front_tests.rs"]
mod tests;
