//! A udp service at its bounds.

use std::sync::atomic::Ordering::Relaxed;

use crate::limits::Limits;
use crate::reason::EndReason;
use crate::testing::{run, run_with};
use crate::udp_channel::{Share, UdpChannel};
use crate::udp_frame::{Decoded, VisitorKey, decode};
use crate::udp_scene::{
    Peer, Scene, connection, dropped, ends, facts, front, limits, open, started, until,
};

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
            front.channel(near, 1);
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
        front.channel(near, 1);
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
