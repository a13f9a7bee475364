//! What the loader and the sink say to each other. One byte names the mode, so one address, and
//! therefore one tunnelled service, serves every kind of load.
//!
//! ```text
//! TCP  'e' payload...            echo until the visitor's FIN
//!      'd' id                    drain: count until FIN, note it, answer the count, close
//!      's' bytes                 source: send that many bytes, then FIN
//!      't' id millis             timed source: send that long, note the count, then FIN
//!      'x' bytes                 broken source: send that many bytes, then RST
//!      'r' bytes                 broken drain: take that many bytes, then RST
//!      'q' id...                 per id answer two numbers: finished (0 or 1) and the count
//!      'G' ...                   HTTP/1.1: any GET is answered with the page
//! UDP  id sequence flags pad     flags 1: send it back; distinct datagrams count under the id
//! ```
//! Numbers are 8 bytes, little endian. The noted counts exist because a tunnel that cannot
//! half-close (frp) loses the drain's answer.

/// What the visitor asks for in its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Echo,
    Drain { id: u64 },
    Source { bytes: u64 },
    Timed { id: u64, millis: u64 },
    BrokenSource { bytes: u64 },
    BrokenDrain { bytes: u64 },
    Query,
}

/// First letter of a request in HTTP; such a connection has no header of ours.
pub(crate) const HTTP: u8 = b'G';
/// What the sink answers over HTTP.
pub(crate) const PAGE: [u8; 64] =
    *b"warren-load: these are the sixty-four bytes of the sink's page.\n";
/// Length of a query's answer: finished and count.
pub(crate) const ANSWER: usize = 16;
/// Id, sequence number and flags of a datagram.
pub(crate) const DATAGRAM_HEADER: usize = 17;
/// Datagram flag: send it back.
pub(crate) const FLAG_ECHO: u8 = 1;

impl Mode {
    pub(crate) fn encode(self) -> Vec<u8> {
        let (letter, numbers): (u8, Vec<u64>) = match self {
            Self::Echo => (b'e', vec![]),
            Self::Drain { id } => (b'd', vec![id]),
            Self::Source { bytes } => (b's', vec![bytes]),
            Self::Timed { id, millis } => (b't', vec![id, millis]),
            Self::BrokenSource { bytes } => (b'x', vec![bytes]),
            Self::BrokenDrain { bytes } => (b'r', vec![bytes]),
            Self::Query => (b'q', vec![]),
        };
        let mut header = vec![letter];
        header.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        header
    }

    /// How long the header that starts with this letter is; `None` for an unknown mode.
    pub(crate) fn header_length(letter: u8) -> Option<usize> {
        match letter {
            b'e' | b'q' => Some(1),
            b'd' | b's' | b'x' | b'r' => Some(9),
            b't' => Some(17),
            _ => None,
        }
    }

    /// Reads a header of exactly `header_length` bytes.
    pub(crate) fn decode(header: &[u8]) -> Option<Self> {
        let number = |index: usize| read_u64(header, 1 + 8 * index);
        match header.first()? {
            b'e' => Some(Self::Echo),
            b'd' => Some(Self::Drain { id: number(0)? }),
            b's' => Some(Self::Source { bytes: number(0)? }),
            b't' => Some(Self::Timed {
                id: number(0)?,
                millis: number(1)?,
            }),
            b'x' => Some(Self::BrokenSource { bytes: number(0)? }),
            b'r' => Some(Self::BrokenDrain { bytes: number(0)? }),
            b'q' => Some(Self::Query),
            _ => None,
        }
    }
}

/// The number at `offset`, if the bytes reach that far.
pub(crate) fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_reads_back() {
        for mode in [
            Mode::Echo,
            Mode::Drain { id: 7 },
            Mode::Source { bytes: 1 << 30 },
            Mode::Timed {
                id: u64::MAX,
                millis: 250,
            },
            Mode::BrokenSource { bytes: 5 },
            Mode::BrokenDrain { bytes: 6 },
            Mode::Query,
        ] {
            let header = mode.encode();
            assert_eq!(Mode::header_length(header[0]), Some(header.len()));
            assert_eq!(Mode::decode(&header), Some(mode));
        }
        assert_eq!(Mode::header_length(b'?'), None);
        assert_eq!(Mode::decode(&[b'd', 1, 2]), None);
    }
}
