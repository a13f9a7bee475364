//! What a transport is to a link: a handshake that ends in a codec, and a codec that seals and opens
//! what the link's socket carries. Neither touches a socket, a clock or another connection.

use std::ops::Range;

use crate::reason::EndReason;

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: EndReason,
    /// For a person: what was wrong, and what to do.
    pub(crate) text: String,
}

impl Refused {
    pub(crate) fn new(reason: EndReason, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reason, text }
    }
}

/// How far a handshake has come.
pub(crate) enum Step {
    /// The peer has to say more.
    Wait,
    /// From here on the codec carries the connection; without one, it is plain bytes.
    Done(Option<Box<dyn Codec>>),
}

pub(crate) trait Handshake: Send {
    /// Goes on with what came. Called once with nothing, then whenever more has come. `came`: what
    /// was received and not used; what is used is taken off its front, what is left behind `Done` is
    /// the codec's. `out`: what is to be sent, appended; it is sent also when this fails.
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused>;

    /// What a text calls it: `TLS`, `Noise`.
    fn name(&self) -> &'static str;

    /// Whether its steps are worth another thread: public key cryptography is.
    fn is_costly(&self) -> bool {
        true
    }

    /// What it most likely means when the peer closes the connection meanwhile, as the end of a
    /// sentence.
    fn when_closed(&self) -> &'static str {
        ""
    }
}

/// Why a connection cannot go on; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The end came between records, without the goodbye that the transport has. That is how
    /// channels end that carry no visitor (wire-v1 3.7).
    NoGoodbye,
    /// The end came inside a record.
    Truncated,
    /// A record or frame is forged, malformed or too long; or our side can send no more.
    BadRecord,
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the buffer that was given.
    Buffer(Range<usize>),
    /// In `side`.
    Side(Range<usize>),
}

/// What `open` found.
pub(crate) struct Opened {
    /// The plaintext of all whole records.
    pub(crate) plain: Place,
    /// The beginning of the next record, in the buffer: to be given again, with more behind it.
    pub(crate) rest: Range<usize>,
    /// The peer's end of its direction has come, in band. What is behind it means nothing.
    pub(crate) ended: bool,
}

/// One connection's records or frames, both ways.
pub(crate) trait Codec: Send {
    /// How plaintext must lie in a buffer for `seal`.
    fn layout(&self) -> Layout;

    /// Seals `plain` bytes (at least one) that lie in `buffer` by the layout. Says where the wire
    /// bytes are, one piece. `side` is empty when it is called, and may be written to.
    fn seal(&mut self, buffer: &mut [u8], plain: usize, side: &mut Vec<u8>)
    -> Result<Place, Fault>;

    /// Opens what was received. `side` is empty when it is called, and may be written to. `reply`:
    /// what the transport itself has to answer, wire bytes, appended; bounded by what came.
    /// Whole records before a bad one are delivered; the fault is told by the next call at latest.
    fn open(
        &mut self,
        buffer: &mut [u8],
        side: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault>;

    /// FIN came, behind a rest of so many bytes.
    ///
    /// # Errors
    /// `NoGoodbye` or `Truncated` where that is not how the peer ends its direction.
    fn fin(&self, rest: usize) -> Result<(), Fault>;

    /// Our direction ends: the goodbye, wire bytes, appended to `out`, once. False: this transport
    /// cannot end one direction alone, and the peer's has not ended yet (WebSocket towards a peer
    /// that is not ours): to be called again when it has, or when the connection ends.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault>;

    /// Whether FIN follows our goodbye at once.
    fn sends_fin(&self) -> bool;

    /// What the peer has said against us, where a fault comes from that: with TLS 1.3 a client is done
    /// before its server has looked at its certificate.
    fn refusal(&self) -> Option<&Refused> {
        None
    }
}

/// Records in a buffer: each has `head` bytes in front of its payload and `tail` bytes behind it;
/// all but the last are full. So what is read into place is sealed where it is, and leaves in one
/// write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) head: usize,
    /// Of one record at most.
    pub(crate) payload: usize,
    pub(crate) tail: usize,
}

impl Layout {
    /// Plaintext lies in one piece.
    pub(crate) const WHOLE: Self = Self {
        head: 0,
        payload: usize::MAX,
        tail: 0,
    };

    /// Where the payloads of `plain` bytes lie, in order.
    pub(crate) fn payloads(self, plain: usize) -> impl Iterator<Item = Range<usize>> {
        let mut left = plain;
        let mut at = self.head;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let length = left.min(self.payload);
            left -= length;
            let range = at..at + length;
            at = range.end.saturating_add(self.tail + self.head);
            Some(range)
        })
    }

    /// How much plaintext fits into a buffer of that length.
    pub(crate) fn room(self, length: usize) -> usize {
        let frame = self.head + self.tail;
        let Some(record) = self.payload.checked_add(frame) else {
            return length.saturating_sub(frame);
        };
        length / record * self.payload + (length % record).saturating_sub(frame)
    }

    /// Copies as much as fits into place; how much that was.
    pub(crate) fn put(self, buffer: &mut [u8], bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.room(buffer.len()));
        let mut rest = &bytes[..length];
        for range in self.payloads(length) {
            let (now, later) = rest.split_at(range.len());
            buffer[range].copy_from_slice(now);
            rest = later;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    const SMALL: Layout = Layout {
        head: 2,
        payload: 10,
        tail: 3,
    };

    #[test]
    fn payloads_leave_room_for_their_frames() {
        let ranges: Vec<_> = SMALL.payloads(24).collect();
        assert_eq!(ranges, [2..12, 17..27, 32..36]);
        assert!(Layout::WHOLE.payloads(1_000).eq(std::iter::once(0..1_000)));
        assert_eq!(SMALL.payloads(0).count(), 0);
    }

    #[test]
    fn what_fits_ends_within_the_buffer() {
        for length in 0..100 {
            let room = SMALL.room(length);
            let end = SMALL.payloads(room).last().map_or(0, |range| range.end + 3);
            assert!(end <= length, "{length}: {room} bytes end at {end}");
            let more = SMALL
                .payloads(room + 1)
                .last()
                .map_or(0, |range| range.end + 3);
            assert!(more > length, "{length}: {room} bytes, one more would fit");
        }
        assert_eq!(Layout::WHOLE.room(77), 77);
    }

    #[test]
    fn bytes_are_put_into_place() {
        let mut buffer = [0; 31];
        assert_eq!(SMALL.put(&mut buffer, &[7; 40]), 20);
        assert_eq!(buffer[2..12], [7; 10]);
        assert_eq!(buffer[12..17], [0; 5]);
        assert_eq!(buffer[17..27], [7; 10]);
    }
}
