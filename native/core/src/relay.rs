//! Moves bytes both ways between two links until both directions have ended, or one link breaks.
//!
//! `near` is the visitor's side, `far` the local service's. Each direction reads only while the
//! other link takes what was read: that is the back-pressure. FIN is passed on as FIN, RST as RST.
//! See `ts/engine/engine.ts` for the contract.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::context::SharedFacts;
use crate::direction::{Broken, Direction, Turn};
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::Cancelled;
use crate::visit::{Visit, VisitFacts};

/// Visitors that are served for less are not moved to another shard.
const MOVES_FROM: Duration = Duration::from_millis(250);

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
    /// Not at all: it goes on at that shard.
    Move(usize),
}

pub(crate) struct Relay {
    pub(crate) near: Link,
    pub(crate) far: Link,
    pub(crate) inward: Direction,
    pub(crate) outward: Direction,
    /// When bytes last moved, or half was closed: since then the other direction is silent.
    pub(crate) moved_at: Instant,
    /// The reason, once a direction has ended: whose FIN came first.
    pub(crate) half_closed: Option<EndReason>,
    /// In which window of the shard's balance it was busy last.
    pub(crate) window: u32,
    /// Those that the service's counters have.
    pub(crate) counted_in: u64,
    pub(crate) counted_out: u64,
    pub(crate) visit: Visit,
}

/// Relays until both directions have ended or a link broke, then counts the visitor's end. Runs as
/// the caller's task, whose owner must be `Owner::Visitor`.
///
/// Not an async fn: that would hold its arguments twice, and this is what a held connection costs.
pub(crate) fn relay(
    shard: &Rc<Shard>,
    near: Link,
    far: Link,
    options: RelayOptions,
) -> impl Future<Output = ()> + 'static {
    let known = VisitFacts {
        facts: options.facts,
        visitor: options.visitor,
        since: options.since,
        near_broken: options.near_broken,
        far_broken: options.far_broken,
    };
    let relay = Relay {
        near,
        far,
        inward: Direction::beginning_with(options.unwritten, options.already_in),
        outward: Direction::default(),
        moved_at: shard.now(),
        half_closed: None,
        window: 0,
        counted_in: 0,
        counted_out: 0,
        visit: Visit::new(shard, known),
    };
    relay.go()
}

impl Relay {
    pub(crate) async fn go(mut self) {
        self.near.watch();
        self.far.watch();
        match self.run().await {
            Ok(End::Clean(reason)) => self.finish(true, reason),
            Ok(End::Abort(reason)) | Err(Cancelled(reason)) => self.finish(false, reason),
            Ok(End::Deliver { near_broke, reason }) => {
                let ended = Box::pin(self.deliver(near_broke)).await;
                let other = if near_broke { &self.far } else { &self.near };
                // Where all of it has arrived, RST behind FIN is RST there as well; else it would cost
                // the other side what it has not got yet.
                let reset = other.is_delivered().unwrap_or(false);
                // A use goes on without an end of it: its peer is told behind what was delivered.
                if other.is_reused() {
                    other.abort_on_close(reason);
                }
                self.finish(ended && !reset, reason);
            }
            Ok(End::Move(to)) => self.move_to(to),
        }
    }

    async fn run(&mut self) -> Result<End, Cancelled> {
        let shard = &Rc::clone(&self.visit.shard);
        if let Err(broken) = self.inward.begin(shard, &self.near, &self.far) {
            return Ok(self.on_broken(broken == Broken::From));
        }
        loop {
            let is_last = self.outward.has_ended();
            let inward = match self.inward.turn(shard, &self.near, &self.far, is_last) {
                Ok(turn) => turn,
                // At once: who learns of RST takes it away, and a read after that finds a mere end.
                Err(broken) => return Ok(self.on_broken(broken == Broken::From)),
            };
            let is_last = self.inward.has_ended();
            let outward = match self.outward.turn(shard, &self.far, &self.near, is_last) {
                Ok(turn) => turn,
                Err(broken) => return Ok(self.on_broken(broken == Broken::To)),
            };
            self.count(shard);
            self.note_half_close(shard);
            // The one that ended first may have held its goodbye back until the other did.
            if (inward, outward) == (Turn::Ended, Turn::Ended) && self.flush() {
                let reason = self.half_closed.unwrap_or(EndReason::VisitorFin);
                return Ok(End::Clean(reason));
            }
            let deadline = self.half_close_deadline(shard);
            if deadline.is_some_and(|at| at <= shard.now()) {
                return Ok(End::Abort(EndReason::HalfCloseTimeout));
            }
            let held_until = self.held_until(shard);
            if held_until.is_some_and(|at| at <= shard.now()) {
                self.say_held_goodbye();
            }
            if let Some(end) = self.broken_end() {
                return Ok(end);
            }
            if self.is_long_lived(shard)
                && let Some(to) = shard.balance.give()
            {
                return Ok(End::Move(to));
            }
            if inward == Turn::More || outward == Turn::More {
                shard.tasks.yield_now().await?;
            } else {
                let pipes = [self.inward.deadline(), self.outward.deadline()];
                let deadlines = [deadline, self.held_until(shard)].into_iter().chain(pipes);
                shard.park(deadlines.flatten().min()).await?;
            }
        }
    }

    /// For a visitor that is soon gone, moving costs more than it gains.
    fn is_long_lived(&self, shard: &Shard) -> bool {
        shard
            .now()
            .saturating_duration_since(self.visit.known.since)
            >= MOVES_FROM
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

    /// Whether the system has all. A link that breaks now has nothing to lose any more.
    fn flush(&self) -> bool {
        self.near.flush().unwrap_or(true) && self.far.flush().unwrap_or(true)
    }

    fn on_broken(&self, near_broke: bool) -> End {
        let (source, link, reason) = if near_broke {
            (&self.inward, &self.near, self.visit.known.near_broken)
        } else {
            (&self.outward, &self.far, self.visit.known.far_broken)
        };
        let reason = link.fault().unwrap_or(reason);
        // Its own bytes had all arrived: deliver them before the end. Else what is lost shows as RST.
        if source.source_ended {
            End::Deliver { near_broke, reason }
        } else {
            End::Abort(reason)
        }
    }

    /// Whose FIN was read first; from then on the other direction may be silent only so long.
    fn note_half_close(&mut self, shard: &Shard) {
        if self.half_closed.is_some() {
            return;
        }
        self.half_closed = match (self.inward.source_ended, self.outward.source_ended) {
            (false, false) => return,
            (true, _) => Some(EndReason::VisitorFin),
            (false, true) => Some(EndReason::LocalFin),
        };
        self.moved_at = shard.now();
    }

    fn half_close_deadline(&self, shard: &Shard) -> Option<Instant> {
        self.half_closed?;
        let idle = Duration::from_millis(shard.context.limits.half_close_idle_ms);
        self.moved_at.checked_add(idle)
    }

    /// When a goodbye that is held back is said in any case.
    fn held_until(&self, shard: &Shard) -> Option<Instant> {
        if !self.near.holds_goodbye() && !self.far.holds_goodbye() {
            return None;
        }
        let hold = Duration::from_millis(shard.context.limits.close_hold_ms);
        self.moved_at.checked_add(hold)
    }

    fn say_held_goodbye(&self) {
        for link in [&self.near, &self.far] {
            if link.holds_goodbye() {
                // One that is broken will say so when it is read.
                let _ = link.finish();
            }
        }
    }

    /// Adds what has moved to the service's counters.
    fn count(&mut self, shard: &Shard) {
        // Both, or the second would stay for the next time.
        if self.inward.take_moved() | self.outward.take_moved() {
            self.moved_at = shard.now();
            shard.balance.moved(&mut self.window);
        }
        let counters = &self.visit.known.facts.counters;
        let more_in = self.inward.bytes - self.counted_in;
        if more_in > 0 {
            counters.bytes_in.fetch_add(more_in, Relaxed);
            self.counted_in = self.inward.bytes;
        }
        let more_out = self.outward.bytes - self.counted_out;
        if more_out > 0 {
            counters.bytes_out.fetch_add(more_out, Relaxed);
            self.counted_out = self.outward.bytes;
        }
        self.visit.bytes_in = self.counted_in;
        self.visit.bytes_out = self.counted_out;
    }

    pub(crate) fn finish(&mut self, clean: bool, reason: EndReason) {
        let shard = &Rc::clone(&self.visit.shard);
        if !clean {
            self.near.abort_on_close(reason);
            self.far.abort_on_close(reason);
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
        if !self.visit.is_over() {
            self.near.abort_on_close(EndReason::InternalError);
            self.far.abort_on_close(EndReason::InternalError);
        }
    }
}

#[cfg(test)]
#[path = "relay_review_tests.rs"]
mod review_tests;
#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "relay_transport_tests.rs"]
mod transport_tests;
