//! What a visitor costs on its way to the local service, and a fault there. What it does there is
//! tested with the service.

use std::cell::RefCell;
use std::mem::size_of_val;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{TcpLocals, Visitor, serve};
use crate::context::ServiceFacts;
use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::relay::relay;
use crate::shard::Shard;
use crate::spec::{ClientServiceSpec, HostPort, ServiceType};
use crate::tcp_link::TcpLink;
use crate::testing::{run, run_with};
use crate::upcall::Upcall;

fn locals(shard: &Rc<Shard>) -> Rc<TcpLocals> {
    let spec = ClientServiceSpec {
        name: "test".to_owned(),
        protocol: ServiceType::Tcp,
        local: HostPort {
            host: "127.0.0.1".to_owned(),
            port: 1,
        },
        nodelay: None,
        prefer_ipv6: false,
    };
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    TcpLocals::new(shard, facts, Rc::new(RefCell::new(spec)))
}

fn link(shard: &Rc<Shard>) -> TcpLink {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = TcpStream::connect(listener.local_addr().expect("an address"));
    let stream = mio::net::TcpStream::from_std(stream.expect("loopback connects"));
    TcpLink::adopt(shard, stream).expect("a link")
}

#[test]
fn a_visitor_costs_little_beside_its_relay() {
    let (serving, relaying) = run(|shard| async move {
        let visitor = Visitor::enter(&locals(&shard));
        let serving = size_of_val(&serve(visitor, link(&shard), Vec::new()));
        let options = Visitor::enter(&locals(&shard)).into_relay(Vec::new());
        (
            serving,
            size_of_val(&relay(&shard, link(&shard), link(&shard), options)),
        )
    });
    assert!(serving <= relaying + 160, "{serving} {relaying}");
}

#[test]
fn a_fault_ends_a_visitor_and_leaves_the_counts_exact() {
    let (counts, upcalls) = run_with(Limits::default(), |shard| async move {
        let locals = locals(&shard);
        let visitor = Visitor::enter(&locals);
        let counters = &locals.facts.counters;
        assert_eq!(locals.size(), 1);
        shard.spawn("visitor that panics", async move {
            let _visitor = visitor;
            panic!("a fault of the test");
        });
        shard.sleep(1).await.expect("not cancelled");
        let open = counters.visitors_open.load(Relaxed);
        (
            open,
            counters.visitors_total.load(Relaxed),
            counters.ends.snapshot(),
        )
    });
    assert_eq!(counts, (0, 1, vec![(EndReason::InternalError, 1)]));
    let told = upcalls.iter().any(|upcall| match upcall {
        Upcall::Events(events) => events.iter().any(|event| {
            matches!(
                event,
                Event::VisitorEnd {
                    reason: EndReason::InternalError,
                    ..
                }
            )
        }),
        _ => false,
    });
    assert!(told, "{upcalls:?}");
}
