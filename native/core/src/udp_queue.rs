//! Datagrams that wait, bounded by their bytes: what does not fit is the caller's to drop and count.

use std::collections::VecDeque;

/// What a waiting datagram costs beside its payload.
const OVERHEAD_BYTES: usize = 64;

pub(crate) struct DatagramQueue<To> {
    entries: VecDeque<(To, Box<[u8]>)>,
    bytes: usize,
    max_bytes: usize,
}

impl<To> DatagramQueue<To> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// False: there is no room.
    pub(crate) fn push(&mut self, to: To, payload: &[u8]) -> bool {
        let bytes = self.bytes + payload.len() + OVERHEAD_BYTES;
        if bytes > self.max_bytes {
            return false;
        }
        self.bytes = bytes;
        self.entries.push_back((to, payload.into()));
        true
    }

    pub(crate) fn first(&self) -> Option<&(To, Box<[u8]>)> {
        self.entries.front()
    }

    pub(crate) fn drop_first(&mut self) {
        if let Some((_, payload)) = self.entries.pop_front() {
            self.bytes -= payload.len() + OVERHEAD_BYTES;
        }
    }

    /// Takes all out, oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<(To, Box<[u8]>)> {
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_fits_and_makes_room_again() {
        let mut queue = DatagramQueue::new(2 * OVERHEAD_BYTES + 10);
        assert!(queue.push(1, b"12345"));
        assert!(!queue.push(2, b"123456"));
        assert!(queue.push(3, b"12345"));
        assert!(!queue.push(4, b""));
        assert_eq!(queue.first().map(|(to, _)| *to), Some(1));
        queue.drop_first();
        assert!(queue.push(5, b""));
        let order: Vec<_> = queue.take().into_iter().map(|(to, _)| to).collect();
        assert_eq!(order, [3, 5]);
        assert!(queue.is_empty() && queue.push(6, &[0; 70]));
    }
}
