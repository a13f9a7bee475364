//! Where the links of a shard seal and open: made when the first of them does, used by all, one call
//! at a time. So an idle connection needs no buffer.

use std::cell::{RefCell, RefMut};

#[derive(Default)]
pub(crate) struct Scratch {
    /// Wire bytes; records are sealed and opened where they lie.
    pub(crate) wire: Vec<u8>,
    /// For transports that do not seal or open in place.
    pub(crate) side: Vec<u8>,
}

impl Scratch {
    /// One read or write: four of the largest records, with their frames.
    pub(crate) const WIRE_BYTES: usize = 266_240;

    /// For one call, never across a wait.
    pub(crate) fn borrow(cell: &RefCell<Self>) -> RefMut<'_, Self> {
        let mut scratch = cell.borrow_mut();
        if scratch.wire.is_empty() {
            scratch.wire = vec![0; Self::WIRE_BYTES];
        }
        scratch.side.clear();
        scratch
    }
}
