//! A bounded table of UDP sessions, least recent out first. Every use moves an entry to the end: a
//! flood of new ones can replace the whole table in less than a second, and must not reach those in
//! use. It ends nobody by itself: what it takes out is the caller's to end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::udp_frame::VisitorKey;

const NONE: usize = usize::MAX;
/// Part of the idle time between two looks for idle entries.
const SWEEPS_PER_IDLE: u32 = 4;

struct Entry<T> {
    key: VisitorKey,
    last_used: Instant,
    older: usize,
    newer: usize,
    value: T,
}

/// The outcome of a look-up.
pub(crate) enum Found<T> {
    /// Alive, at that index until it is taken out; being asked for keeps it alive.
    Alive(usize),
    /// It had been idle for too long and has been taken out.
    Idle(T),
    Absent,
}

pub(crate) struct UdpTable<T> {
    entries: Slab<Entry<T>>,
    by_key: HashMap<VisitorKey, usize>,
    oldest: usize,
    newest: usize,
    max: usize,
    idle: Duration,
}

impl<T> UdpTable<T> {
    pub(crate) fn new(max: usize, idle_ms: u64) -> Self {
        Self {
            entries: Slab::new(),
            by_key: HashMap::new(),
            oldest: NONE,
            newest: NONE,
            max,
            idle: Duration::from_millis(idle_ms),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn find(&mut self, key: &VisitorKey, now: Instant) -> Found<T> {
        let Some(index) = self.index_of(key) else {
            return Found::Absent;
        };
        let entry = &mut self.entries[index];
        if now.saturating_duration_since(entry.last_used) >= self.idle {
            return self.take(index).map_or(Found::Absent, Found::Idle);
        }
        entry.last_used = now;
        if index != self.newest {
            self.unlink(index);
            self.link_newest(index);
        }
        Found::Alive(index)
    }

    fn index_of(&self, key: &VisitorKey) -> Option<usize> {
        // Datagrams come in runs of one sender.
        let newest = self.entries.get(self.newest);
        if newest.is_some_and(|entry| entry.key == *key) {
            return Some(self.newest);
        }
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.entries.get(index).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.entries.get_mut(index).map(|entry| &mut entry.value)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    /// The key must be absent, and there should be room.
    pub(crate) fn insert(&mut self, key: VisitorKey, value: T, now: Instant) -> usize {
        let index = self.entries.insert(Entry {
            key,
            last_used: now,
            older: NONE,
            newer: NONE,
            value,
        });
        self.link_newest(index);
        self.by_key.insert(key, index);
        index
    }

    pub(crate) fn remove(&mut self, key: &VisitorKey) -> Option<T> {
        let index = self.index_of(key)?;
        self.take(index)
    }

    pub(crate) fn evict_oldest(&mut self) -> Option<T> {
        self.take(self.oldest)
    }

    /// Takes the oldest out if it has been idle for too long.
    pub(crate) fn take_idle(&mut self, now: Instant) -> Option<T> {
        let oldest = self.entries.get(self.oldest)?;
        let idle = now.saturating_duration_since(oldest.last_used) >= self.idle;
        if idle { self.take(self.oldest) } else { None }
    }

    /// When to look for idle entries again; `None`: there are none, or they live for ever.
    pub(crate) fn next_sweep(&self, now: Instant) -> Option<Instant> {
        let pause = (self.idle / SWEEPS_PER_IDLE).max(Duration::from_millis(1));
        let wanted = !self.is_empty();
        wanted.then(|| now.checked_add(pause)).flatten()
    }

    /// Takes all out, oldest first.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.evict_oldest()).collect()
    }

    fn take(&mut self, index: usize) -> Option<T> {
        if !self.entries.contains(index) {
            return None;
        }
        self.unlink(index);
        let entry = self.entries.remove(index);
        self.by_key.remove(&entry.key);
        if self.entries.is_empty() {
            // What a flood made large is not kept.
            self.entries = Slab::new();
            self.by_key = HashMap::new();
        }
        Some(entry.value)
    }

    fn unlink(&mut self, index: usize) {
        let (older, newer) = (self.entries[index].older, self.entries[index].newer);
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }

    fn link_newest(&mut self, index: usize) {
        let older = self.newest;
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = index,
            None => self.oldest = index,
        }
        let entry = &mut self.entries[index];
        (entry.older, entry.newer) = (older, NONE);
        self.newest = index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> VisitorKey {
        VisitorKey::V4([127, 0, 0, 1], port)
    }

    fn table(max: usize) -> (UdpTable<u16>, Instant) {
        (UdpTable::new(max, 100), Instant::now())
    }

    fn alive(table: &mut UdpTable<u16>, port: u16, now: Instant) -> Option<u16> {
        match table.find(&key(port), now) {
            Found::Alive(index) => table.get(index).copied(),
            _ => None,
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (mut table, now) = table(3);
        for port in 1..=3 {
            table.insert(key(port), port, now);
        }
        assert!(table.is_full());
        assert_eq!(alive(&mut table, 1, now), Some(1));
        assert_eq!(alive(&mut table, 3, now), Some(3));
        assert_eq!(alive(&mut table, 1, now), Some(1));
        assert_eq!(table.evict_oldest(), Some(2));
        table.insert(key(4), 4, now);
        assert_eq!(table.clear(), [3, 1, 4]);
        assert_eq!(table.evict_oldest(), None);
        assert!(table.is_empty());
    }

    #[test]
    fn idle_ones_are_taken_out_by_a_look_up_and_by_a_sweep() {
        let (mut table, start) = table(3);
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(table.next_sweep(start), None);
        table.insert(key(1), 1, at(0));
        table.insert(key(2), 2, at(50));
        table.insert(key(3), 3, at(50));
        assert_eq!(table.next_sweep(at(50)), Some(at(75)));
        assert_eq!(table.take_idle(at(99)), None);
        assert!(matches!(table.find(&key(1), at(100)), Found::Idle(1)));
        assert!(matches!(table.find(&key(1), at(100)), Found::Absent));
        assert_eq!(alive(&mut table, 2, at(149)), Some(2));
        assert_eq!(table.take_idle(at(150)), Some(3));
        assert_eq!(table.take_idle(at(150)), None);
        assert_eq!(table.take_idle(at(249)), Some(2));
        assert!(table.is_empty());
    }

    #[test]
    fn removal_keeps_the_order_of_the_others() {
        let (mut table, now) = table(8);
        for port in 1..=5 {
            table.insert(key(port), port, now);
        }
        for port in [1, 3, 5] {
            assert_eq!(table.remove(&key(port)), Some(port));
            assert_eq!(table.remove(&key(port)), None);
        }
        table.insert(key(6), 6, now);
        assert_eq!(table.clear(), [2, 4, 6]);
    }

    #[test]
    fn an_endless_idle_time_ends_nothing() {
        let mut table = UdpTable::new(2, u64::MAX);
        let now = Instant::now();
        table.insert(key(1), 1, now);
        let sweep = table.next_sweep(now);
        assert!(sweep.is_none_or(|at| at > now + Duration::from_secs(1 << 30)));
        assert_eq!(table.take_idle(now + Duration::from_secs(1 << 30)), None);
    }
}
