//! What a control stream's task does whenever something woke it.

use std::io;
use std::time::Instant;

use super::{ControlStream, Holder, State, Then};
use crate::link::Link;
use crate::reason::EndReason;
use crate::upcall::Upcall;

/// Reading stops here; a command is 4 bytes, a hello 37.
const UNREAD_MAX_BYTES: usize = 4_096;
/// Reads before other tasks have their turn.
pub(super) const READS_PER_TURN: usize = 16;

/// What is left of a turn.
pub(super) enum Next {
    Wait(Option<Instant>),
    Yield,
    Over,
}

impl State {
    /// Of a connection that ended.
    fn eof_reason(&self) -> EndReason {
        if self.was_attached {
            EndReason::ControlEof
        } else {
            EndReason::HandshakeEof
        }
    }

    /// Of a connection that broke rather than ended.
    fn broken_reason(&self) -> EndReason {
        let reset = if self.was_attached {
            EndReason::ControlReset
        } else {
            EndReason::HandshakeEof
        };
        let fault = self.link.as_ref().and_then(Link::fault);
        fault.unwrap_or(reset)
    }

    /// Of a connection that broke because the peer refused something: what.
    pub(super) fn refusal(&self) -> Option<String> {
        let refused = self.link.as_ref()?.refusal()?;
        Some(refused.text)
    }
}

impl ControlStream {
    pub(super) fn turn(&self) -> Next {
        if self.state.borrow().link.is_none() {
            return Next::Over;
        }
        if self.state.borrow().linger_until.is_some() {
            return self.linger();
        }
        if let Some(reason) = self.due() {
            self.end(reason);
            return Next::Over;
        }
        self.collect();
        if self.flush().is_err() {
            let reason = self.state.borrow().broken_reason();
            self.end(reason);
            return Next::Over;
        }
        for _ in 0..READS_PER_TURN {
            self.process();
            match self.receive() {
                Ok(true) => {}
                Ok(false) => {
                    self.collect();
                    return self.rest();
                }
                Err(reason) => {
                    self.process();
                    self.end(reason);
                    return Next::Over;
                }
            }
        }
        Next::Yield
    }

    /// What a turn ends with: the next deadline.
    fn rest(&self) -> Next {
        let state = self.state.borrow();
        let Some(link) = &state.link else {
            return Next::Over;
        };
        // Unread bytes keep us from reading; a connection that breaks meanwhile is noticed.
        if link.is_broken() && link.take_error().is_some() {
            let reason = state.broken_reason();
            drop(state);
            self.end(reason);
            return Next::Over;
        }
        let routine = match &state.holder {
            _ if state.suspended => None,
            Holder::ControlPlane => None,
            Holder::Server(session) => session.heartbeat_at(),
            Holder::Client(session) => session.deadline(),
        };
        let deadlines = [routine, state.handshake_until];
        Next::Wait(deadlines.into_iter().flatten().min())
    }

    /// The reason of a deadline that has passed.
    fn due(&self) -> Option<EndReason> {
        let now = self.shard.now();
        let state = self.state.borrow();
        if state.handshake_until.is_some_and(|at| at <= now) {
            return Some(EndReason::HandshakeTimeout);
        }
        match &state.holder {
            Holder::Client(session) if !state.suspended => {
                let passed = session.deadline().is_some_and(|at| at <= now);
                passed.then_some(EndReason::HeartbeatTimeout)
            }
            _ => None,
        }
    }

    /// Takes what the routine has to send.
    fn collect(&self) {
        let state = &mut *self.state.borrow_mut();
        match &state.holder {
            _ if state.suspended => {}
            Holder::ControlPlane => {}
            Holder::Server(session) => session.collect(&mut state.unwritten, self.shard.now()),
            Holder::Client(session) => session.collect(&mut state.unwritten),
        }
        if !state.unwritten.is_empty() {
            drop(self.flush_state(state));
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.flush_state(&mut self.state.borrow_mut())
    }

    fn flush_state(&self, state: &mut State) -> io::Result<()> {
        let Some(link) = &state.link else {
            return Ok(());
        };
        let mut written = 0;
        let result = loop {
            if let Err(error) = link.flush() {
                break Err(error);
            }
            if written == state.unwritten.len() {
                break Ok(());
            }
            match link.try_write(&state.unwritten[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        state.unwritten.drain(..written);
        if state.unwritten.is_empty() && link.is_flushed() && state.tell_flushed {
            state.tell_flushed = false;
            self.shard
                .context
                .upcall(Upcall::StreamFlushed { stream: self.id });
        }
        result
    }

    /// One read. False: wait.
    fn receive(&self) -> Result<bool, EndReason> {
        let state = &mut *self.state.borrow_mut();
        let Some(link) = &state.link else {
            return Ok(false);
        };
        if state.unread.len() >= UNREAD_MAX_BYTES {
            return Ok(false);
        }
        let mut buffer = self.shard.buffer.borrow_mut();
        let room = &mut buffer[..UNREAD_MAX_BYTES];
        match link.try_read(room) {
            Ok(0) => Err(state.eof_reason()),
            Ok(length) => {
                state.unread.extend_from_slice(&room[..length]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                let (eof, broken) = (state.eof_reason(), state.broken_reason());
                Err(link.channel_reason(&error, eof, broken))
            }
        }
    }

    /// Gives what is unread to whoever has the stream.
    fn process(&self) {
        let (holder, mut unread) = {
            let state = &mut *self.state.borrow_mut();
            if state.unread.is_empty() || state.end.is_some() {
                return;
            }
            match &state.holder {
                Holder::ControlPlane => (Holder::ControlPlane, Vec::new()),
                _ if state.suspended => (Holder::ControlPlane, Vec::new()),
                attached => (attached.clone(), std::mem::take(&mut state.unread)),
            }
        };
        let consumed = match &holder {
            Holder::ControlPlane => return self.serve_read(),
            Holder::Server(session) => session.bytes(&unread),
            Holder::Client(session) => session.bytes(&unread),
        };
        unread.drain(..consumed.used);
        self.state.borrow_mut().unread = unread;
        match consumed.then {
            Then::GoOn => {}
            Then::Suspend => self.suspend(),
            Then::End(reason) => self.end(reason),
        }
    }

    fn suspend(&self) {
        let session = {
            let state = &mut *self.state.borrow_mut();
            state.suspended = true;
            match &state.holder {
                Holder::ControlPlane => return,
                Holder::Server(session) => {
                    session.suspend();
                    session.id()
                }
                Holder::Client(session) => {
                    session.suspended();
                    session.id
                }
            }
        };
        self.shard.context.upcall(Upcall::Surplus {
            service: self.service.get(),
            session,
        });
    }

    pub(super) fn serve_read(&self) {
        let state = &mut *self.state.borrow_mut();
        if let Some(length) = state.wanted
            && state.unread.len() >= length
        {
            state.wanted = None;
            let bytes = state.unread.drain(..length).collect();
            self.shard.context.upcall(Upcall::StreamRead {
                stream: self.id,
                bytes,
            });
        }
    }
}
