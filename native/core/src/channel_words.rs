//! The words of a reusable data channel (docs/wire.md, section 3): encoders, and a reader of what
//! comes, wherever it was cut. No I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::origin::{Addresses, Origin};

pub(crate) const WORD_BYTES: usize = 4;
/// Payload of one record.
pub(crate) const RECORD_MAX: usize = 0x7fff_ffff;
const START_MAX_BYTES: usize = 1_024;
const NUMBER_BYTES: usize = 8;

const END: u32 = 0;
const FREE: u32 = 0xffff_fffd;
const START: u32 = 0xffff_fffe;
const ABORT: u32 = 0xffff_ffff;

pub(crate) const END_WORD: [u8; WORD_BYTES] = END.to_le_bytes();
pub(crate) const FREE_WORD: [u8; WORD_BYTES] = FREE.to_le_bytes();

/// Announces so many bytes of payload: 1 to `RECORD_MAX`.
pub(crate) fn data_word(length: usize) -> [u8; WORD_BYTES] {
    debug_assert!((1..=RECORD_MAX).contains(&length), "a record of {length}");
    u32::try_from(length).unwrap_or(FREE).to_le_bytes()
}

pub(crate) fn abort_words(reason: u8) -> [u8; WORD_BYTES + 1] {
    let [a, b, c, d] = ABORT.to_le_bytes();
    [a, b, c, d, reason]
}

/// Appends a START.
pub(crate) fn put_start(out: &mut Vec<u8>, origin: &Origin) {
    out.extend_from_slice(&START.to_le_bytes());
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&origin.number.to_le_bytes());
    if let Some(Addresses { visitor, public }) = origin.addresses {
        out.push(if visitor.is_ipv4() { 4 } else { 6 });
        for address in [visitor, public] {
            match address.ip() {
                IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
            }
            out.extend_from_slice(&address.port().to_le_bytes());
        }
    }
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_le_bytes());
}

/// What the peer said is not in the protocol, or not in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadWord;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    End,
    Abort(u8),
    Start(Origin),
    Free,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Payload(&'a [u8]),
    Word(Word),
}

/// Reads one direction of a channel.
#[derive(Debug, Default)]
pub(crate) struct WordReader {
    /// Payload of the record under way that has not come yet.
    left: usize,
    /// The beginning of a word that has not come whole.
    begun: Vec<u8>,
}

impl WordReader {
    /// Payload of the record under way that has not come yet.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// So much of that was taken past this reader.
    pub(crate) fn took(&mut self, payload: usize) {
        self.left -= payload;
    }

    /// Whether what comes next begins with payload, or has too little for a word.
    pub(crate) fn is_payload(&self, bytes: &[u8]) -> bool {
        if self.left > 0 {
            return true;
        }
        match (self.begun.is_empty(), bytes.split_first_chunk()) {
            (true, Some((word, _))) => {
                (1..=RECORD_MAX as u64).contains(&u64::from(u32::from_le_bytes(*word)))
            }
            (true, None) => true,
            (false, _) => false,
        }
    }

    /// How many bytes of a word may be read without reading past it: at least 1.
    pub(crate) fn missing(&self) -> usize {
        wanted(&self.begun).unwrap_or(1).clamp(1, WORD_BYTES)
    }

    /// Neither in a record nor in a word.
    pub(crate) fn is_between(&self) -> bool {
        self.left == 0 && self.begun.is_empty()
    }

    /// The next thing in `bytes`, which goes on behind it. `None`: all of it was used.
    ///
    /// # Errors
    /// What no peer says; the channel is of no use any more.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Item<'a>>, BadWord> {
        loop {
            if bytes.is_empty() {
                return Ok(None);
            }
            if self.left > 0 {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                *bytes = later;
                self.left -= now.len();
                return Ok(Some(Item::Payload(now)));
            }
            let Some(word) = self.word(bytes)? else {
                continue;
            };
            return Ok(Some(Item::Word(word)));
        }
    }

    /// Takes what belongs to the word under way. `None`: it is not whole, or announced payload.
    fn word(&mut self, bytes: &mut &[u8]) -> Result<Option<Word>, BadWord> {
        // Nearly always it comes whole.
        if self.begun.is_empty() {
            let Some((word, rest)) = bytes.split_first_chunk() else {
                self.begun.extend_from_slice(bytes);
                *bytes = &[];
                return Ok(None);
            };
            let value = u32::from_le_bytes(*word);
            if let Some(word) = self.plain(value)? {
                *bytes = rest;
                return Ok(word);
            }
        }
        loop {
            let wanted = wanted(&self.begun)?;
            if wanted == 0 {
                let begun = std::mem::take(&mut self.begun);
                return self.whole(&begun);
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.begun.extend_from_slice(now);
            *bytes = later;
        }
    }

    /// One that nothing follows; `None`: something does.
    #[expect(
        clippy::option_option,
        reason = "DATA is understood, and is no word for others"
    )]
    fn plain(&mut self, value: u32) -> Result<Option<Option<Word>>, BadWord> {
        match value {
            END => Ok(Some(Some(Word::End))),
            FREE => Ok(Some(Some(Word::Free))),
            START | ABORT => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| BadWord)?;
                if length > RECORD_MAX {
                    return Err(BadWord);
                }
                self.left = length;
                Ok(Some(None))
            }
        }
    }

    fn whole(&mut self, begun: &[u8]) -> Result<Option<Word>, BadWord> {
        let (word, behind) = begun.split_first_chunk().ok_or(BadWord)?;
        match u32::from_le_bytes(*word) {
            START => origin(&behind[2..]).map(Word::Start).map(Some),
            ABORT => Ok(Some(Word::Abort(behind[0]))),
            value => Ok(self.plain(value)?.flatten()),
        }
    }
}

/// How many bytes are missing of what has begun, as far as that is known.
fn wanted(begun: &[u8]) -> Result<usize, BadWord> {
    let Some((word, behind)) = begun.split_first_chunk() else {
        return Ok(WORD_BYTES - begun.len());
    };
    match u32::from_le_bytes(*word) {
        ABORT => Ok(1 - behind.len()),
        START => {
            let Some((length, behind)) = behind.split_first_chunk() else {
                return Ok(2 - behind.len());
            };
            let length = usize::from(u16::from_le_bytes(*length));
            if !(NUMBER_BYTES..=START_MAX_BYTES).contains(&length) {
                return Err(BadWord);
            }
            Ok(length - behind.len())
        }
        _ => Ok(0),
    }
}

/// What START brings.
fn origin(mut bytes: &[u8]) -> Result<Origin, BadWord> {
    let number = u64::from_le_bytes(take(&mut bytes)?);
    let addresses = match bytes.split_first() {
        None => None,
        Some((4, rest)) => Some(addresses(rest, |bytes| {
            Ok(Ipv4Addr::from(take::<4>(bytes)?).into())
        })?),
        Some((6, rest)) => Some(addresses(rest, |bytes| {
            Ok(Ipv6Addr::from(take::<16>(bytes)?).into())
        })?),
        Some(_) => return Err(BadWord),
    };
    Ok(Origin { number, addresses })
}

fn addresses(
    mut bytes: &[u8],
    ip: impl Fn(&mut &[u8]) -> Result<IpAddr, BadWord>,
) -> Result<Addresses, BadWord> {
    let mut address = || {
        let ip = ip(&mut bytes)?;
        Ok(SocketAddr::new(ip, u16::from_le_bytes(take(&mut bytes)?)))
    };
    Ok(Addresses {
        visitor: address()?,
        public: address()?,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], BadWord> {
    let (now, later) = bytes.split_first_chunk().ok_or(BadWord)?;
    *bytes = later;
    Ok(*now)
}

#[cfg(test)]
#[path = "channel_words_tests.rs"]
mod tests;
