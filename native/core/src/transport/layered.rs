//! Handshakes and codecs on top of each other: a proxy before a transport, a WebSocket inside TLS.

use crate::transport::codec::{Codec, Fault, Handshake, Layout, Opened, Place, Refused, Step};

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
        self.first
            .as_ref()
            .map_or(self.second.name(), |it| it.name())
    }
}

/// The upper transport inside the lower one. The upper codec must keep no rest.
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
    /// Its codec has gone into the layered one.
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
        if !came.is_empty() {
            let opened = lower.open(came, &mut Vec::new(), out);
            let _ = opened;
        }
        let mut said = Vec::new();
        let advanced = self.upper.advance(&mut self.plain, &mut said);
        let _ = said;
        let _ = advanced;
        todo!()
    }

    fn name(&self) -> &'static str {
        match &self.lower {
            Lower::Shaking(lower) => lower.name(),
            _ => self.upper.name(),
        }
    }
}

struct Layers {
    lower: Box<dyn Codec>,
    upper: Box<dyn Codec>,
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
        let _ = (&mut self.lower, buffer, plain, side);
        todo!()
    }

    fn open(
        &mut self,
        _buffer: &mut [u8],
        _side: &mut Vec<u8>,
        _reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        todo!()
    }

    fn fin(&self, rest: usize) -> Result<(), Fault> {
        self.lower.fin(rest)
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<bool, Fault> {
        todo!()
    }

    fn sends_fin(&self) -> bool {
        self.lower.sends_fin()
    }
}
