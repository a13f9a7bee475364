//! A client's control channel after the handshake: opens channels, watches for silence. Of commands it
//! hands up what it does not know; a peer that reuses channels sends frames. See `ClientRoutine` in
//! `ts/engine/spec.ts`.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Instant;

use crate::abort_reason::{Teller, reason};
use crate::channel_dialer::ChannelDialer;
use crate::client_service::{ClientService, ClientSessionStart};
use crate::control_stream::{Consumed, ControlStream, Then};
use crate::frames::Frame;
use crate::reason::EndReason;
use crate::session_frames::SessionFrames;
use crate::shard::Shard;
use crate::spec::{ClientRoutine, DialSpec, FrameTypes};
use crate::transport::target::Target;
use crate::upcall::{ServiceId, SessionId, Upcall};

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
    frames: SessionFrames,
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
            frames: SessionFrames::default(),
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

    /// What frames are called; `None`: commands come, as in wire v1.
    fn types(&self) -> Option<FrameTypes> {
        self.routine.borrow().reuse.as_ref()?.frames
    }

    /// Bytes that came on the control channel.
    pub(crate) fn bytes(self: &Rc<Self>, unread: &[u8]) -> Consumed {
        match self.types() {
            Some(types) => self.frames(types, unread),
            None => self.commands(unread),
        }
    }

    fn frames(self: &Rc<Self>, types: FrameTypes, unread: &[u8]) -> Consumed {
        let service = self.service.upgrade();
        let mut creates = 0;
        let mut alive = false;
        let then = self.frames.came(types, unread, |frame| {
            alive = true;
            match (frame, &service) {
                (Frame::Channels(count), _) => creates += usize::from(count),
                (
                    Frame::GaveUp {
                        visitor,
                        reason: told,
                    },
                    Some(service),
                ) => {
                    service.gave_up(self.id, visitor, reason(told, Teller::Server));
                }
                _ => {}
            }
        });
        if alive {
            self.arm_silence();
        }
        if then == Then::GoOn {
            self.create(creates);
        }
        let used = unread.len();
        Consumed { used, then }
    }

    /// From the start of one. Whole ones only: an incomplete one stays for the next call.
    fn commands(self: &Rc<Self>, unread: &[u8]) -> Consumed {
        let routine = self.routine();
        let mut creates = 0;
        let mut used = 0;
        let mut then = Then::GoOn;
        for command in unread.chunks_exact(routine.create.len().max(1)) {
            if command == routine.create {
                creates += 1;
            } else if command != routine.heartbeat {
                then = Then::Suspend;
                break;
            }
            used += command.len();
        }
        if used > 0 {
            self.arm_silence();
        }
        self.create(creates);
        Consumed { used, then }
    }

    /// The server asks for so many channels.
    fn create(self: &Rc<Self>, count: usize) {
        if count > 0
            && let Some(service) = self.service.upgrade()
        {
            service.create(self, count);
        }
    }

    /// Its stream, while the routine may write there.
    fn running(&self) -> Option<Rc<ControlStream>> {
        let stream = self.stream.borrow().upgrade();
        stream.filter(|_| self.state.get() == State::Running)
    }

    /// Tells the peer that this use ends as by an ABORT with that reason's number. False: it cannot be
    /// told.
    pub(crate) fn gave_up(&self, visitor: u64, reason: u8) -> bool {
        let (Some(types), Some(stream)) = (self.types(), self.running()) else {
            return false;
        };
        self.frames.gave_up(types, &stream, visitor, reason)
    }

    /// Appends what is to be sent now.
    pub(crate) fn collect(&self, unwritten: &mut Vec<u8>) {
        self.frames.collect(unwritten);
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

    /// Ends the control channel, with a goodbye where there is one, and with it the session.
    pub(crate) fn end(self: &Rc<Self>, reason: EndReason) {
        let running = self.running();
        let goodbye = || self.frames.farewell(&self.routine.borrow().goodbye, reason);
        let last = running.as_ref().and_then(|_| goodbye());
        let stream = self.stream.borrow().upgrade();
        match (stream, last) {
            (Some(stream), Some(last)) => stream.farewell(&last, reason),
            (Some(stream), None) => stream.destroy(reason),
            (None, _) => {}
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

#[cfg(test)]
#[path = "client_session_frames_tests.rs"]
mod frames_tests;
