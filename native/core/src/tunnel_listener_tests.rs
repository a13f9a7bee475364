//! What a fault costs a tunnel listener: the one connection. And what it does with control hellos
//! while nobody listens to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

use super::TunnelListener;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{CarrierSpec, HelloRule, HostPort, TcpSpec, TransportSpec, TunnelListenSpec};
use crate::testing::{TestShards, run_with};
use crate::upcall::{UPCALLS_WAITING_MAX, Upcall};

const CONTROL: [u8; 8] = [1; 8];

async fn until(shard: &Rc<Shard>, what: &str, is_so: impl Fn() -> bool) {
    let deadline = shard.after(20_000);
    while !is_so() {
        assert!(deadline > Some(shard.now()), "waited for {what}");
        shard.sleep(1).await.expect("not cancelled");
    }
}

/// A listener whose hellos have that length, of which the first four bytes are their kind's.
async fn listener(shard: &Rc<Shard>, length: usize) -> (Rc<TunnelListener>, SocketAddr) {
    let listener = open(shard, length);
    until(shard, "a port", || listener.listener.borrow().is_some()).await;
    let bound = listener.listener.borrow().as_ref().map(Rc::clone);
    let address = bound.expect("until it is closed").address();
    (listener, address)
}

fn open(shard: &Rc<Shard>, length: usize) -> Rc<TunnelListener> {
    let host = "127.0.0.1".to_owned();
    let spec = TunnelListenSpec {
        bind: HostPort { host, port: 0 },
        transport: TransportSpec {
            tcp: TcpSpec {
                nodelay: true,
                keepalive_ms: 20_000,
                keepalive_interval_ms: 8_000,
            },
            carrier: CarrierSpec::Tcp,
        },
        hello: HelloRule {
            length,
            control: vec![1; 4],
            data: vec![2; 4],
        },
    };
    TunnelListener::open(shard, 1, spec);
    let listener = shard.listeners.borrow().get(&1).map(Rc::clone);
    listener.expect("it exists from now on")
}

fn controls(upcalls: &[Upcall]) -> usize {
    let is_control = |upcall: &&Upcall| matches!(upcall, Upcall::Control { .. });
    upcalls.iter().filter(is_control).count()
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the listener finds borrowed makes it panic"
)]
fn a_fault_while_accepting_does_not_end_accepting() {
    let (_, upcalls) = run_with(Limits::default(), |shard| async move {
        let (listener, address) = listener(&shard, 8).await;
        let broken = listener.pending.borrow_mut();
        let first = TcpStream::connect(address).expect("loopback connects");
        // The listener's own task, and that of the connection.
        until(&shard, "the first", || shard.reactor.count() == 2).await;
        drop(broken);
        let mut second = TcpStream::connect(address).expect("loopback connects");
        second.write_all(&CONTROL).expect("a hello");
        until(&shard, "the second", || !shard.streams.borrow().is_empty()).await;
        (first, second)
    });
    assert_eq!(controls(&upcalls), 1);
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the listener finds borrowed makes it panic"
)]
fn a_listener_that_a_fault_keeps_from_being_bound_is_told() {
    let ((), upcalls) = run_with(Limits::default(), |shard| async move {
        let listener = open(&shard, 8);
        let broken = listener.listener.borrow();
        until(&shard, "its end", || shard.listeners.borrow().is_empty()).await;
        drop(broken);
        assert_eq!(shard.reactor.count(), 0);
    });
    let failed = upcalls.iter().filter_map(|upcall| match upcall {
        Upcall::ListenFailed { listener, error } => Some((*listener, error.message.as_str())),
        _ => None,
    });
    assert_eq!(failed.collect::<Vec<_>>(), [(1, "internal error")]);
}

#[test]
fn a_connection_that_a_fault_ends_at_its_hello_is_counted() {
    run_with(Limits::default(), |shard| async move {
        // Shorter than what it begins with.
        let (_listener, address) = listener(&shard, 2).await;
        let mut peer = TcpStream::connect(address).expect("loopback connects");
        peer.write_all(&CONTROL).expect("a hello");
        let rejected = &shard.context.tunnel_rejected;
        until(&shard, "its end", || !rejected.snapshot().is_empty()).await;
        assert_eq!(rejected.snapshot(), [(EndReason::InternalError, 1)]);
        assert_eq!(shard.context.admission().unauthenticated(), 0);
    });
}

#[test]
fn control_hellos_are_refused_while_too_much_waits_for_the_control_plane() {
    let shards = TestShards::new(Limits::default());
    let address = shards.run(|shard| async move { listener(&shard, 8).await.1 });
    for listener in 0..UPCALLS_WAITING_MAX {
        let listener = u32::try_from(listener).expect("a few thousand");
        shards.context.upcall(Upcall::ListenerClosed { listener });
    }
    let mut refused = TcpStream::connect(address).expect("loopback connects");
    refused.write_all(&CONTROL).expect("a hello");
    shards.until("a refusal", |shard| {
        !shard.context.tunnel_rejected.snapshot().is_empty()
    });
    let rejected = shards.context.tunnel_rejected.snapshot();
    assert_eq!(rejected, [(EndReason::LimitTotal, 1)]);
    assert!(refused.read(&mut [0]).is_err(), "RST");
    assert_eq!(controls(&shards.upcalls()), 0);
    let mut taken = TcpStream::connect(address).expect("loopback connects");
    taken.write_all(&CONTROL).expect("a hello");
    shards.until("a stream", |shard| !shard.streams.borrow().is_empty());
    assert_eq!(controls(&shards.upcalls()), 1);
}
