//! A service on a client: opens the data channels that the session asks for, waits for each to be
//! started, and carries what it brings to the local service.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::time::Instant;

use slab::Slab;

use crate::channel::Channel;
use crate::client_session::ClientSession;
use crate::context::{SharedFacts, VisitorEnd};
use crate::control_stream::ControlStream;
use crate::link::Link;
use crate::local_carrier::LocalCarrier;
use crate::origin::Origin;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec, ServiceType};
use crate::task::TaskId;
use crate::tcp_locals::TcpLocals;
use crate::udp_carrier::UdpCarrier;
use crate::upcall::{SessionId, Upcall};
use crate::waiting_channel::{Held, wait_for_next};

/// What the control plane gives with `attach`.
#[derive(Clone, Debug)]
pub struct ClientSessionStart {
    pub session: SessionId,
    /// Where data channels are dialled: first the address that the control channel reached.
    pub dial: DialSpec,
    pub routine: ClientRoutine,
}

/// A data channel that waits for its start.
struct Waiting {
    task: TaskId,
    session: SessionId,
}

pub(crate) struct ClientService {
    pub(crate) shard: Rc<Shard>,
    /// Dials under way, of all sessions.
    pub(crate) dialing: Cell<usize>,
    facts: SharedFacts,
    spec: Rc<RefCell<ClientServiceSpec>>,
    carrier: LocalCarrier,
    waiting: RefCell<Slab<Waiting>>,
    attached: RefCell<Option<Rc<ClientSession>>>,
    /// Sessions that ended before their streams came, and why: the streams end when they come.
    departed: RefCell<Vec<(SessionId, EndReason)>>,
    closing: Cell<bool>,
    aborting: Cell<Option<EndReason>>,
    /// Aborts what is left at the deadline.
    reaper: Cell<TaskId>,
    told_closed: Cell<bool>,
}

impl ClientService {
    pub(crate) fn open(shard: &Rc<Shard>, facts: SharedFacts, spec: ClientServiceSpec) -> Rc<Self> {
        let protocol = spec.protocol;
        let spec = Rc::new(RefCell::new(spec));
        Rc::new_cyclic(|this: &Weak<Self>| {
            let for_carrier = (SharedFacts::clone(&facts), Rc::clone(&spec));
            let carrier = match (protocol, for_carrier) {
                (ServiceType::Tcp, (facts, spec)) => {
                    LocalCarrier::Tcp(TcpLocals::new(shard, facts, spec))
                }
                (ServiceType::Udp, (facts, spec)) => {
                    let this = Weak::clone(this);
                    let empty: Rc<dyn Fn()> = Rc::new(move || {
                        if let Some(this) = this.upgrade() {
                            this.check_empty();
                        }
                    });
                    LocalCarrier::Udp(UdpCarrier::new(shard, facts, spec, empty))
                }
            };
            Self {
                shard: Rc::clone(shard),
                dialing: Cell::new(0),
                facts,
                spec,
                carrier,
                waiting: RefCell::default(),
                attached: RefCell::default(),
                departed: RefCell::default(),
                closing: Cell::new(false),
                aborting: Cell::new(None),
                reaper: Cell::new(TaskId::NONE),
                told_closed: Cell::new(false),
            }
        })
    }

    /// The stream follows by `arrive`.
    pub(crate) fn attach(self: &Rc<Self>, start: ClientSessionStart) {
        let newer = ClientSession::new(&self.shard, self.facts.id, self, start);
        if self.closing.get() {
            self.end(&newer, EndReason::ServiceClosed);
            return;
        }
        let older = self.attached.borrow_mut().replace(newer);
        if let Some(older) = older {
            self.end(&older, EndReason::Replaced);
        }
    }

    /// The session's stream has come to this shard, or had ended before it could.
    pub(crate) fn arrive(
        self: &Rc<Self>,
        session: SessionId,
        stream: Result<Rc<ControlStream>, EndReason>,
    ) {
        let attached = self.attached.borrow().clone();
        let attached = attached.filter(|attached| attached.id == session);
        match (attached, stream) {
            (Some(attached), Ok(stream)) => attached.start(&stream),
            (Some(attached), Err(reason)) => attached.ended(reason),
            (None, stream) => self.arrive_late(session, stream),
        }
    }

    fn arrive_late(&self, session: SessionId, stream: Result<Rc<ControlStream>, EndReason>) {
        let reason = {
            let mut departed = self.departed.borrow_mut();
            let at = departed.iter().position(|(id, _)| *id == session);
            at.map(|at| departed.swap_remove(at).1)
        };
        if let Ok(stream) = stream {
            stream.destroy(reason.unwrap_or(EndReason::SessionEnd));
        }
        self.check_empty();
    }

    pub(crate) fn resume(self: &Rc<Self>, routine: ClientRoutine) {
        let session = self.attached.borrow().clone();
        if let Some(session) = session {
            session.resume(routine);
        }
    }

    pub(crate) fn update(self: &Rc<Self>, change: ClientServiceChange) {
        let ClientServiceChange {
            local,
            nodelay,
            prefer_ipv6,
            routine,
            dial,
        } = change;
        {
            let spec = &mut *self.spec.borrow_mut();
            if let Some(local) = local {
                spec.local = local;
            }
            if let Some(nodelay) = nodelay {
                spec.nodelay = nodelay;
            }
            if let Some(prefer_ipv6) = prefer_ipv6 {
                spec.prefer_ipv6 = prefer_ipv6;
            }
        }
        let session = self.attached.borrow().clone();
        let Some(session) = session else { return };
        if let Some(routine) = routine {
            session.set_routine(routine);
        }
        if let Some(dial) = dial {
            session.set_dial(dial);
        }
    }

    pub(crate) fn detach(self: &Rc<Self>, reason: EndReason) {
        let session = self.attached.borrow().clone();
        if let Some(session) = session {
            self.end(&session, reason);
        }
    }

    pub(crate) fn close(self: &Rc<Self>, reason: EndReason, deadline_ms: Option<u64>) {
        if !self.closing.replace(true) {
            self.facts.draining.store(true, Ordering::SeqCst);
            self.detach(reason);
            self.carrier.draining();
        }
        if let Some(at) = deadline_ms.and_then(|deadline_ms| self.shard.after(deadline_ms)) {
            self.reap_at(at);
        }
        self.check_empty();
    }

    /// The newest deadline counts.
    fn reap_at(self: &Rc<Self>, at: Instant) {
        let tasks = &self.shard.tasks;
        tasks.cancel(self.reaper.get(), EndReason::Drain);
        let this = Rc::clone(self);
        let reaper = self.shard.spawn("service close", async move {
            while this.shard.now() < at {
                if this.shard.park(Some(at)).await.is_err() {
                    return;
                }
            }
            this.abort_all(EndReason::Drain);
        });
        self.reaper.set(reaper);
    }

    pub(crate) fn destroy(self: &Rc<Self>) {
        self.close(EndReason::Destroyed, None);
        self.abort_all(EndReason::Destroyed);
    }

    fn abort_all(&self, reason: EndReason) {
        if self.told_closed.get() {
            return;
        }
        if self.aborting.get().is_none() {
            self.aborting.set(Some(reason));
        }
        for (_, waiting) in &*self.waiting.borrow() {
            self.shard.tasks.wake(waiting.task);
        }
        self.carrier.destroy(reason);
    }

    fn end(&self, session: &Rc<ClientSession>, reason: EndReason) {
        if session.is_awaited() {
            self.departed.borrow_mut().push((session.id, reason));
        }
        session.end(reason);
    }

    /// Called by a session as it ends.
    pub(crate) fn session_ended(&self, session: &ClientSession) {
        let ended = {
            let attached = &mut *self.attached.borrow_mut();
            attached.take_if(|attached| attached.id == session.id)
        };
        drop(ended);
        // A start may be under way on one of them: the server's own end closes the others at once.
        session.orphan();
        for (_, waiting) in &*self.waiting.borrow() {
            if waiting.session == session.id {
                self.shard.tasks.wake(waiting.task);
            }
        }
    }

    /// A server that asks for more than we may hold gets what fits (wire-v1 W14).
    pub(crate) fn create(self: &Rc<Self>, session: &Rc<ClientSession>, count: usize) {
        let limit = self.shard.context.limits.channels_per_service;
        let held = self.waiting.borrow().len() + session.dialer.outstanding();
        let fits = limit.saturating_sub(held).min(count);
        if fits < count {
            let error = format!("{limit} channels are held or being dialled");
            self.refused(count - fits, error);
        }
        session.dialer.create(self, session, fits);
    }

    /// The peer of that session ended a use without the channel: the use may be on any shard.
    pub(crate) fn gave_up(&self, session: SessionId, visitor: u64, reason: EndReason) {
        for remote in self.shard.context.remotes() {
            remote.post(move |shard| shard.gave_up(session, visitor, reason));
        }
    }

    /// Tells the peer of that session that we end a use without the channel. False: it cannot be told.
    pub(crate) fn tell_gave_up(&self, session: SessionId, visitor: u64, reason: u8) -> bool {
        let attached = self.attached.borrow().clone();
        let attached = attached.filter(|attached| attached.id == session);
        attached.is_some_and(|attached| attached.gave_up(visitor, reason))
    }

    /// Takes a channel that was started; `origin`: of its visitor, where the server tells it.
    pub(crate) fn carry(&self, link: Link, rest: Vec<u8>, origin: Option<Box<Origin>>) {
        let context = &self.shard.context;
        if self.carrier.size() < context.limits.visitors_per_service {
            self.carrier.carry(link, rest, origin);
            return;
        }
        let reason = EndReason::VisitorLimit;
        context.visitor_refused(&self.facts, reason, None);
        let end = VisitorEnd {
            visitor: origin.as_ref().and_then(|origin| origin.visitor()),
            bytes_in: 0,
            bytes_out: 0,
            duration_ms: 0,
            reason,
        };
        context.visitor_end(&self.facts, &end);
        link.abort(reason);
    }

    /// A channel is idle again. One of a session that is over is closed.
    pub(crate) fn channel_back(self: &Rc<Self>, channel: Channel) {
        let session = self.attached.borrow().clone();
        let session = session.filter(|it| it.id == channel.home.session && !it.is_over());
        let Some(session) = session else { return };
        let this = Rc::clone(self);
        self.shard.spawn("data channel", async move {
            if !this.is_closing() {
                let held = Held::enter(&this, &session);
                drop((this, session));
                wait_for_next(channel, held).await;
            }
        });
    }

    /// The running task has a channel that waits from now on.
    pub(crate) fn enter_waiting(&self, session: SessionId) -> usize {
        let task = self.shard.tasks.current();
        let key = self.waiting.borrow_mut().insert(Waiting { task, session });
        self.count_waiting();
        key
    }

    pub(crate) fn leave_waiting(&self, key: usize) {
        self.waiting.borrow_mut().try_remove(key);
        self.count_waiting();
        self.check_empty();
    }

    fn count_waiting(&self) {
        let ready = self.waiting.borrow().len();
        self.facts
            .counters
            .pool_ready
            .store(ready, Ordering::Relaxed);
    }

    /// A channel that waited has ended.
    pub(crate) fn waiting_ended(&self, reason: EndReason, error: Option<String>) {
        // That a server drops idle channels is its business (wire-v1 W44); these are ours to tell of.
        if matches!(
            reason,
            EndReason::TypeMismatch
                | EndReason::BadStart
                | EndReason::BadRecord
                | EndReason::CertificateRefused
                | EndReason::TlsFailed
        ) {
            self.channel_failed(reason, error);
        } else {
            self.facts.counters.end(reason);
        }
    }

    /// So many channels that the server asked for will not be dialled. Told in one step: a frame may
    /// ask for 65,535.
    pub(crate) fn refused(&self, count: usize, error: String) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.shard
            .context
            .channels_failed(&self.facts, EndReason::DialLimit, Some(error), count);
    }

    pub(crate) fn channel_failed(&self, reason: EndReason, error: Option<String>) {
        self.shard
            .context
            .channel_failed(&self.facts, reason, error);
    }

    pub(crate) fn shared_facts(&self) -> &SharedFacts {
        &self.facts
    }

    #[cfg(test)]
    pub(crate) fn facts(&self) -> &crate::context::ServiceFacts {
        &self.facts
    }

    /// Of data channels; `None`: as the transport.
    pub(crate) fn nodelay(&self) -> Option<bool> {
        self.spec.borrow().nodelay
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Why channels that wait must end now.
    pub(crate) fn aborting(&self) -> Option<EndReason> {
        self.aborting.get()
    }

    /// Tells that a closing service has nothing left: no channel, no visitor, and no stream that is
    /// still on its way.
    pub(crate) fn check_empty(&self) {
        let is_empty = self.closing.get()
            && self.dialing.get() == 0
            && self.waiting.borrow().is_empty()
            && self.carrier.size() == 0
            && self.facts.settling.load(Ordering::SeqCst) == 0
            && self.departed.borrow().is_empty();
        if !is_empty || self.told_closed.replace(true) {
            return;
        }
        self.shard.tasks.cancel(self.reaper.get(), EndReason::Drain);
        let service = self.facts.id;
        let this = self.shard.services.borrow_mut().remove(&service);
        self.shard.context.upcall(Upcall::ServiceClosed { service });
        drop(this);
    }
}

#[cfg(test)]
#[path = "client_service_tests.rs"]
mod tests;
