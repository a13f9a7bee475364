//! One visitor's account while it is relayed: its end is counted once, also when a fault drops it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::context::{SharedFacts, VisitorEnd};
use crate::reason::EndReason;
use crate::shard::Shard;

/// What is known of it from the beginning.
#[derive(Clone)]
pub(crate) struct VisitFacts {
    pub(crate) facts: SharedFacts,
    /// For the access log; unknown on a client.
    pub(crate) visitor: Option<SocketAddr>,
    pub(crate) since: Instant,
    /// What a broken link is called here.
    pub(crate) near_broken: EndReason,
    pub(crate) far_broken: EndReason,
}

pub(crate) struct Visit {
    pub(crate) shard: Rc<Shard>,
    pub(crate) known: VisitFacts,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    over: bool,
}

impl Visit {
    pub(crate) fn new(shard: &Rc<Shard>, known: VisitFacts) -> Self {
        Self {
            shard: Rc::clone(shard),
            known,
            bytes_in: 0,
            bytes_out: 0,
            over: false,
        }
    }

    /// It has been counted, or goes on elsewhere.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn end(&mut self, reason: EndReason) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let context = &self.shard.context;
        let VisitFacts {
            facts,
            visitor,
            since,
            ..
        } = &self.known;
        let end = VisitorEnd {
            visitor: *visitor,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_ms: self.shard.elapsed_ms(*since),
            reason,
        };
        context.visitor_end(facts, &end);
        facts.visitor_gone(context);
    }

    /// It goes on at another shard, with a visit of its own there.
    pub(crate) fn hand_on(&mut self) -> VisitFacts {
        self.over = true;
        self.known.clone()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let reason = self.shard.unexpected_end();
        self.end(reason);
    }
}
