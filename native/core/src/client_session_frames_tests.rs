//! A client's session whose peer reuses channels: frames of the server, however they are cut, and what
//! the client says itself.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ClientSession;
use super::tests::{SILENCE_MS, awaited, limits};
use crate::client_scene::{
    self, CREATE, Client, HANGS, HEARTBEAT, SERVICE, accept, end_of, routine,
};
use crate::control_stream::tests::{ends, held, read, read_to_end, until};
use crate::control_stream::{Consumed, ControlStream, Then};
use crate::events::Event;
use crate::frames::tests::{
    TYPES, channels_frame as channels, cut, frame, gave_up_frame as gave_up,
};
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::{Service, Shard};
use crate::spec::{ClientRoutine, ReuseRules};
use crate::testing::run_with;
use crate::upcall::Upcall;

const GOODBYE: &[u8] = &[3, 4, 0, 0, 255, 255, 255, 255];

/// A peer that reuses channels has answered the offer.
fn frames() -> ClientRoutine {
    ClientRoutine {
        silence_timeout_ms: SILENCE_MS,
        reuse: Some(ReuseRules {
            start: b"WRN1".to_vec(),
            addresses: true,
            frames: Some(TYPES),
        }),
        goodbye: GOODBYE.into(),
        ..routine()
    }
}

/// The offer has not been answered.
fn offered() -> ClientRoutine {
    let frames = frames();
    ClientRoutine {
        reuse: frames.reuse.map(|rules| ReuseRules {
            frames: None,
            ..rules
        }),
        goodbye: Vec::new(),
        ..frames
    }
}

/// A session that runs, on a stream of its own.
struct Scene {
    shard: Rc<Shard>,
    session: Rc<ClientSession>,
    stream: Rc<ControlStream>,
    peer: TcpStream,
}

impl Scene {
    async fn open(shard: Rc<Shard>, routine: ClientRoutine) -> Self {
        let (stream, peer) = held(&shard).await;
        let (service, session) = awaited(&shard, routine);
        let mut services = shard.services.borrow_mut();
        services.insert(1, Service::Client(service));
        drop(services);
        session.start(&stream);
        Self {
            shard,
            session,
            stream,
            peer,
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).expect("the client reads");
    }

    async fn read(&mut self, length: usize) -> Vec<u8> {
        read(&self.shard, &mut self.peer, length).await
    }

    /// What has been written when the session ends, if it does.
    async fn written(&mut self) -> Vec<u8> {
        read_to_end(&self.shard, &mut self.peer).await
    }
}

/// Frames, the last of them perhaps one that ends the session, and where they are cut.
#[derive(Clone, Debug)]
struct Frames {
    counts: Vec<u16>,
    others: Vec<Vec<u8>>,
    last: (Vec<u8>, Then),
    cuts: Vec<usize>,
}

fn frame_scripts() -> impl Strategy<Value = Frames> {
    let other = prop_oneof![
        Just(frame(TYPES.heartbeat, &[])),
        (any::<u64>(), any::<u8>()).prop_map(|(visitor, reason)| gave_up(visitor, reason)),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|payload| frame(9, &payload)),
    ];
    let last = prop_oneof![
        Just((Vec::new(), Then::GoOn)),
        Just((vec![1, 2, 0], Then::GoOn)),
        Just((frame(TYPES.drain, &[0; 4]), Then::End(EndReason::Drain))),
        Just((vec![1, 1, 0, 0], Then::End(EndReason::ControlData))),
        Just((vec![7, 1, 16, 0], Then::End(EndReason::ControlData))),
    ];
    let counts = prop::collection::vec(0_u16..40, 0..40);
    let others = prop::collection::vec(other, 0..40);
    let cuts = prop::collection::vec(1_usize..30, 1..200);
    (counts, others, last, cuts).prop_map(|(counts, others, last, cuts)| Frames {
        counts,
        others,
        last,
        cuts,
    })
}

/// As `play`; all bytes are taken.
fn play_frames(shard: &Rc<Shard>, script: &Frames) {
    let (_service, session) = awaited(shard, frames());
    session.run(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut bytes: Vec<u8> = Vec::new();
    for at in 0..script.counts.len().max(script.others.len()) {
        bytes.extend(script.others.get(at).into_iter().flatten());
        bytes.extend(
            script
                .counts
                .get(at)
                .into_iter()
                .flat_map(|count| channels(*count)),
        );
    }
    // What ends the session comes by itself, so that all before it has been done.
    let pieces = cut(&bytes, &script.cuts).chain(cut(&script.last.0, &[1]));
    let mut then = Then::GoOn;
    for piece in pieces {
        assert_eq!(then, Then::GoOn, "asked on after its end");
        let consumed = session.bytes(piece);
        assert_eq!(consumed.used, piece.len());
        then = consumed.then;
    }
    let requested: usize = script.counts.iter().map(|count| usize::from(*count)).sum();
    assert_eq!(session.dialer.outstanding(), requested);
    assert_eq!(then, script.last.1);
}

#[test]
fn understands_frames_however_they_are_cut() {
    run_with(limits(), |shard| async move {
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::default()
        });
        let result = runner.run(&frame_scripts(), |script| {
            play_frames(&shard, &script);
            Ok(())
        });
        result.expect("every script");
    });
}

#[test]
fn only_whole_frames_prove_life() {
    run_with(limits(), |shard| async move {
        let (_service, session) = awaited(&shard, frames());
        session.run(SocketAddr::from(([127, 0, 0, 1], 1)));
        let frames = [
            channels(1),
            frame(TYPES.heartbeat, &[]),
            frame(99, b"unknown"),
            gave_up(1, 1),
        ];
        for frame in frames {
            let armed = session.deadline();
            shard.sleep(2).await.expect("not cancelled");
            let (last, first) = frame.split_last().expect("a head at least");
            session.bytes(first);
            assert_eq!(session.deadline(), armed);
            session.bytes(&[*last]);
            assert_eq!(session.deadline(), shard.after(SILENCE_MS));
        }
    });
}

/// The answer may come behind commands, and frames may come with it.
#[test]
fn until_the_answer_it_obeys_commands() {
    run_with(limits(), |shard| async move {
        let (_service, session) = awaited(&shard, offered());
        session.run(SocketAddr::from(([127, 0, 0, 1], 1)));
        let bytes = [&CREATE, &HEARTBEAT, &b"WRN1\x01\0\0\0"[..], &channels(3)].concat();
        let then = Then::Suspend;
        assert_eq!(session.bytes(&bytes), Consumed { used: 8, then });
        assert_eq!(session.dialer.outstanding(), 1);
        assert!(!session.gave_up(1, 1), "nobody there understands it");
        session.suspended();
        session.resume(frames());
        let (used, then) = (6, Then::GoOn);
        assert_eq!(session.bytes(&bytes[16..]), Consumed { used, then });
        assert_eq!(session.dialer.outstanding(), 4);
    });
}

#[test]
fn says_what_it_gave_up_and_goodbye() {
    for reason in [EndReason::Drain, EndReason::ServiceClosed] {
        let (written, upcalls) = run_with(limits(), move |shard| async move {
            let mut scene = Scene::open(shard, frames()).await;
            assert!(scene.session.gave_up(0x0102_0304_0506_0708, 2));
            let first = scene.read(13).await;
            assert!(scene.session.gave_up(2, 7));
            scene.session.end(reason);
            assert!(!scene.session.gave_up(3, 7), "it is over");
            [first, scene.written().await].concat()
        });
        let told = [
            gave_up(0x0102_0304_0506_0708, 2),
            gave_up(2, 7),
            GOODBYE.into(),
        ];
        assert_eq!(written, told.concat());
        assert_eq!(ends(&upcalls), [reason]);
    }
}

#[test]
fn says_nothing_where_an_end_is_not_announced_or_nobody_would_understand() {
    let cases = [
        (frames(), EndReason::Replaced),
        (frames(), EndReason::Destroyed),
        (offered(), EndReason::Drain),
        (routine(), EndReason::ServiceClosed),
    ];
    for (routine, reason) in cases {
        let (written, upcalls) = run_with(limits(), move |shard| async move {
            let mut scene = Scene::open(shard, routine).await;
            scene.session.end(reason);
            scene.written().await
        });
        assert_eq!(written, b"", "{reason:?}");
        assert_eq!(ends(&upcalls), [reason]);
    }
}

#[test]
fn a_suspended_session_says_nothing() {
    run_with(limits(), |shard| async move {
        let routine = ClientRoutine {
            goodbye: GOODBYE.into(),
            ..offered()
        };
        let mut scene = Scene::open(shard, routine).await;
        scene.say(b"WRN1");
        until(&scene.shard, "surplus", || {
            scene.session.deadline().is_none().then_some(())
        })
        .await;
        scene.session.set_routine(frames());
        assert!(!scene.session.gave_up(1, 1), "the control plane writes");
        scene.stream.read(4);
        scene.session.end(EndReason::Drain);
        assert_eq!(scene.written().await, b"");
    });
}

#[test]
fn a_drain_of_the_server_and_a_malformed_frame_end_the_session() {
    let drain = [frame(TYPES.drain, &[0; 4]), channels(9)].concat();
    let cases = [
        (drain, EndReason::Drain),
        (vec![1, 1, 0, 0], EndReason::ControlData),
        (vec![200, 0, 0, 1], EndReason::ControlData),
    ];
    for (bytes, reason) in cases {
        let ((), upcalls) = run_with(limits(), move |shard| async move {
            let mut scene = Scene::open(shard, frames()).await;
            scene.say(&bytes);
            assert_eq!(scene.written().await, b"", "no goodbye answers one");
            assert_eq!(scene.session.dialer.outstanding(), 0);
        });
        assert_eq!(ends(&upcalls), [reason]);
    }
}

#[test]
fn what_a_server_does_not_read_is_bounded() {
    run_with(limits(), |shard| async move {
        let mut scene = Scene::open(shard, frames()).await;
        let said = (0..1_000_000).take_while(|visitor| scene.session.gave_up(*visitor, 1));
        let said = said.count();
        assert_eq!(said, 65_536_usize.div_ceil(13));
        scene.read(said * 13).await;
        assert!(scene.session.gave_up(1, 1));
    });
}

/// Work and memory do not follow what a server says: these are 45 million channels.
#[test]
fn a_server_that_asks_for_far_too_many_is_refused_in_one_step() {
    let ((), upcalls) = run_with(limits(), |shard| async move {
        let (_service, session) = awaited(&shard, frames());
        session.run(SocketAddr::from(([127, 0, 0, 1], 1)));
        let bytes = channels(u16::MAX).repeat(682);
        let (used, then) = (bytes.len(), Then::GoOn);
        assert_eq!(session.bytes(&bytes), Consumed { used, then });
        assert_eq!(session.dialer.outstanding(), 4_096);
    });
    let failed: Vec<_> = upcalls
        .into_iter()
        .flat_map(|upcall| match upcall {
            Upcall::Events(events) => events,
            _ => Vec::new(),
        })
        .collect();
    let told = 682 * 65_535 - 4_096;
    assert!(
        matches!(
            failed[..],
            [Event::ChannelFailed {
                reason: EndReason::DialLimit,
                count,
                ..
            }] if count == told
        ),
        "{failed:?}"
    );
}

/// The threads stop as soon as everything is told; what a turn has begun it ends.
#[test]
fn the_goodbye_of_an_engine_that_closes_is_with_the_system() {
    let mut client = Client::open(Limits::default());
    client.attach(1, frames());
    let mut control = client.control.take().expect("a control channel");
    control.write_all(&channels(1)).expect("the client reads");
    let _channel = accept(&client.server);
    client
        .engine
        .close_service(SERVICE, EndReason::Drain, Some(0));
    client.service_closed();
    client.engine.shutdown();
    assert_eq!(client.session_end(1), EndReason::Drain);
    assert_eq!(client_scene::read(&mut control, GOODBYE.len()), GOODBYE);
    assert_eq!(end_of(&mut control), None);
}

/// A peer that neither reads nor ends costs the engine's end nothing, and its socket only a while.
#[test]
fn a_peer_that_does_not_answer_a_goodbye_is_left() {
    let mut client = Client::open(Limits {
        linger_ms: 30,
        ..Limits::default()
    });
    client.attach(1, frames());
    let control = client.control.take().expect("a control channel");
    client.engine.detach(SERVICE, EndReason::ServiceClosed);
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    // It has been closed when what is written there meets RST.
    let written = (0..HANGS.as_millis()).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        (&control).write_all(b"x").is_err()
    });
    assert!(written, "the socket is still there");
    client.assert_told_nothing();
}
