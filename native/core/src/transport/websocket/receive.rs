//! What the peer sends: frames, taken apart as they come. Nothing waits for a whole frame; a frame of
//! 16 MiB needs no more memory than a small one.

use std::ops::Range;

use crate::transport::codec::Fault;
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::{FrameHead, HEAD_MAX, Kind};
use crate::transport::websocket::mask::{self, Mask};

/// Where in a frame the next byte belongs.
enum At {
    /// So many bytes of its head are there.
    Head { have: usize },
    /// So many bytes of its payload are to come.
    Payload {
        kind: Kind,
        left: usize,
        mask: Option<Mask>,
    },
    /// A frame that cannot be. Told once what came before it has been delivered.
    Bad,
    /// Behind the Close frame.
    Ended,
}

pub(super) struct Receiver {
    role: Role,
    at: At,
    head: [u8; HEAD_MAX],
    /// Between the first and the last frame of a message.
    in_message: bool,
    /// The payload of a ping, as far as it has come.
    ping: Vec<u8>,
}

/// What was in a piece.
pub(super) struct Received {
    pub(super) plain: Range<usize>,
    /// The payload of the last ping that ended in it.
    pub(super) ping: Option<Vec<u8>>,
}

impl Receiver {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            at: At::Head { have: 0 },
            head: [0; HEAD_MAX],
            in_message: false,
            ping: Vec::new(),
        }
    }

    /// Whether Close has come.
    pub(super) fn ended(&self) -> bool {
        matches!(self.at, At::Ended)
    }

    /// Whether a frame has come that cannot be.
    pub(super) fn failed(&self) -> bool {
        matches!(self.at, At::Bad)
    }

    pub(super) fn is_between_frames(&self) -> bool {
        matches!(self.at, At::Head { have: 0 })
    }

    /// Moves all payload in the buffer together, unmasked. Takes everything.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Fault> {
        let (mut plain, mut ping) = (0..0, None);
        let mut read = 0;
        loop {
            match &mut self.at {
                At::Bad if plain.is_empty() => return Err(Fault::BadRecord),
                At::Bad | At::Ended => break,
                At::Head { have } => {
                    let need = FrameHead::length(&self.head[..*have]);
                    if *have == need {
                        self.at = self.begin(need).unwrap_or(At::Bad);
                        continue;
                    }
                    let count = (need - *have).min(buffer.len() - read);
                    if count == 0 {
                        break;
                    }
                    self.head[*have..*have + count].copy_from_slice(&buffer[read..read + count]);
                    *have += count;
                    read += count;
                }
                // Also when there is no more to read: the frame may have no payload.
                At::Payload { kind, left: 0, .. } => {
                    let ended = *kind == Kind::Close;
                    if *kind == Kind::Ping {
                        ping = Some(std::mem::take(&mut self.ping));
                    }
                    self.at = if ended {
                        At::Ended
                    } else {
                        At::Head { have: 0 }
                    };
                }
                At::Payload { kind, left, mask } => {
                    let piece = read..read + (*left).min(buffer.len() - read);
                    if piece.is_empty() {
                        break;
                    }
                    read = piece.end;
                    *left -= piece.len();
                    match kind {
                        Kind::Binary | Kind::Continuation => {
                            gather(buffer, piece, &mut plain, mask);
                        }
                        Kind::Ping => {
                            let begin = self.ping.len();
                            self.ping.extend_from_slice(&buffer[piece]);
                            unmask(&mut self.ping[begin..], mask);
                        }
                        Kind::Close | Kind::Pong => {}
                    }
                }
            }
        }
        Ok(Received { plain, ping })
    }

    /// A head is there as a whole.
    fn begin(&mut self, length: usize) -> Result<At, Fault> {
        let head = FrameHead::parse(&self.head[..length], self.role)?;
        match head.kind {
            Kind::Binary if self.in_message => return Err(Fault::BadRecord),
            Kind::Continuation if !self.in_message => return Err(Fault::BadRecord),
            Kind::Binary | Kind::Continuation => self.in_message = !head.last,
            Kind::Ping => self.ping = Vec::with_capacity(head.length),
            Kind::Close | Kind::Pong => {}
        }
        Ok(At::Payload {
            kind: head.kind,
            left: head.length,
            mask: head.mask,
        })
    }
}

/// Adds a piece to the payload before it. The first one stays where it is; later ones move up.
fn gather(
    buffer: &mut [u8],
    piece: Range<usize>,
    plain: &mut Range<usize>,
    mask: &mut Option<Mask>,
) {
    if plain.start == plain.end {
        *plain = piece.start..piece.start;
    }
    let end = plain.end + piece.len();
    if plain.end != piece.start {
        buffer.copy_within(piece, plain.end);
    }
    unmask(&mut buffer[plain.end..end], mask);
    plain.end = end;
}

fn unmask(bytes: &mut [u8], mask: &mut Option<Mask>) {
    if let Some(mask) = mask {
        *mask = mask::apply(bytes, *mask);
    }
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
