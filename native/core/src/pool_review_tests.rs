//! A channel that comes back with its end.

use std::rc::Rc;
use std::sync::Arc;

use super::Pool;
use crate::channel::{Channel, Home};
use crate::context::ServiceFacts;
use crate::front::Line;
use crate::link::Link;
use crate::reason::EndReason;
use crate::spec::ServiceType;
use crate::testing::run;
use crate::transport::scene::{pair, tcp_link};

#[test]
fn one_that_ended_with_its_use_is_not_kept() {
    run(|shard| async move {
        let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
        let line = Line::new(&shard, &facts, None);
        let pool = Pool::new(&line, 2, Rc::new(|| {}));
        // The pool's task has looked, and waits.
        shard.tasks.yield_now().await.expect("not cancelled");
        let (client, server) = pair();
        let link = Link::from(tcp_link(&shard, server));
        link.watch();
        drop(client);
        while !link.is_readable() {
            shard.park(None).await.expect("not cancelled");
        }
        let home = Home::new(&facts, 1, shard.now());
        pool.back(Channel::idle(link, home));
        assert_eq!(pool.ready(), 0);
        let ends = facts.counters.ends.snapshot();
        assert_eq!(ends, [(EndReason::StaleChannel, 1)]);
    });
}
