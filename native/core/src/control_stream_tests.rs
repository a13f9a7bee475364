//! Faults of a control stream; and one to test others with.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use super::ControlStream;
use crate::context::StreamHome;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{CarrierSpec, DialSpec, HostPort, TcpSpec, TransportSpec};
use crate::testing::run_with;
use crate::upcall::{Upcall, lock};

/// Dials what listens there.
fn dial(shard: &Rc<Shard>, listener: &TcpListener) -> Rc<ControlStream> {
    let address = listener.local_addr().expect("an address");
    let remote = HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let tcp = TcpSpec {
        nodelay: true,
        keepalive_ms: 20_000,
        keepalive_interval_ms: 8_000,
    };
    let spec = DialSpec {
        remote,
        prefer_ipv6: false,
        transport: TransportSpec {
            tcp,
            carrier: CarrierSpec::Tcp,
        },
        proxy: None,
    };
    lock(&shard.context.streams).insert(7, StreamHome::Shard(0));
    ControlStream::dial(shard, 7, spec);
    let stream = shard.streams.borrow().get(&7).map(Rc::clone);
    stream.expect("it exists from now on")
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(shard: &Shard, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = shard.after(20_000);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(deadline > Some(shard.now()), "waited for {what}");
        shard.sleep(1).await.expect("not cancelled");
    }
}

/// A stream that is held, and its peer.
pub(crate) async fn held(shard: &Rc<Shard>) -> (Rc<ControlStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let stream = dial(shard, &listener);
    let peer = until(shard, "the dial", || listener.accept().ok()).await.0;
    peer.set_nonblocking(true).expect("a socket");
    until(shard, "its answer", || {
        stream.state.borrow().link.is_some().then_some(())
    })
    .await;
    (stream, peer)
}

/// So many bytes from a peer's side.
pub(crate) async fn read(shard: &Shard, peer: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    until(shard, "bytes", || {
        let wanted = u64::try_from(length - bytes.len()).expect("a length");
        match peer.take(wanted).read_to_end(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            done => Some(done.expect("a connection")),
        }
    })
    .await;
    bytes
}

/// All that is left, up to FIN.
pub(crate) async fn read_to_end(shard: &Shard, peer: &mut TcpStream) -> Vec<u8> {
    read(shard, peer, 1 << 20).await
}

/// The reasons of the sessions that ended.
pub(crate) fn ends(upcalls: &[Upcall]) -> Vec<EndReason> {
    let reason = |upcall: &Upcall| match upcall {
        Upcall::SessionEnded { reason, .. } => Some(*reason),
        _ => None,
    };
    upcalls.iter().filter_map(reason).collect()
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the dial finds borrowed makes it panic"
)]
fn a_dial_that_a_fault_ends_is_answered() {
    let ((), upcalls) = run_with(Limits::default(), |shard| async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let before = shard.tasks.count();
        let stream = dial(&shard, &listener);
        let broken = stream.state.borrow();
        let deadline = shard.after(20_000);
        // The fault's event has a task for a while.
        while shard.tasks.count() > before || shard.context.upcalls.waiting() == 0 {
            assert!(deadline > Some(shard.now()), "waited for the fault");
            shard.sleep(1).await.expect("not cancelled");
        }
        drop(broken);
        assert!(shard.streams.borrow().is_empty());
        assert!(lock(&shard.context.streams).is_empty());
        assert_eq!(shard.reactor.count(), 0);
    });
    let answers: Vec<_> = upcalls
        .iter()
        .filter(|upcall| !matches!(upcall, Upcall::Events(_)))
        .collect();
    let [
        Upcall::DialFailed {
            stream: 7,
            tried,
            refusal: None,
            error: None,
            aborted: false,
        },
    ] = answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(tried, "internal error");
}
