//! Frames in any chunking, and fed with rubbish.

use proptest::prelude::*;

use crate::transport::codec::Codec;
use crate::transport::websocket::Role;
use crate::transport::websocket::frame_head::Kind;
use crate::transport::websocket::frames::Frames;
use crate::transport::websocket::scene::{open, other, sealed, to};

/// Whether it is the last of its message, and its payload.
type Frame = (Kind, bool, Vec<u8>);

/// A frame, or a message in pieces with control frames between them.
fn message() -> impl Strategy<Value = (Vec<Frame>, Vec<u8>)> {
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
        // A server holds it back at first.
        let held = sender.finish(&mut wire) == Ok(false);
        prop_assert_eq!(held, role == Role::Server);
        prop_assert_eq!(sender.finish(&mut wire), Ok(true));
        let made = open(&mut Frames::new(other(role), false), cut(&wire, &received));
        prop_assert!(made.plain == plain && made.ended && !made.failed);
    }
}
