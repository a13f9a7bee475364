//! Moves bytes both ways between two links until both directions have ended, or one link breaks.
//!
//! `near` is the visitor's side, `far` the local service's. Each direction reads only while the
//! other link takes what was read: that is the back-pressure. FIN is passed on as FIN, RST as RST.
//! See `ts/engine/engine.ts` for the contract.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::context::{SharedFacts, VisitorEnd};
use crate::direction::{Broken, Direction, Turn};
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::Cancelled;
use crate::tcp_link::TcpLink;

/// What a relay needs to know to end well.
pub(crate) struct RelayOptions {
    pub(crate) facts: SharedFacts,
    /// For the access log; unknown on a client.
    pub(crate) visitor: Option<SocketAddr>,
    pub(crate) since: Instant,
    /// What a broken link is called here.
    pub(crate) near_broken: EndReason,
    pub(crate) far_broken: EndReason,
    /// Bytes of the in direction that were read before.
    pub(crate) already_in: u64,
    /// What has to be written to `far`, ahead of everything else.
    pub(crate) unwritten: Vec<u8>,
}

/// How the links end.
enum End {
    /// Both directions have ended, or what is left is with the system.
    Clean(EndReason),
    /// The bytes that have not been delivered are lost: RST.
    Abort(EndReason),
    /// The near (true) or far link broke after its own FIN: deliver what it sent, then end.
    Deliver { near_broke: bool, reason: EndReason },
}

struct Relay {
    near: TcpLink,
    far: TcpLink,
    inward: Direction,
    outward: Direction,
    /// When bytes last moved, or half was closed: since then the other direction is silent.
    moved_at: Instant,
    half_closed: bool,
    /// Those that the service's counters have.
    counted_in: u64,
    counted_out: u64,
    visit: Visit,
}

/// The visitor's account: its end is counted once, also when a fault drops the relay.
struct Visit {
    shard: Rc<Shard>,
    facts: SharedFacts,
    visitor: Option<SocketAddr>,
    since: Instant,
    near_broken: EndReason,
    far_broken: EndReason,
    bytes_in: u64,
    bytes_out: u64,
    ended: bool,
}

impl Visit {
    fn end(&mut self, reason: EndReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let context = &self.shard.context;
        let duration = self.shard.now().saturating_duration_since(self.since);
        let end = VisitorEnd {
            visitor: self.visitor,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            reason,
        };
        context.visitor_end(&self.facts, &end);
        self.facts.visitor_gone(context);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let reason = self.shard.unexpected_end();
        self.end(reason);
    }
}

/// Relays until both directions have ended or a link broke, then counts the visitor's end. Runs as
/// the caller's task, whose owner must be `Owner::Visitor`.
///
/// Not an async fn: that would hold its arguments twice, and this is what a held connection costs.
pub(crate) fn relay(
    shard: &Rc<Shard>,
    near: TcpLink,
    far: TcpLink,
    options: RelayOptions,
) -> impl Future<Output = ()> + 'static {
    let mut relay = Relay {
        near,
        far,
        inward: Direction::beginning_with(options.unwritten),
        outward: Direction::default(),
        moved_at: shard.now(),
        half_closed: false,
        counted_in: 0,
        counted_out: 0,
        visit: Visit {
            shard: Rc::clone(shard),
            facts: options.facts,
            visitor: options.visitor,
            since: options.since,
            near_broken: options.near_broken,
            far_broken: options.far_broken,
            bytes_in: 0,
            bytes_out: 0,
            ended: false,
        },
    };
    relay.inward.bytes = options.already_in;
    async move {
        relay.near.watch();
        relay.far.watch();
        let end = match relay.run().await {
            Ok(end) => end,
            Err(Cancelled(reason)) => End::Abort(reason),
        };
        relay.finish(end).await;
    }
}

impl Relay {
    async fn run(&mut self) -> Result<End, Cancelled> {
        let shard = &Rc::clone(&self.visit.shard);
        if let Err(broken) = self.inward.begin(shard, &self.near, &self.far) {
            return Ok(self.on_broken(broken == Broken::From));
        }
        // Whose FIN came first.
        let mut first_ended = EndReason::VisitorFin;
        loop {
            let is_last = self.outward.has_ended();
            let inward = self.inward.turn(shard, &self.near, &self.far, is_last);
            let is_last = self.inward.has_ended();
            let outward = self.outward.turn(shard, &self.far, &self.near, is_last);
            self.count(shard);
            let turns = match (inward, outward) {
                (Err(broken), _) => return Ok(self.on_broken(broken == Broken::From)),
                (_, Err(broken)) => return Ok(self.on_broken(broken == Broken::To)),
                (Ok(inward), Ok(outward)) => (inward, outward),
            };
            let deadline = match turns {
                (Turn::Ended, Turn::Ended) => return Ok(End::Clean(first_ended)),
                (Turn::Ended, _) => {
                    first_ended = EndReason::VisitorFin;
                    self.half_close_deadline(shard)
                }
                (_, Turn::Ended) => {
                    first_ended = EndReason::LocalFin;
                    self.half_close_deadline(shard)
                }
                _ => None,
            };
            if deadline.is_some_and(|at| at <= shard.now()) {
                return Ok(End::Abort(EndReason::HalfCloseTimeout));
            }
            if let Some(end) = self.broken_end() {
                return Ok(end);
            }
            if turns.0 == Turn::More || turns.1 == Turn::More {
                shard.tasks.yield_now().await?;
            } else {
                let deadlines = [deadline, self.inward.deadline(), self.outward.deadline()];
                shard.park(deadlines.into_iter().flatten().min()).await?;
            }
        }
    }

    /// A link that broke while nothing could be read from it or written to it.
    fn broken_end(&self) -> Option<End> {
        if self.near.is_broken() && self.near.take_error().is_some() {
            return Some(self.on_broken(true));
        }
        if self.far.is_broken() && self.far.take_error().is_some() {
            return Some(self.on_broken(false));
        }
        None
    }

    fn on_broken(&self, near_broke: bool) -> End {
        let (source, reason) = if near_broke {
            (&self.inward, self.visit.near_broken)
        } else {
            (&self.outward, self.visit.far_broken)
        };
        // Its own bytes had all arrived: deliver them before the end. Else what is lost shows as RST.
        if source.source_ended {
            End::Deliver { near_broke, reason }
        } else {
            End::Abort(reason)
        }
    }

    fn half_close_deadline(&mut self, shard: &Shard) -> Option<Instant> {
        if !std::mem::replace(&mut self.half_closed, true) {
            self.moved_at = shard.now();
        }
        let idle = std::time::Duration::from_millis(shard.context.limits.half_close_idle_ms);
        self.moved_at.checked_add(idle)
    }

    /// Adds what has moved to the service's counters.
    fn count(&mut self, shard: &Shard) {
        let counters = &self.visit.facts.counters;
        if self.inward.bytes > self.counted_in {
            counters
                .bytes_in
                .fetch_add(self.inward.bytes - self.counted_in, Relaxed);
            self.counted_in = self.inward.bytes;
            self.moved_at = shard.now();
        }
        if self.outward.bytes > self.counted_out {
            counters
                .bytes_out
                .fetch_add(self.outward.bytes - self.counted_out, Relaxed);
            self.counted_out = self.outward.bytes;
            self.moved_at = shard.now();
        }
        self.visit.bytes_in = self.counted_in;
        self.visit.bytes_out = self.counted_out;
    }

    async fn finish(&mut self, end: End) {
        let shard = &Rc::clone(&self.visit.shard);
        let (clean, reason) = match end {
            End::Clean(reason) => (true, reason),
            End::Abort(reason) => (false, reason),
            End::Deliver { near_broke, reason } => {
                (Box::pin(self.deliver(near_broke)).await, reason)
            }
        };
        if !clean {
            self.near.reset_on_close();
            self.far.reset_on_close();
        }
        self.inward.give_back(shard);
        self.outward.give_back(shard);
        self.count(shard);
        self.visit.end(reason);
    }

    /// Writes out what the broken link had sent before its FIN. False: the other one broke as well,
    /// or took nothing for too long.
    async fn deliver(&mut self, near_broke: bool) -> bool {
        let shard = &Rc::clone(&self.visit.shard);
        let deadline = shard.after(shard.context.limits.half_close_idle_ms);
        loop {
            let (direction, from, to) = if near_broke {
                (&mut self.inward, &self.near, &self.far)
            } else {
                (&mut self.outward, &self.far, &self.near)
            };
            match direction.turn(shard, from, to, false) {
                Ok(Turn::Ended) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
            let late = deadline.is_some_and(|at| at <= shard.now());
            if late || to.is_broken() || shard.park(deadline).await.is_err() {
                return false;
            }
        }
    }
}

/// One that a fault dropped must not look like a clean end.
impl Drop for Relay {
    fn drop(&mut self) {
        if !self.visit.ended {
            self.near.reset_on_close();
            self.far.reset_on_close();
        }
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
