//! Frames against the worked vectors and the examples of RFC 6455, in any chunking, and fed with
//! rubbish.

use proptest::prelude::*;

use super::{Closing, Frames, PAYLOAD_MAX, REPLY_MAX, frame};
use crate::transport::codec::{Codec, Fault, Place};
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::{FrameHead, HEAD_MAX, Kind};
use crate::transport::websocket::mask;

/// The vectors that the TypeScript codec is tested with, too.
const VECTORS: &str = include_str!("../../../../../test/vectors/wire-v1.json");

const BOTH: [Role; 2] = [Role::Client, Role::Server];

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn vector(name: &str) -> Vec<u8> {
    let rest = VECTORS
        .split(&format!("\"{name}\": \""))
        .nth(1)
        .expect(name);
    hex(rest.split('"').next().expect("its end"))
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// The wire bytes of what is sent at once.
fn sealed(codec: &mut dyn Codec, plain: &[u8]) -> Result<Vec<u8>, Fault> {
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
struct Made {
    plain: Vec<u8>,
    replies: Vec<Vec<u8>>,
    ended: bool,
    failed: bool,
}

fn open<'a>(codec: &mut dyn Codec, pieces: impl IntoIterator<Item = &'a [u8]>) -> Made {
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

fn open_one(role: Role, wire: &[u8]) -> Made {
    open(&mut Frames::new(role, true), [wire])
}

/// A frame as the peer of `role` sends it.
fn to(role: Role, kind: Kind, last: bool, payload: &[u8]) -> Vec<u8> {
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

#[test]
fn frames_are_those_of_the_vectors() {
    let plain = vector("hello_control_foo");
    let mask = vector("mask").try_into().expect("four bytes");
    let layout = Frames::new(Role::Client, false).layout();
    let mut buffer = vec![0; plain.len() + layout.head];
    layout.put(&mut buffer, &plain);
    let wire = frame(layout, &mut buffer, plain.len(), || Ok(Some(mask))).expect("framed");
    let masked = vector("hello_control_foo_masked");
    assert_eq!(buffer[wire], masked);
    assert_eq!(open_one(Role::Server, &masked).plain, plain);

    let plain = vector("hello_server");
    let wire = vector("hello_server_unmasked");
    let mut server = Frames::new(Role::Server, false);
    assert_eq!(sealed(&mut server, &plain), Ok(wire.clone()));
    assert_eq!(open_one(Role::Client, &wire).plain, plain);
}

#[test]
fn what_one_end_seals_the_other_opens() {
    let full = PAYLOAD_MAX;
    for role in BOTH {
        for (length, frames) in [
            (1, 1),
            (125, 1),
            (126, 1),
            (full, 1),
            (full + 1, 2),
            (full + 125, 2),
            (full + 126, 2),
            (3 * full + 7, 4),
        ] {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let wire = sealed(&mut Frames::new(role, false), &plain).expect("sealed");
            let made = open_one(other(role), &wire);
            assert!(made.plain == plain, "{role:?} {length}");
            let last = length - (frames - 1) * full;
            let mask = if role == Role::Client { 4 } else { 0 };
            let heads = |short: bool| if short { 2 + mask } else { 4 + mask };
            let expected = length + (frames - 1) * heads(false) + heads(last < 126);
            assert_eq!(
                wire.len(),
                expected,
                "{role:?} {length}: heads are as short as can be"
            );
        }
    }
}

#[test]
fn clients_mask_every_frame_with_another_mask() {
    let plain = vec![0; 2 * PAYLOAD_MAX];
    let wire = sealed(&mut Frames::new(Role::Client, false), &plain).expect("sealed");
    // Zeros show the mask.
    let masks = [&wire[8..12], &wire[PAYLOAD_MAX + 16..PAYLOAD_MAX + 20]];
    assert_ne!(masks[0], masks[1]);
    assert_eq!(masks[0], &wire[4..8]);
    assert_eq!(masks[1], &wire[PAYLOAD_MAX + 12..PAYLOAD_MAX + 16]);
}

#[test]
fn the_examples_of_rfc_6455_are_understood() {
    let as_client = |text: &str| open_one(Role::Client, &hex(text));
    let as_server = |text: &str| open_one(Role::Server, &hex(text));
    // 5.7: "Hello" in a ping, and the masked pong to it.
    let made = as_client("890548656c6c6f");
    let pong = &made.replies[0];
    assert_eq!(pong[..2], hex("8a85"));
    let mut payload = pong[6..].to_vec();
    mask::apply(&mut payload, pong[2..6].try_into().expect("a mask"));
    assert_eq!(payload, b"Hello");
    assert_eq!(
        as_server("898537fa213d7f9f4d5158").replies,
        [hex("8a0548656c6c6f")]
    );
    // 5.7: 256 bytes and 64 KiB of binary data.
    let zeros = vec![0; 65_536];
    for (head, length) in [("827e0100", 256), ("827f0000000000010000", 65_536)] {
        let wire = [&hex(head)[..], &zeros[..length]].concat();
        assert_eq!(open_one(Role::Client, &wire).plain.len(), length);
    }
    // 5.7, as binary data: "Hello", masked, in one frame and in two.
    assert_eq!(as_server("828537fa213d7f9f4d5158").plain, b"Hello");
    assert_eq!(as_client("020348656c80026c6f").plain, b"Hello");
}

#[test]
fn w36_frames_that_stock_peers_die_of_are_harmless() {
    for role in BOTH {
        let pieces = [
            to(role, Kind::Binary, true, b""),
            to(role, Kind::Ping, true, b"?"),
            to(role, Kind::Binary, false, b"one "),
            to(role, Kind::Pong, true, b"unasked"),
            to(role, Kind::Continuation, false, b""),
            to(role, Kind::Ping, true, b""),
            to(role, Kind::Continuation, true, b"message"),
            to(role, Kind::Binary, true, b", another"),
        ];
        let made = open_one(role, &pieces.concat());
        assert_eq!(made.plain, b"one message, another");
        assert!(!made.failed && !made.ended);
        assert_eq!(made.replies.len(), 1);
        let stock = open(&mut Frames::new(role, false), [&pieces.concat()[..]]);
        assert_eq!(stock.plain, made.plain);
        assert!(stock.replies.is_empty(), "never a pong to a stock peer");
    }
}

#[test]
fn lengths_may_be_longer_than_they_must() {
    assert_eq!(open_one(Role::Client, &hex("827e00024142")).plain, b"AB");
    assert_eq!(
        open_one(Role::Client, &hex("827f00000000000000024142")).plain,
        b"AB"
    );
    assert_eq!(open_one(Role::Client, &hex("897e00024142")).plain, b"");
}

#[test]
fn malformed_frames_are_refused() {
    let as_client = [
        ("81024142", "text"),
        ("c2024142", "a reserved bit"),
        ("a2024142", "a reserved bit"),
        ("92024142", "a reserved bit"),
        ("8300", "a reserved opcode"),
        ("8b00", "a reserved control opcode"),
        ("8f00", "a reserved control opcode"),
        ("8000", "a continuation of nothing"),
        ("0201418201", "a message inside a message"),
        ("020141800180010080", "a continuation behind the last one"),
        ("0900", "a ping in pieces"),
        ("0800", "a Close in pieces"),
        ("897e007e", "a ping of 126 bytes"),
        ("887e007e", "a Close of 126 bytes"),
        ("827f0000000001000001", "16 MiB and a byte"),
        ("827f8000000000000000", "a negative length"),
        ("827fffffffffffffffff", "the longest length"),
        ("82810102030440", "a masked frame from a server"),
    ];
    for (wire, what) in as_client {
        let made = open_one(Role::Client, &hex(wire));
        assert!(made.failed, "{what}: {made:?}");
    }
    assert!(
        open_one(Role::Server, &hex("820141")).failed,
        "an unmasked frame from a client"
    );
    assert!(
        open_one(Role::Server, &hex("8900")).failed,
        "an unmasked ping from a client"
    );
}

#[test]
fn what_came_before_a_malformed_frame_is_delivered() {
    for role in BOTH {
        let good = to(role, Kind::Binary, true, b"good");
        let bad = [
            0x83,
            if role == Role::Server { 0x80 } else { 0 },
            0,
            0,
            0,
            0,
        ];
        let mut codec = Frames::new(role, true);
        let mut wire = [&good[..], &bad[..], &good[..]].concat();
        let opened = codec
            .open(&mut wire, &mut Vec::new(), &mut Vec::new())
            .expect("good");
        let Place::Buffer(range) = opened.plain else {
            panic!("opened where it is");
        };
        assert_eq!(&wire[range], b"good");
        assert_eq!(codec.fin(0), Err(Fault::BadRecord));
        let more = codec.open(&mut good.clone(), &mut Vec::new(), &mut Vec::new());
        assert_eq!(more.err(), Some(Fault::BadRecord));
    }
}

#[test]
fn sixteen_mebibytes_that_trickle_need_no_memory() {
    let mut codec = Frames::new(Role::Client, true);
    let head = hex("827f0000000001000000");
    assert_eq!(open(&mut codec, [&head[..]]), Made::default());
    let piece = vec![9; 4096];
    for _ in 0..4096 {
        let made = open(&mut codec, [&piece[..]]);
        assert_eq!(made.plain.len(), 4096);
    }
    let made = open(
        &mut codec,
        [&to(Role::Client, Kind::Binary, true, b"next")[..]],
    );
    assert_eq!(made.plain, b"next", "the frame was exactly that long");
    // The codec has no place for a payload but that of one ping.
    assert!(size_of::<Frames>() <= 128, "{} bytes", size_of::<Frames>());
}

#[test]
fn a_flood_of_pings_gets_one_pong_a_piece() {
    let flood: Vec<u8> = (0..2000u16)
        .flat_map(|at| to(Role::Server, Kind::Ping, true, &at.to_be_bytes()))
        .collect();
    let made = open_one(Role::Server, &flood);
    assert_eq!(made.replies, [hex("8a0207cf")], "the last one is answered");

    // A peer that sends pings and does not read.
    let mut codec = Frames::new(Role::Server, true);
    let ping = to(Role::Server, Kind::Ping, true, &[7; 125]);
    let mut unsent = Vec::new();
    for _ in 0..1000 {
        let opened = codec.open(&mut ping.clone(), &mut Vec::new(), &mut unsent);
        assert!(opened.is_ok());
    }
    assert!(unsent.len() < REPLY_MAX + 127, "{} bytes", unsent.len());
}

#[test]
fn close_ends_the_direction_and_what_is_behind_it_means_nothing() {
    for role in BOTH {
        for reason in [&b""[..], &[3, 232], b"\x03\xe8bye"] {
            let mut codec = Frames::new(role, true);
            let wire = [
                to(role, Kind::Binary, false, b"last words"),
                to(role, Kind::Close, true, reason),
                to(role, Kind::Ping, true, b"?"),
                vec![0xff; 100],
            ];
            let made = open(&mut codec, [&wire.concat()[..], &[0xff; 100]]);
            assert_eq!(made.plain, b"last words");
            assert!(made.ended && !made.failed && made.replies.is_empty());
            assert_eq!(codec.fin(0), Ok(()));
        }
    }
}

#[test]
fn fin_without_close_is_a_truncation() {
    for role in BOTH {
        let mut codec = Frames::new(role, true);
        assert_eq!(codec.fin(0), Err(Fault::Truncated));
        let close = to(role, Kind::Close, true, &[3, 232]);
        open(&mut codec, [&close[..close.len() - 1]]);
        assert_eq!(codec.fin(0), Err(Fault::Truncated), "inside Close");
        open(&mut codec, [&close[close.len() - 1..]]);
        assert_eq!(codec.fin(0), Ok(()));
    }
}

#[test]
fn ours_get_close_at_once_and_are_heard_on() {
    for role in BOTH {
        let mut codec = Frames::new(role, true);
        let mut out = Vec::new();
        assert_eq!(codec.finish(&mut out), Ok(true));
        let made = open_one(other(role), &out);
        assert!(made.ended && made.plain.is_empty());
        assert_eq!(out.len(), if role == Role::Client { 6 } else { 2 });
        assert_eq!(codec.finish(&mut out), Ok(true));
        assert_eq!(out.len(), if role == Role::Client { 6 } else { 2 }, "once");
        assert_eq!(sealed(&mut codec, b"more"), Err(Fault::BadRecord));
        let wire = [
            to(role, Kind::Ping, true, b"?"),
            to(role, Kind::Binary, true, b"reply"),
        ];
        let made = open(&mut codec, [&wire.concat()[..]]);
        assert_eq!(made.plain, b"reply");
        assert!(made.replies.is_empty(), "nothing follows Close");
        assert!(
            !codec.sends_fin(),
            "an intermediary would end the other direction"
        );
    }
}

#[test]
fn w35_close_is_held_back_from_a_stock_peer_until_it_has_ended() {
    for role in BOTH {
        let mut codec = Frames::new(role, false);
        let mut out = Vec::new();
        assert_eq!(codec.finish(&mut out), Ok(false));
        assert!(out.is_empty());
        let reply = to(role, Kind::Binary, true, b"reply");
        assert_eq!(open(&mut codec, [&reply[..]]).plain, b"reply");
        assert!(open(&mut codec, [&to(role, Kind::Close, true, b"")[..]]).ended);
        assert_eq!(codec.finish(&mut out), Ok(true));
        assert!(open_one(other(role), &out).ended);
        assert!(codec.closing == Closing::Sent);

        // The peer went first: it still takes what we have, then Close.
        let mut codec = Frames::new(role, false);
        open(&mut codec, [&to(role, Kind::Close, true, b"")[..]]);
        assert!(sealed(&mut codec, b"still").is_ok());
        out.clear();
        assert_eq!(codec.finish(&mut out), Ok(true));
        assert!(!out.is_empty());

        // It never says Close: asked again, at the end of the connection.
        let mut codec = Frames::new(role, false);
        out.clear();
        assert_eq!(codec.finish(&mut out), Ok(false));
        assert_eq!(codec.finish(&mut out), Ok(true));
        assert!(!out.is_empty());
    }
}

/// A frame, or a message in pieces with control frames between them.
fn message() -> impl Strategy<Value = (Vec<(Kind, bool, Vec<u8>)>, Vec<u8>)> {
    let payload = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..140),
        1 => proptest::collection::vec(any::<u8>(), 65_530..65_545),
    ];
    let control = (
        prop_oneof![Just(Kind::Ping), Just(Kind::Pong)],
        proptest::collection::vec(any::<u8>(), 0..=125),
    );
    let piece = (payload, proptest::option::of(control));
    proptest::collection::vec(piece, 1..4).prop_map(|pieces| {
        let count = pieces.len();
        let (mut frames, mut plain) = (Vec::new(), Vec::new());
        for (at, (payload, control)) in pieces.into_iter().enumerate() {
            let kind = if at == 0 {
                Kind::Binary
            } else {
                Kind::Continuation
            };
            plain.extend_from_slice(&payload);
            frames.push((kind, at == count - 1, payload));
            frames.extend(control.map(|(kind, payload)| (kind, true, payload)));
        }
        (frames, plain)
    })
}

/// Cuts in pieces of those lengths, again and again.
fn cut<'a>(wire: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = wire;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = rest.len().min(*lengths.next()?);
        let (piece, later) = rest.split_at(length);
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1..20_usize, 1..70_000_usize], 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_mean_the_same_however_they_come(
        role in role(),
        messages in proptest::collection::vec(message(), 0..4),
        lengths in lengths(),
        close in any::<bool>(),
    ) {
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        for (frames, payload) in messages {
            plain.extend_from_slice(&payload);
            for (kind, last, payload) in frames {
                wire.extend_from_slice(&to(role, kind, last, &payload));
            }
        }
        if close {
            wire.extend_from_slice(&to(role, Kind::Close, true, b"\x03\xe8"));
        }
        let made = open(&mut Frames::new(role, false), cut(&wire, &lengths));
        prop_assert!(made.plain == plain);
        prop_assert_eq!(made.ended, close);
        prop_assert!(!made.failed);
    }

    #[test]
    fn rubbish_means_the_same_however_it_comes(
        role in role(),
        good in proptest::collection::vec(any::<u8>(), 0..200),
        rubbish in proptest::collection::vec(any::<u8>(), 0..400),
        lengths in lengths(),
    ) {
        let wire = [to(role, Kind::Binary, true, &good), rubbish].concat();
        let whole = open(&mut Frames::new(role, false), [&wire[..]]);
        let bytes = open(&mut Frames::new(role, false), wire.chunks(1));
        let pieces = open(&mut Frames::new(role, false), cut(&wire, &lengths));
        prop_assert!(whole.plain.starts_with(&good) && whole.plain.len() <= wire.len());
        prop_assert_eq!(&whole, &bytes);
        prop_assert_eq!(&whole, &pieces);
        let ours = open(&mut Frames::new(role, true), wire.chunks(1));
        prop_assert!(ours.replies.concat().len() <= wire.len() * 3);
    }

    #[test]
    fn what_is_sealed_in_pieces_is_opened_in_others(
        role in role(),
        plain in proptest::collection::vec(any::<u8>(), 1..200_000),
        sent in lengths(),
        received in lengths(),
    ) {
        let mut sender = Frames::new(role, false);
        let mut wire = Vec::new();
        for piece in cut(&plain, &sent) {
            wire.extend_from_slice(&sealed(&mut sender, piece).expect("sealed"));
        }
        prop_assert_eq!(sender.finish(&mut wire), Ok(false));
        prop_assert_eq!(sender.finish(&mut wire), Ok(true));
        let made = open(&mut Frames::new(other(role), false), cut(&wire, &received));
        prop_assert!(made.plain == plain && made.ended && !made.failed);
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "a measurement")]
fn speed() {
    for (role, chunk) in [
        (Role::Client, 8 << 10),
        (Role::Client, 64 << 10),
        (Role::Server, 64 << 10),
    ] {
        let mut sender = Frames::new(role, false);
        let mut receiver = Frames::new(other(role), false);
        let layout = sender.layout();
        let mut buffer = vec![7; chunk + layout.head];
        let (mut side, mut reply) = (Vec::new(), Vec::new());
        let mut plain = 0;
        let begun = std::time::Instant::now();
        while plain < 4 << 30 {
            let length = layout.room(buffer.len());
            let sealed = sender.seal(std::hint::black_box(&mut buffer), length, &mut side);
            let Ok(Place::Buffer(wire)) = sealed else {
                panic!("sealed where it is");
            };
            let opened = receiver.open(&mut buffer[wire], &mut side, &mut reply);
            assert!(opened.is_ok());
            plain += length;
        }
        let rate = plain as f64 / begun.elapsed().as_secs_f64();
        println!(
            "{role:?}, {chunk} at a time, sealed and opened: {:.1} GB/s",
            rate / 1e9
        );
    }
}
