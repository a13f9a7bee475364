//! Frames, however they are cut, and what hostile peers make of them.

use proptest::prelude::*;
use serde_json::Value;

use super::{BadFrame, Frame, FrameDecoder, channels, gave_up};
use crate::spec::FrameTypes;

pub(crate) const TYPES: FrameTypes = FrameTypes {
    channels: 1,
    heartbeat: 2,
    drain: 3,
    gave_up: 4,
};

/// A frame as its sender writes it.
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut bytes = vec![kind];
    bytes.extend(&length.to_le_bytes()[..3]);
    bytes.extend(payload);
    bytes
}

pub(crate) fn channels_frame(count: u16) -> Vec<u8> {
    frame(TYPES.channels, &count.to_le_bytes())
}

pub(crate) fn gave_up_frame(visitor: u64, reason: u8) -> Vec<u8> {
    let visitor = visitor.to_le_bytes();
    frame(TYPES.gave_up, &[&visitor[..], &[reason]].concat())
}

/// Pieces of these lengths, over and over; 0 is a read that brought nothing.
pub(crate) fn cut<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = lengths.next().map_or(1, |length| (*length).min(rest.len()));
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

/// All frames of the pieces, up to a bad one.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, BadFrame> {
    let mut decoder = FrameDecoder::default();
    let mut frames = Vec::new();
    for mut piece in pieces {
        while let Some(frame) = decoder.next(TYPES, &mut piece)? {
            frames.push(frame);
        }
        assert!(piece.is_empty(), "all is taken where no frame is complete");
    }
    Ok(frames)
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value["bytes"].as_str().or_else(|| value.as_str());
    let digits = text.expect("hex digits").as_bytes();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("a hex byte")
    };
    digits.chunks(2).map(byte).collect()
}

#[test]
fn bytes_are_those_of_the_vectors() {
    let vectors = include_str!("../../../test/vectors/extension.json");
    let vectors: Value = serde_json::from_str(vectors).expect("valid JSON");
    let vectors = &vectors["frames"];
    let each = |name: &str| vectors[name].as_array().expect("some").clone();
    let number = |value: &Value| value.as_u64().expect("a number");
    let encoded = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        encode(&mut out);
        out
    };
    for vector in each("channels") {
        let n = u16::try_from(number(&vector["n"])).expect("a u16");
        let bytes = hex(&vector);
        assert_eq!(encoded(&|out| channels(TYPES, n.into(), out)), bytes);
        assert_eq!(decode([&bytes[..]]), Ok(vec![Frame::Channels(n)]));
    }
    for vector in each("gave_up") {
        let visitor = number(&vector["visitor"]);
        let reason = u8::try_from(number(&vector["reason"])).expect("a u8");
        let bytes = hex(&vector);
        assert_eq!(encoded(&|out| gave_up(TYPES, visitor, reason, out)), bytes);
        let told = Frame::GaveUp { visitor, reason };
        assert_eq!(decode([&bytes[..]]), Ok(vec![told]));
    }
    for vector in each("drain") {
        assert_eq!(decode([&hex(&vector)[..]]), Ok(vec![Frame::Drain]));
    }
    let heartbeat = hex(&vectors["heartbeat"]);
    assert_eq!(decode([&heartbeat[..]]), Ok(vec![Frame::Heartbeat]));
}

#[test]
fn what_one_frame_cannot_say_takes_several() {
    let mut out = Vec::new();
    channels(TYPES, 0, &mut out);
    assert!(out.is_empty());
    channels(TYPES, 140_000, &mut out);
    let said = [65_535, 65_535, 8_930].map(Frame::Channels);
    assert_eq!(decode([&out[..]]), Ok(said.to_vec()));
}

#[test]
fn a_bad_frame_is_known_by_its_head() {
    let bad: [&[u8]; 7] = [
        &[9, 0x01, 0x10, 0],
        &[9, 0, 0, 1],
        &[2, 0xff, 0xff, 0xff],
        &[1, 1, 0, 0],
        &[3, 3, 0, 0],
        &[4, 8, 0, 0],
        &[4, 0, 0, 0],
    ];
    for head in bad {
        assert_eq!(decode([head]), Err(BadFrame), "{head:?}");
        assert_eq!(decode(head.chunks(1)), Err(BadFrame), "{head:?}");
    }
    let longest = frame(9, &[7; 4_096]);
    assert_eq!(decode([&longest[..]]), Ok(vec![Frame::Other]));
}

/// Whatever follows what a type needs is not looked at.
fn sent() -> impl Strategy<Value = (Frame, Vec<u8>)> {
    let surplus = || prop::collection::vec(any::<u8>(), 0..40);
    let long = prop_oneof![Just(Vec::new()), surplus(), Just(vec![0xa5; 4_000])];
    prop_oneof![
        (any::<u16>(), long).prop_map(|(n, more)| {
            let payload = [&n.to_le_bytes()[..], &more].concat();
            (Frame::Channels(n), frame(TYPES.channels, &payload))
        }),
        surplus().prop_map(|more| (Frame::Heartbeat, frame(TYPES.heartbeat, &more))),
        (any::<u32>(), surplus()).prop_map(|(ms, more)| {
            let payload = [&ms.to_le_bytes()[..], &more].concat();
            (Frame::Drain, frame(TYPES.drain, &payload))
        }),
        (any::<u64>(), any::<u8>(), surplus()).prop_map(|(visitor, reason, more)| {
            let payload = [&visitor.to_le_bytes()[..], &[reason], &more].concat();
            (
                Frame::GaveUp { visitor, reason },
                frame(TYPES.gave_up, &payload),
            )
        }),
        (prop_oneof![Just(0), 5_u8..], surplus())
            .prop_map(|(kind, payload)| (Frame::Other, frame(kind, &payload))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_same_however_they_are_cut(
        stream in prop::collection::vec(sent(), 0..20),
        first in 1_usize..40,
        others in prop::collection::vec(0_usize..40, 0..30),
    ) {
        let lengths = [&[first][..], &others].concat();
        let (frames, bytes): (Vec<_>, Vec<_>) = stream.into_iter().unzip();
        prop_assert_eq!(decode(cut(&bytes.concat(), &lengths)), Ok(frames));
    }

    /// Small numbers are lengths that fit and types that are known.
    #[test]
    fn garbage_is_the_same_however_it_is_cut(
        bytes in prop::collection::vec(prop_oneof![0_u8..6, Just(0), any::<u8>()], 0..600),
        length in 1_usize..40,
    ) {
        let whole = decode([&bytes[..]]);
        prop_assert_eq!(decode(bytes.chunks(length)), whole);
    }
}

/// Nothing in it grows with what comes.
#[test]
fn a_decoder_has_no_memory_of_its_own() {
    assert!(!std::mem::needs_drop::<FrameDecoder>());
    assert!(size_of::<FrameDecoder>() <= 64);
}
