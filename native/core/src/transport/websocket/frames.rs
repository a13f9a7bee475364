//! A stream of bytes in frames: the codec of both ends.

use std::ops::Range;

use crate::transport::codec::{Codec, Fault, Layout, Opened, Place};
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::{FrameHead, HEAD_MAX, Kind};
use crate::transport::websocket::mask::{self, Mask};
use crate::transport::websocket::receive::Receiver;

/// Of one frame of ours: what two bytes of length can say, so all full frames have the same head.
const PAYLOAD_MAX: usize = 65_535;

/// While more than this waits to be sent, pings are not answered.
const REPLY_MAX: usize = 1024;

/// How far our direction is towards its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    /// Close waits for the end of the peer's direction: a stock peer would take it as the end of
    /// both.
    Held,
    Sent,
}

pub(super) struct Frames {
    role: Role,
    /// The peer is warren: it takes Close as the end of one direction, and a pong as nothing.
    ours: bool,
    closing: Closing,
    incoming: Receiver,
}

impl Frames {
    pub(super) fn new(role: Role, ours: bool) -> Self {
        Self {
            role,
            ours,
            closing: Closing::Open,
            incoming: Receiver::new(role),
        }
    }

    /// A stock peer takes Close as the end of both directions. A client must not hold it back all the
    /// same: whoever waits for the end of an answer would wait for ever, while what is still sent to
    /// a service that has ended hardly matters.
    fn holds_close(&self) -> bool {
        !self.ours && self.role == Role::Server
    }

    fn mask(&self) -> Result<Option<Mask>, Fault> {
        match self.role {
            Role::Client => mask::random().map(Some),
            Role::Server => Ok(None),
        }
    }

    /// A control frame of ours.
    fn control(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mask = self.mask()?;
        let head = FrameHead {
            kind,
            last: true,
            mask,
            length: payload.len(),
        };
        let mut space = [0; HEAD_MAX];
        let length = head.write(&mut space);
        out.extend_from_slice(&space[HEAD_MAX - length..]);
        let begin = out.len();
        out.extend_from_slice(payload);
        if let Some(mask) = mask {
            mask::apply(&mut out[begin..], mask);
        }
        Ok(())
    }
}

impl Codec for Frames {
    fn layout(&self) -> Layout {
        Layout {
            head: match self.role {
                Role::Client => 8,
                Role::Server => 4,
            },
            payload: PAYLOAD_MAX,
            tail: 0,
        }
    }

    fn seal(
        &mut self,
        buffer: &mut [u8],
        plain: usize,
        _side: &mut Vec<u8>,
    ) -> Result<Place, Fault> {
        if self.closing == Closing::Sent {
            return Err(Fault::BadRecord);
        }
        frame(self.layout(), buffer, plain, || self.mask()).map(Place::Buffer)
    }

    fn open(
        &mut self,
        buffer: &mut [u8],
        _side: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        let received = self.incoming.receive(buffer)?;
        if let Some(ping) = received.ping {
            // The last one stands for all before it (RFC 6455 5.5.3). Stock peers die of a pong, and
            // who does not take what we sent gets no more.
            if self.ours && self.closing != Closing::Sent && reply.len() < REPLY_MAX {
                self.control(Kind::Pong, &ping, reply)?;
            }
        }
        Ok(Opened {
            plain: Place::Buffer(received.plain),
            rest: buffer.len()..buffer.len(),
            ended: self.incoming.ended(),
        })
    }

    fn fin(&self, _rest: usize) -> Result<(), Fault> {
        // A stock peer that was told just goes.
        let told = !self.ours && self.closing == Closing::Sent;
        if self.incoming.ended() || told {
            Ok(())
        } else if self.incoming.failed() {
            Err(Fault::BadRecord)
        } else if self.incoming.is_between_frames() {
            Err(Fault::NoGoodbye)
        } else {
            Err(Fault::Truncated)
        }
    }

    /// Asked a second time, it says goodbye whoever the peer is.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        match self.closing {
            Closing::Sent => return Ok(true),
            Closing::Open if self.holds_close() && !self.incoming.ended() => {
                self.closing = Closing::Held;
                return Ok(false);
            }
            Closing::Open | Closing::Held => {}
        }
        self.control(Kind::Close, &[], out)?;
        self.closing = Closing::Sent;
        Ok(true)
    }

    /// The goodbye is in band. FIN behind it would end both directions where something stands
    /// between us that knows no half-closed connection (nginx, most CDNs).
    fn sends_fin(&self) -> bool {
        false
    }
}

/// Makes frames of the payloads that lie in the buffer. Where they are, one behind the other.
fn frame(
    layout: Layout,
    buffer: &mut [u8],
    plain: usize,
    next_mask: impl Fn() -> Result<Option<Mask>, Fault>,
) -> Result<Range<usize>, Fault> {
    let mut wire = 0..0;
    for mut payload in layout.payloads(plain) {
        let mask = next_mask()?;
        let head = FrameHead {
            kind: Kind::Binary,
            last: true,
            mask,
            length: payload.len(),
        };
        let mut space = [0; HEAD_MAX];
        let length = head.write(&mut space);
        // A short frame has a short head. Alone, it begins later; behind others it moves up to them:
        // it is the last, and has 125 bytes at most.
        let begin = payload.start - length;
        if wire.is_empty() {
            wire = begin..begin;
        } else if wire.end < begin {
            let moved = wire.end + length;
            buffer.copy_within(payload.clone(), moved);
            payload = moved..moved + payload.len();
        }
        if let Some(mask) = mask {
            mask::apply(&mut buffer[payload.clone()], mask);
        }
        buffer[wire.end..payload.start].copy_from_slice(&space[HEAD_MAX - length..]);
        wire.end = payload.end;
    }
    Ok(wire)
}

#[cfg(test)]
#[path = "frames_property_tests.rs"]
mod property_tests;
#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
