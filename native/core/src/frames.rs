//! Frames on the control channel of a peer that reuses data channels (docs/wire.md, section 2). No
//! I/O: what comes is decoded however it is cut, in constant memory.

use crate::spec::FrameTypes;

const HEAD_BYTES: usize = 4;
const PAYLOAD_MAX_BYTES: usize = 4_096;
/// Of the longest payload that anybody looks at: that of gave up.
const KEPT_BYTES: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Channels(u16),
    Heartbeat,
    Drain,
    GaveUp {
        visitor: u64,
        reason: u8,
    },
    /// Of a type that is not known; skipped.
    Other,
}

/// A length beyond the bound, or a payload too short for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadFrame;

/// Takes a stream of frames apart. After a bad one it must not be asked again.
#[derive(Default)]
pub(crate) struct FrameDecoder {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that have come.
    begun: usize,
    /// What of the payload is looked at; the rest is skipped.
    kept: [u8; KEPT_BYTES],
    /// Bytes of the payload that have come.
    came: usize,
}

impl FrameDecoder {
    /// The next frame that is complete, taken off `bytes`; all of them are, where there is none.
    ///
    /// # Errors
    /// The frame is malformed, which its head shows.
    pub(crate) fn next(
        &mut self,
        types: FrameTypes,
        bytes: &mut &[u8],
    ) -> Result<Option<Frame>, BadFrame> {
        if self.begun < HEAD_BYTES {
            let came = fill(&mut self.head[self.begun..], bytes);
            self.begun += came.len();
            if self.begun < HEAD_BYTES {
                return Ok(None);
            }
        }
        let [kind, length @ ..] = self.head;
        let length = u24(length);
        if length > PAYLOAD_MAX_BYTES || length < needed(types, kind) {
            return Err(BadFrame);
        }
        let mut part = take(bytes, length - self.came);
        self.came += part.len();
        let at = (self.came - part.len()).min(KEPT_BYTES);
        fill(&mut self.kept[at..], &mut part);
        if self.came < length {
            return Ok(None);
        }
        (self.begun, self.came) = (0, 0);
        Ok(Some(self.frame(types, kind)))
    }

    fn frame(&self, types: FrameTypes, kind: u8) -> Frame {
        let [a, b, .., reason] = self.kept;
        if kind == types.channels {
            Frame::Channels(u16::from_le_bytes([a, b]))
        } else if kind == types.heartbeat {
            Frame::Heartbeat
        } else if kind == types.drain {
            Frame::Drain
        } else if kind == types.gave_up {
            let mut visitor = [0; 8];
            visitor.copy_from_slice(&self.kept[..8]);
            let visitor = u64::from_le_bytes(visitor);
            Frame::GaveUp { visitor, reason }
        } else {
            Frame::Other
        }
    }
}

/// Asks for so many channels; more than one frame can say take several.
pub(crate) fn channels(types: FrameTypes, mut count: usize, out: &mut Vec<u8>) {
    while count > 0 {
        let said = u16::try_from(count).unwrap_or(u16::MAX);
        out.extend([types.channels, 2, 0, 0]);
        out.extend(said.to_le_bytes());
        count -= usize::from(said);
    }
}

/// Length of what `channels` makes.
pub(crate) fn channels_length(count: usize) -> usize {
    count.div_ceil(usize::from(u16::MAX)) * (HEAD_BYTES + 2)
}

/// Says that the use of that visitor ends, with the number of a reason.
pub(crate) fn gave_up(types: FrameTypes, visitor: u64, reason: u8, out: &mut Vec<u8>) {
    out.extend([types.gave_up, 9, 0, 0]);
    out.extend(visitor.to_le_bytes());
    out.push(reason);
}

/// Payload that a type cannot do without.
fn needed(types: FrameTypes, kind: u8) -> usize {
    if kind == types.channels {
        2
    } else if kind == types.drain {
        4
    } else if kind == types.gave_up {
        9
    } else {
        0
    }
}

fn u24([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16
}

/// Takes so many off, or what is there.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    taken
}

/// Takes off what `room` holds, into it.
fn fill<'a>(room: &mut [u8], bytes: &mut &'a [u8]) -> &'a [u8] {
    let taken = take(bytes, room.len());
    room[..taken.len()].copy_from_slice(taken);
    taken
}

#[cfg(test)]
#[path = "frames_tests.rs"]
pub(crate) mod tests;
