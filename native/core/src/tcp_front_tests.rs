//! What a front leaves behind: nothing. And what a fault in it costs: the one visitor.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::TcpFront;
use crate::context::{ServiceFacts, SharedFacts};
use crate::events::Event;
use crate::front::Line;
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{HostPort, ServiceType};
use crate::tcp_link::TcpLink;
use crate::testing::{TestShards, run_with};
use crate::upcall::Upcall;

fn front(shard: &Rc<Shard>) -> Rc<TcpFront> {
    let facts = ServiceFacts::new(1, "test", ServiceType::Tcp, 0);
    front_of(shard, &Arc::new(facts))
}

fn front_of(shard: &Rc<Shard>, facts: &SharedFacts) -> Rc<TcpFront> {
    let line = Line::new(shard, facts, None);
    *line.start.borrow_mut() = Rc::from([1_u8, 2, 3, 4]);
    TcpFront::new(line)
}

fn anywhere() -> (Vec<SocketAddr>, HostPort) {
    let host = "127.0.0.1".to_owned();
    (
        vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        HostPort { host, port: 0 },
    )
}

/// Lets the others run until it is so.
async fn until(shard: &Rc<Shard>, what: &str, is_so: impl Fn() -> bool) {
    let deadline = shard.after(20_000);
    while !is_so() {
        assert!(deadline > Some(shard.now()), "waited for {what}");
        shard.sleep(1).await.expect("not cancelled");
    }
}

/// A data channel, and the client's end of it.
fn channel(shard: &Rc<Shard>) -> (Link, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).expect("loopback connects");
    let (server, _) = listener.accept().expect("it has come");
    server.set_nonblocking(true).expect("a socket");
    let server = mio::net::TcpStream::from_std(server);
    (
        TcpLink::adopt(shard, server).expect("a link").into(),
        client,
    )
}

fn faults(upcalls: &[Upcall]) -> Vec<&str> {
    let events = upcalls.iter().flat_map(|upcall| match upcall {
        Upcall::Events(events) => events.as_slice(),
        _ => &[],
    });
    let places = events.filter_map(|event| match event {
        Event::Fault { place, .. } => Some(place.as_str()),
        _ => None,
    });
    places.collect()
}

#[test]
fn binds_that_come_and_go_leave_no_task_and_no_socket() {
    run_with(Limits::default(), |shard| async move {
        let before = shard.tasks.count();
        let front = front(&shard);
        let (addresses, to) = anywhere();
        for _ in 0..10 {
            front.bind(&addresses, &to).expect("a free port");
            shard.tasks.yield_now().await.expect("not cancelled");
            front.unbind();
        }
        drop(front);
        for _ in 0..3 {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        assert_eq!(shard.tasks.count(), before);
        assert_eq!(shard.reactor.count(), 0);
    });
}

#[test]
fn a_visitor_that_waited_in_vain_leaves_nothing() {
    let limits = Limits {
        pool_wait_ms: 20,
        ..Limits::default()
    };
    run_with(limits, |shard| async move {
        let front = front(&shard);
        let (addresses, to) = anywhere();
        let address = front.bind(&addresses, &to).expect("a free port");
        shard.tasks.yield_now().await.expect("not cancelled");
        let before = (shard.tasks.count(), shard.reactor.count());
        let visitor = std::thread::spawn(move || {
            let mut visitor = TcpStream::connect(address).expect("loopback connects");
            visitor.read(&mut [0]).map(|_| ())
        });
        let counters = &front.line.facts.counters;
        until(&shard, "an end", || !counters.ends.snapshot().is_empty()).await;
        assert_eq!(counters.ends.snapshot(), [(EndReason::PoolTimeout, 1)]);
        // The refusal is an event, and those have a task for a while.
        until(&shard, "the visitor's task and socket to go", || {
            (shard.tasks.count(), shard.reactor.count()) == before
        })
        .await;
        assert!(visitor.join().expect("the visitor ends").is_err(), "RST");
    });
}

#[test]
fn a_front_that_goes_before_its_tasks_have_run_leaves_none() {
    run_with(Limits::default(), |shard| async move {
        let before = shard.tasks.count();
        drop(front(&shard));
        for _ in 0..3 {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        assert_eq!(shard.tasks.count(), before);
    });
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the front finds borrowed makes it panic"
)]
fn a_fault_while_accepting_costs_one_visitor() {
    let (first, upcalls) = run_with(Limits::default(), |shard| async move {
        let front = front(&shard);
        let (addresses, to) = anywhere();
        let address = front.bind(&addresses, &to).expect("a free port");
        shard.tasks.yield_now().await.expect("not cancelled");
        let counters = &front.line.facts.counters;
        let broken = front.waiting.borrow_mut();
        let mut first = TcpStream::connect(address).expect("loopback connects");
        until(&shard, "an end", || !counters.ends.snapshot().is_empty()).await;
        assert_eq!(counters.ends.snapshot(), [(EndReason::InternalError, 1)]);
        drop(broken);
        let _second = TcpStream::connect(address).expect("loopback connects");
        until(&shard, "a visitor that waits", || {
            counters.visitors_waiting.load(Relaxed) == 1
        })
        .await;
        assert_eq!(counters.visitors_open.load(Relaxed), 1);
        assert_eq!(counters.visitors_total.load(Relaxed), 2);
        first.read(&mut [0]).map(|_| ())
    });
    assert!(first.is_err(), "RST");
    // As it was taken, and when more channels were to be asked for.
    assert_eq!(faults(&upcalls), ["visitor accept", "visitor accept"]);
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the front finds borrowed makes it panic"
)]
fn a_fault_while_pairing_does_not_end_pairing() {
    let ((), upcalls) = run_with(Limits::default(), |shard| async move {
        let front = front(&shard);
        let (addresses, to) = anywhere();
        let address = front.bind(&addresses, &to).expect("a free port");
        let counters = &front.line.facts.counters;
        let _visitor = TcpStream::connect(address).expect("loopback connects");
        until(&shard, "a visitor that waits", || {
            counters.visitors_waiting.load(Relaxed) == 1
        })
        .await;
        // Its task looks for a channel by itself, once.
        shard.tasks.yield_now().await.expect("not cancelled");
        let broken = front.waiting.borrow_mut();
        shard.tasks.wake(front.pairing.get());
        shard.tasks.yield_now().await.expect("not cancelled");
        drop(broken);
        let (link, _client) = channel(&shard);
        front.channel(link, 1);
        until(&shard, "a visitor that is served", || {
            counters.visitors_waiting.load(Relaxed) == 0
        })
        .await;
        assert_eq!(counters.visitors_open.load(Relaxed), 1);
    });
    assert_eq!(faults(&upcalls), ["pairing"]);
}

#[test]
fn a_visitor_that_has_its_channel_but_has_not_run_is_aborted_with_the_others() {
    let shards = TestShards::new(Limits::default());
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    let known = Arc::clone(&facts);
    let visitor = shards.run(|shard| async move {
        let front = front_of(&shard, &known);
        let (addresses, to) = anywhere();
        let address = front.bind(&addresses, &to).expect("a free port");
        let counters = &front.line.facts.counters;
        let visitor = TcpStream::connect(address).expect("loopback connects");
        until(&shard, "a visitor that waits", || {
            counters.visitors_waiting.load(Relaxed) == 1
        })
        .await;
        shard.tasks.yield_now().await.expect("not cancelled");
        let (link, client) = channel(&shard);
        front.channel(link, 1);
        front.pair();
        front.destroy(EndReason::Drain);
        // As if the rounds of this turn were over: jobs come before tasks then.
        shard.run_posted();
        // Its end is not to depend on the peers.
        std::mem::forget(client);
        visitor
    });
    let counters = Arc::clone(&facts);
    shards.until("the visitor to go", move |_| {
        counters.counters.visitors_open.load(Relaxed) == 0
    });
    assert_eq!(facts.counters.ends.snapshot(), [(EndReason::Drain, 1)]);
    drop(visitor);
}
