//! What a front leaves behind: nothing.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use super::TcpFront;
use crate::context::ServiceFacts;
use crate::front::Line;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{HostPort, ServiceType};
use crate::testing::run_with;

fn front(shard: &Rc<Shard>) -> Rc<TcpFront> {
    TcpFront::new(Rc::new(Line {
        shard: Rc::clone(shard),
        facts: Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0)),
        session: RefCell::default(),
        start: RefCell::new(Rc::from([1_u8, 2, 3, 4])),
        nodelay: Cell::new(None),
        expected_from: Cell::new(None),
    }))
}

fn anywhere() -> (Vec<SocketAddr>, HostPort) {
    let host = "127.0.0.1".to_owned();
    (
        vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        HostPort { host, port: 0 },
    )
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
        while counters.ends.snapshot().is_empty() {
            shard.sleep(1).await.expect("not cancelled");
        }
        assert_eq!(counters.ends.snapshot(), [(EndReason::PoolTimeout, 1)]);
        shard.tasks.yield_now().await.expect("not cancelled");
        assert_eq!((shard.tasks.count(), shard.reactor.count()), before);
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
