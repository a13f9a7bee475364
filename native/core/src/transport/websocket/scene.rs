//! Frames for tests: sealed, opened and written by hand.

use crate::transport::codec::{Codec, Fault, Place};
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::{FrameHead, HEAD_MAX, Kind};
use crate::transport::websocket::frames::Frames;
use crate::transport::websocket::mask;

/// The vectors that the TypeScript codec is tested with, too.
const VECTORS: &str = include_str!("../../../../../test/vectors/wire-v1.json");

pub(super) const BOTH: [Role; 2] = [Role::Client, Role::Server];

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

pub(super) fn vector(name: &str) -> Vec<u8> {
    let rest = VECTORS
        .split(&format!("\"{name}\": \""))
        .nth(1)
        .expect(name);
    hex(rest.split('"').next().expect("its end"))
}

pub(super) fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// The wire bytes of what is sent at once.
pub(super) fn sealed(codec: &mut dyn Codec, plain: &[u8]) -> Result<Vec<u8>, Fault> {
    let layout = codec.layout();
    let mut buffer = vec![0xee; plain.len() + (plain.len() / layout.payload + 1) * layout.head];
    assert_eq!(layout.put(&mut buffer, plain), plain.len(), "it fits");
    let mut side = Vec::new();
    match codec.seal(&mut buffer, plain.len(), &mut side)? {
        Place::Buffer(range) => Ok(buffer[range].to_vec()),
        Place::Side(_) => panic!("sealed where it is"),
    }
}

/// What was made of pieces.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Made {
    pub(super) plain: Vec<u8>,
    pub(super) replies: Vec<Vec<u8>>,
    pub(super) ended: bool,
    pub(super) failed: bool,
}

pub(super) fn open<'a>(codec: &mut dyn Codec, pieces: impl IntoIterator<Item = &'a [u8]>) -> Made {
    let mut made = Made::default();
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let (mut side, mut reply) = (Vec::new(), Vec::new());
        let opened = codec.open(&mut buffer, &mut side, &mut reply);
        if !reply.is_empty() {
            made.replies.push(reply);
        }
        let Ok(opened) = opened else {
            made.failed = true;
            continue;
        };
        assert!(!made.failed, "what failed stays so");
        assert!(opened.rest.is_empty() && side.is_empty());
        let Place::Buffer(range) = opened.plain else {
            panic!("opened where it is");
        };
        made.plain.extend_from_slice(&buffer[range]);
        assert!(opened.ended || !made.ended, "what ended stays so");
        made.ended = opened.ended;
    }
    // A fault behind payload is told by what asks next.
    made.failed |= codec.fin(0) == Err(Fault::BadRecord);
    made
}

pub(super) fn open_one(role: Role, wire: &[u8]) -> Made {
    open(&mut Frames::new(role, true), [wire])
}

/// A frame as the peer of `role` sends it.
pub(super) fn to(role: Role, kind: Kind, last: bool, payload: &[u8]) -> Vec<u8> {
    let mask = (role == Role::Server).then_some([0x37, 0xfa, 0x21, 0x3d]);
    let head = FrameHead {
        kind,
        last,
        mask,
        length: payload.len(),
    };
    let mut space = [0; HEAD_MAX];
    let length = head.write(&mut space);
    let mut wire = space[HEAD_MAX - length..].to_vec();
    let begin = wire.len();
    wire.extend_from_slice(payload);
    if let Some(mask) = mask {
        mask::apply(&mut wire[begin..], mask);
    }
    wire
}
