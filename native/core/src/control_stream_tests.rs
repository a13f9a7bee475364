//! Faults of a control stream.

use std::net::TcpListener;
use std::rc::Rc;

use super::ControlStream;
use crate::context::StreamHome;
use crate::limits::Limits;
use crate::spec::{CarrierSpec, DialSpec, HostPort, TcpSpec, TransportSpec};
use crate::testing::run_with;
use crate::upcall::{Upcall, lock};

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the dial finds borrowed makes it panic"
)]
fn a_dial_that_a_fault_ends_is_answered() {
    let ((), upcalls) = run_with(Limits::default(), |shard| async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
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
        let before = shard.tasks.count();
        ControlStream::dial(&shard, 7, spec);
        let stream = shard.streams.borrow().get(&7).map(Rc::clone);
        let stream = stream.expect("it exists from now on");
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
