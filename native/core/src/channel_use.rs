//! One use of a reusable data channel, as either end sees it: which word is in its place, what is
//! due, and when the channel is idle again (docs/wire.md, sections 4 and 5). No I/O.

use crate::channel_words::BadWord;

/// Above this much payload towards the client it has to say when it has delivered it; and an ABORT
/// behind more than this may never be seen.
pub(crate) const SHORT_BYTES: u64 = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// How one direction of a use has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terminal {
    Unsent,
    End,
    Abort,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelUse {
    role: Role,
    own: Terminal,
    peers: Terminal,
    sent: u64,
    received: u64,
    freed: bool,
}

impl ChannelUse {
    /// From START on.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            own: Terminal::Unsent,
            peers: Terminal::Unsent,
            sent: 0,
            received: 0,
            freed: false,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    // -- our direction ----------------------------------------------------------------------------

    pub(crate) fn send(&mut self, payload: usize) {
        debug_assert!(!self.has_finished(), "payload behind a terminal word");
        self.sent += payload as u64;
    }

    /// END is sent.
    pub(crate) fn finish(&mut self) {
        self.own = Terminal::End;
    }

    /// ABORT is sent.
    pub(crate) fn abort(&mut self) {
        self.own = Terminal::Abort;
    }

    /// Our terminal word is out.
    pub(crate) fn has_finished(&self) -> bool {
        self.own != Terminal::Unsent
    }

    /// Whether the peer comes to an ABORT: it has answered one, or there is little before it.
    pub(crate) fn may_abort(&self) -> bool {
        !self.has_finished() && (self.sent <= SHORT_BYTES || self.peers == Terminal::Abort)
    }

    // -- the peer's direction ---------------------------------------------------------------------

    /// # Errors
    /// It is behind the peer's terminal word.
    pub(crate) fn receive(&mut self, payload: usize) -> Result<(), BadWord> {
        self.expect_unfinished()?;
        self.received += payload as u64;
        Ok(())
    }

    /// # Errors
    /// As `receive`.
    pub(crate) fn peer_finished(&mut self) -> Result<(), BadWord> {
        self.expect_unfinished()?;
        self.peers = Terminal::End;
        Ok(())
    }

    /// # Errors
    /// As `receive`.
    pub(crate) fn peer_aborted(&mut self) -> Result<(), BadWord> {
        self.expect_unfinished()?;
        self.peers = Terminal::Abort;
        Ok(())
    }

    /// FREE came.
    ///
    /// # Errors
    /// Nobody waits for it.
    pub(crate) fn peer_freed(&mut self) -> Result<(), BadWord> {
        let waits = self.role == Role::Server
            && self.has_finished()
            && self.peers != Terminal::Unsent
            && self.is_long()
            && !self.freed;
        if !waits {
            return Err(BadWord);
        }
        self.freed = true;
        Ok(())
    }

    fn expect_unfinished(&self) -> Result<(), BadWord> {
        if self.peers == Terminal::Unsent {
            Ok(())
        } else {
            Err(BadWord)
        }
    }

    pub(crate) fn has_peer_finished(&self) -> bool {
        self.peers != Terminal::Unsent
    }

    /// The peer's word has come that makes everything else void.
    pub(crate) fn has_peer_aborted(&self) -> bool {
        self.peers == Terminal::Abort
    }

    /// Whether a client takes what comes though its local service does not: the channel must be free
    /// for the next visitor (rule 4.5).
    pub(crate) fn keeps(&self) -> bool {
        self.own == Terminal::End && self.may_keep()
    }

    /// Whether a client that keeps what comes may go on with that.
    pub(crate) fn may_keep(&self) -> bool {
        self.role == Role::Client && !self.has_peer_finished() && self.received <= SHORT_BYTES
    }

    /// The peer must be silent: its direction has ended, and nothing follows before ours has.
    pub(crate) fn expects_nothing(&self) -> bool {
        self.has_peer_finished() && !self.has_finished()
    }

    // -- the end ----------------------------------------------------------------------------------

    /// So much went to the client that it has to say when that is delivered.
    fn is_long(&self) -> bool {
        let inward = match self.role {
            Role::Server => self.sent,
            Role::Client => self.received,
        };
        inward > SHORT_BYTES && self.own != Terminal::Abort && self.peers != Terminal::Abort
    }

    /// Client: FREE is to be sent now, once. All that came has been delivered when the peer's terminal
    /// was handled.
    pub(crate) fn take_free_due(&mut self) -> bool {
        let due = self.role == Role::Client
            && self.has_finished()
            && self.has_peer_finished()
            && self.is_long()
            && !self.freed;
        self.freed |= due;
        due
    }

    /// The channel is idle again as soon as what is queued has been written.
    pub(crate) fn is_over(&self) -> bool {
        self.has_finished() && self.has_peer_finished() && (self.freed || !self.is_long())
    }
}

#[cfg(test)]
#[path = "channel_use_tests.rs"]
mod tests;
