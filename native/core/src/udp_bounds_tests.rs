//! A udp service at its bounds, when something fails, and when it ends.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::HostPort;
use crate::testing::{run, run_with};
use crate::udp_buffers;
use crate::udp_channel::{Share, UdpChannel};
use crate::udp_frame::{Decoded, VisitorKey, decode};
use crate::udp_scene::{
    Peer, Scene, connection, dropped, ends, facts, front, limits, open, started, until,
};
use crate::upcall::Upcall;

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
fn a_channel_that_was_backed_up_goes_on_with_whole_frames() {
    let limits = Limits {
        udp_backlog_bytes: 200_000,
        ..limits()
    };
    run_with(limits, |shard| async move {
        let facts = facts(1);
        let (front, public) = front(&shard, &facts);
        let (near, far) = connection(&shard);
        front.channel(near);
        started(&shard, &far).await;
        let visitor = Peer::new(&shard);
        let mut sent = 0_u32;
        while dropped(&facts) == 0 {
            let length = 2_000 + (sent % 7) as usize * 1_000;
            visitor.send(&sent.to_le_bytes().repeat(length), public);
            sent += 1;
            assert!(sent < 20_000, "it is bounded");
            // One at a time, so that none is lost before the front has it.
            let seen = || {
                let counters = &facts.counters;
                counters.bytes_in.load(Relaxed) + dropped(&facts)
            };
            let before = seen();
            until(&shard, "it is seen", || seen() > before).await;
        }
        let (mut bytes, mut at, mut next) = (Vec::new(), 0, 0);
        far.watch();
        loop {
            let mut buffer = vec![0; 262_144];
            match far.try_read(&mut buffer) {
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(_) => shard.park(shard.after(1)).await.expect("nobody cancels"),
            }
            while let Decoded::Frame { key, payload } = decode(&bytes, at) {
                assert_eq!(key, VisitorKey::from(visitor.address()));
                at = payload.end;
                let payload = &bytes[payload];
                if payload == b"last" {
                    assert_eq!(dropped(&facts), 1);
                    assert_eq!(next, sent - 1);
                    return;
                }
                let length = 2_000 + (next % 7) as usize * 1_000;
                assert!(
                    payload == next.to_le_bytes().repeat(length),
                    "number {next}"
                );
                next += 1;
                if next == sent - 1 {
                    // All that was taken has come, so there is room again.
                    visitor.send(b"last", public);
                }
            }
        }
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

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "it makes the others panic"
)]
fn a_panic_ends_one_channel_and_is_counted() {
    run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitor = Peer::new(&shard);
        visitor.send(b"1", scene.public);
        visitor.next().await;
        {
            // A new session looks at the specification, and must not panic for anything else.
            let _held = scene.spec.borrow_mut();
            Peer::new(&shard).send(b"2", scene.public);
            scene
                .until("the fault", |it| {
                    ends(&it.client, EndReason::InternalError) == 1
                })
                .await;
        }
        assert_eq!((scene.carrier.size(), open(&scene.client)), (0, 0));
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 0);
        scene
            .until("the other end", |it| {
                ends(&it.server, EndReason::ChannelEof) == 1
            })
            .await;
        scene.open().await;
        visitor.send(b"3", scene.public);
        assert_eq!(visitor.next().await.1, b"3");
    });
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "it makes the others panic"
)]
fn a_service_survives_panics_of_its_own_tasks() {
    let (_, upcalls) = run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        let visitor = Peer::new(&shard);
        for task in [scene.front.receiver.get(), scene.front.keeper.get()] {
            {
                let _held = scene.front.visitors.borrow_mut();
                visitor.send(b"lost", scene.public);
                shard.tasks.wake(task);
                let is_new = |it: &Scene| {
                    let tasks = [it.front.receiver.get(), it.front.keeper.get()];
                    !tasks.contains(&task)
                };
                scene.until("another task", is_new).await;
            }
            visitor.send(b"next", scene.public);
            while visitor.next().await.1 != b"next" {}
        }
    });
    let events = upcalls.into_iter().filter_map(|upcall| match upcall {
        Upcall::Events(events) => Some(events),
        _ => None,
    });
    let faults = events
        .flatten()
        .filter(|event| matches!(event, Event::Fault { .. }));
    assert!(faults.count() >= 2);
}
