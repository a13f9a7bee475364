//! Handshakes and codecs on top of each other: a proxy before a transport, a WebSocket inside TLS.

use std::ops::Range;

use crate::reason::EndReason;
use crate::transport::codec::{Codec, Fault, Handshake, Layout, Opened, Place, Refused, Step};

/// More of answers is not kept for a peer that does not take them.
const REPLY_MAX_BYTES: usize = 1_024;

/// The one, then the other, on the same connection. The first must end in plain bytes.
pub(crate) fn then(first: Box<dyn Handshake>, second: Box<dyn Handshake>) -> Box<dyn Handshake> {
    Box::new(Sequence {
        first: Some(first),
        second,
    })
}

struct Sequence {
    /// Absent when it is done.
    first: Option<Box<dyn Handshake>>,
    second: Box<dyn Handshake>,
}

impl Sequence {
    fn now(&self) -> &dyn Handshake {
        self.first.as_deref().unwrap_or(&*self.second)
    }
}

impl Handshake for Sequence {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        if let Some(first) = &mut self.first {
            match first.advance(came, out)? {
                Step::Wait => return Ok(Step::Wait),
                Step::Done(_) => self.first = None,
            }
        }
        self.second.advance(came, out)
    }

    fn name(&self) -> &'static str {
        self.now().name()
    }

    fn is_costly(&self) -> bool {
        self.second.is_costly()
    }

    fn when_closed(&self) -> &'static str {
        self.now().when_closed()
    }
}

/// The upper transport inside the lower one. The lower one must take plaintext in one piece, the
/// upper one must keep no rest.
pub(crate) fn over(lower: Box<dyn Handshake>, upper: Box<dyn Handshake>) -> Box<dyn Handshake> {
    Box::new(Inside {
        lower: Lower::Shaking(lower),
        upper,
        plain: Vec::new(),
    })
}

enum Lower {
    Shaking(Box<dyn Handshake>),
    Up(Box<dyn Codec>),
    /// It carries the connection now.
    Gone,
}

struct Inside {
    lower: Lower,
    upper: Box<dyn Handshake>,
    /// Opened by the lower one, for the upper one.
    plain: Vec<u8>,
}

impl Handshake for Inside {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        if let Lower::Shaking(lower) = &mut self.lower {
            match lower.advance(came, out)? {
                Step::Wait | Step::Done(None) => return Ok(Step::Wait),
                Step::Done(Some(codec)) => self.lower = Lower::Up(codec),
            }
        }
        let Lower::Up(lower) = &mut self.lower else {
            return Ok(Step::Wait);
        };
        let ended = open_all(&mut **lower, came, &mut self.plain, out);
        let ended = ended.map_err(|_| broken(&**lower))?;
        let mut said = Vec::new();
        let step = self.upper.advance(&mut self.plain, &mut said);
        seal_into(&mut **lower, said, out).map_err(|_| broken(&**lower))?;
        match step? {
            Step::Done(Some(upper)) => {
                if let Lower::Up(lower) = std::mem::replace(&mut self.lower, Lower::Gone) {
                    let early = std::mem::take(&mut self.plain);
                    let layers = Layers {
                        lower,
                        upper,
                        early,
                    };
                    return Ok(Step::Done(Some(Box::new(layers))));
                }
                Ok(Step::Wait)
            }
            _ if ended => {
                let text = format!(
                    "the other end closed TLS during the {} handshake",
                    self.upper.name()
                );
                Err(Refused::new(EndReason::HandshakeEof, text))
            }
            step => Ok(step),
        }
    }

    fn name(&self) -> &'static str {
        match &self.lower {
            Lower::Shaking(lower) => lower.name(),
            _ => self.upper.name(),
        }
    }

    fn when_closed(&self) -> &'static str {
        match &self.lower {
            Lower::Shaking(lower) => lower.when_closed(),
            _ => self.upper.when_closed(),
        }
    }
}

fn broken(lower: &dyn Codec) -> Refused {
    let bad = || Refused::new(EndReason::BadRecord, "a TLS record is not authentic");
    lower.refusal().cloned().unwrap_or_else(bad)
}

/// Opens all whole records of `came`, which keeps the rest. True: the peer's direction has ended.
fn open_all(
    lower: &mut dyn Codec,
    came: &mut Vec<u8>,
    plain: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<bool, Fault> {
    loop {
        let mut side = Vec::new();
        let opened = lower.open(came, &mut side, reply)?;
        let new = match opened.plain {
            Place::Buffer(range) => &came[range],
            Place::Side(range) => &side[range],
        };
        let count = new.len();
        plain.extend_from_slice(new);
        came.truncate(opened.rest.end);
        came.drain(..opened.rest.start);
        // What is wrong behind good records is told by the call after them.
        if opened.ended || count == 0 {
            return Ok(opened.ended);
        }
    }
}

/// Seals `said` and appends it to `out`.
fn seal_into(lower: &mut dyn Codec, mut said: Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if said.is_empty() {
        return Ok(());
    }
    let mut side = Vec::new();
    let length = said.len();
    match lower.seal(&mut said, length, &mut side)? {
        Place::Buffer(range) => out.extend_from_slice(&said[range]),
        Place::Side(range) => out.extend_from_slice(&side[range]),
    }
    Ok(())
}

struct Layers {
    lower: Box<dyn Codec>,
    upper: Box<dyn Codec>,
    /// Opened by the lower one and not yet by the upper one.
    early: Vec<u8>,
}

impl Codec for Layers {
    fn layout(&self) -> Layout {
        self.upper.layout()
    }

    fn seal(
        &mut self,
        buffer: &mut [u8],
        plain: usize,
        side: &mut Vec<u8>,
    ) -> Result<Place, Fault> {
        debug_assert_eq!(self.lower.layout(), Layout::WHOLE);
        match self.upper.seal(buffer, plain, side)? {
            Place::Buffer(range) => {
                let start = range.start;
                let piece = &mut buffer[range];
                let length = piece.len();
                let sealed = self.lower.seal(piece, length, side)?;
                Ok(match sealed {
                    Place::Buffer(range) => Place::Buffer(shifted(&range, start)),
                    Place::Side(range) => Place::Side(range),
                })
            }
            Place::Side(range) => {
                let framed = side[range].to_vec();
                side.clear();
                seal_into(&mut *self.lower, framed, side)?;
                Ok(Place::Side(0..side.len()))
            }
        }
    }

    fn open(
        &mut self,
        buffer: &mut [u8],
        side: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        let opened = self.lower.open(buffer, side, reply)?;
        let framed = match opened.plain {
            Place::Side(range) if self.early.is_empty() => range,
            place => {
                // Rare: behind the handshake, or from a codec that opens in place.
                let mut framed = std::mem::take(&mut self.early);
                framed.extend_from_slice(match place {
                    Place::Buffer(range) => &buffer[range],
                    Place::Side(range) => &side[range],
                });
                *side = framed;
                0..side.len()
            }
        };
        let mut said = Vec::new();
        let start = framed.start;
        let inner = self
            .upper
            .open(&mut side[framed], &mut Vec::new(), &mut said)?;
        // A peer that asks and does not read is not answered for ever.
        if reply.len() < REPLY_MAX_BYTES {
            seal_into(&mut *self.lower, said, reply)?;
        }
        let plain = match inner.plain {
            Place::Buffer(range) => shifted(&range, start),
            Place::Side(_) => 0..0,
        };
        let mut ended = inner.ended;
        if opened.ended && !ended {
            // Told by the next call where there is something to deliver first.
            let end = self.upper.fin(0);
            if plain.is_empty() {
                end?;
            }
            ended = end.is_ok();
        }
        Ok(Opened {
            plain: Place::Side(plain),
            rest: opened.rest,
            ended,
        })
    }

    fn fin(&self, rest: usize) -> Result<(), Fault> {
        match (self.lower.fin(rest), self.upper.fin(0)) {
            (Err(lower), Err(upper)) => Err(lower.max(upper)),
            (lower, upper) => lower.and(upper),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut said = Vec::new();
        let finished = self.upper.finish(&mut said)?;
        // Without a goodbye of the lower one behind it: what is in front of a server (nginx) would end
        // the other direction with it. The upper one's is authenticated by the lower one.
        seal_into(&mut *self.lower, said, out)?;
        Ok(finished)
    }

    fn sends_fin(&self) -> bool {
        self.upper.sends_fin() && self.lower.sends_fin()
    }

    fn refusal(&self) -> Option<&Refused> {
        self.lower.refusal()
    }
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

#[cfg(test)]
#[path = "layered_tests.rs"]
mod tests;
