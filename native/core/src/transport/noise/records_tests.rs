use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use snow::TransportState;

use super::*;
use crate::transport::noise::pattern::{LONGEST_MESSAGE, Pattern};
use crate::transport::noise::x25519::KeyPair;

const KINDS: [CipherKind; 2] = [CipherKind::ChaChaPoly, CipherKind::AesGcm];
const FULL: usize = 65_519;

fn pair(kind: CipherKind) -> (Records, Records) {
    let (one, other) = ([5; 32], [6; 32]);
    (
        Records::new(kind, &one, &other),
        Records::new(kind, &other, &one),
    )
}

/// Wire bytes of one `seal`.
fn seal(records: &mut Records, text: &[u8]) -> Vec<u8> {
    let records_needed = text.len() / FULL + 1;
    let mut buffer = vec![0; text.len() + records_needed * (HEAD_LENGTH + TAG_LENGTH)];
    assert_eq!(records.layout().put(&mut buffer, text), text.len());
    let place = records.seal(&mut buffer, text.len(), &mut Vec::new());
    let Ok(Place::Buffer(range)) = place else {
        panic!("{place:?}");
    };
    buffer[range].to_vec()
}

/// What `open` finds in `wire`; the rest is left in it.
fn open(records: &mut Records, wire: &mut Vec<u8>) -> Result<Vec<u8>, Fault> {
    let (mut side, mut reply) = (Vec::new(), Vec::new());
    let opened = records.open(wire, &mut side, &mut reply)?;
    assert!(side.is_empty() && reply.is_empty() && !opened.ended);
    let Place::Buffer(plain) = opened.plain else {
        panic!("{:?}", opened.plain);
    };
    let plain = wire[plain].to_vec();
    assert_eq!(opened.rest.end, wire.len());
    wire.drain(..opened.rest.start);
    Ok(plain)
}

type Side = (TransportState, Records);

/// snow's own records of both sides of a handshake, and ours with the same keys.
fn both(cipher: &str) -> [Side; 2] {
    let pattern = Pattern::new(&format!("Noise_NN_25519_{cipher}_BLAKE2s")).expect("a pattern");
    let key = Arc::new(KeyPair::new([9; 32]));
    let mut initiator = pattern.begin(true, &key, None).expect("begins");
    let mut responder = pattern.begin(false, &key, None).expect("begins");
    let mut message = [0; LONGEST_MESSAGE];
    let length = initiator.write_message(&[], &mut message).expect("written");
    responder
        .read_message(&message[..length], &mut [])
        .expect("read");
    let length = responder.write_message(&[], &mut message).expect("written");
    initiator
        .read_message(&message[..length], &mut [])
        .expect("read");
    let (one, other) = initiator.dangerously_get_raw_split();
    [(initiator, one, other), (responder, other, one)].map(|(state, ours, theirs)| {
        let records = Records::new(pattern.cipher(), &ours, &theirs);
        (state.into_transport_mode().expect("is through"), records)
    })
}

/// Each as the sender, with the other as the receiver.
fn both_ways(cipher: &str) -> [(Side, Side); 2] {
    let [one, other] = both(cipher);
    let [third, fourth] = both(cipher);
    [(one, other), (fourth, third)]
}

fn snow_seals(state: &mut TransportState, text: &[u8]) -> Vec<u8> {
    let mut record = vec![0; text.len() + TAG_LENGTH];
    let length = state.write_message(text, &mut record).expect("written");
    assert_eq!(length, record.len());
    let head = (length as u16).to_le_bytes();
    [&head, &record[..]].concat()
}

fn snow_opens(state: &mut TransportState, mut wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((head, rest)) = wire.split_first_chunk() {
        let (record, rest) = rest.split_at(usize::from(u16::from_le_bytes(*head)));
        let mut plain = vec![0; record.len()];
        let length = state.read_message(record, &mut plain).expect("read");
        text.extend_from_slice(&plain[..length]);
        wire = rest;
    }
    text
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 256) as u8).collect()
}

#[test]
fn what_we_seal_snow_opens() {
    for cipher in ["ChaChaPoly", "AESGCM"] {
        for ((_, mut ours), (mut theirs, _)) in both_ways(cipher) {
            for length in [1, 37, FULL, FULL + 1, 3 * FULL + 5] {
                let wire = seal(&mut ours, &text(length));
                assert_eq!(snow_opens(&mut theirs, &wire), text(length));
            }
        }
    }
}

#[test]
fn what_snow_seals_we_open() {
    for cipher in ["ChaChaPoly", "AESGCM"] {
        for ((mut theirs, _), (_, mut ours)) in both_ways(cipher) {
            let mut wire = Vec::new();
            for length in [1, 37, 0, FULL, 16_384, 0] {
                wire.append(&mut snow_seals(&mut theirs, &text(length)));
            }
            let expected = [1, 37, FULL, 16_384].map(text).concat();
            assert_eq!(open(&mut ours, &mut wire), Ok(expected));
            assert!(wire.is_empty());
        }
    }
}

#[test]
fn a_record_carries_what_its_length_can_say() {
    for kind in KINDS {
        let (mut ours, mut theirs) = pair(kind);
        let mut wire = seal(&mut ours, &text(2 * FULL + 1));
        let record = 2 + FULL + 16;
        assert_eq!(wire.len(), 2 * record + 19);
        for at in [0, record] {
            assert_eq!(wire[at..at + 2], [255, 255]);
        }
        assert_eq!(wire[2 * record..][..2], [17, 0]);
        assert_eq!(open(&mut theirs, &mut wire), Ok(text(2 * FULL + 1)));
    }
}

#[test]
fn an_empty_record_is_nothing() {
    let (_, mut theirs) = pair(CipherKind::ChaChaPoly);
    let [(mut snow, _), (_, mut ours)] = both("ChaChaPoly");
    let mut wire = snow_seals(&mut snow, b"");
    assert_eq!(open(&mut ours, &mut wire), Ok(vec![]));
    let mut wire = snow_seals(&mut snow, b"more");
    assert_eq!(open(&mut ours, &mut wire), Ok(b"more".to_vec()));
    let mut forged = vec![16, 0];
    forged.resize(18, 0);
    assert_eq!(open(&mut theirs, &mut forged), Err(Fault::BadRecord));
}

#[test]
fn a_record_that_has_no_room_for_its_tag_is_bad_at_once() {
    for length in 0..16 {
        let (_, mut theirs) = pair(CipherKind::ChaChaPoly);
        assert_eq!(
            open(&mut theirs, &mut vec![length, 0]),
            Err(Fault::BadRecord)
        );
    }
}

#[test]
fn whole_records_before_a_bad_one_are_delivered() {
    for kind in KINDS {
        let (mut ours, mut theirs) = pair(kind);
        let mut wire = seal(&mut ours, b"first");
        wire.append(&mut seal(&mut ours, b"second"));
        let bad = wire.len() + 2;
        wire.append(&mut seal(&mut ours, b"third"));
        wire.append(&mut seal(&mut ours, b"fourth"));
        wire[bad] ^= 1;
        assert_eq!(open(&mut theirs, &mut wire), Ok(b"firstsecond".to_vec()));
        assert!(
            wire.is_empty(),
            "nothing is kept of what can never be opened"
        );
        assert_eq!(theirs.fin(0), Err(Fault::BadRecord));
        let mut wire = seal(&mut ours, b"fifth");
        assert_eq!(open(&mut theirs, &mut wire), Err(Fault::BadRecord));
        assert_eq!(open(&mut theirs, &mut Vec::new()), Err(Fault::BadRecord));
    }
}

#[test]
fn records_cannot_be_left_out_repeated_or_sent_back() {
    for kind in KINDS {
        let (mut ours, mut theirs) = pair(kind);
        let first = seal(&mut ours, b"first");
        let second = seal(&mut ours, b"second");
        assert_eq!(
            open(&mut theirs, &mut second.clone()),
            Err(Fault::BadRecord)
        );
        let (_, mut theirs) = pair(kind);
        assert!(open(&mut theirs, &mut first.clone()).is_ok());
        assert_eq!(open(&mut theirs, &mut first.clone()), Err(Fault::BadRecord));
        assert_eq!(open(&mut ours, &mut first.clone()), Err(Fault::BadRecord));
    }
}

#[test]
fn w5_an_end_after_one_byte_of_a_length_is_truncation() {
    let (mut ours, mut theirs) = pair(CipherKind::ChaChaPoly);
    let mut wire = seal(&mut ours, b"all");
    wire.push(21);
    assert_eq!(open(&mut theirs, &mut wire), Ok(b"all".to_vec()));
    assert_eq!(wire, [21]);
    assert_eq!(open(&mut theirs, &mut wire), Ok(vec![]));
    assert_eq!(theirs.fin(wire.len()), Err(Fault::Truncated));
}

#[test]
fn w22_an_end_inside_a_record_is_truncation_and_between_records_it_is_the_end() {
    let (mut ours, mut theirs) = pair(CipherKind::AesGcm);
    let whole = seal(&mut ours, b"all of it");
    for cut in 1..whole.len() {
        let mut wire = whole[..cut].to_vec();
        assert_eq!(open(&mut theirs, &mut wire), Ok(vec![]));
        assert_eq!(theirs.fin(wire.len()), Err(Fault::Truncated));
    }
    let mut wire = whole.clone();
    assert_eq!(open(&mut theirs, &mut wire), Ok(b"all of it".to_vec()));
    assert_eq!(theirs.fin(wire.len()), Ok(()));
}

#[test]
fn the_last_number_is_never_used() {
    for kind in KINDS {
        let (mut ours, mut theirs) = pair(kind);
        ours.sealing.number = u64::MAX - 1;
        theirs.opening.number = u64::MAX - 1;
        let mut wire = seal(&mut ours, b"last");
        assert_eq!(open(&mut theirs, &mut wire), Ok(b"last".to_vec()));
        let mut buffer = [0; 40];
        assert_eq!(
            ours.seal(&mut buffer, 4, &mut Vec::new()),
            Err(Fault::BadRecord)
        );
        // What the peer must not send either, even where it is sealed with the right key.
        theirs.sealing = Direction::new(kind, &[5; 32]);
        let nonce = kind.nonce(u64::MAX);
        let mut record = b"more".to_vec();
        let key = &theirs.sealing.key;
        let sealed = key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record);
        assert!(sealed.is_ok());
        let mut wire = [&[20, 0], &record[..]].concat();
        assert_eq!(open(&mut theirs, &mut wire), Err(Fault::BadRecord));
    }
}

#[test]
fn our_end_is_fin_alone() {
    let (mut ours, _) = pair(CipherKind::ChaChaPoly);
    let mut out = Vec::new();
    assert_eq!(ours.finish(&mut out), Ok(true));
    assert!(ours.sends_fin() && out.is_empty());
}

#[test]
fn a_connection_keeps_keys_and_no_buffers() {
    assert!(size_of::<Records>() <= 1_280, "{}", size_of::<Records>());
}

proptest! {
    #[test]
    fn any_chunks_of_any_records_are_the_same_bytes(
        kind in select(&KINDS[..]),
        lengths in vec(prop_oneof![1..40_usize, 16_000..17_000_usize, 65_000..66_000_usize], 1..5),
        chunks in vec(1..70_000_usize, 1..10),
    ) {
        let (mut ours, mut theirs) = pair(kind);
        let sent: Vec<_> = lengths.iter().map(|length| text(*length)).collect();
        let wire: Vec<_> = sent.iter().flat_map(|text| seal(&mut ours, text)).collect();
        let (mut held, mut received) = (Vec::new(), Vec::new());
        let (mut at, mut sizes) = (0, chunks.iter().cycle());
        while at < wire.len() {
            let end = wire.len().min(at + sizes.next().expect("without end"));
            held.extend_from_slice(&wire[at..end]);
            received.append(&mut open(&mut theirs, &mut held).expect("opened"));
            prop_assert!(held.len() < 2 + FULL + 16, "never a whole record is kept");
            at = end;
        }
        prop_assert!(received == sent.concat());
        prop_assert_eq!(theirs.fin(held.len()), Ok(()));
    }

    #[test]
    fn random_bytes_are_never_plaintext(
        kind in select(&KINDS[..]),
        pieces in vec(vec(any::<u8>(), 0..200), 0..20),
    ) {
        let (_, mut theirs) = pair(kind);
        let mut held = Vec::new();
        for piece in pieces {
            held.extend_from_slice(&piece);
            match open(&mut theirs, &mut held) {
                Ok(plain) => prop_assert!(plain.is_empty() && held.len() < 2 + FULL + 16),
                Err(fault) => {
                    prop_assert_eq!(fault, Fault::BadRecord);
                    held.clear();
                }
            }
        }
    }

    #[test]
    fn a_changed_bit_is_found(
        kind in select(&KINDS[..]),
        lengths in vec(1..100_usize, 1..6),
        bit: prop::sample::Index,
    ) {
        let (mut ours, mut theirs) = pair(kind);
        let mut wire = Vec::new();
        let mut starts = Vec::new();
        for length in &lengths {
            starts.push(wire.len());
            wire.append(&mut seal(&mut ours, &text(*length)));
        }
        let bit = bit.index(wire.len() * 8);
        wire[bit / 8] ^= 1 << (bit % 8);
        let hit = starts.iter().rposition(|start| *start <= bit / 8).expect("in one");
        let before: Vec<_> = lengths[..hit].iter().flat_map(|length| text(*length)).collect();
        // A longer length can also make the end look like the beginning of a record.
        match open(&mut theirs, &mut wire) {
            Ok(plain) => {
                prop_assert_eq!(plain, before);
                prop_assert!(theirs.fin(wire.len()).is_err());
            }
            Err(fault) => {
                prop_assert_eq!(fault, Fault::BadRecord);
                prop_assert!(before.is_empty());
            }
        }
    }
}
