//! A server's control channel after the handshake: requests for channels and heartbeats go out. What
//! comes in is the control plane's, unless the peer reuses channels: then it is frames. See
//! `ServerRoutine` in `ts/engine/spec.ts`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Instant;

use crate::abort_reason::{Teller, reason};
use crate::context::SessionHome;
use crate::control_stream::{BACKLOG_MAX_BYTES, Consumed, ControlStream, Then};
use crate::frames::{Frame, channels, channels_length};
use crate::reason::EndReason;
use crate::server_service::ServerService;
use crate::session_frames::SessionFrames;
use crate::shard::Shard;
use crate::spec::{FrameTypes, ServerRoutine};
use crate::upcall::{SessionId, Upcall, lock};

pub(crate) struct ServerSession {
    shard: Rc<Shard>,
    id: SessionId,
    home: SessionHome,
    key: Vec<u8>,
    service: Weak<ServerService>,
    routine: RefCell<Rc<ServerRoutine>>,
    /// Absent until it has come to this shard.
    stream: RefCell<Option<Rc<ControlStream>>>,
    suspended: Cell<bool>,
    ended: Cell<bool>,
    /// Channels to be asked for.
    creates: Cell<usize>,
    frames: SessionFrames,
    heartbeat_at: Cell<Option<Instant>>,
}

impl ServerSession {
    pub(crate) fn new(
        shard: &Rc<Shard>,
        home: SessionHome,
        key: Vec<u8>,
        routine: ServerRoutine,
        service: &Rc<ServerService>,
    ) -> Rc<Self> {
        Rc::new(Self {
            shard: Rc::clone(shard),
            id: home.session,
            home,
            key,
            service: Rc::downgrade(service),
            routine: RefCell::new(Rc::new(routine)),
            stream: RefCell::default(),
            suspended: Cell::new(false),
            ended: Cell::new(false),
            creates: Cell::new(0),
            frames: SessionFrames::default(),
            heartbeat_at: Cell::new(None),
        })
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Its stream has come: data channels may show the key from now on.
    pub(crate) fn start(self: &Rc<Self>, stream: &Rc<ControlStream>) {
        *self.stream.borrow_mut() = Some(Rc::clone(stream));
        lock(&self.shard.context.sessions).insert(self.key.clone(), self.home);
        self.arm_heartbeat();
        stream.attach_server(Rc::clone(self));
    }

    pub(crate) fn set_routine(&self, routine: ServerRoutine) {
        *self.routine.borrow_mut() = Rc::new(routine);
        if !self.suspended.get() {
            self.arm_heartbeat();
            self.nudge();
        }
    }

    pub(crate) fn suspend(&self) {
        self.suspended.set(true);
        self.heartbeat_at.set(None);
    }

    pub(crate) fn resume(&self, routine: ServerRoutine) {
        self.suspended.set(false);
        self.set_routine(routine);
        if let Some(stream) = &*self.stream.borrow() {
            stream.resume();
        }
    }

    /// What frames are called; `None`: wire v1.
    fn types(&self) -> Option<FrameTypes> {
        self.routine.borrow().reuse.as_ref()?.frames
    }

    /// Its stream, while the routine may write there.
    fn running(&self) -> Option<Rc<ControlStream>> {
        let stream = self.stream.borrow().clone();
        stream.filter(|_| !self.suspended.get() && !self.ended.get())
    }

    /// Asks for that many channels, all of one turn in one write. False: cannot be sent now.
    pub(crate) fn request(&self, count: usize) -> bool {
        let Some(stream) = self.running() else {
            return false;
        };
        let creates = self.creates.get() + count;
        let queued = match self.types() {
            Some(_) => self.frames.length() + channels_length(creates),
            None => creates * self.routine.borrow().create.len(),
        };
        if stream.backlog() + queued > BACKLOG_MAX_BYTES {
            return false;
        }
        self.creates.set(creates);
        stream.nudge();
        true
    }

    /// Tells the peer that this use ends as by an ABORT with that reason's number. False: it cannot be
    /// told.
    pub(crate) fn gave_up(&self, visitor: u64, reason: u8) -> bool {
        let (Some(types), Some(stream)) = (self.types(), self.running()) else {
            return false;
        };
        self.frames.gave_up(types, &stream, visitor, reason)
    }

    /// Bytes that came on the control channel.
    pub(crate) fn bytes(&self, unread: &[u8]) -> Consumed {
        let Some(types) = self.types() else {
            let then = Then::Suspend;
            return Consumed { used: 0, then };
        };
        let service = self.service.upgrade();
        let then = self.frames.came(types, unread, |frame| {
            if let (
                Frame::GaveUp {
                    visitor,
                    reason: told,
                },
                Some(service),
            ) = (frame, &service)
            {
                service.gave_up(self.id, visitor, reason(told, Teller::Client));
            }
        });
        let used = unread.len();
        Consumed { used, then }
    }

    pub(crate) fn heartbeat_at(&self) -> Option<Instant> {
        self.heartbeat_at.get()
    }

    /// Appends what the routine has to send now.
    pub(crate) fn collect(&self, unwritten: &mut Vec<u8>, now: Instant) {
        let routine = Rc::clone(&self.routine.borrow());
        let before = unwritten.len();
        let creates = self.creates.take();
        match self.types() {
            Some(types) => channels(types, creates, unwritten),
            None => unwritten.extend(routine.create.repeat(creates)),
        }
        self.frames.collect(unwritten);
        if unwritten.len() > before {
            self.arm_heartbeat();
        } else if self.heartbeat_at.get().is_some_and(|at| at <= now) {
            // A peer that does not read gets no more; TCP will say whether it is alive.
            if unwritten.len() < BACKLOG_MAX_BYTES {
                unwritten.extend_from_slice(&routine.heartbeat);
            }
            self.arm_heartbeat();
        }
    }

    fn arm_heartbeat(&self) {
        let interval = self.routine.borrow().heartbeat_interval_ms;
        let at = if interval == 0 {
            None
        } else {
            self.shard.after(interval)
        };
        self.heartbeat_at.set(at);
    }

    fn nudge(&self) {
        if let Some(stream) = &*self.stream.borrow() {
            stream.nudge();
        }
    }

    /// Ends the control channel, with a goodbye where there is one; `ended` follows.
    pub(crate) fn end(&self, reason: EndReason) {
        let running = self.running();
        let goodbye = || self.frames.farewell(&self.routine.borrow().goodbye, reason);
        let last = running.as_ref().and_then(|_| goodbye());
        let stream = self.stream.borrow().clone();
        match (stream, last) {
            (Some(stream), Some(last)) => stream.farewell(&last, reason),
            (Some(stream), None) => stream.destroy(reason),
            (None, _) => self.ended(reason),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.get()
    }

    /// The control stream has ended, or never came.
    pub(crate) fn ended(&self, reason: EndReason) {
        if self.ended.replace(true) {
            return;
        }
        {
            let mut sessions = lock(&self.shard.context.sessions);
            if sessions.get(&self.key) == Some(&self.home) {
                sessions.remove(&self.key);
            }
        }
        self.stream.borrow_mut().take();
        if let Some(service) = self.service.upgrade() {
            service.session_ended(self);
        }
        let (service, session) = (self.home.service, self.id);
        self.shard.context.upcall(Upcall::SessionEnded {
            service,
            session,
            reason,
        });
    }
}

#[cfg(test)]
#[path = "server_session_tests.rs"]
mod tests;
