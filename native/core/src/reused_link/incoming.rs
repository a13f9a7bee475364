//! The peer's direction of a use: what came and is not handled yet, and what it meant.

use std::io;

use super::FULL_BYTES;
use crate::abort_reason::{self, Teller};
use crate::channel_use::{ChannelUse, Role};
use crate::channel_words::{BadWord, Item, WORD_BYTES, Word, WordReader};
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::tcp_link::TcpLink;

/// Of what is discarded.
const READS_PER_TURN: usize = 16;

pub(super) struct Incoming {
    pub(super) reader: WordReader,
    /// Came, and not looked at: words behind payload that has to be delivered first.
    unread: Vec<u8>,
    /// Payload that came before there was room for it.
    kept: Vec<u8>,
    /// How the use has ended, if not by both its ends.
    pub(super) fault: Option<EndReason>,
    /// The channel is of no use any more.
    pub(super) lost: bool,
    /// The peer said what is not in the protocol.
    pub(super) bad: bool,
    /// The last read brought as much as one can.
    pub(super) was_full: bool,
    /// What comes now is kept, and so delivered.
    keeps: bool,
}

impl Incoming {
    pub(super) fn new(unread: Vec<u8>) -> Self {
        Self {
            reader: WordReader::default(),
            unread,
            kept: Vec::new(),
            fault: None,
            lost: false,
            bad: false,
            was_full: false,
            keeps: false,
        }
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(Vec::new()))
    }

    /// Something is to be had without a read.
    pub(super) fn has_more(&self) -> bool {
        !self.kept.is_empty() || !self.unread.is_empty() || self.fault.is_some()
    }

    /// Another use may follow.
    pub(super) fn is_usable(&self) -> bool {
        !self.lost && self.reader.is_between()
    }

    /// What came behind the last word of the use.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    pub(super) fn put_back(&mut self, payload: Vec<u8>) {
        self.kept = payload;
    }

    /// See `ReusedLink::pull`.
    pub(super) fn pull(
        &mut self,
        shard: &Shard,
        below: Option<&Link>,
        rules: &mut ChannelUse,
        take: &mut impl FnMut(&[u8]),
    ) -> io::Result<usize> {
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            take(&kept);
            return Ok(kept.len());
        }
        loop {
            if self.fault.is_some() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if rules.has_peer_finished() {
                return Ok(0);
            }
            let came = self.more(shard, below, rules, take)?;
            if came > 0 {
                return Ok(came);
            }
        }
    }

    /// Takes what comes though nobody is there to take it, within bounds.
    pub(super) fn keep(&mut self, shard: &Shard, below: &Link, rules: &mut ChannelUse) {
        let mut kept = std::mem::take(&mut self.kept);
        self.keeps = true;
        while rules.may_keep() && self.fault.is_none() {
            let mut take = |payload: &[u8]| kept.extend_from_slice(payload);
            // What is wrong is told when it is read.
            if self.more(shard, Some(below), rules, &mut take).is_err() {
                break;
            }
        }
        self.keeps = false;
        self.kept = kept;
    }

    /// The peer's direction has ended and ours has not: whatever comes is out of its place, and without
    /// the channel the use cannot go on.
    pub(super) fn expect_nothing(&mut self, shard: &Shard, below: &Link) {
        if self.unread.is_empty() {
            let read = below.try_read(&mut shard.buffer.borrow_mut()[..1]);
            if self.check(read, below.fault()).is_err() {
                return;
            }
        }
        self.break_off();
    }

    /// The peer said what is not in its place.
    fn break_off(&mut self) {
        self.bad = true;
        self.lost = true;
        self.fault.get_or_insert(EndReason::ChannelReset);
    }

    /// Takes what comes of a use whose bytes nobody wants, until that is over.
    pub(super) fn discard(&mut self, shard: &Shard, below: &Link, rules: &mut ChannelUse) {
        for _ in 0..READS_PER_TURN {
            if self.lost || rules.is_over() {
                return;
            }
            if self.more(shard, Some(below), rules, &mut |_| {}).is_err() {
                return;
            }
        }
        // Others have their turn first.
        shard.tasks.wake(shard.tasks.current());
    }

    /// What is unread, or one read.
    fn more(
        &mut self,
        shard: &Shard,
        below: Option<&Link>,
        rules: &mut ChannelUse,
        take: &mut impl FnMut(&[u8]),
    ) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            return Ok(self.parse(&unread, rules, take));
        }
        let below = below.ok_or(io::ErrorKind::NotConnected)?;
        let mut came = 0;
        let read = match below {
            Link::Coded(coded) => coded.pull(|plain| came = self.parse(plain, rules, take)),
            _ => {
                let buffer = &mut *shard.buffer.borrow_mut();
                let read = below.try_read(buffer);
                let length = read.as_ref().map_or(0, |length| *length);
                self.was_full = length >= FULL_BYTES;
                came = self.parse(&buffer[..length], rules, take);
                read
            }
        };
        self.check(read, below.fault())?;
        Ok(came)
    }

    /// A channel that ends in a use is lost.
    fn check(&mut self, read: io::Result<usize>, fault: Option<EndReason>) -> io::Result<usize> {
        match read {
            Ok(length) if length > 0 => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
        self.lost = true;
        self.fault
            .get_or_insert(fault.unwrap_or(EndReason::ChannelReset));
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Payload up to the next word, or that word. Gives how much payload; what is behind stays unread.
    fn parse(
        &mut self,
        bytes: &[u8],
        rules: &mut ChannelUse,
        take: &mut impl FnMut(&[u8]),
    ) -> usize {
        let mut rest = bytes;
        let mut came = 0;
        while self.fault.is_none() && !rest.is_empty() {
            // What was given away may not have been delivered: words wait for that.
            let is_delivered = came == 0 || (self.keeps && rules.may_keep());
            if !is_delivered && !self.reader.is_payload(rest) {
                break;
            }
            let understood = match self.reader.next(&mut rest) {
                Ok(None) => break,
                Ok(Some(Item::Payload(payload))) => {
                    came += payload.len();
                    let fits = rules.receive(payload.len());
                    if fits.is_ok() {
                        take(payload);
                    }
                    fits
                }
                Ok(Some(Item::Word(word))) => self.handle(word, rules),
                Err(bad) => Err(bad),
            };
            if understood.is_err() {
                self.break_off();
            } else if rules.has_peer_finished() {
                break;
            }
        }
        self.unread.extend_from_slice(rest);
        came
    }

    fn handle(&mut self, word: Word, rules: &mut ChannelUse) -> Result<(), BadWord> {
        match word {
            Word::End => rules.peer_finished(),
            Word::Free => rules.peer_freed(),
            Word::Start(_) => Err(BadWord),
            Word::Abort(number) => {
                rules.peer_aborted()?;
                let teller = match rules.role() {
                    Role::Server => Teller::Client,
                    Role::Client => Teller::Server,
                };
                self.fault = Some(abort_reason::reason(number, teller));
                Ok(())
            }
        }
    }

    /// See `ReusedLink::record_left`.
    pub(super) fn record_left(
        &mut self,
        below: &TcpLink,
        rules: &mut ChannelUse,
    ) -> io::Result<usize> {
        if self.has_more() || rules.has_peer_finished() {
            return Ok(0);
        }
        if self.reader.left() == 0 {
            // No further than the word: what follows it is for a pipe.
            let mut word = [0; WORD_BYTES];
            let wanted = self.reader.missing();
            let read = below.try_read(&mut word[..wanted]);
            let length = self.check(read, None)?;
            self.parse(&word[..length], rules, &mut |_| {});
        }
        Ok(self.reader.left())
    }

    /// See `ReusedLink::read_record_with`.
    pub(super) fn read_record_with(
        &mut self,
        below: &TcpLink,
        rules: &mut ChannelUse,
        call: impl FnMut(&mio::net::TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let length = self.check(below.read_with(call), None)?;
        self.reader.took(length);
        // Nothing is read behind the peer's end.
        let _ = rules.receive(length);
        Ok(length)
    }
}
