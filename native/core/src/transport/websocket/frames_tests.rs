//! Frames of ours against the worked vectors, and how a connection ends.

use super::{Closing, Frames, PAYLOAD_MAX, REPLY_MAX, frame};
use crate::transport::codec::{Codec, Fault, Place};
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::Kind;
use crate::transport::websocket::scene::{BOTH, hex, open, open_one, other, sealed, to, vector};

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
        assert_eq!(codec.fin(0), Err(Fault::NoGoodbye));
        open(&mut codec, [&to(role, Kind::Binary, false, b"some")[..]]);
        assert_eq!(codec.fin(0), Err(Fault::NoGoodbye), "behind a fragment");
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
fn w35_a_server_holds_close_back_from_a_stock_peer_until_it_has_ended() {
    let role = Role::Server;
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

    // It never says Close: asked again, at the end of the connection. Then it may just go.
    let mut codec = Frames::new(role, false);
    out.clear();
    assert_eq!(codec.finish(&mut out), Ok(false));
    assert_eq!(codec.fin(0), Err(Fault::NoGoodbye));
    assert_eq!(codec.finish(&mut out), Ok(true));
    assert!(!out.is_empty());
    assert_eq!(codec.fin(0), Ok(()));
}

/// Whoever waits for the end of an answer would wait for ever.
#[test]
fn w35_a_client_says_close_at_once() {
    let mut codec = Frames::new(Role::Client, false);
    let mut out = Vec::new();
    assert_eq!(codec.finish(&mut out), Ok(true));
    assert!(open_one(Role::Server, &out).ended);
    assert_eq!(codec.fin(0), Ok(()), "a stock peer that was told just goes");
}

#[test]
fn w35_after_the_close_of_a_stock_peer_we_may_go_on() {
    for role in BOTH {
        let mut codec = Frames::new(role, false);
        let mut out = Vec::new();
        open(&mut codec, [&to(role, Kind::Close, true, b"")[..]]);
        assert!(sealed(&mut codec, b"still").is_ok());
        assert_eq!(codec.finish(&mut out), Ok(true));
        assert!(!out.is_empty());
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
        let length = layout.room(buffer.len());
        // The best of many: other work on the machine only makes it slower.
        let mut best = f64::MAX;
        for _ in 0..1000 {
            let begun = std::time::Instant::now();
            for _ in 0..20 {
                let sealed = sender.seal(std::hint::black_box(&mut buffer), length, &mut side);
                let Ok(Place::Buffer(wire)) = sealed else {
                    panic!("sealed where it is");
                };
                let opened = receiver.open(&mut buffer[wire], &mut side, &mut reply);
                assert!(opened.is_ok());
            }
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let rate = 20.0 * length as f64 / best;
        println!(
            "{role:?}, {chunk} at a time, sealed and opened: {:.1} GB/s",
            rate / 1e9
        );
    }
}
