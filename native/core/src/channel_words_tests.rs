//! Words of a reusable data channel: their bytes, wherever they are cut, and what hostile peers make of
//! them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::{
    BadWord, END_WORD, FREE_WORD, Item, RECORD_MAX, START_MAX_BYTES, WORD_BYTES, Word, WordReader,
    abort_words, data_word, put_start,
};
use crate::origin::{Addresses, Origin};

/// All that a reader keeps of what came.
const KEPT_MAX_BYTES: usize = WORD_BYTES + 2 + START_MAX_BYTES;

/// What a direction of a channel says, with payload as one piece between two words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Payload(Vec<u8>),
    Word(Word),
}

/// Reads all pieces; fails at the first that no peer says.
fn read<'a>(
    reader: &mut WordReader,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Said>, BadWord> {
    let mut said = Vec::new();
    for mut piece in pieces {
        while let Some(item) = reader.next(&mut piece)? {
            match (item, said.last_mut()) {
                (Item::Payload(more), Some(Said::Payload(payload))) => payload.extend(more),
                (Item::Payload(payload), _) => said.push(Said::Payload(payload.to_vec())),
                (Item::Word(word), _) => said.push(Said::Word(word)),
            }
        }
        assert!(piece.is_empty(), "all is taken where nothing is whole");
        assert!(reader.begun.len() <= KEPT_MAX_BYTES);
    }
    Ok(said)
}

fn read_all(bytes: &[u8]) -> Result<Vec<Said>, BadWord> {
    read(&mut WordReader::default(), [bytes])
}

fn start(origin: &Origin) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_start(&mut bytes, origin);
    bytes
}

/// A START with these bytes behind its length.
fn raw_start(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a length");
    [&[0xfe, 0xff, 0xff, 0xff], &length.to_le_bytes()[..], bytes].concat()
}

fn of(visitor: &str, public: &str) -> Origin {
    let address = |text: &str| text.parse().expect("a literal");
    Origin {
        number: 0x0102_0304_0506_0708,
        addresses: Some(Addresses::new(address(visitor), address(public))),
    }
}

#[test]
fn words_are_the_bytes_of_the_document() {
    assert_eq!(END_WORD, [0; 4]);
    assert_eq!(FREE_WORD, [0xfd, 0xff, 0xff, 0xff]);
    assert_eq!(abort_words(7), [0xff, 0xff, 0xff, 0xff, 7]);
    assert_eq!(data_word(1), [1, 0, 0, 0]);
    assert_eq!(data_word(RECORD_MAX), [0xff, 0xff, 0xff, 0x7f]);
    let number = Origin {
        number: 3,
        addresses: None,
    };
    assert_eq!(start(&number), raw_start(&[3, 0, 0, 0, 0, 0, 0, 0]));
    let four = [
        &[8, 7, 6, 5, 4, 3, 2, 1, 4][..],
        &[192, 0, 2, 1, 0xd2, 0x04],
        &[198, 51, 100, 7, 80, 0],
    ];
    let origin = of("192.0.2.1:1234", "198.51.100.7:80");
    assert_eq!(start(&origin), raw_start(&four.concat()));
    let six = [
        &[8, 7, 6, 5, 4, 3, 2, 1, 6][..],
        &[
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0,
        ],
        &[
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0,
        ],
    ];
    let origin = of("[2001:db8::1]:1", "[2001:db8::2]:2");
    assert_eq!(start(&origin), raw_start(&six.concat()));
}

#[test]
fn both_addresses_of_a_start_are_of_one_family() {
    let four = ["192.0.2.1:1", "[::ffff:192.0.2.1]:1"];
    let six = ["[2001:db8::1]:2"];
    let families = |visitor: &str, public: &str| {
        let Addresses { visitor, public } = of(visitor, public).addresses.expect("some");
        (visitor.is_ipv4(), public.is_ipv4())
    };
    for one in four {
        for other in four {
            assert_eq!(families(one, other), (true, true), "{one} {other}");
        }
        assert_eq!(families(one, six[0]), (false, false), "{one}");
        assert_eq!(families(six[0], one), (false, false), "{one}");
        let origin = of(one, six[0]);
        assert_eq!(
            read_all(&start(&origin)),
            Ok(vec![Said::Word(Word::Start(origin))])
        );
    }
    assert_eq!(families(six[0], six[0]), (false, false));
}

#[test]
fn surplus_bytes_of_a_start_are_skipped_up_to_its_bound() {
    let whole = [4, 127, 0, 0, 1, 1, 0, 127, 0, 0, 2, 2, 0];
    let beginning = [&[9, 0, 0, 0, 0, 0, 0, 0][..], &whole].concat();
    let addresses = Addresses {
        visitor: SocketAddr::from(([127, 0, 0, 1], 1)),
        public: SocketAddr::from(([127, 0, 0, 2], 2)),
    };
    let origin = Origin {
        number: 9,
        addresses: Some(addresses),
    };
    for length in [beginning.len(), beginning.len() + 1, START_MAX_BYTES] {
        let mut bytes = beginning.clone();
        bytes.resize(length, 0xee);
        let bytes = [raw_start(&bytes), END_WORD.to_vec()].concat();
        let said = [Word::Start(origin), Word::End].map(Said::Word);
        assert_eq!(read_all(&bytes).as_deref(), Ok(&said[..]), "{length}");
    }
    let mut bytes = beginning.clone();
    bytes.resize(START_MAX_BYTES + 1, 0xee);
    // At its length: nothing of it is kept.
    assert_eq!(read_all(&raw_start(&bytes)[..6]), Err(BadWord));
}

#[test]
fn a_start_that_is_too_short_or_of_another_family_is_bad() {
    for length in 0..8 {
        let bytes = raw_start(&vec![0; length]);
        assert_eq!(read_all(&bytes[..6]), Err(BadWord), "{length}");
    }
    let number = Word::Start(Origin {
        number: 0,
        addresses: None,
    });
    assert_eq!(read_all(&raw_start(&[0; 8])), Ok(vec![Said::Word(number)]));
    for (family, rest) in [(4, 12), (6, 36)] {
        for length in 0..=rest {
            let mut bytes = vec![0; 8];
            bytes.push(family);
            bytes.resize(9 + length, 1);
            let read = read_all(&raw_start(&bytes));
            assert_eq!(read.is_ok(), length == rest, "{family}: {length}");
        }
    }
    for family in (0..=u8::MAX).filter(|family| ![4, 6].contains(family)) {
        let mut bytes = vec![0; 8];
        bytes.push(family);
        bytes.resize(100, 1);
        assert_eq!(read_all(&raw_start(&bytes)), Err(BadWord), "{family}");
    }
}

#[test]
fn every_other_number_is_bad() {
    let bad = [0x8000_0000, 0x8000_0001, 0xc000_0000, 0xffff_fffc];
    for value in bad {
        let word = u32::to_le_bytes(value);
        assert_eq!(read_all(&word), Err(BadWord), "{value:x}");
        let bytes = word.iter().map(std::slice::from_ref);
        let read = read(&mut WordReader::default(), bytes);
        assert_eq!(read, Err(BadWord), "{value:x}");
        // It must not be taken for payload either.
        assert!(!WordReader::default().is_payload(&word), "{value:x}");
    }
    for length in [1, RECORD_MAX] {
        let mut reader = WordReader::default();
        let word = data_word(length);
        assert!(reader.is_payload(&word));
        assert_eq!(read(&mut reader, [&word[..]]), Ok(Vec::new()));
        assert_eq!(reader.left(), length);
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let four = any::<[u8; 4]>().prop_map(|ip| IpAddr::V4(Ipv4Addr::from(ip)));
    let six = any::<[u8; 16]>().prop_map(|ip| IpAddr::V6(Ipv6Addr::from(ip)));
    (prop_oneof![four, six], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn word() -> impl Strategy<Value = Word> {
    let addresses =
        (address(), address()).prop_map(|(visitor, public)| Addresses::new(visitor, public));
    let origin = (any::<u64>(), prop::option::of(addresses));
    prop_oneof![
        Just(Word::End),
        Just(Word::Free),
        any::<u8>().prop_map(Word::Abort),
        origin.prop_map(|(number, addresses)| Word::Start(Origin { number, addresses })),
    ]
}

/// Records or words, and where what they are is cut.
fn script() -> impl Strategy<Value = (Vec<Said>, Vec<usize>)> {
    let payload = prop::collection::vec(any::<u8>(), 1..200);
    let said = prop_oneof![payload.prop_map(Said::Payload), word().prop_map(Said::Word)];
    let cuts = prop::collection::vec(prop_oneof![Just(1_usize), 0..7_usize, 0..300_usize], 1..60);
    (prop::collection::vec(said, 0..30), cuts)
}

fn encode(script: &[Said]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for said in script {
        match said {
            Said::Payload(payload) => {
                bytes.extend(data_word(payload.len()));
                bytes.extend(payload);
            }
            Said::Word(Word::End) => bytes.extend(END_WORD),
            Said::Word(Word::Free) => bytes.extend(FREE_WORD),
            Said::Word(Word::Abort(reason)) => bytes.extend(abort_words(*reason)),
            Said::Word(Word::Start(origin)) => put_start(&mut bytes, origin),
        }
    }
    bytes
}

/// Payload of records that follow each other is one.
fn joined(script: Vec<Said>) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    for said in script {
        if let (Said::Payload(more), Some(Said::Payload(payload))) = (&said, all.last_mut()) {
            payload.extend(more);
        } else {
            all.push(said);
        }
    }
    all
}

fn pieces<'a>(mut bytes: &'a [u8], cuts: &'a [usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Where a reader is, by all that it has read.
#[derive(Debug, PartialEq, Eq)]
enum Naive {
    Between,
    Payload(usize),
    /// So many bytes are missing, as far as that is known.
    Word(usize),
    Bad,
}

fn naive(mut bytes: &[u8]) -> Naive {
    loop {
        if bytes.is_empty() {
            return Naive::Between;
        }
        if bytes.len() < 4 {
            return Naive::Word(4 - bytes.len());
        }
        let value = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let body = &bytes[4..];
        let length = match value {
            0 | 0xffff_fffd => 0,
            1..=0x7fff_ffff => {
                let length = value as usize;
                if body.len() < length {
                    return Naive::Payload(length - body.len());
                }
                length
            }
            0xffff_ffff => 1,
            0xffff_fffe => {
                if body.len() < 2 {
                    return Naive::Word(2 - body.len());
                }
                let length = usize::from(u16::from_le_bytes([body[0], body[1]]));
                if !(8..=1_024).contains(&length) {
                    return Naive::Bad;
                }
                let family = body.get(10).filter(|_| length > 8);
                let needed = match family {
                    None => 8,
                    Some(4) => 21,
                    Some(6) => 45,
                    Some(_) => usize::MAX,
                };
                if body.len() >= 2 + length && length < needed {
                    return Naive::Bad;
                }
                2 + length
            }
            _ => return Naive::Bad,
        };
        if body.len() < length {
            return Naive::Word(length - body.len());
        }
        bytes = &body[length..];
    }
}

/// The reader says where it is as the naive one does.
fn compare(reader: &WordReader, so_far: &[u8], ahead: &[u8]) -> Result<(), TestCaseError> {
    let expected = naive(so_far);
    prop_assert_eq!(reader.is_between(), expected == Naive::Between);
    let value = ahead.first_chunk().map(|word| u32::from_le_bytes(*word));
    let begins = value.is_none_or(|value| (1..0x8000_0000).contains(&value));
    match expected {
        Naive::Between => {
            prop_assert_eq!(reader.left(), 0);
            prop_assert_eq!(reader.missing(), WORD_BYTES);
            prop_assert_eq!(reader.is_payload(ahead), begins);
        }
        Naive::Payload(left) => {
            prop_assert_eq!(reader.left(), left);
            prop_assert!(reader.is_payload(ahead));
        }
        Naive::Word(missing) => {
            prop_assert_eq!(reader.left(), 0);
            prop_assert_eq!(reader.missing(), missing.min(WORD_BYTES));
            prop_assert!(!reader.is_payload(ahead));
        }
        Naive::Bad => prop_assert!(false, "the reader took it"),
    }
    Ok(())
}

/// Plays bytes in pieces against the naive reader; also payload that is taken past the reader.
fn play(bytes: &[u8], cuts: &[usize], past: bool) -> Result<(), TestCaseError> {
    let mut reader = WordReader::default();
    let mut so_far = 0;
    for piece in pieces(bytes, cuts) {
        let mut rest = piece;
        while !rest.is_empty() {
            if past && reader.left() > 0 {
                let taken = reader.left().min(rest.len());
                reader.took(taken);
                rest = &rest[taken..];
                so_far += taken;
            } else {
                let before = rest.len();
                let read = reader.next(&mut rest).map(|item| item.is_some());
                let until = so_far + before - rest.len();
                if read.is_err() {
                    // Wherever it is noticed: with the rest, it is bad for the naive one, too.
                    prop_assert_eq!(naive(&bytes[..so_far + before]), Naive::Bad);
                    return Ok(());
                }
                so_far = until;
            }
            prop_assert!(reader.begun.len() <= KEPT_MAX_BYTES);
            prop_assert!(reader.begun.capacity() <= 2 * KEPT_MAX_BYTES);
            compare(&reader, &bytes[..so_far], &bytes[so_far..])?;
        }
    }
    prop_assert_eq!(so_far, bytes.len());
    Ok(())
}

/// Bytes that are likely to be understood for a while.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        (0..12_u32).prop_map(|length| length.to_le_bytes().to_vec()),
        (0xffff_fffb_u32..=0xffff_ffff).prop_map(|word| word.to_le_bytes().to_vec()),
        Just(raw_start(&[7; 8])),
        (0..=1_100_u16)
            .prop_map(|length| { [&[0xfe, 0xff, 0xff, 0xff], &length.to_le_bytes()[..]].concat() }),
        prop::collection::vec(prop_oneof![Just(4_u8), Just(6_u8), any::<u8>()], 0..1_100),
    ];
    prop::collection::vec(bytes, 0..12).prop_map(|parts| parts.concat())
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_said_is_read_however_it_is_cut((script, cuts) in script()) {
        let bytes = encode(&script);
        let mut reader = WordReader::default();
        let said = read(&mut reader, pieces(&bytes, &cuts));
        let whole = reader.is_between();
        prop_assert_eq!(said, Ok(joined(script)));
        prop_assert!(whole);
    }

    #[test]
    fn a_reader_knows_where_it_is((script, cuts) in script(), past in any::<bool>()) {
        let bytes = encode(&script);
        play(&bytes, &cuts, past)?;
        // And after every byte.
        play(&bytes, &vec![1; bytes.len()], past)?;
    }

    #[test]
    fn garbage_is_bounded_and_told_alike_wherever_it_is_cut(
        bytes in garbage(), cuts in prop::collection::vec(1..40_usize, 1..40), past in any::<bool>(),
    ) {
        play(&bytes, &cuts, past)?;
        let whole = read_all(&bytes);
        let cut = read(&mut WordReader::default(), pieces(&bytes, &cuts));
        prop_assert_eq!(whole.is_err(), cut.is_err());
        prop_assert_eq!(whole.is_err(), naive(&bytes) == Naive::Bad);
        if whole.is_ok() {
            prop_assert_eq!(whole, cut);
        }
    }
}
