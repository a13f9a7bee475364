//! Records of an established connection: length (u16 LE), ciphertext, tag. Sealed where they are;
//! opened towards the front of the buffer, so that all plaintext is one piece.

use ring::aead::{Aad, LessSafeKey};

use crate::transport::codec::{Codec, Fault, Layout, Opened, Place};
use crate::transport::noise::cipher::{CipherKind, KEY_LENGTH, TAG_LENGTH};

const HEAD_LENGTH: usize = 2;

/// As much as the length can say.
const LAYOUT: Layout = Layout {
    head: HEAD_LENGTH,
    payload: u16::MAX as usize - TAG_LENGTH,
    tail: TAG_LENGTH,
};

pub(super) struct Records {
    sealing: Direction,
    opening: Direction,
    /// A bad record came: nothing behind it can be opened.
    broken: bool,
}

impl Records {
    pub(super) fn new(
        kind: CipherKind,
        ours: &[u8; KEY_LENGTH],
        theirs: &[u8; KEY_LENGTH],
    ) -> Self {
        Self {
            sealing: Direction::new(kind, ours),
            opening: Direction::new(kind, theirs),
            broken: false,
        }
    }
}

struct Direction {
    kind: CipherKind,
    key: LessSafeKey,
    /// Of the next record.
    number: u64,
}

impl Direction {
    fn new(kind: CipherKind, key: &[u8; KEY_LENGTH]) -> Self {
        Self {
            kind,
            key: kind.key(key),
            number: 0,
        }
    }

    fn nonce(&mut self) -> Result<ring::aead::Nonce, Fault> {
        // The last number is for rekeying (Noise, section 5.1), which we do not do.
        if self.number == u64::MAX {
            return Err(Fault::BadRecord);
        }
        let nonce = self.kind.nonce(self.number);
        self.number += 1;
        Ok(nonce)
    }

    /// Opens a record without its head that lies at the end of `buffer`, from `start` on; how much
    /// plaintext there is now at the front.
    fn open(&mut self, buffer: &mut [u8], start: usize) -> Result<usize, Fault> {
        let nonce = self.nonce()?;
        self.key
            .open_within(nonce, Aad::empty(), buffer, start..)
            .map(|plain| plain.len())
            .map_err(|_| Fault::BadRecord)
    }
}

impl Codec for Records {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn seal(
        &mut self,
        buffer: &mut [u8],
        plain: usize,
        _side: &mut Vec<u8>,
    ) -> Result<Place, Fault> {
        let mut end = 0;
        for payload in LAYOUT.payloads(plain) {
            let length = payload.len() + TAG_LENGTH;
            let (head, record) = buffer[payload.start - HEAD_LENGTH..].split_at_mut(HEAD_LENGTH);
            // The layout keeps it within 16 bits.
            head.copy_from_slice(&(length as u16).to_le_bytes());
            let (text, tail) = record[..length].split_at_mut(payload.len());
            let nonce = self.sealing.nonce()?;
            let tag = self
                .sealing
                .key
                .seal_in_place_separate_tag(nonce, Aad::empty(), text)
                .map_err(|_| Fault::BadRecord)?;
            tail.copy_from_slice(tag.as_ref());
            end = payload.end + TAG_LENGTH;
        }
        Ok(Place::Buffer(0..end))
    }

    fn open(
        &mut self,
        buffer: &mut [u8],
        _side: &mut Vec<u8>,
        _reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        if self.broken {
            return Err(Fault::BadRecord);
        }
        let mut plain = 0;
        let mut next = 0;
        while let Some(head) = buffer[next..].first_chunk::<HEAD_LENGTH>() {
            let length = usize::from(u16::from_le_bytes(*head));
            let start = next + HEAD_LENGTH;
            if length < TAG_LENGTH {
                self.broken = true;
                break;
            }
            let Some(record) = buffer.get_mut(plain..start + length) else {
                break;
            };
            // An empty record moves nothing: it is not what ends a direction.
            let Ok(opened) = self.opening.open(record, start - plain) else {
                self.broken = true;
                break;
            };
            plain += opened;
            next = start + length;
        }
        if self.broken {
            if plain == 0 {
                return Err(Fault::BadRecord);
            }
            next = buffer.len();
        }
        Ok(Opened {
            plain: Place::Buffer(0..plain),
            rest: next..buffer.len(),
            ended: false,
        })
    }

    fn fin(&self, rest: usize) -> Result<(), Fault> {
        if self.broken {
            Err(Fault::BadRecord)
        } else if rest > 0 {
            Err(Fault::Truncated)
        } else {
            Ok(())
        }
    }

    /// FIN itself is all there is (wire-v1 3.7).
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<bool, Fault> {
        Ok(true)
    }

    fn sends_fin(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
