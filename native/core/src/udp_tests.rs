//! Datagrams through both ends of a udp service.

use std::sync::atomic::Ordering::Relaxed;

use crate::testing::{run, run_with};
use crate::udp_buffers;
use crate::udp_scene::{Peer, Scene, dropped, limits, open, until};

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
