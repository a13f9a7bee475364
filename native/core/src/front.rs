//! The public side of a server's service, of either protocol, as the service drives it; and what a
//! front needs of the service.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::channel::Channel;
use crate::context::SharedFacts;
use crate::link::Link;
use crate::reason::EndReason;
use crate::server_session::ServerSession;
use crate::shard::Shard;
use crate::spec::{HostPort, ReuseRules, ServerRoutine, ServiceType};
use crate::tcp_front::TcpFront;
use crate::udp_front::UdpFront;
use crate::upcall::{SessionId, SystemError};

/// What a front sees of its service and the service's session.
pub(crate) struct Line {
    pub(crate) shard: Rc<Shard>,
    pub(crate) facts: SharedFacts,
    /// The session that requests go to.
    pub(crate) session: RefCell<Option<Rc<ServerSession>>>,
    /// The command that puts a channel to use: of the newest session. A channel is only ever put to
    /// use while there has been one.
    pub(crate) start: RefCell<Rc<[u8]>>,
    /// Of channels put to use from now on; `None` leaves them as they are.
    pub(crate) nodelay: Cell<Option<bool>>,
    /// How channels of the newest session are reused; `None`: wire v1.
    pub(crate) reuse: RefCell<Option<Rc<ReuseRules>>>,
    /// Uses of the newest session so far.
    pub(crate) uses: Cell<u64>,
    /// Where requested channels come from.
    pub(crate) expected_from: Cell<Option<IpAddr>>,
}

impl Line {
    pub(crate) fn new(shard: &Rc<Shard>, facts: &SharedFacts, nodelay: Option<bool>) -> Rc<Self> {
        Rc::new(Self {
            shard: Rc::clone(shard),
            facts: SharedFacts::clone(facts),
            session: RefCell::default(),
            start: RefCell::new(Rc::new([])),
            nodelay: Cell::new(nodelay),
            reuse: RefCell::default(),
            uses: Cell::new(0),
            expected_from: Cell::new(None),
        })
    }

    /// Asks the client for so many channels; false while no session can take the request.
    pub(crate) fn request(&self, count: usize) -> bool {
        let session = self.session.borrow().clone();
        session.is_some_and(|session| session.request(count))
    }

    /// So many more (or fewer) channels are on their way.
    pub(crate) fn expect(&self, change: isize) {
        if let Some(address) = self.expected_from.get()
            && change != 0
        {
            self.shard.context.admission().expect(address, change);
        }
    }

    pub(crate) fn start(&self) -> Rc<[u8]> {
        Rc::clone(&self.start.borrow())
    }

    /// Takes over how the session's channels are used. Udp has its own ways.
    pub(crate) fn set_routine(&self, routine: &ServerRoutine) {
        *self.start.borrow_mut() = Rc::from(routine.start.as_slice());
        let reuse = routine
            .reuse
            .clone()
            .filter(|reuse| self.facts.protocol == ServiceType::Tcp && reuse.frames.is_some());
        *self.reuse.borrow_mut() = reuse.map(Rc::new);
    }

    pub(crate) fn reuses(&self) -> bool {
        self.reuse.borrow().is_some()
    }

    /// The number of the next use of this session.
    pub(crate) fn next_use(&self) -> u64 {
        self.uses.set(self.uses.get() + 1);
        self.uses.get()
    }
}

pub(crate) enum Front {
    Tcp(Rc<TcpFront>),
    Udp(Rc<UdpFront>),
}

impl Front {
    /// Binds the first of the addresses that can be bound.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(
        &self,
        addresses: &[SocketAddr],
        to: &HostPort,
    ) -> Result<SocketAddr, SystemError> {
        match self {
            Self::Tcp(front) => front.bind(addresses, to),
            Self::Udp(front) => front.bind(addresses, to),
        }
    }

    /// Stops taking visitors; the address is free when it returns. Those being served stay.
    pub(crate) fn unbind(&self) {
        match self {
            Self::Tcp(front) => front.unbind(),
            Self::Udp(front) => front.unbind(),
        }
    }

    /// A session can take requests now.
    pub(crate) fn session_started(&self) {
        match self {
            Self::Tcp(front) => front.session_started(),
            Self::Udp(front) => front.session_started(),
        }
    }

    /// Channels of the session that has ended are closed unless they serve a visitor.
    pub(crate) fn session_ended(&self) {
        match self {
            Self::Tcp(front) => front.session_ended(),
            Self::Udp(front) => front.session_ended(),
        }
    }

    /// An authenticated data channel of that session has come.
    pub(crate) fn channel(&self, link: Link, session: SessionId) {
        match self {
            Self::Tcp(front) => front.channel(link, session),
            Self::Udp(front) => front.channel(link, session),
        }
    }

    /// A channel of the current session is idle again.
    pub(crate) fn channel_back(&self, channel: Channel) {
        match self {
            Self::Tcp(front) => front.channel_back(channel),
            // Theirs are not reused.
            Self::Udp(_) => {}
        }
    }

    /// Ends those that wait for a channel (udp: all visitors).
    pub(crate) fn end_waiting(&self, reason: EndReason) {
        match self {
            Self::Tcp(front) => front.end_waiting(reason),
            Self::Udp(front) => front.end_waiting(reason),
        }
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        match self {
            Self::Tcp(front) => front.destroy(reason),
            Self::Udp(front) => front.destroy(reason),
        }
    }
}
