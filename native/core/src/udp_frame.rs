//! UDP frames on a data channel (wire-v1 1.7): `u8 H`, header of H bytes, payload of N bytes. The
//! header holds the visitor's address, its port and N, all little-endian but the address. No I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// Length of the largest UDP payload that IPv4 can carry; the frame itself allows 65535.
pub(crate) const PAYLOAD_MAX: usize = 65_507;
/// Of a frame's part before the payload, as we write it.
pub(crate) const PREFIX_MAX: usize = 1 + TAG_LENGTH + 16 + PORT_LENGTH + SIZE_LENGTH;
/// Of any frame: an incomplete one is shorter.
pub(crate) const FRAME_MAX: usize = 1 + 255 + 65_535;

const TAG_LENGTH: usize = 4;
const PORT_LENGTH: usize = 2;
const SIZE_LENGTH: usize = 2;
const TAG_V4: u32 = 0;
const TAG_V6: u32 = 1;

/// A visitor as frames name it: the scope of a link-local address is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VisitorKey {
    V4([u8; 4], u16),
    V6([u8; 16], u16),
}

impl From<SocketAddr> for VisitorKey {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(it) => Self::V4(it.ip().octets(), it.port()),
            SocketAddr::V6(it) => Self::V6(it.ip().octets(), it.port()),
        }
    }
}

impl VisitorKey {
    pub(crate) fn address(&self) -> SocketAddr {
        let (ip, port) = match *self {
            Self::V4(octets, port) => (IpAddr::V4(Ipv4Addr::from(octets)), port),
            Self::V6(octets, port) => (IpAddr::V6(Ipv6Addr::from(octets)), port),
        };
        SocketAddr::new(ip, port)
    }

    /// FNV-1a: spreads visitors over channels.
    pub(crate) fn spread(&self) -> u32 {
        let (octets, port): (&[u8], u16) = match self {
            Self::V4(octets, port) => (octets, *port),
            Self::V6(octets, port) => (octets, *port),
        };
        let bytes = octets.iter().copied().chain(port.to_le_bytes());
        bytes.fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
    }

    /// Appends one frame. `payload` is at most 65535 bytes long.
    pub(crate) fn encode(&self, payload: &[u8], into: &mut Vec<u8>) {
        let (tag, octets, port): (u32, &[u8], u16) = match self {
            Self::V4(octets, port) => (TAG_V4, octets, *port),
            Self::V6(octets, port) => (TAG_V6, octets, *port),
        };
        let size = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        let header = TAG_LENGTH + octets.len() + PORT_LENGTH + SIZE_LENGTH;
        let mut prefix = [0; PREFIX_MAX];
        // At most 24: two families are known.
        prefix[0] = header as u8;
        prefix[1..5].copy_from_slice(&tag.to_le_bytes());
        prefix[5..5 + octets.len()].copy_from_slice(octets);
        let rest = &mut prefix[5 + octets.len()..1 + header];
        rest[..2].copy_from_slice(&port.to_le_bytes());
        rest[2..].copy_from_slice(&size.to_le_bytes());
        into.extend_from_slice(&prefix[..1 + header]);
        into.extend_from_slice(&payload[..usize::from(size)]);
    }
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Frame {
        key: VisitorKey,
        /// Where the payload is; the next frame begins at its end.
        payload: Range<usize>,
    },
    /// The beginning of a frame.
    More,
    /// No frame: an unknown address family, or a header shorter than its family needs. Nothing
    /// behind it can be understood.
    Bad,
}

/// A frame that cannot be understood, nor anything behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes whole frames one after the other; returns how many bytes they were.
///
/// # Errors
/// Those before the malformed one have been taken.
pub(crate) fn decode_all(
    bytes: &[u8],
    mut take: impl FnMut(&VisitorKey, Range<usize>),
) -> Result<usize, Malformed> {
    let mut at = 0;
    loop {
        match decode(bytes, at) {
            Decoded::Frame { key, payload } => {
                at = payload.end;
                take(&key, payload);
            }
            Decoded::More => return Ok(at),
            Decoded::Bad => return Err(Malformed),
        }
    }
}

/// Decodes the frame that begins at `at`.
pub(crate) fn decode(bytes: &[u8], at: usize) -> Decoded {
    let bytes_at = |from: usize, length: usize| bytes.get(from..from + length);
    let Some(&header_length) = bytes.get(at) else {
        return Decoded::More;
    };
    let header_length = usize::from(header_length);
    let header = at + 1;
    if header_length < TAG_LENGTH {
        return Decoded::Bad;
    }
    let Some(tag) = bytes_at(header, TAG_LENGTH) else {
        return Decoded::More;
    };
    let address_length = match u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]) {
        TAG_V4 => 4,
        TAG_V6 => 16,
        _ => return Decoded::Bad,
    };
    let used = TAG_LENGTH + address_length + PORT_LENGTH + SIZE_LENGTH;
    if header_length < used {
        return Decoded::Bad;
    }
    // Surplus header bytes are skipped.
    let start = header + header_length;
    let Some(fields) = bytes_at(header + TAG_LENGTH, header_length - TAG_LENGTH) else {
        return Decoded::More;
    };
    let (address, fields) = fields.split_at(address_length);
    let port = u16::from_le_bytes([fields[0], fields[1]]);
    let size = u16::from_le_bytes([fields[2], fields[3]]);
    let end = start + usize::from(size);
    if bytes.len() < end {
        return Decoded::More;
    }
    let key = match <[u8; 4]>::try_from(address) {
        Ok(octets) => VisitorKey::V4(octets, port),
        Err(_) => VisitorKey::V6(<[u8; 16]>::try_from(address).unwrap_or_default(), port),
    };
    Decoded::Frame {
        key,
        payload: start..end,
    }
}

#[cfg(test)]
#[path = "udp_frame_tests.rs"]
mod tests;
