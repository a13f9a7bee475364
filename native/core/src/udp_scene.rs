//! Both ends of a udp service on one shard, with real channels between them, for tests.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::context::{ServiceFacts, SharedFacts};
use crate::front::Line;
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ClientServiceSpec, HostPort, ServiceType};
use crate::sys::Receiver;
use crate::tcp_link::TcpLink;
use crate::udp_carrier::UdpCarrier;
use crate::udp_front::UdpFront;
use crate::udp_socket::UdpLink;

const START: [u8; 4] = [1, 0, 0, 0];
pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) fn limits() -> Limits {
    Limits {
        udp_channels: 2,
        ..Limits::default()
    }
}

/// Both ends of a connection.
pub(crate) fn connection(shard: &Rc<Shard>) -> (Link, Link) {
    let listener = std::net::TcpListener::bind(LOOPBACK).expect("a free port");
    let near = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
    let (far, _) = listener.accept().expect("it has connected");
    let [near, far] = [near.expect("loopback"), far].map(|stream| {
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        TcpLink::adopt(shard, mio::net::TcpStream::from_std(stream))
            .expect("a place")
            .into()
    });
    (near, far)
}

/// A socket of a test, and what came with it.
pub(crate) struct Peer {
    pub(crate) shard: Rc<Shard>,
    pub(crate) link: UdpLink,
    pub(crate) came: RefCell<Vec<(SocketAddr, Vec<u8>)>>,
    patient: bool,
}

impl Peer {
    pub(crate) fn new(shard: &Rc<Shard>) -> Self {
        let link = UdpLink::bind(shard, LOOPBACK).expect("a free port");
        Self {
            shard: Rc::clone(shard),
            link,
            came: RefCell::default(),
            patient: false,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.link.address().expect("bound")
    }

    pub(crate) fn send(&self, payload: &[u8], to: SocketAddr) {
        self.link.send(payload, Some(to)).expect("loopback");
    }

    /// Takes what has come.
    pub(crate) fn look(&self, receiver: &mut Receiver) {
        while self.link.receive(receiver).is_ok() {
            for message in receiver.messages() {
                let from = message.from.expect("a sender");
                let payloads = message.datagrams().map(|payload| (from, payload.to_vec()));
                self.came.borrow_mut().extend(payloads);
            }
        }
    }

    /// The next datagram.
    pub(crate) async fn next(&self) -> (SocketAddr, Vec<u8>) {
        self.link.watch_by(self.shard.tasks.current());
        let mut receiver = Receiver::new().expect("memory");
        // The echo may wait for as long as it likes.
        let deadline = self
            .shard
            .after(if self.patient { u64::MAX } else { 10_000 });
        loop {
            self.look(&mut receiver);
            if !self.came.borrow().is_empty() {
                return self.came.borrow_mut().remove(0);
            }
            assert!(
                deadline.is_none_or(|at| at > self.shard.now()),
                "nothing comes"
            );
            self.shard.park(deadline).await.expect("nobody cancels");
        }
    }

    /// Sends back what comes, for as long as the shard runs.
    pub(crate) fn echo(mut self) -> SocketAddr {
        self.patient = true;
        let address = self.address();
        let shard = Rc::clone(&self.shard);
        shard.spawn("echo", async move {
            loop {
                let (from, payload) = self.next().await;
                self.send(&payload, from);
            }
        });
        address
    }
}

pub(crate) struct Scene {
    pub(crate) shard: Rc<Shard>,
    pub(crate) front: Rc<UdpFront>,
    pub(crate) carrier: Rc<UdpCarrier>,
    pub(crate) server: SharedFacts,
    pub(crate) client: SharedFacts,
    pub(crate) public: SocketAddr,
    pub(crate) spec: Rc<RefCell<ClientServiceSpec>>,
    /// How often the carrier has told that it is empty.
    pub(crate) empty: Rc<Cell<usize>>,
}

pub(crate) fn facts(id: u32) -> SharedFacts {
    Arc::new(ServiceFacts::new(id, "service", ServiceType::Udp, 0))
}

pub(crate) fn front(shard: &Rc<Shard>, facts: &SharedFacts) -> (Rc<UdpFront>, SocketAddr) {
    let line = Line::new(shard, facts, None);
    *line.start.borrow_mut() = Rc::new(START);
    let front = UdpFront::new(line);
    let to = HostPort {
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    let public = front.bind(&[LOOPBACK], &to).expect("a free port");
    (front, public)
}

impl Scene {
    pub(crate) fn new(shard: &Rc<Shard>, local: &HostPort) -> Self {
        let (server, client) = (facts(1), facts(2));
        let (front, public) = front(shard, &server);
        let spec = ClientServiceSpec {
            name: "service".to_owned(),
            protocol: ServiceType::Udp,
            local: local.clone(),
            nodelay: None,
            prefer_ipv6: false,
        };
        let empty = Rc::new(Cell::new(0));
        let spec = Rc::new(RefCell::new(spec));
        let carrier = {
            let empty = Rc::clone(&empty);
            let spec = Rc::clone(&spec);
            let facts = Arc::clone(&client);
            let count: Rc<dyn Fn()> = Rc::new(move || empty.set(empty.get() + 1));
            UdpCarrier::new(shard, facts, spec, count)
        };
        Self {
            shard: Rc::clone(shard),
            front,
            carrier,
            server,
            client,
            public,
            spec,
            empty,
        }
    }

    pub(crate) fn with_echo(shard: &Rc<Shard>) -> Self {
        let local = Peer::new(shard).echo();
        Self::new(shard, &host_port(local))
    }

    /// A channel that both ends have started.
    pub(crate) async fn open(&self) {
        let (near, far) = connection(&self.shard);
        self.front.channel(near, 1);
        let rest = started(&self.shard, &far).await;
        self.carrier.carry(far, rest);
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        until(&self.shard, what, || condition(self)).await;
    }
}

pub(crate) fn host_port(address: SocketAddr) -> HostPort {
    HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Reads the start command, and returns what came with it.
pub(crate) async fn started(shard: &Rc<Shard>, link: &Link) -> Vec<u8> {
    link.watch();
    let mut buffer = vec![0; 65_536];
    let length = loop {
        match link.try_read(&mut buffer) {
            Ok(length) => break length,
            Err(_) => shard.park(None).await.expect("nobody cancels"),
        }
    };
    assert_eq!(buffer[..4], START);
    buffer[4..length].to_vec()
}

/// Looks again and again while others run, as long as a test may take.
pub(crate) async fn until(shard: &Rc<Shard>, what: &str, condition: impl Fn() -> bool) {
    let deadline = shard.after(10_000);
    while !condition() {
        assert!(
            deadline.is_some_and(|at| at > shard.now()),
            "waits for {what}"
        );
        shard.park(shard.after(1)).await.expect("nobody cancels");
    }
}

pub(crate) fn dropped(facts: &SharedFacts) -> u64 {
    facts.counters.datagrams_dropped.load(Relaxed)
}

pub(crate) fn open(facts: &SharedFacts) -> usize {
    facts.counters.visitors_open.load(Relaxed)
}

pub(crate) fn ends(facts: &SharedFacts, reason: EndReason) -> u64 {
    let ends = facts.counters.ends.snapshot();
    let count = ends.iter().find(|(it, _)| *it == reason);
    count.map_or(0, |(_, count)| *count)
}
