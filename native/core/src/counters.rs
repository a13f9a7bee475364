//! Counters of one service and of the tunnel side. They are written by the shards and read by the
//! control plane at any time; each number is exact, a snapshot of several is not one moment.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::reason::EndReason;
use crate::spec::ServiceType;

/// How often each reason occurred.
pub(crate) struct ReasonCounts([AtomicU64; EndReason::ALL.len()]);

impl Default for ReasonCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl ReasonCounts {
    pub(crate) fn count(&self, reason: EndReason) {
        self.add(reason, 1);
    }

    pub(crate) fn add(&self, reason: EndReason, count: u64) {
        self.0[reason as usize].fetch_add(count, Relaxed);
    }

    /// Those that occurred.
    pub(crate) fn snapshot(&self) -> Vec<(EndReason, u64)> {
        let counts = EndReason::ALL
            .iter()
            .map(|reason| (*reason, self.0[*reason as usize].load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// `visitors_open` counts those that wait, too.
#[derive(Default)]
pub(crate) struct ServiceCounters {
    pub(crate) visitors_open: AtomicUsize,
    pub(crate) visitors_waiting: AtomicUsize,
    pub(crate) visitors_total: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) datagrams_dropped: AtomicU64,
    pub(crate) pool_ready: AtomicUsize,
    pub(crate) pool_requested: AtomicUsize,
    pub(crate) pool_target: AtomicUsize,
    pub(crate) pool_hits: AtomicU64,
    pub(crate) pool_misses: AtomicU64,
    pub(crate) pool_stale: AtomicU64,
    pub(crate) ends: ReasonCounts,
}

impl ServiceCounters {
    pub(crate) fn end(&self, reason: EndReason) {
        self.ends.count(reason);
    }

    pub(crate) fn snapshot(&self, service: &str, protocol: ServiceType) -> ServiceStats {
        ServiceStats {
            service: service.to_owned(),
            protocol,
            visitors_open: self.visitors_open.load(Relaxed),
            visitors_waiting: self.visitors_waiting.load(Relaxed),
            visitors_total: self.visitors_total.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            datagrams_dropped: self.datagrams_dropped.load(Relaxed),
            pool_ready: self.pool_ready.load(Relaxed),
            pool_requested: self.pool_requested.load(Relaxed),
            pool_target: self.pool_target.load(Relaxed),
            pool_hits: self.pool_hits.load(Relaxed),
            pool_misses: self.pool_misses.load(Relaxed),
            pool_stale: self.pool_stale.load(Relaxed),
            ends: self.ends.snapshot(),
        }
    }
}

/// A snapshot of one service, as in `ts/engine/stats.ts`.
#[derive(Clone, Debug)]
pub struct ServiceStats {
    pub service: String,
    pub protocol: ServiceType,
    pub visitors_open: usize,
    pub visitors_waiting: usize,
    pub visitors_total: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub datagrams_dropped: u64,
    pub pool_ready: usize,
    pub pool_requested: usize,
    pub pool_target: usize,
    pub pool_hits: u64,
    pub pool_misses: u64,
    pub pool_stale: u64,
    pub ends: Vec<(EndReason, u64)>,
}

/// A snapshot of an engine.
#[derive(Clone, Debug)]
pub struct EngineStats {
    pub services: Vec<ServiceStats>,
    pub unauthenticated: usize,
    pub tunnel_rejected: Vec<(EndReason, u64)>,
}
