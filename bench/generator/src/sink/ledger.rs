//! What the sink has counted, by the loader's id, so that a count can be asked for on another
//! connection.

use std::collections::{HashMap, VecDeque};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) finished: bool,
    pub(crate) count: u64,
}

/// Ids remembered; the oldest is forgotten first.
const CAPACITY: usize = 4096;

#[derive(Default)]
pub(crate) struct Ledger {
    entries: HashMap<u64, Entry>,
    order: VecDeque<u64>,
}

impl Ledger {
    pub(crate) fn note(&mut self, id: u64, entry: Entry) {
        if self.entries.insert(id, entry).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// An id never seen counts zero and is not finished.
    pub(crate) fn read(&self, id: u64) -> Entry {
        self.entries.get(&id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_id_first() {
        let mut ledger = Ledger::default();
        let entry = Entry {
            finished: true,
            count: 9,
        };
        for id in 0..=CAPACITY as u64 {
            ledger.note(id, entry);
        }
        assert_eq!(ledger.read(0), Entry::default());
        assert_eq!(ledger.read(1), entry);
        ledger.note(1, Entry::default());
        assert_eq!(ledger.order.len(), CAPACITY);
    }
}
