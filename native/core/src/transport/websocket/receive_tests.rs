//! What is made of what a peer sends: the examples of RFC 6455, and what no peer may send.

use crate::transport::codec::{Codec, Fault, Place};
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::Kind;
use crate::transport::websocket::frames::Frames;
use crate::transport::websocket::mask;
use crate::transport::websocket::scene::{BOTH, Made, hex, open, open_one, to};

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
