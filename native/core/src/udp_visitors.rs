//! The visitors of a udp service: who has sent something lately. Bounded, least recent out first
//! (wire-v1 W24, W25).

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::context::VisitorEnd;
use crate::front::Line;
use crate::reason::EndReason;
use crate::udp_batch::Mark;
use crate::udp_channel::Share;
use crate::udp_frame::VisitorKey;
use crate::udp_table::{Found, UdpTable};

/// Names no channel.
pub(crate) const NO_CHANNEL: u64 = 0;

pub(crate) struct Visitor {
    pub(crate) address: SocketAddr,
    since: Instant,
    /// When it last sent something itself; replies do not count.
    heard: Instant,
    /// The channel that it stays on while that lives.
    pub(crate) channel: u64,
    pub(crate) share: Share,
    pub(crate) mark: Mark,
    pub(crate) segment_max: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

pub(crate) struct UdpVisitors {
    line: Rc<Line>,
    table: UdpTable<Visitor>,
    unheard: Duration,
}

impl UdpVisitors {
    pub(crate) fn new(line: &Rc<Line>) -> Self {
        let limits = &line.shard.context.limits;
        Self {
            line: Rc::clone(line),
            table: UdpTable::new(limits.udp_sessions, limits.udp_idle_ms),
            unheard: Duration::from_millis(limits.udp_unheard_ms),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The visitor that sent a datagram; a new one joins, with the longest datagram that runs to
    /// its address may be cut into.
    pub(crate) fn of_sender(
        &mut self,
        key: &VisitorKey,
        address: SocketAddr,
        segment_max: u16,
        now: Instant,
    ) -> Option<&mut Visitor> {
        let index = match self.table.find(key, now) {
            // Link-local senders of two zones are one on the wire: the newer one has the key.
            Found::Alive(index) if !self.is_of(index, address) => {
                if let Some(older) = self.table.remove(key) {
                    self.end_one(&older, EndReason::Evicted);
                }
                self.join(key, address, segment_max, now)
            }
            Found::Alive(index) => index,
            Found::Idle(older) => {
                self.end_one(&older, EndReason::Idle);
                self.join(key, address, segment_max, now)
            }
            Found::Absent => self.join(key, address, segment_max, now),
        };
        let visitor = self.table.get_mut(index)?;
        visitor.heard = now;
        Some(visitor)
    }

    fn is_of(&self, index: usize, address: SocketAddr) -> bool {
        let visitor = self.table.get(index);
        visitor.is_some_and(|visitor| visitor.address == address)
    }

    /// The visitor that a reply is for, by the index that `get` knows until somebody joins or ends.
    /// Replies keep a session alive, but only for so long: one datagram with a forged sender must
    /// not open a stream to it that never ends.
    pub(crate) fn of_key(&mut self, key: &VisitorKey, now: Instant) -> Option<usize> {
        let index = match self.table.find(key, now) {
            Found::Alive(index) => index,
            Found::Idle(visitor) => {
                self.end_one(&visitor, EndReason::Idle);
                return None;
            }
            Found::Absent => return None,
        };
        let heard = self.table.get(index)?.heard;
        (now.saturating_duration_since(heard) < self.unheard).then_some(index)
    }

    pub(crate) fn get(&mut self, index: usize) -> Option<&mut Visitor> {
        self.table.get_mut(index)
    }

    /// Ends those that were idle for too long. Returns when to do it again.
    pub(crate) fn sweep(&mut self, now: Instant) -> Option<Instant> {
        while let Some(visitor) = self.table.take_idle(now) {
            self.end_one(&visitor, EndReason::Idle);
        }
        self.table.next_sweep(now)
    }

    pub(crate) fn end(&mut self, reason: EndReason) {
        for visitor in self.table.clear() {
            self.end_one(&visitor, reason);
        }
    }

    fn join(
        &mut self,
        key: &VisitorKey,
        address: SocketAddr,
        segment_max: u16,
        now: Instant,
    ) -> usize {
        if self.table.is_full()
            && let Some(oldest) = self.table.evict_oldest()
        {
            self.end_one(&oldest, EndReason::Evicted);
        }
        let visitor = Visitor {
            address,
            since: now,
            heard: now,
            channel: NO_CHANNEL,
            share: Share::default(),
            mark: Mark::default(),
            segment_max,
            bytes_in: 0,
            bytes_out: 0,
        };
        let index = self.table.insert(*key, visitor, now);
        let counters = &self.line.facts.counters;
        counters.visitors_total.fetch_add(1, Relaxed);
        self.count();
        index
    }

    fn end_one(&self, visitor: &Visitor, reason: EndReason) {
        self.count();
        let shard = &self.line.shard;
        let end = VisitorEnd {
            visitor: Some(visitor.address),
            bytes_in: visitor.bytes_in,
            bytes_out: visitor.bytes_out,
            duration_ms: shard.elapsed_ms(visitor.since),
            reason,
        };
        shard.context.visitor_end(&self.line.facts, &end);
    }

    fn count(&self) {
        let open = &self.line.facts.counters.visitors_open;
        open.store(self.table.len(), Relaxed);
    }
}
