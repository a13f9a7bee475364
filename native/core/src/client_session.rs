//! A client's control channel after the handshake: opens channels, watches for silence, hands up
//! what it does not know. See `ClientRoutine` in `ts/engine/spec.ts`.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Instant;

use crate::channel_dialer::ChannelDialer;
use crate::client_service::{ClientService, ClientSessionStart};
use crate::control_stream::ControlStream;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ClientRoutine, DialSpec};
use crate::transport::target::Target;
use crate::upcall::{ServiceId, SessionId, Upcall};

/// What the stream's task asks of the session when bytes came: how many it used.
pub(crate) struct Consumed {
    pub(crate) used: usize,
    /// What is left is not the routine's: suspend.
    pub(crate) surplus: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its stream is still on its way to this shard.
    Awaited,
    Running,
    Suspended,
    Ended,
}

pub(crate) struct ClientSession {
    pub(crate) id: SessionId,
    pub(crate) routine: RefCell<Rc<ClientRoutine>>,
    /// Where data channels are dialled.
    target: RefCell<Rc<Target>>,
    pub(crate) dialer: ChannelDialer,
    shard: Rc<Shard>,
    service_id: ServiceId,
    service: Weak<ClientService>,
    /// Its shard keeps it as long as it lives.
    stream: RefCell<Weak<ControlStream>>,
    first: Cell<Option<SocketAddr>>,
    state: Cell<State>,
    silent_until: Cell<Option<Instant>>,
    orphaned_until: Cell<Option<Instant>>,
}

impl ClientSession {
    pub(crate) fn new(
        shard: &Rc<Shard>,
        service_id: ServiceId,
        service: &Rc<ClientService>,
        start: ClientSessionStart,
    ) -> Rc<Self> {
        let ClientSessionStart {
            session,
            dial,
            routine,
        } = start;
        Rc::new(Self {
            id: session,
            routine: RefCell::new(Rc::new(routine)),
            target: RefCell::new(Rc::new(Target::new(shard, dial))),
            dialer: ChannelDialer::default(),
            shard: Rc::clone(shard),
            service_id,
            service: Rc::downgrade(service),
            stream: RefCell::default(),
            first: Cell::new(None),
            state: Cell::new(State::Awaited),
            silent_until: Cell::new(None),
            orphaned_until: Cell::new(None),
        })
    }

    /// Its stream has come.
    pub(crate) fn start(self: &Rc<Self>, stream: &Rc<ControlStream>) {
        *self.stream.borrow_mut() = Rc::downgrade(stream);
        self.run(stream.peer());
        stream.attach_client(Rc::clone(self));
    }

    /// `peer`: the server as the control channel reached it. The session key is known only there.
    pub(crate) fn run(&self, peer: SocketAddr) {
        self.first.set(Some(peer));
        self.started();
    }

    pub(crate) fn target(&self) -> Rc<Target> {
        Rc::clone(&self.target.borrow())
    }

    /// For data channels from now on.
    pub(crate) fn set_dial(&self, dial: DialSpec) {
        let target = Target::new(&self.shard, dial);
        let before = self.target.replace(Rc::new(target));
        if before.hop() != self.target.borrow().hop() {
            self.first.set(None);
        }
    }

    /// The address to dial before those of the server's name.
    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.first.get()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.state.get() == State::Awaited
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.get() == State::Ended
    }

    pub(crate) fn routine(&self) -> Rc<ClientRoutine> {
        Rc::clone(&self.routine.borrow())
    }

    /// For what is done from now on.
    pub(crate) fn set_routine(&self, routine: ClientRoutine) {
        *self.routine.borrow_mut() = Rc::new(routine);
        if self.state.get() == State::Running {
            self.arm_silence();
            let stream = self.stream.borrow().upgrade();
            if let Some(stream) = stream {
                stream.nudge();
            }
        }
    }

    pub(crate) fn resume(&self, routine: ClientRoutine) {
        if self.state.get() != State::Suspended {
            return;
        }
        *self.routine.borrow_mut() = Rc::new(routine);
        self.started();
        let stream = self.stream.borrow().upgrade();
        if let Some(stream) = stream {
            stream.resume();
        }
    }

    /// Commands that came on the control channel, from the start of one. Whole ones only: an
    /// incomplete one stays for the next call.
    pub(crate) fn bytes(self: &Rc<Self>, unread: &[u8]) -> Consumed {
        let routine = self.routine();
        let mut creates = 0;
        let mut used = 0;
        let mut surplus = false;
        for command in unread.chunks_exact(routine.create.len().max(1)) {
            if command == routine.create {
                creates += 1;
            } else if command != routine.heartbeat {
                surplus = true;
                break;
            }
            used += command.len();
        }
        if used > 0 {
            self.arm_silence();
        }
        if creates > 0
            && let Some(service) = self.service.upgrade()
        {
            service.create(self, creates);
        }
        Consumed { used, surplus }
    }

    /// When supervision ends the session unless bytes come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.silent_until.get()
    }

    /// The routine has been started or resumed: supervision starts anew.
    pub(crate) fn started(&self) {
        if self.state.get() != State::Ended {
            self.state.set(State::Running);
            self.arm_silence();
        }
    }

    /// The control stream is suspended: told by `Surplus`, no supervision.
    pub(crate) fn suspended(&self) {
        if self.state.get() != State::Ended {
            self.state.set(State::Suspended);
            self.silent_until.set(None);
        }
    }

    fn arm_silence(&self) {
        let until = match self.routine.borrow().silence_timeout_ms {
            0 => None,
            limit => self.shard.after(limit),
        };
        self.silent_until.set(until);
    }

    /// Ends the control channel, and with it the session.
    pub(crate) fn end(self: &Rc<Self>, reason: EndReason) {
        let stream = self.stream.borrow().upgrade();
        if let Some(stream) = stream {
            stream.destroy(reason);
        }
        // Where there is no stream, nobody else tells it.
        self.ended(reason);
    }

    /// The control stream has ended.
    pub(crate) fn ended(self: &Rc<Self>, reason: EndReason) {
        if self.state.replace(State::Ended) == State::Ended {
            return;
        }
        self.silent_until.set(None);
        self.dialer.close(&self.shard.tasks);
        if let Some(service) = self.service.upgrade() {
            service.session_ended(self);
        }
        let (service, session) = (self.service_id, self.id);
        self.shard.context.upcall(Upcall::SessionEnded {
            service,
            session,
            reason,
        });
    }

    /// Its waiting channels are closed then unless they are started before.
    pub(crate) fn orphan(&self) {
        let grace = self.shard.context.limits.orphan_grace_ms;
        self.orphaned_until.set(self.shard.after(grace));
    }

    pub(crate) fn orphaned_until(&self) -> Option<Instant> {
        self.orphaned_until.get()
    }
}

#[cfg(test)]
#[path = "client_session_tests.rs"]
pub(crate) mod tests;
