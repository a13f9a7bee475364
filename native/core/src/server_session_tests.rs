//! A server's session on a stream of its own: what it says in commands and in frames, and what it
//! makes of its peer's.

use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use super::ServerSession;
use crate::context::{ServiceFacts, SessionHome};
use crate::control_stream::ControlStream;
use crate::control_stream::tests::{ends, held, read, read_to_end, until};
use crate::frames::tests::{TYPES, channels_frame as channels, frame, gave_up_frame as gave_up};
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::reused_link::RunningUse;
use crate::server_service::ServerService;
use crate::shard::{Service, Shard};
use crate::spec::{HostPort, ReuseRules, ServerRoutine, ServerServiceSpec, ServiceType};
use crate::task::Cancelled;
use crate::testing::{TestShards, run_with};
use crate::upcall::{SessionId, Upcall};

const SESSION: SessionId = 5;
const CREATE: [u8; 4] = [0; 4];
const GOODBYE: &[u8] = &[3, 4, 0, 0, 255, 255, 255, 255];

fn commands() -> ServerRoutine {
    ServerRoutine {
        create: CREATE.into(),
        heartbeat: vec![1; 4],
        heartbeat_interval_ms: 0,
        start: vec![3; 4],
        reuse: None,
        goodbye: Vec::new(),
    }
}

fn frames() -> ServerRoutine {
    ServerRoutine {
        heartbeat: frame(TYPES.heartbeat, &[]),
        reuse: Some(ReuseRules {
            start: vec![4; 4],
            addresses: false,
            frames: Some(TYPES),
        }),
        goodbye: GOODBYE.into(),
        ..commands()
    }
}

struct Scene {
    shard: Rc<Shard>,
    session: Rc<ServerSession>,
    stream: Rc<ControlStream>,
    peer: TcpStream,
}

impl Scene {
    /// A session that runs; no service asks it for anything.
    async fn open(shard: Rc<Shard>, routine: ServerRoutine) -> Self {
        let (stream, peer) = held(&shard).await;
        let spec = ServerServiceSpec {
            name: "test".to_owned(),
            protocol: ServiceType::Tcp,
            bind: HostPort {
                host: "127.0.0.1".to_owned(),
                port: 0,
            },
            nodelay: None,
        };
        let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
        let service = ServerService::open(&shard, facts, spec);
        let home = SessionHome {
            shard: 0,
            service: 1,
            session: SESSION,
        };
        let session = ServerSession::new(&shard, home, vec![9; 4], routine, &service);
        shard
            .services
            .borrow_mut()
            .insert(1, Service::Server(service));
        session.start(&stream);
        Self {
            shard,
            session,
            stream,
            peer,
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).expect("the server reads");
    }

    /// What has been written when the session ends, if it does.
    async fn written(&mut self) -> Vec<u8> {
        read_to_end(&self.shard, &mut self.peer).await
    }

    /// The control plane has been told of bytes.
    async fn surplus(&self) {
        until(&self.shard, "surplus", || {
            self.session.suspended.get().then_some(())
        })
        .await;
    }
}

#[test]
fn commands_are_those_of_wire_v1() {
    let (written, upcalls) = run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, commands()).await;
        assert!(scene.session.request(2));
        assert!(!scene.session.gave_up(1, 2), "nobody there understands it");
        assert!(scene.session.request(1));
        let asked = read(&scene.shard, &mut scene.peer, 12).await;
        scene.session.end(EndReason::Drain);
        [asked, scene.written().await].concat()
    });
    assert_eq!(written, CREATE.repeat(3));
    assert_eq!(ends(&upcalls), [EndReason::Drain]);
}

#[test]
fn what_is_asked_for_in_one_turn_is_one_frame() {
    let (written, upcalls) = run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        assert!(scene.session.request(2));
        assert!(scene.session.gave_up(0x0102_0304_0506_0708, 2));
        assert!(scene.session.request(3));
        let asked = read(&scene.shard, &mut scene.peer, 6 + 13).await;
        assert!(scene.session.request(70_000));
        let more = read(&scene.shard, &mut scene.peer, 12).await;
        // Told before the goodbye, in the same turn.
        assert!(scene.session.gave_up(1, 7));
        scene.session.end(EndReason::Drain);
        assert!(!scene.session.gave_up(2, 7), "it is over");
        assert!(!scene.session.request(1), "it is over");
        [asked, more, scene.written().await].concat()
    });
    let expected = [
        channels(5),
        gave_up(0x0102_0304_0506_0708, 2),
        channels(65_535),
        channels(4_465),
        gave_up(1, 7),
        GOODBYE.into(),
    ];
    assert_eq!(written, expected.concat());
    assert_eq!(ends(&upcalls), [EndReason::Drain]);
}

#[test]
fn a_heartbeat_is_a_frame_as_the_routine_has_it() {
    run_with(Limits::default(), |shard| async move {
        let routine = ServerRoutine {
            heartbeat_interval_ms: 5,
            ..frames()
        };
        let mut scene = Scene::open(shard, routine).await;
        let beats = read(&scene.shard, &mut scene.peer, 8).await;
        assert_eq!(beats, frame(TYPES.heartbeat, &[]).repeat(2));
    });
}

#[test]
fn any_frame_puts_the_heartbeat_off() {
    run_with(Limits::default(), |shard| async move {
        let routine = ServerRoutine {
            heartbeat_interval_ms: 60_000,
            ..frames()
        };
        let mut scene = Scene::open(shard, routine).await;
        let before = scene.session.heartbeat_at();
        assert!(before.is_some());
        scene.shard.sleep(3).await.expect("not cancelled");
        assert_eq!(scene.session.heartbeat_at(), before);
        assert!(scene.session.gave_up(1, 1));
        read(&scene.shard, &mut scene.peer, 13).await;
        assert!(scene.session.heartbeat_at() > before);
    });
}

#[test]
fn frames_of_the_client_are_taken_and_drain_ends_the_session() {
    let (written, upcalls) = run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        scene.say(&frame(TYPES.heartbeat, b"surplus"));
        scene.say(&frame(200, &[0x57; 4_096]).repeat(20));
        scene.say(&gave_up(1, 2));
        scene.say(&channels(3));
        let drain = [frame(TYPES.drain, &[0; 4]), b"what comes behind".to_vec()].concat();
        let (first, rest) = drain.split_at(6);
        scene.say(first);
        assert!(scene.session.request(1));
        let asked = read(&scene.shard, &mut scene.peer, 6).await;
        scene.say(rest);
        [asked, scene.written().await].concat()
    });
    assert_eq!(written, channels(1), "no goodbye answers a goodbye");
    assert_eq!(ends(&upcalls), [EndReason::Drain]);
    let surplus = |upcall: &Upcall| matches!(upcall, Upcall::Surplus { .. });
    assert!(!upcalls.iter().any(surplus), "{upcalls:?}");
}

/// Whatever shard has the use: it ends with the reason as the client means it.
#[test]
fn a_use_that_the_client_gave_up_ends_on_its_shard() {
    let shards = TestShards::several(2, Limits::default());
    let (told, reasons) = mpsc::channel();
    for index in 0..2_u64 {
        let told = told.clone();
        let at = usize::try_from(index).expect("small");
        shards.context.remote(at).post(move |shard| {
            let task = shard.spawn("use", {
                let shard = Rc::clone(shard);
                async move {
                    if let Err(Cancelled(reason)) = shard.park(None).await {
                        told.send((index, reason)).expect("the test waits");
                    }
                }
            });
            let mut uses = shard.uses.borrow_mut();
            uses.insert((SESSION, index), RunningUse::new(task));
        });
    }
    shards.run(|shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        scene.say(&[gave_up(7, 3), gave_up(1, 2), gave_up(0, 200)].concat());
        scene.say(&frame(TYPES.drain, &[0; 4]));
        scene.written().await;
    });
    let mut ended: Vec<_> = reasons.iter().take(2).collect();
    ended.sort_unstable();
    assert_eq!(
        ended,
        [(0, EndReason::ChannelReset), (1, EndReason::LocalRefused)]
    );
}

#[test]
fn a_malformed_frame_ends_the_session() {
    for bad in [&[2, 1, 0x10, 0][..], &[3, 3, 0, 0], &[4, 8, 0, 0]] {
        let ((), upcalls) = run_with(Limits::default(), move |shard| async move {
            let mut scene = Scene::open(shard, frames()).await;
            scene.say(bad);
            assert_eq!(scene.written().await, b"");
        });
        assert_eq!(ends(&upcalls), [EndReason::ControlData], "{bad:?}");
    }
}

#[test]
fn after_the_offer_was_answered_frames_are_said_and_read() {
    let (written, upcalls) = run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, commands()).await;
        assert!(scene.session.request(1));
        let mut written = read(&scene.shard, &mut scene.peer, 4).await;
        let behind = gave_up(1, 2);
        scene.say(&[b"an offer.", &behind[..7]].concat());
        scene.surplus().await;
        assert!(!scene.session.request(1), "the control plane writes");
        assert!(!scene.session.gave_up(1, 2), "the control plane writes");
        scene.stream.read(9);
        scene.stream.write(b"answer");
        scene.session.resume(frames());
        assert!(scene.session.request(2));
        written.extend(read(&scene.shard, &mut scene.peer, 12).await);
        scene.say(&behind[7..]);
        scene.say(&frame(TYPES.drain, &[0; 4]));
        [written, scene.written().await].concat()
    });
    assert_eq!(
        written,
        [&CREATE, &b"answer"[..], &channels(2)].concat(),
        "{upcalls:?}"
    );
    assert_eq!(ends(&upcalls), [EndReason::Drain]);
}

/// What is due when a client makes its offer is asked for in frames.
#[test]
fn what_is_still_due_is_said_as_the_new_routine_does() {
    run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, commands()).await;
        scene.say(b"an offer");
        scene.surplus().await;
        scene.session.creates.set(4);
        scene.session.resume(frames());
        scene.stream.read(8);
        let asked = read(&scene.shard, &mut scene.peer, 6).await;
        assert_eq!(asked, channels(4));
    });
}

#[test]
fn only_an_end_that_we_announce_has_a_goodbye() {
    let announced = [EndReason::Drain, EndReason::ServiceClosed];
    for reason in [
        EndReason::Drain,
        EndReason::ServiceClosed,
        EndReason::Replaced,
        EndReason::Destroyed,
        EndReason::TunnelClosed,
    ] {
        let (written, upcalls) = run_with(Limits::default(), move |shard| async move {
            let mut scene = Scene::open(shard, frames()).await;
            scene.session.end(reason);
            scene.written().await
        });
        let expected = if announced.contains(&reason) {
            GOODBYE
        } else {
            b""
        };
        assert_eq!(written, expected, "{reason:?}");
        assert_eq!(ends(&upcalls), [reason]);
    }
}

/// Half an offer has come: the peer does not read frames yet.
#[test]
fn a_suspended_session_says_no_goodbye() {
    run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        scene.session.set_routine(ServerRoutine {
            goodbye: GOODBYE.into(),
            ..commands()
        });
        scene.say(b"half an ");
        scene.surplus().await;
        scene.stream.read(8);
        scene.session.end(EndReason::Drain);
        assert_eq!(scene.written().await, b"");
    });
}

#[test]
fn a_polite_end_waits_for_the_peers_and_leaves_nothing() {
    run_with(Limits::default(), |shard| async move {
        let tasks = shard.tasks.count();
        let mut scene = Scene::open(shard, frames()).await;
        scene.session.end(EndReason::ServiceClosed);
        assert_eq!(scene.written().await, GOODBYE);
        // It still takes what a peer says that has not heard of it.
        scene.say(&gave_up(1, 1));
        let Scene { shard, peer, .. } = scene;
        assert_eq!(shard.reactor.count(), 1);
        drop(peer);
        let _ = shard.services.borrow_mut().remove(&1);
        until(&shard, "the socket's end", || {
            (shard.reactor.count() == 0).then_some(())
        })
        .await;
        until(&shard, "the task's end", || {
            (shard.tasks.count() <= tasks).then_some(())
        })
        .await;
    });
}

#[test]
fn what_a_peer_does_not_read_is_bounded() {
    run_with(Limits::default(), |shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        let said = (0..1_000_000).take_while(|visitor| scene.session.gave_up(*visitor, 1));
        let said = said.count();
        assert_eq!(said, 65_536_usize.div_ceil(13));
        assert!(!scene.session.request(1));
        read(&scene.shard, &mut scene.peer, said * 13).await;
        assert!(scene.session.gave_up(1, 1));
        assert!(scene.session.request(1));
    });
}
