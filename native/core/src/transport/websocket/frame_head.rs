//! The head of a frame (RFC 6455 5.2).

use crate::transport::codec::Fault;
use crate::transport::websocket::Role;
use crate::transport::websocket::mask::Mask;

/// The longest: two bytes, a length of eight, a mask.
pub(super) const HEAD_MAX: usize = 14;
/// Of a control frame's payload.
const CONTROL_MAX: usize = 125;
/// Of a frame's payload that we take.
const RECEIVE_MAX: u64 = 16 * 1024 * 1024;

const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Binary,
    Continuation,
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: Kind,
    /// The last frame of its message.
    pub(super) last: bool,
    pub(super) mask: Option<Mask>,
    pub(super) length: usize,
}

impl FrameHead {
    /// How long the head is that begins so, as far as one can tell.
    pub(super) fn length(bytes: &[u8]) -> usize {
        let Some(second) = bytes.get(1) else { return 2 };
        let length = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & MASKED != 0 { 4 } else { 0 };
        2 + length + mask
    }

    /// Reads a whole head that was sent to `role`. A length may be written longer than it must.
    pub(super) fn parse(bytes: &[u8], role: Role) -> Result<Self, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Err(Fault::BadRecord);
        };
        let (length, rest) = read_length(second & !MASKED, rest)?;
        let mask = rest.first_chunk().copied();
        let control = first & 0x08 != 0;
        let kind = match first & 0x0f {
            CONTINUATION => Kind::Continuation,
            BINARY => Kind::Binary,
            CLOSE => Kind::Close,
            PING => Kind::Ping,
            PONG => Kind::Pong,
            _ => return Err(Fault::BadRecord),
        };
        let last = first & LAST != 0;
        let reserved = first & 0x70 != 0;
        let long = length
            > if control {
                CONTROL_MAX as u64
            } else {
                RECEIVE_MAX
            };
        if reserved || long || control && !last || mask.is_some() != (role == Role::Server) {
            return Err(Fault::BadRecord);
        }
        Ok(Self {
            kind,
            last,
            mask,
            // Not beyond RECEIVE_MAX.
            length: length as usize,
        })
    }

    /// Writes the head of a frame of ours, with the shortest length, to the end of `space`; how
    /// long it is.
    pub(super) fn write(self, space: &mut [u8; HEAD_MAX]) -> usize {
        let mut at = HEAD_MAX;
        let mut put = |bytes: &[u8]| {
            at -= bytes.len();
            space[at..at + bytes.len()].copy_from_slice(bytes);
        };
        if let Some(mask) = self.mask {
            put(&mask);
        }
        let short = match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length), _) if usize::from(length) <= CONTROL_MAX => length,
            (_, Ok(length)) => {
                put(&length.to_be_bytes());
                126
            }
            _ => {
                put(&(self.length as u64).to_be_bytes());
                127
            }
        };
        let opcode = match self.kind {
            Kind::Continuation => CONTINUATION,
            Kind::Binary => BINARY,
            Kind::Close => CLOSE,
            Kind::Ping => PING,
            Kind::Pong => PONG,
        };
        let last = if self.last { LAST } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        put(&[opcode | last, short | masked]);
        HEAD_MAX - at
    }
}

/// The length, and what is behind it.
fn read_length(short: u8, rest: &[u8]) -> Result<(u64, &[u8]), Fault> {
    let taken = match short {
        126 => rest
            .split_first_chunk()
            .map(|(it, rest)| (u16::from_be_bytes(*it).into(), rest)),
        127 => rest
            .split_first_chunk()
            .map(|(it, rest)| (u64::from_be_bytes(*it), rest)),
        _ => Some((short.into(), rest)),
    };
    taken.ok_or(Fault::BadRecord)
}
