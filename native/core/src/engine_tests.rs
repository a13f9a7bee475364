//! What an engine leaves behind on its shards when things have come and gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Engine, EngineOptions};
use crate::reason::EndReason;
use crate::server_service::ServerSessionStart;
use crate::spec::{
    CarrierSpec, HelloRule, HostPort, ServerRoutine, ServerServiceSpec, ServiceType, TcpSpec,
    TransportSpec, TunnelListenSpec,
};
use crate::upcall::{StreamId, Upcall};

const KEY: [u8; 4] = [9, 9, 9, 9];

struct Scene {
    engine: Engine,
    upcalls: std::cell::RefCell<Vec<Upcall>>,
}

impl Scene {
    fn new(threads: usize) -> Self {
        let options = EngineOptions {
            threads,
            events: true,
            ..EngineOptions::default()
        };
        let engine = Engine::start(options, || {}).expect("threads and descriptors");
        Self {
            engine,
            upcalls: std::cell::RefCell::default(),
        }
    }

    /// Waits for the first upcall that fits, and takes it out.
    fn upcall<T>(&self, what: &str, fits: impl Fn(&Upcall) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let mut upcalls = self.upcalls.borrow_mut();
            upcalls.extend(self.engine.take_upcalls());
            if let Some((at, found)) = upcalls
                .iter()
                .enumerate()
                .find_map(|(at, it)| Some((at, fits(it)?)))
            {
                upcalls.remove(at);
                return found;
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no {what}: {upcalls:?}"
            );
            drop(upcalls);
            std::thread::yield_now();
        }
    }

    /// Tasks, sockets and named things of each shard.
    fn counts(&self) -> Vec<[usize; 5]> {
        let count = |remote: &crate::shard::Remote| {
            let (send, receive) = mpsc::channel();
            remote.post(move |shard| {
                let named = [
                    shard.listeners.borrow().len(),
                    shard.streams.borrow().len(),
                    shard.services.borrow().len(),
                ];
                let [a, b, c] = named;
                let _ = send.send([shard.tasks.count(), shard.reactor.count(), a, b, c]);
            });
            receive.recv().expect("the shard lives")
        };
        self.engine.context.remotes().iter().map(count).collect()
    }

    fn until_counts(&self, wanted: &[[usize; 5]]) {
        let began = Instant::now();
        while self.counts() != wanted {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{:?}",
                self.counts()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn listen(&self, listener: u32) -> SocketAddr {
        self.engine.listen(
            listener,
            TunnelListenSpec {
                bind: anywhere(),
                transport: TransportSpec {
                    tcp: TcpSpec {
                        nodelay: true,
                        keepalive_ms: 20_000,
                        keepalive_interval_ms: 8_000,
                    },
                    carrier: CarrierSpec::Tcp,
                },
                hello: HelloRule {
                    length: 8,
                    control: vec![1; 4],
                    data: vec![2; 4],
                },
            },
        );
        self.upcall("listener", |upcall| match upcall {
            Upcall::Listening { address, .. } => Some(*address),
            _ => None,
        })
    }

    fn control(&self, at: SocketAddr) -> (TcpStream, StreamId) {
        let mut peer = TcpStream::connect(at).expect("loopback connects");
        peer.write_all(&[1; 8]).expect("a hello");
        let stream = self.upcall("control", |upcall| match upcall {
            Upcall::Control { stream, .. } => Some(*stream),
            _ => None,
        });
        (peer, stream)
    }

    fn serve(&self, service: u32, session: u32, stream: StreamId) -> SocketAddr {
        self.engine.open_server_service(
            service,
            ServerServiceSpec {
                name: format!("service {service}"),
                protocol: ServiceType::Tcp,
                bind: anywhere(),
                nodelay: None,
            },
        );
        self.engine.attach_server(
            service,
            stream,
            None,
            ServerSessionStart {
                session,
                key: KEY.to_vec(),
                routine: ServerRoutine {
                    create: vec![0; 4],
                    heartbeat: vec![1; 4],
                    heartbeat_interval_ms: 30_000,
                    start: vec![3; 4],
                    reuse: None,
                    goodbye: Vec::new(),
                },
            },
        );
        self.upcall("address", |upcall| match upcall {
            Upcall::Address { address, .. } => *address,
            _ => None,
        })
    }
}

fn anywhere() -> HostPort {
    HostPort {
        host: "127.0.0.1".to_owned(),
        port: 0,
    }
}

#[test]
fn sessions_and_services_that_come_and_go_leave_nothing() {
    let scene = Scene::new(2);
    let at = scene.listen(1);
    let empty = scene.counts();
    for turn in 0..6_u32 {
        let (mut client, stream) = scene.control(at);
        let visited = scene.serve(turn, turn, stream);
        let mut creates = [0; 32];
        client.read_exact(&mut creates).expect("eight creates");
        let mut channel = TcpStream::connect(at).expect("loopback connects");
        channel.write_all(&[[2; 4], KEY].concat()).expect("a hello");
        let mut visitor = TcpStream::connect(visited).expect("loopback connects");
        visitor.write_all(b"visitor").expect("writes");
        let mut came = [0; 11];
        channel.read_exact(&mut came).expect("start and bytes");
        assert_eq!(&came[4..], b"visitor");
        drop(channel);
        scene
            .engine
            .close_service(turn, EndReason::ServiceClosed, Some(0));
        scene.upcall("closed", |upcall| {
            matches!(upcall, Upcall::ServiceClosed { .. }).then_some(())
        });
        scene.engine.forget_service(turn);
    }
    scene.until_counts(&empty);
    scene.engine.close_listener(1, EndReason::TunnelClosed);
    scene.until_counts(&[[0; 5], [0; 5]]);
}

#[test]
fn a_listener_that_closes_leaves_no_half_known_connections() {
    let scene = Scene::new(1);
    let at = scene.listen(1);
    let silent: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(at).expect("connects"))
        .collect();
    let (_held, _) = scene.control(at);
    scene.engine.close_listener(1, EndReason::TunnelClosed);
    scene.until_counts(&[[0; 5]]);
    assert_eq!(scene.engine.stats().unauthenticated, 0);
    drop(silent);
}

#[test]
fn a_listener_ends_a_session_whose_stream_is_on_its_way_between_shards() {
    let scene = Scene::new(2);
    let at = scene.listen(1);
    let (_client, stream) = scene.control(at);
    let engine = &scene.engine;
    // The second one's home is not the listener's shard.
    for service in [3, 4] {
        let spec = ServerServiceSpec {
            name: format!("service {service}"),
            protocol: ServiceType::Tcp,
            bind: anywhere(),
            nodelay: None,
        };
        engine.open_server_service(service, spec);
    }
    // The stream's shard is slow, the service's is fast.
    let (go, held) = mpsc::channel::<()>();
    engine.post(0, move |_| {
        let _ = held.recv();
    });
    let start = ServerSessionStart {
        session: 5,
        key: KEY.to_vec(),
        routine: ServerRoutine {
            create: vec![0; 4],
            heartbeat: vec![1; 4],
            heartbeat_interval_ms: 0,
            start: vec![3; 4],
            reuse: None,
            goodbye: Vec::new(),
        },
    };
    engine.attach_server(4, stream, None, start);
    engine.close_listener(1, EndReason::TunnelClosed);
    let (told, done) = mpsc::channel();
    engine.post(1, move |_| {
        let _ = told.send(());
    });
    done.recv().expect("the other shard lives");
    drop(go);
    let reason = scene.upcall("end of the session", |upcall| match upcall {
        Upcall::SessionEnded { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, EndReason::TunnelClosed);
}

#[test]
fn what_is_posted_to_a_shard_that_has_stopped_is_dropped() {
    let scene = Scene::new(1);
    scene.engine.shutdown();
    let (held, gone) = mpsc::channel::<()>();
    scene.engine.post(0, move |_| drop(held));
    assert_eq!(gone.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}
