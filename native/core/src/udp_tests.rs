//! Both ends of a udp service on one shard, with real channels between them.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::UdpFront;
use crate::context::{ServiceFacts, SharedFacts};
use crate::events::Event;
use crate::front::Line;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ClientServiceSpec, HostPort, ServiceType};
use crate::sys::Receiver;
use crate::tcp_link::TcpLink;
use crate::testing::{run, run_with};
use crate::udp_buffers;
use crate::udp_carrier::UdpCarrier;
use crate::udp_channel::{Share, UdpChannel};
use crate::udp_frame::VisitorKey;
use crate::udp_socket::UdpLink;
use crate::upcall::Upcall;

const START: [u8; 4] = [1, 0, 0, 0];
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn limits() -> Limits {
    Limits {
        udp_channels: 2,
        ..Limits::default()
    }
}

/// Both ends of a connection.
fn connection(shard: &Rc<Shard>) -> (TcpLink, TcpLink) {
    let listener = std::net::TcpListener::bind(LOOPBACK).expect("a free port");
    let near = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
    let (far, _) = listener.accept().expect("it has connected");
    let [near, far] = [near.expect("loopback"), far].map(|stream| {
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        TcpLink::adopt(shard, mio::net::TcpStream::from_std(stream)).expect("a place")
    });
    (near, far)
}

/// A socket of a test, and what came with it.
struct Peer {
    shard: Rc<Shard>,
    link: UdpLink,
    came: RefCell<Vec<(SocketAddr, Vec<u8>)>>,
    patient: bool,
}

impl Peer {
    fn new(shard: &Rc<Shard>) -> Self {
        let link = UdpLink::bind(shard, LOOPBACK).expect("a free port");
        Self {
            shard: Rc::clone(shard),
            link,
            came: RefCell::default(),
            patient: false,
        }
    }

    fn address(&self) -> SocketAddr {
        self.link.address().expect("bound")
    }

    fn send(&self, payload: &[u8], to: SocketAddr) {
        self.link.send(payload, Some(to)).expect("loopback");
    }

    /// Takes what has come.
    fn look(&self, receiver: &mut Receiver) {
        while self.link.receive(receiver).is_ok() {
            for message in receiver.messages() {
                let from = message.from.expect("a sender");
                let payloads = message.datagrams().map(|payload| (from, payload.to_vec()));
                self.came.borrow_mut().extend(payloads);
            }
        }
    }

    /// The next datagram.
    async fn next(&self) -> (SocketAddr, Vec<u8>) {
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
    fn echo(mut self) -> SocketAddr {
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

struct Scene {
    shard: Rc<Shard>,
    front: Rc<UdpFront>,
    carrier: Rc<UdpCarrier>,
    server: SharedFacts,
    client: SharedFacts,
    public: SocketAddr,
    /// How often the carrier has told that it is empty.
    empty: Rc<Cell<usize>>,
}

fn facts(id: u32) -> SharedFacts {
    Arc::new(ServiceFacts::new(id, "service", ServiceType::Udp, 0))
}

fn front(shard: &Rc<Shard>, facts: &SharedFacts) -> (Rc<UdpFront>, SocketAddr) {
    let line = Line {
        shard: Rc::clone(shard),
        facts: Arc::clone(facts),
        session: RefCell::default(),
        start: RefCell::new(Rc::new(START)),
        nodelay: Cell::default(),
        expected_from: Cell::default(),
    };
    let front = UdpFront::new(Rc::new(line));
    let to = HostPort {
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    let public = front.bind(&[LOOPBACK], &to).expect("a free port");
    (front, public)
}

impl Scene {
    fn new(shard: &Rc<Shard>, local: &HostPort) -> Self {
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
        let carrier = {
            let empty = Rc::clone(&empty);
            let spec = Rc::new(RefCell::new(spec));
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
            empty,
        }
    }

    fn with_echo(shard: &Rc<Shard>) -> Self {
        let local = Peer::new(shard).echo();
        Self::new(shard, &host_port(local))
    }

    /// A channel that both ends have started.
    async fn open(&self) {
        let (near, far) = connection(&self.shard);
        self.front.channel(near);
        let rest = started(&self.shard, &far).await;
        self.carrier.carry(far, rest);
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        until(&self.shard, what, || condition(self)).await;
    }
}

fn host_port(address: SocketAddr) -> HostPort {
    HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Reads the start command, and returns what came with it.
async fn started(shard: &Rc<Shard>, link: &TcpLink) -> Vec<u8> {
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
async fn until(shard: &Rc<Shard>, what: &str, condition: impl Fn() -> bool) {
    let deadline = shard.after(10_000);
    while !condition() {
        assert!(
            deadline.is_some_and(|at| at > shard.now()),
            "waits for {what}"
        );
        shard.park(shard.after(1)).await.expect("nobody cancels");
    }
}

fn dropped(facts: &SharedFacts) -> u64 {
    facts.counters.datagrams_dropped.load(Relaxed)
}

fn open(facts: &SharedFacts) -> usize {
    facts.counters.visitors_open.load(Relaxed)
}

fn ends(facts: &SharedFacts, reason: EndReason) -> u64 {
    let ends = facts.counters.ends.snapshot();
    let count = ends.iter().find(|(it, _)| *it == reason);
    count.map_or(0, |(_, count)| *count)
}

/// Numbers without a pattern, the same in every run.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn datagrams_of_every_size_come_back_whole() {
    run(|shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitor = Peer::new(&shard);
        let mut total = 0;
        let mut seed = 7;
        for size in [0, 1, 12, 512, 2_049, 32_768, 65_506, 65_507, 0, 3] {
            let payload: Vec<u8> = (0..size).map(|_| random(&mut seed) as u8).collect();
            visitor.send(&payload, scene.public);
            assert_eq!(visitor.next().await, (scene.public, payload));
            total += size;
        }
        for facts in [&scene.server, &scene.client] {
            let counters = &facts.counters;
            assert_eq!(counters.bytes_in.load(Relaxed), total);
            assert_eq!(counters.bytes_out.load(Relaxed), total);
            assert_eq!(counters.visitors_total.load(Relaxed), 1);
            assert_eq!(dropped(facts), 0);
        }
    });
}

#[test]
fn bursts_of_several_visitors_keep_their_order() {
    run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        scene.open().await;
        let visitors: Vec<_> = (0..6).map(|_| Peer::new(&shard)).collect();
        let mut seed = 11;
        for _ in 0..4 {
            let mut sent: Vec<Vec<Vec<u8>>> = vec![Vec::new(); visitors.len()];
            for number in 0..600_u64 {
                let who = (random(&mut seed) % 6) as usize;
                // Mostly equal ones, so that they are joined.
                let length =
                    [600, 600, 600, 600, 0, 77, 1_400, 2_000][(random(&mut seed) % 8) as usize];
                let byte = random(&mut seed) as u8;
                let payload: Vec<u8> = (0..length)
                    .map(|at| byte ^ (at as u8) ^ number as u8)
                    .collect();
                visitors[who].send(&payload, scene.public);
                sent[who].push(payload);
            }
            for (visitor, sent) in visitors.iter().zip(sent) {
                for payload in sent {
                    assert_eq!(visitor.next().await, (scene.public, payload));
                }
            }
        }
        assert_eq!((dropped(&scene.server), dropped(&scene.client)), (0, 0));
        assert_eq!((open(&scene.server), open(&scene.client)), (6, 6));
    });
}

#[test]
fn visitors_go_on_when_the_buffers_have_been_given_back() {
    run(|shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitors = [Peer::new(&shard), Peer::new(&shard)];
        for round in 0..3_u8 {
            // Another one first each time: nothing may be left of the order they had before.
            for (number, visitor) in visitors.iter().enumerate().skip(usize::from(round % 2)) {
                visitor.send(&[round, number as u8], scene.public);
                assert_eq!(visitor.next().await.1, [round, number as u8]);
            }
            until(&shard, "a quiet moment", udp_buffers::is_empty).await;
        }
        assert_eq!((dropped(&scene.server), dropped(&scene.client)), (0, 0));
    });
}

#[test]
fn what_comes_before_a_channel_goes_with_its_start() {
    run_with(
        Limits {
            udp_pending_bytes: 1_000,
            ..limits()
        },
        |shard| async move {
            let facts = facts(1);
            let (front, public) = front(&shard, &facts);
            let visitor = Peer::new(&shard);
            for payload in [&b"early"[..], b"", &[7; 300], &[8; 900]] {
                visitor.send(payload, public);
            }
            until(&shard, "the drop", || dropped(&facts) == 1).await;
            let (near, far) = connection(&shard);
            front.channel(near);
            let rest = started(&shard, &far).await;
            let mut expected = Vec::new();
            let key = VisitorKey::from(visitor.address());
            for payload in [&b"early"[..], b"", &[7; 300]] {
                key.encode(payload, &mut expected);
            }
            // In one write, so in one read.
            assert_eq!(rest, expected);
            assert_eq!(facts.counters.bytes_in.load(Relaxed), 305);
        },
    );
}

#[test]
fn a_malformed_frame_ends_its_channel_on_both_ends() {
    run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        for at_server in [true, false] {
            let (near, far) = connection(&shard);
            let far = if at_server {
                scene.front.channel(near);
                started(&shard, &far).await;
                far
            } else {
                scene.carrier.carry(near, Vec::new());
                far
            };
            far.try_write(&[12, 7, 0, 0, 0]).expect("room");
            let facts = if at_server {
                &scene.server
            } else {
                &scene.client
            };
            scene
                .until("the end", |_| ends(facts, EndReason::BadFrame) == 1)
                .await;
        }
        // The other one goes on.
        let visitor = Peer::new(&shard);
        visitor.send(b"x", scene.public);
        assert_eq!(visitor.next().await.1, b"x");
        assert_eq!(scene.empty.get(), 0);
    });
}

#[test]
fn a_closed_socket_frees_its_address_and_a_destroyed_service_everything() {
    let (_, upcalls) = run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitor = Peer::new(&shard);
        visitor.send(b"x", scene.public);
        visitor.next().await;
        scene.front.unbind();
        let again = std::net::UdpSocket::bind(scene.public).expect("it is free");
        drop(again);
        scene.front.destroy(EndReason::Destroyed);
        assert_eq!(open(&scene.server), 0);
        scene
            .until("the client's end", |scene| scene.empty.get() == 1)
            .await;
        assert_eq!(open(&scene.client), 0);
        let sockets = &shard.context.udp_sockets;
        assert_eq!(sockets.load(Relaxed), 0);
        assert_eq!(ends(&scene.client, EndReason::ChannelEof), 1);
        assert_eq!(ends(&scene.client, EndReason::SessionEnd), 1);
        drop(scene);
        until(&shard, "the buffers' end", udp_buffers::is_empty).await;
        // The test, the echo, and those that collect events.
        until(&shard, "the tasks' end", || shard.tasks.count() <= 2).await;
    });
    let events = upcalls.into_iter().filter_map(|upcall| match upcall {
        Upcall::Events(events) => Some(events),
        _ => None,
    });
    let faults = events
        .flatten()
        .filter(|event| matches!(event, Event::Fault { .. }));
    assert_eq!(faults.count(), 0);
}

#[test]
fn visitors_move_to_another_channel_when_theirs_ends() {
    run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        scene.open().await;
        let visitors: Vec<_> = (0..16).map(|_| Peer::new(&shard)).collect();
        for round in 0..2 {
            for visitor in &visitors {
                visitor.send(b"hello", scene.public);
                assert_eq!(visitor.next().await.1, b"hello");
            }
            assert_eq!(open(&scene.server), 16);
            assert_eq!(scene.carrier.size(), 2 - round);
            if round == 0 {
                let first = Rc::clone(&scene.front.channels.borrow()[0]);
                scene.front.close(&first, EndReason::ChannelReset);
                scene
                    .until("one channel", |scene| scene.carrier.size() == 1)
                    .await;
            }
        }
        // All of them are there, as they were.
        assert_eq!(scene.server.counters.visitors_total.load(Relaxed), 16);
        assert_eq!(open(&scene.client), 16);
        scene.front.session_ended();
        scene
            .until("no channel", |scene| scene.carrier.size() == 0)
            .await;
        assert_eq!((open(&scene.server), open(&scene.client)), (16, 0));
    });
}

#[test]
fn sessions_are_bounded_on_the_client_and_the_oldest_go_first() {
    let limits = Limits {
        udp_sessions: 3,
        ..limits()
    };
    run_with(limits, |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitors: Vec<_> = (0..10).map(|_| Peer::new(&shard)).collect();
        for visitor in &visitors {
            visitor.send(b"x", scene.public);
            visitor.next().await;
        }
        for facts in [&scene.server, &scene.client] {
            assert_eq!(open(facts), 3);
            assert_eq!(ends(facts, EndReason::Evicted), 7);
        }
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 3);
    });
}

#[test]
fn idle_sessions_end_on_both_ends() {
    let limits = Limits {
        udp_idle_ms: 60,
        ..limits()
    };
    run_with(limits, |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        for round in 1..=2 {
            let visitor = Peer::new(&shard);
            visitor.send(b"x", scene.public);
            visitor.next().await;
            scene
                .until("the end of both", |it| {
                    open(&it.server) + open(&it.client) == 0
                })
                .await;
            for facts in [&scene.server, &scene.client] {
                assert_eq!(ends(facts, EndReason::Idle), round);
            }
        }
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 0);
    });
}

#[test]
fn a_local_service_by_name_gets_what_waited_for_its_address() {
    run(|shard| async move {
        let local = Peer::new(&shard);
        let name = HostPort {
            host: "localhost".to_owned(),
            port: local.address().port(),
        };
        let resolved = crate::resolve::resolve(&shard, &name, false).await;
        let resolved = resolved.expect("nobody cancels").expect("hosts file");
        if resolved.first().is_none_or(SocketAddr::is_ipv6) {
            eprintln!("skipped: localhost is not 127.0.0.1 here");
            return;
        }
        local.echo();
        let scene = Scene::new(&shard, &name);
        scene.open().await;
        let visitor = Peer::new(&shard);
        for number in 0..20 {
            visitor.send(&[number], scene.public);
        }
        for number in 0..20 {
            assert_eq!(visitor.next().await.1, [number]);
        }
        assert_eq!(dropped(&scene.client), 0);
    });
}

#[test]
fn a_local_service_that_cannot_be_reached_is_told() {
    run(|shard| async move {
        // Connecting there needs a permission that nobody asks for.
        let broadcast = HostPort {
            host: "255.255.255.255".to_owned(),
            port: 9,
        };
        let scene = Scene::new(&shard, &broadcast);
        scene.open().await;
        let visitor = Peer::new(&shard);
        visitor.send(b"x", scene.public);
        scene
            .until("the end", |it| {
                ends(&it.client, EndReason::LocalUnreachable) == 1
            })
            .await;
        assert_eq!(open(&scene.client), 0);
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 0);
    });
}

#[test]
fn what_waits_for_room_in_the_socket_goes_out_first() {
    run(|shard| async move {
        let facts = facts(1);
        let (front, public) = front(&shard, &facts);
        let visitor = Peer::new(&shard);
        visitor.send(b"x", public);
        until(&shard, "the visitor", || open(&facts) == 1).await;
        assert!(front.unsent.borrow_mut().push(visitor.address(), b"first"));
        let mut frames = Vec::new();
        let key = VisitorKey::from(visitor.address());
        for payload in [&b"second"[..], b"", b"third"] {
            key.encode(payload, &mut frames);
        }
        assert_eq!(front.deliver(&frames), Ok(frames.len()));
        for payload in [&b"first"[..], b"second", b"", b"third"] {
            assert_eq!(visitor.next().await, (public, payload.to_vec()));
        }
        assert_eq!(facts.counters.bytes_out.load(Relaxed), 16);
        assert_eq!(dropped(&facts), 0);
    });
}

#[test]
fn frames_for_strangers_and_too_large_ones_are_dropped() {
    run(|shard| async move {
        let facts = facts(1);
        let (front, public) = front(&shard, &facts);
        let visitor = Peer::new(&shard);
        visitor.send(b"x", public);
        until(&shard, "the visitor", || open(&facts) == 1).await;
        let mut frames = Vec::new();
        let key = VisitorKey::from(visitor.address());
        VisitorKey::V4([127, 0, 0, 1], 0).encode(b"nobody", &mut frames);
        VisitorKey::V6([0; 16], 7).encode(b"stranger", &mut frames);
        key.encode(&[0; 65_508], &mut frames);
        key.encode(b"good", &mut frames);
        let whole = frames.len();
        frames.extend_from_slice(&[12, 0, 0]);
        assert_eq!(front.deliver(&frames), Ok(whole));
        assert_eq!(visitor.next().await.1, b"good");
        assert_eq!(dropped(&facts), 3);
    });
}

#[test]
fn a_flood_of_one_visitor_leaves_room_for_others() {
    let limits = Limits {
        udp_backlog_bytes: 100_000,
        ..limits()
    };
    run_with(limits, |shard| async move {
        let (near, _far) = connection(&shard);
        let channel = UdpChannel::new(&shard, 1, near, Vec::new());
        let [greedy, modest] = [1, 2].map(|port| VisitorKey::V4([127, 0, 0, 1], port));
        let (mut greedy_share, mut modest_share) = (Share::default(), Share::default());
        // The peer does not read: first the system's buffers fill, then the queue.
        let fill = |share: &mut Share| {
            let mut sent = 0;
            while channel.send(&greedy, &[0; 1_000], share) {
                channel.flush();
                sent += 1;
                assert!(sent < 100_000, "it is bounded");
            }
        };
        fill(&mut greedy_share);
        for _ in 0..20 {
            assert!(channel.send(&modest, &[0; 1_000], &mut modest_share));
        }
        assert!(!channel.send(&greedy, &[0; 1_000], &mut greedy_share));
        // The bound is everybody's.
        let mut sent = 20;
        while channel.send(&modest, &[0; 1_000], &mut modest_share) {
            sent += 1;
        }
        assert!((20..=100).contains(&sent), "{sent}");
    });
}

#[test]
fn a_channel_that_the_peer_resets_ends_and_is_counted() {
    run_with(limits(), |shard| async move {
        let facts = facts(1);
        let (front, _) = front(&shard, &facts);
        let (near, far) = connection(&shard);
        front.channel(near);
        started(&shard, &far).await;
        assert_eq!(facts.counters.pool_ready.load(Relaxed), 1);
        far.abort();
        until(&shard, "the end", || {
            ends(&facts, EndReason::ChannelReset) == 1
        })
        .await;
        assert_eq!(facts.counters.pool_ready.load(Relaxed), 0);
        assert_eq!(facts.counters.pool_target.load(Relaxed), 2);
        assert!(front.reopen_at.get().is_some());
    });
}

#[test]
fn an_unbound_front_refuses_and_counts_replies() {
    run(|shard| async move {
        let facts = facts(1);
        let (front, public) = front(&shard, &facts);
        let visitor = Peer::new(&shard);
        visitor.send(b"x", public);
        until(&shard, "the visitor", || open(&facts) == 1).await;
        front.unbind();
        let mut frames = Vec::new();
        VisitorKey::from(visitor.address()).encode(b"late", &mut frames);
        assert_eq!(front.deliver(&frames), Ok(frames.len()));
        assert_eq!(dropped(&facts), 1);
    });
}
