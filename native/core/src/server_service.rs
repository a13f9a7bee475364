//! A service on a server: couples a session, a public address and the front that pairs visitors
//! (wire-v1 W8, W9). The address is bound while a session is attached.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::channel::Channel;
use crate::context::{SessionHome, SharedFacts};
use crate::control_stream::ControlStream;
use crate::events::Event;
use crate::front::{Front, Line};
use crate::link::Link;
use crate::listen::format_address;
use crate::reason::EndReason;
use crate::resolve::resolve;
use crate::server_session::ServerSession;
use crate::shard::Shard;
use crate::spec::{HostPort, ServerRoutine, ServerServiceChange, ServerServiceSpec, ServiceType};
use crate::task::{Cancelled, TaskId};
use crate::tcp_front::TcpFront;
use crate::udp_front::UdpFront;
use crate::upcall::{SessionId, SystemError, Upcall};

/// What the control plane gives with `attach`.
#[derive(Clone, Debug)]
pub struct ServerSessionStart {
    pub session: SessionId,
    /// What a data hello must show.
    pub key: Vec<u8>,
    pub routine: ServerRoutine,
}

pub(crate) struct ServerService {
    shard: Rc<Shard>,
    facts: SharedFacts,
    line: Rc<Line>,
    front: Front,
    bind_to: RefCell<HostPort>,
    /// Counts binds and unbinds, so that one that was overtaken knows it.
    bind_turn: Cell<u64>,
    bound: Cell<bool>,
    closed: Cell<bool>,
    told_closed: Cell<bool>,
    /// Tasks that abort what is left at the deadline of a close.
    reapers: RefCell<Vec<TaskId>>,
}

impl ServerService {
    pub(crate) fn open(shard: &Rc<Shard>, facts: SharedFacts, spec: ServerServiceSpec) -> Rc<Self> {
        let line = Line::new(shard, &facts, spec.nodelay);
        let front = match spec.protocol {
            ServiceType::Tcp => Front::Tcp(TcpFront::new(Rc::clone(&line))),
            ServiceType::Udp => Front::Udp(UdpFront::new(Rc::clone(&line))),
        };
        Rc::new(Self {
            shard: Rc::clone(shard),
            facts,
            line,
            front,
            bind_to: RefCell::new(spec.bind),
            bind_turn: Cell::new(0),
            bound: Cell::new(false),
            closed: Cell::new(false),
            told_closed: Cell::new(false),
            reapers: RefCell::default(),
        })
    }

    /// Takes the session over at once; its stream follows by `arrive`.
    pub(crate) fn attach(self: &Rc<Self>, start: ServerSessionStart) {
        let ServerSessionStart {
            session,
            key,
            routine,
        } = start;
        let home = SessionHome {
            shard: self.shard.index,
            service: self.facts.id,
            session,
        };
        let for_line = routine.clone();
        let newer = ServerSession::new(&self.shard, home, key, routine, self);
        if self.closed.get() {
            newer.ended(EndReason::ServiceClosed);
            return;
        }
        let older = self.line.session.borrow_mut().replace(newer);
        if let Some(older) = older {
            self.front.session_ended();
            older.end(EndReason::Replaced);
        }
        self.line.set_routine(&for_line);
        self.line.uses.set(0);
    }

    /// The session's stream has come to this shard, or had ended before it could.
    pub(crate) fn arrive(
        self: &Rc<Self>,
        session: SessionId,
        stream: Result<Rc<ControlStream>, EndReason>,
    ) {
        let current = self.line.session.borrow().clone();
        let current = current.filter(|current| current.id() == session && !current.is_over());
        match (current, stream) {
            (Some(current), Ok(stream)) => {
                self.line.expected_from.set(Some(stream.peer().ip()));
                current.start(&stream);
                if !self.bound.get() {
                    self.bind();
                }
                self.front.session_started();
            }
            (Some(current), Err(reason)) => current.ended(reason),
            // It has been replaced or ended meanwhile, and that has been told.
            (None, Ok(stream)) => stream.destroy(EndReason::SessionEnd),
            (None, Err(_)) => {}
        }
    }

    /// A data channel that showed the key of that session.
    pub(crate) fn channel(&self, session: SessionId, link: Link) {
        let current = self
            .line
            .session
            .borrow()
            .as_ref()
            .map(|current| current.id());
        // One that came across shards may be late; its client has been told by the session's end.
        if current == Some(session) {
            self.front.channel(link, session);
        }
    }

    /// A channel is idle again. One of another session is of no use: its client has ended it, too.
    pub(crate) fn channel_back(&self, channel: Channel) {
        let current = self.line.session.borrow().as_ref().map(|it| it.id());
        if current == Some(channel.home.session) {
            self.front.channel_back(channel);
        }
    }

    /// The peer of that session ended a use without the channel: the use may be on any shard.
    pub(crate) fn gave_up(&self, session: SessionId, visitor: u64, reason: EndReason) {
        for remote in self.shard.context.remotes() {
            remote.post(move |shard| shard.gave_up(session, visitor, reason));
        }
    }

    /// Tells the peer of that session that we end a use without the channel. False: it cannot be told.
    pub(crate) fn tell_gave_up(&self, session: SessionId, visitor: u64, reason: u8) -> bool {
        let current = self.line.session.borrow().clone();
        let current = current.filter(|current| current.id() == session);
        current.is_some_and(|current| current.gave_up(visitor, reason))
    }

    pub(crate) fn resume(&self, routine: ServerRoutine) {
        let session = self.line.session.borrow().clone();
        if let Some(session) = session {
            self.line.set_routine(&routine);
            session.resume(routine);
            self.front.session_started();
        }
    }

    pub(crate) fn update(self: &Rc<Self>, change: ServerServiceChange) {
        let ServerServiceChange {
            bind,
            nodelay,
            routine,
        } = change;
        if let Some(nodelay) = nodelay {
            self.line.nodelay.set(nodelay);
        }
        if let Some(routine) = routine {
            self.line.set_routine(&routine);
            let session = self.line.session.borrow().clone();
            if let Some(session) = session {
                session.set_routine(routine);
            }
        }
        if let Some(bind) = bind {
            *self.bind_to.borrow_mut() = bind;
            if self.bound.get() {
                self.unbind();
                self.bind();
            }
        }
    }

    pub(crate) fn detach(&self, reason: EndReason) {
        let session = self.line.session.borrow().clone();
        if let Some(session) = session {
            session.end(reason);
        }
    }

    pub(crate) fn close(self: &Rc<Self>, reason: EndReason, deadline_ms: Option<u64>) {
        self.end_all(reason);
        if let Some(deadline_ms) = deadline_ms {
            let this = Rc::clone(self);
            let reaper = self.shard.spawn("service close", async move {
                if this.shard.sleep(deadline_ms).await.is_ok() {
                    this.front.destroy(EndReason::Drain);
                }
            });
            self.reapers.borrow_mut().push(reaper);
        }
        self.check_empty();
    }

    pub(crate) fn destroy(self: &Rc<Self>) {
        self.end_all(EndReason::Destroyed);
        self.front.destroy(EndReason::Destroyed);
        self.check_empty();
    }

    /// The last visitor of a closing service has ended.
    pub(crate) fn check_empty(&self) {
        if !self.closed.get() || self.facts.busy() > 0 || self.told_closed.replace(true) {
            return;
        }
        for reaper in self.reapers.take() {
            self.shard.tasks.cancel(reaper, EndReason::ServiceClosed);
        }
        let service = self.facts.id;
        self.shard.services.borrow_mut().remove(&service);
        self.shard.context.upcall(Upcall::ServiceClosed { service });
    }

    fn end_all(&self, reason: EndReason) {
        self.closed.set(true);
        self.facts.draining.store(true, Ordering::SeqCst);
        let session = self.line.session.borrow_mut().take();
        self.front.session_ended();
        if let Some(session) = session {
            session.end(reason);
        }
        self.unbind();
        self.front.end_waiting(reason);
        self.facts.stop_settling(&self.shard.context, reason);
    }

    /// Called by a session as it ends.
    pub(crate) fn session_ended(&self, session: &ServerSession) {
        let is_current = {
            let mut current = self.line.session.borrow_mut();
            let is_current = current.as_ref().is_some_and(|it| it.id() == session.id());
            if is_current {
                current.take();
            }
            is_current
        };
        if is_current {
            self.front.session_ended();
            self.unbind();
            self.front.end_waiting(EndReason::SessionEnd);
        }
    }

    fn bind(self: &Rc<Self>) {
        self.bound.set(true);
        let turn = self.bind_turn.get() + 1;
        self.bind_turn.set(turn);
        let this = Rc::clone(self);
        self.shard.spawn("bind", async move {
            // The shard ends: nobody is left to be told.
            let _: Result<(), Cancelled> = this.bind_until_done(turn).await;
        });
    }

    async fn bind_until_done(self: &Rc<Self>, turn: u64) -> Result<(), Cancelled> {
        let to = self.bind_to.borrow().clone();
        for attempt in 1.. {
            let addresses = resolve(&self.shard, &to, false).await?;
            if turn != self.bind_turn.get() {
                return Ok(());
            }
            let bind_now = || {
                let addresses = addresses.as_ref().map_err(SystemError::clone)?;
                self.front.bind(addresses, &to)
            };
            let mut bound = bind_now();
            if attempt == 1 && bound.as_ref().is_err_and(SystemError::is_in_use) {
                // It may be one of ours that another shard was told before to give up.
                self.shard.settled().await?;
                if turn != self.bind_turn.get() {
                    return Ok(());
                }
                bound = bind_now();
            }
            let service = self.facts.name.clone();
            match bound {
                Ok(address) => {
                    let id = self.facts.id;
                    let context = &self.shard.context;
                    context.upcall(Upcall::Address {
                        service: id,
                        address: Some(address),
                    });
                    context.event(Event::Bound { service, address });
                    return Ok(());
                }
                Err(SystemError { message: error, .. }) => {
                    let address = format_address(&to);
                    let event = Event::BindFailed {
                        service,
                        address,
                        error,
                        attempt,
                    };
                    self.shard.context.event(event);
                }
            }
            self.shard
                .sleep(self.shard.context.limits.bind_retry_ms)
                .await?;
            if turn != self.bind_turn.get() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn unbind(&self) {
        self.bind_turn.set(self.bind_turn.get() + 1);
        if self.bound.replace(false) {
            self.front.unbind();
            let service = self.facts.id;
            self.shard.context.upcall(Upcall::Address {
                service,
                address: None,
            });
        }
    }
}
