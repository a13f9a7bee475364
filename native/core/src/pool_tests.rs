//! What a fault in a pool costs: not the pool.

use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::context::ServiceFacts;
use crate::front::Line;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::ServiceType;
use crate::tcp_link::TcpLink;
use crate::testing::run;

fn line(shard: &Rc<Shard>) -> Rc<Line> {
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    Line::new(shard, &facts, None)
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the pool finds borrowed makes it panic"
)]
fn a_fault_does_not_end_the_watch_over_idle_channels() {
    run(|shard| async move {
        let line = line(&shard);
        let pool = Pool::new(&line, Limits::default().pool_floor, Rc::new(|| {}));
        shard.tasks.yield_now().await.expect("not cancelled");
        let broken = pool.state.borrow_mut();
        pool.nudge();
        shard.tasks.yield_now().await.expect("not cancelled");
        drop(broken);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).expect("loopback connects");
        let (channel, _) = listener.accept().expect("it has come");
        channel.set_nonblocking(true).expect("a socket");
        let channel = mio::net::TcpStream::from_std(channel);
        let link = TcpLink::adopt(&shard, channel).expect("a link");
        pool.add(link.into(), 1);
        assert_eq!(pool.ready(), 1);
        drop(client);
        let deadline = shard.after(20_000);
        while pool.ready() == 1 {
            assert!(deadline > Some(shard.now()), "a dead channel stays");
            shard.sleep(1).await.expect("not cancelled");
        }
        let counters = &line.facts.counters;
        assert_eq!(counters.pool_stale.load(Relaxed), 1);
        assert_eq!(counters.ends.snapshot(), [(EndReason::StaleChannel, 1)]);
    });
}
