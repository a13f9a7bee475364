//! The frame codec against the worked vectors, in any chunking, and fed with rubbish.

use proptest::prelude::*;

use super::{Decoded, FRAME_MAX, VisitorKey, decode};

/// The vectors that the TypeScript codec is tested with, too.
const VECTORS: &str = include_str!("../../../test/vectors/wire-v1.json");

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The entries of the list "udp": flat objects, so splitting at quotes reads them.
fn udp_vectors() -> Vec<(VisitorKey, Vec<u8>, Vec<u8>)> {
    let list = VECTORS.split("\"udp\": [").nth(1).expect("the list");
    let list = list.split(']').next().expect("its end");
    let field = |object: &str, name: &str| {
        let rest = object.split(&format!("\"{name}\": ")).nth(1).expect(name);
        let end = rest.find([',', '}', '\n']).expect("an end");
        rest[..end].trim().trim_matches('"').to_owned()
    };
    let objects = list.split('{').skip(1).map(|object| {
        let ip = field(object, "ip").parse().expect("an address");
        let port = field(object, "port").parse().expect("a port");
        let key = VisitorKey::from(std::net::SocketAddr::new(ip, port));
        let frame = hex(&field(object, "frame"));
        (key, hex(&field(object, "data")), frame)
    });
    objects.collect()
}

fn encoded(key: &VisitorKey, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(payload, &mut bytes);
    bytes
}

#[test]
fn frames_are_those_of_the_vectors() {
    let vectors = udp_vectors();
    assert_eq!(vectors.len(), 4);
    for (key, payload, frame) in vectors {
        assert_eq!(encoded(&key, &payload), frame);
        let range = frame.len() - payload.len()..frame.len();
        let expected = Decoded::Frame {
            key,
            payload: range,
        };
        assert_eq!(decode(&frame, 0), expected);
    }
}

#[test]
fn surplus_header_bytes_are_skipped() {
    let frame = hex("0e000000007f00000128230200ffff6869");
    let key = VisitorKey::V4([127, 0, 0, 1], 9_000);
    let expected = Decoded::Frame {
        key,
        payload: 15..17,
    };
    assert_eq!(decode(&frame, 0), expected);
}

#[test]
fn malformed_frames_are_known_as_early_as_possible() {
    // No room for a family; an unknown family; a header too short for its family.
    for bad in [
        "00",
        "03",
        "0c07000000",
        "0c00000001",
        "0b00000000",
        "1701000000",
        "0401000000",
    ] {
        assert_eq!(decode(&hex(bad), 0), Decoded::Bad, "{bad}");
    }
    for more in ["", "0c", "0c000000", "0c00000000", "1801000000"] {
        assert_eq!(decode(&hex(more), 0), Decoded::More, "{more}");
    }
}

/// What a channel does with its reads: the rest of one is put before the next.
fn decode_in_chunks(chunks: &[&[u8]]) -> (Vec<(VisitorKey, Vec<u8>)>, bool) {
    let (mut rest, mut frames) = (Vec::new(), Vec::new());
    for chunk in chunks {
        rest.extend_from_slice(chunk);
        let mut at = 0;
        loop {
            match decode(&rest, at) {
                Decoded::Frame { key, payload } => {
                    at = payload.end;
                    frames.push((key, rest[payload].to_vec()));
                }
                Decoded::More => break,
                Decoded::Bad => return (frames, false),
            }
        }
        rest.drain(..at);
        assert!(rest.len() < FRAME_MAX);
    }
    (frames, true)
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(bytes.len() + 1))
        .chain([0, bytes.len()])
        .collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn any_key() -> impl Strategy<Value = VisitorKey> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(octets, port)| VisitorKey::V4(octets, port)),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(octets, port)| VisitorKey::V6(octets, port)),
    ]
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..600),
        1 => (any::<u8>(), 0..=65_535_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_in_any_chunking_come_out_as_they_went_in(
        frames in prop::collection::vec((any_key(), any_payload()), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut bytes = Vec::new();
        for (key, payload) in &frames {
            key.encode(payload, &mut bytes);
        }
        prop_assert_eq!(decode_in_chunks(&cut(&bytes, &cuts)), (frames, true));
    }

    #[test]
    fn rubbish_is_refused_or_read_the_same_in_any_chunking(
        bytes in prop::collection::vec(prop_oneof![4 => any::<u8>(), 3 => 0..2_u8, 2 => 12..=24_u8], 0..400),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        prop_assert_eq!(decode_in_chunks(&cut(&bytes, &cuts)), decode_in_chunks(&[&bytes]));
    }

    #[test]
    fn a_key_is_the_address_of_its_visitor(key in any_key()) {
        prop_assert_eq!(VisitorKey::from(key.address()), key);
    }
}
