//! A server's control channel after the handshake: creates and heartbeats go out, every byte that
//! comes in is the control plane's. See `ServerRoutine` in `ts/engine/spec.ts`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Instant;

use crate::context::SessionHome;
use crate::control_stream::ControlStream;
use crate::reason::EndReason;
use crate::server_service::ServerService;
use crate::shard::Shard;
use crate::spec::ServerRoutine;
use crate::upcall::{SessionId, Upcall, lock};

/// Commands that a peer who does not read may leave queued: 64 KiB of them.
const BACKLOG_MAX_BYTES: usize = 65_536;

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
    /// Create commands to be sent.
    creates: Cell<usize>,
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

    /// Sends that many create commands, all of one turn in one write. False: cannot be sent now.
    pub(crate) fn request(&self, count: usize) -> bool {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else { return false };
        if self.suspended.get() || self.ended.get() {
            return false;
        }
        let queued = (self.creates.get() + count) * self.routine.borrow().create.len();
        if stream.backlog() + queued > BACKLOG_MAX_BYTES {
            return false;
        }
        self.creates.set(self.creates.get() + count);
        stream.nudge();
        true
    }

    pub(crate) fn heartbeat_at(&self) -> Option<Instant> {
        self.heartbeat_at.get()
    }

    /// Appends what the routine has to send now.
    pub(crate) fn collect(&self, unwritten: &mut Vec<u8>, now: Instant) {
        let routine = Rc::clone(&self.routine.borrow());
        let creates = self.creates.take();
        if creates > 0 {
            unwritten.extend(routine.create.repeat(creates));
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

    /// Ends the control channel; `ended` follows.
    pub(crate) fn end(&self, reason: EndReason) {
        let stream = self.stream.borrow().clone();
        match stream {
            Some(stream) => stream.destroy(reason),
            None => self.ended(reason),
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
