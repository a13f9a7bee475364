//! A udp service when something fails, and when it ends.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use crate::events::Event;
use crate::reason::EndReason;
use crate::testing::{run, run_with};
use crate::udp_buffers;
use crate::udp_frame::VisitorKey;
use crate::udp_scene::{
    Peer, Scene, connection, dropped, ends, facts, front, limits, open, started, until,
};
use crate::upcall::Upcall;

fn faults(upcalls: Vec<Upcall>) -> usize {
    let events = upcalls.into_iter().filter_map(|upcall| match upcall {
        Upcall::Events(events) => Some(events),
        _ => None,
    });
    let faults = events
        .flatten()
        .filter(|event| matches!(event, Event::Fault { .. }));
    faults.count()
}

#[test]
fn a_malformed_frame_ends_its_channel_on_both_ends() {
    run_with(limits(), |shard| async move {
        let scene = Scene::with_echo(&shard);
        scene.open().await;
        for at_server in [true, false] {
            let (near, far) = connection(&shard);
            let far = if at_server {
                scene.front.channel(near, 1);
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
fn a_channel_that_the_peer_resets_ends_and_is_counted() {
    run_with(limits(), |shard| async move {
        let facts = facts(1);
        let (front, _) = front(&shard, &facts);
        let (near, far) = connection(&shard);
        front.channel(near, 1);
        started(&shard, &far).await;
        assert_eq!(facts.counters.pool_ready.load(Relaxed), 1);
        far.abort(EndReason::ChannelReset);
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
    assert_eq!(faults(upcalls), 0);
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
    assert!(faults(upcalls) >= 2);
}
