//! What a coded link keeps above its socket, and what its codec makes of what comes.

use std::ops::Range;

use crate::scratch::Scratch;
use crate::transport::codec::{Codec, Fault, Place};

const HANDED_ON: &str = "taken out only by the function that hands the link on";

/// How far the end of our direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    No,
    /// The transport says goodbye only when the peer's direction has ended.
    Held,
    /// The goodbye has been written.
    Said,
    /// And the FIN behind it.
    Sent,
}

pub(super) struct State {
    /// Absent only once the link has been handed on.
    pub(super) codec: Option<Box<dyn Codec>>,
    /// The beginning of a record whose end has not come.
    pub(super) rest: Vec<u8>,
    /// What came last brought something: only another call tells what is wrong behind it.
    pub(super) unsure: bool,
    /// Opened, and not taken yet.
    pub(super) plain: Vec<u8>,
    /// Sealed, and not with the system yet.
    pub(super) outgoing: Vec<u8>,
    /// The peer's direction has ended: as it should, unless there is a fault.
    pub(super) ended: bool,
    pub(super) finish: Finish,
    pub(super) fault: Option<Fault>,
}

impl State {
    /// `outgoing`: what of the handshake is still to be sent.
    pub(super) fn new(codec: Box<dyn Codec>, outgoing: Vec<u8>) -> Self {
        Self {
            codec: Some(codec),
            rest: Vec::new(),
            unsure: false,
            plain: Vec::new(),
            outgoing,
            ended: false,
            finish: Finish::No,
            fault: None,
        }
    }

    pub(super) fn codec(&mut self) -> &mut dyn Codec {
        self.codec.as_deref_mut().expect(HANDED_ON)
    }

    /// FIN came, behind `rest` bytes that were not opened.
    pub(super) fn end(&mut self, rest: usize) {
        self.ended = true;
        self.fault = self.codec().fin(rest).err();
        self.say_held_goodbye();
    }

    /// Puts the beginning of the next record, and `more` behind it, at the front of the scratch
    /// buffer; where that ends.
    pub(super) fn append(&mut self, scratch: &mut Scratch, more: &[u8]) -> usize {
        let (head, end) = (self.rest.len(), self.rest.len() + more.len());
        scratch.wire[..head].copy_from_slice(&self.rest);
        scratch.wire[head..end].copy_from_slice(more);
        end
    }

    /// Opens what lies in the scratch buffer up to `end`, the rest from before included. How much
    /// plaintext that was; `take` gets it if it was any.
    pub(super) fn open(
        &mut self,
        scratch: &mut Scratch,
        end: usize,
        take: impl FnOnce(&[u8]),
    ) -> usize {
        let wire = &mut scratch.wire[..end];
        let codec = self.codec.as_deref_mut().expect(HANDED_ON);
        let opened = codec.open(wire, &mut scratch.side, &mut self.outgoing);
        let opened = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                self.fault = Some(fault);
                self.rest = Vec::new();
                return 0;
            }
        };
        let plain = match opened.plain {
            Place::Buffer(range) => &scratch.wire[range],
            Place::Side(range) => &scratch.side[range],
        };
        keep(&mut self.rest, &scratch.wire, opened.rest);
        let came = plain.len();
        self.unsure = came > 0;
        if came > 0 {
            take(plain);
        }
        if opened.ended {
            self.ended = true;
            self.say_held_goodbye();
        }
        came
    }

    pub(super) fn say_goodbye(&mut self) {
        let codec = self.codec.as_deref_mut().expect(HANDED_ON);
        match codec.finish(&mut self.outgoing) {
            Ok(true) => self.finish = Finish::Said,
            Ok(false) => {}
            Err(fault) => self.fault = Some(fault),
        }
    }

    fn say_held_goodbye(&mut self) {
        if self.finish == Finish::Held {
            self.say_goodbye();
        }
    }
}

/// An idle connection keeps nothing; one in bulk keeps its memory.
fn keep(rest: &mut Vec<u8>, wire: &[u8], range: Range<usize>) {
    if range.is_empty() {
        *rest = Vec::new();
    } else {
        rest.clear();
        rest.extend_from_slice(&wire[range]);
    }
}
