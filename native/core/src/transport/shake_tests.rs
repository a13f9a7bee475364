//! Handshakes beside everything else: one step a turn, on the least busy shard, given up at once.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{ShakeError, shake};
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::testing::{TestShards, run};
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::gate::Passage;
use crate::transport::scene::{carriers, connect, pair, tcp_link};

/// Says nothing; done by a byte `!`, refuses any other.
struct Silent;

impl Handshake for Silent {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        if came.is_empty() {
            return Ok(Step::Wait);
        }
        if came.remove(0) == b'!' {
            return Ok(Step::Done(None));
        }
        out.extend_from_slice(b"no");
        Err(Refused::new(EndReason::ProxyRefused, "not a !"))
    }

    fn name(&self) -> &'static str {
        "test"
    }
}

fn refusal(result: Result<Link, ShakeError>) -> Refused {
    match result {
        Err(ShakeError::Refused(refused) | ShakeError::Answered(refused, _)) => refused,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

/// A step as costly as public key cryptography.
fn spend(passage: Passage<'_>) {
    std::thread::sleep(Duration::from_millis(1));
    drop(passage);
}

/// The shard's budget for this turn is used up.
async fn fill(shard: &Shard) {
    spend(shard.gate.enter(shard).await.expect("not cancelled"));
}

#[test]
fn the_last_words_of_a_refusal_arrive() {
    let (mut peer, refused) = run(|shard| async move {
        let (dialled, accepted) = pair();
        let mut peer = dialled;
        peer.write_all(b"?").expect("writes");
        let link = tcp_link(&shard, accepted);
        let shaken = shake(&shard, link, Box::new(Silent), shard.after(20_000)).await;
        assert_eq!(shard.reactor.count(), 0);
        (peer, refusal(shaken))
    });
    assert_eq!(refused.text, "not a !");
    peer.set_nonblocking(false).expect("a socket");
    let mut got = Vec::new();
    peer.read_to_end(&mut got).expect("FIN");
    assert_eq!(got, b"no");
}

#[test]
fn bytes_behind_a_handshake_without_a_transport_are_refused() {
    let refused = run(|shard| async move {
        let (mut peer, accepted) = pair();
        peer.write_all(b"!surplus").expect("writes");
        let link = tcp_link(&shard, accepted);
        refusal(shake(&shard, link, Box::new(Silent), shard.after(20_000)).await)
    });
    assert_eq!(refused.reason, EndReason::ProxyRefused);
}

#[test]
fn a_silent_peer_is_given_up_and_one_that_leaves_is_named() {
    let (late, left) = run(|shard| async move {
        let (_peer, accepted) = pair();
        let link = tcp_link(&shard, accepted);
        let late = refusal(shake(&shard, link, Box::new(Silent), shard.after(5)).await);
        let (peer, accepted) = pair();
        drop(peer);
        let link = tcp_link(&shard, accepted);
        let left = refusal(shake(&shard, link, Box::new(Silent), shard.after(20_000)).await);
        assert_eq!(shard.reactor.count(), 0);
        (late, left)
    });
    assert_eq!(late.reason, EndReason::HandshakeTimeout);
    assert_eq!(left.reason, EndReason::HandshakeEof);
    assert!(left.text.contains("test handshake"), "{}", left.text);
}

#[test]
fn one_step_is_taken_in_a_turn() {
    run(|shard| async move {
        let done = Rc::new(Cell::new(0));
        for _ in 0..20 {
            let (shard, done) = (Rc::clone(&shard), Rc::clone(&done));
            shard.clone().spawn("step", async move {
                let passage = shard.gate.enter(&shard).await.expect("not cancelled");
                done.set(done.get() + 1);
                spend(passage);
            });
        }
        let (mut at, mut turns, mut before) = (shard.now(), 0, 0);
        while done.get() < 20 {
            shard.tasks.yield_now().await.expect("not cancelled");
            if shard.now() != at {
                (at, turns) = (shard.now(), turns + 1);
                let steps = done.get();
                assert!(steps - before <= 1, "{} steps in a turn", steps - before);
                before = steps;
            }
        }
        assert!(turns >= 18, "{turns} turns for 20 steps");
    });
}

/// A newcomer took the turn of one that had been called, which then waited for ever.
#[test]
fn nobody_is_passed_over() {
    run(|shard| async move {
        fill(&shard).await;
        let (there, served) = (Rc::clone(&shard), Rc::new(Cell::new(false)));
        let done = Rc::clone(&served);
        shard.spawn("waits", async move {
            drop(there.gate.enter(&there).await.expect("not cancelled"));
            done.set(true);
        });
        // Ready before the one that waits is called, in the turn after this one.
        let before = shard.now();
        while shard.now() == before {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        drop(shard.gate.enter(&shard).await.expect("not cancelled"));
        let deadline = shard.after(20_000);
        while !served.get() {
            assert!(deadline > Some(shard.now()), "it waits for ever");
            shard.tasks.yield_now().await.expect("not cancelled");
        }
    });
}

#[test]
fn a_cancelled_task_leaves_its_place() {
    run(|shard| async move {
        let passage = shard.gate.enter(&shard).await.expect("the first step");
        spend(passage);
        let (there, waits) = (Rc::clone(&shard), Rc::new(Cell::new(false)));
        let waiting = Rc::clone(&waits);
        let task = shard.spawn("waits", async move {
            waiting.set(true);
            let _ = there.gate.enter(&there).await;
        });
        shard.tasks.cancel(task, EndReason::Destroyed);
        while !waits.get() || shard.gate.has_waiting() {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        drop(shard.gate.enter(&shard).await.expect("the next step"));
    });
}

#[test]
fn a_busy_shard_sends_handshakes_to_others_and_gets_the_connections_back() {
    for carrier in carriers() {
        let shards = TestShards::several(2, Limits::default());
        shards.run(move |shard| async move {
            shard.remote(0).shaking.fetch_add(100, Relaxed);
            fill(&shard).await;
            let (client, server) = connect(&shard, &carrier).await;
            assert_eq!(client.shard().index, 0);
            assert_eq!(server.shard().index, 0);
            client.try_write(b"hello").expect("writes");
            let mut got = [0; 5];
            while server.try_read(&mut got).is_err() {
                shard.park(None).await.expect("not cancelled");
            }
            assert_eq!(&got, b"hello", "{}", carrier.name);
            assert_eq!(shard.remote(1).shaking.load(Relaxed), 0);
        });
    }
}

#[test]
fn a_handshake_elsewhere_is_given_up_with_its_task() {
    let shards = TestShards::several(2, Limits::default());
    shards.run(|shard| async move {
        shard.remote(0).shaking.fetch_add(100, Relaxed);
        let (mut peer, accepted) = pair();
        let there = Rc::clone(&shard);
        let link = tcp_link(&shard, accepted);
        let task = shard.spawn("waits", async move {
            fill(&there).await;
            let shaken = shake(&there, link, Box::new(Silent), None).await;
            assert!(matches!(shaken, Err(ShakeError::Cancelled(_))));
        });
        while shard.remote(1).shaking.load(Relaxed) == 0 {
            shard.sleep(1).await.expect("not cancelled");
        }
        shard.tasks.cancel(task, EndReason::Destroyed);
        while shard.remote(1).shaking.load(Relaxed) > 0 {
            shard.sleep(1).await.expect("not cancelled");
        }
        peer.set_nonblocking(false).expect("a socket");
        assert_eq!(peer.read(&mut [0]).expect("FIN"), 0);
    });
}
