//! A client's data channel that waits for its start command, or for its next use, hours if need be. Its end is noticed
//! meanwhile, and it has no buffer of its own: what comes is read into the shard's.

use std::io;
use std::rc::Rc;

use crate::channel::{Channel, Home};
use crate::channel_use::Role;
use crate::channel_words::{BadWord, Item, Word, WordReader};
use crate::client_service::ClientService;
use crate::client_session::ClientSession;
use crate::link::Link;
use crate::origin::Origin;
use crate::reason::EndReason;
use crate::reused_link::ReusedLink;
use crate::spec::ClientRoutine;
use crate::task::Cancelled;

/// What a channel was put to use for.
enum Started {
    /// As in wire v1; so much came behind the command.
    Once(Vec<u8>),
    Use {
        origin: Origin,
        rest: Vec<u8>,
    },
}

/// How far a channel is.
enum Stage {
    /// So much of the hello is written; what has come of the start command.
    Fresh { written: usize, got: Vec<u8> },
    /// It was put to use, and waits for START: what has come of that. Absent: it has not been used.
    Reusable {
        home: Option<Box<Home>>,
        unread: Vec<u8>,
    },
}

/// Shows the hello, waits for the start, and gives the channel to its service.
pub(crate) async fn wait_for_start(link: Link, held: Held) {
    let stage = Stage::Fresh {
        written: 0,
        got: Vec::new(),
    };
    wait(link, held, stage).await;
}

/// Waits for the next use of a channel that is idle again.
pub(crate) async fn wait_for_next(channel: Channel, held: Held) {
    let Channel { link, home, unread } = channel;
    let home = Some(Box::new(home));
    wait(link, held, Stage::Reusable { home, unread }).await;
}

async fn wait(link: Link, mut held: Held, mut stage: Stage) {
    link.watch();
    match held.until_started(&link, &mut stage).await {
        Ok(Started::Once(rest)) => held.started(link, rest),
        Ok(Started::Use { origin, rest }) => {
            let home = stage.into_home().unwrap_or_else(|| held.home());
            held.used(link, home, origin, rest);
        }
        Err(reason) => {
            if reason == EndReason::BadRecord {
                link.reset_on_close();
            }
            // Counted when the peer can see it, and gone when the service may be told to be empty.
            held.ended(reason, link.refusal().map(|refused| refused.text));
            drop(link);
        }
    }
}

/// One of the channels that a service holds ready.
pub(crate) struct Held {
    service: Rc<ClientService>,
    session: Rc<ClientSession>,
    key: usize,
    told: bool,
}

impl Held {
    /// By the running task.
    pub(crate) fn enter(service: &Rc<ClientService>, session: &Rc<ClientSession>) -> Self {
        Self {
            service: Rc::clone(service),
            session: Rc::clone(session),
            key: service.enter_waiting(session.id),
            told: false,
        }
    }

    fn home(&self) -> Home {
        let now = self.service.shard.now();
        Home::new(self.service.shared_facts(), self.session.id, now)
    }

    /// What it was started for, or why it will not be.
    async fn until_started(&self, link: &Link, stage: &mut Stage) -> Result<Started, EndReason> {
        let shard = &self.service.shard;
        loop {
            self.may_wait()?;
            // As it is now: the server may have agreed to reuse channels since this one was dialled.
            let routine = self.session.routine();
            if let Stage::Fresh { written, .. } = stage
                && *written < routine.hello.len()
            {
                *written += write(link, &routine.hello[*written..])?;
            }
            link.flush().map_err(|_| EndReason::StaleChannel)?;
            if let Some(started) = self.read(link, &routine, stage)? {
                return Ok(started);
            }
            let parked = shard.park(self.session.orphaned_until()).await;
            parked.map_err(|Cancelled(reason)| reason)?;
        }
    }

    fn may_wait(&self) -> Result<(), EndReason> {
        if let Some(reason) = self.service.aborting() {
            return Err(reason);
        }
        let now = self.service.shard.now();
        match self.session.orphaned_until() {
            Some(until) if until <= now => Err(EndReason::SessionEnd),
            _ => Ok(()),
        }
    }

    fn read(
        &self,
        link: &Link,
        routine: &ClientRoutine,
        stage: &mut Stage,
    ) -> Result<Option<Started>, EndReason> {
        let buffer = &mut *self.service.shard.buffer.borrow_mut();
        // What is unread from before comes first.
        if let Some(started) = stage.take(&[], routine)? {
            return Ok(Some(started));
        }
        loop {
            let length = match link.try_read(buffer) {
                Ok(0) => return Err(EndReason::ChannelEof),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => {
                    let (eof, broken) = (EndReason::ChannelEof, EndReason::StaleChannel);
                    return Err(link.channel_reason(&error, eof, broken));
                }
            };
            if let Some(started) = stage.take(&buffer[..length], routine)? {
                return Ok(Some(started));
            }
        }
    }

    fn started(&mut self, link: Link, rest: Vec<u8>) {
        // It leaves those that wait only then, or a service that drains would seem to be empty.
        self.service.carry(link, rest, None);
        self.told = true;
    }

    fn used(&mut self, link: Link, mut home: Home, origin: Origin, rest: Vec<u8>) {
        if home.uses == 0 {
            // It stays so: with nothing under way, keepalive alone ends a dead connection in time.
            link.allow_stalls();
        }
        home.uses += 1;
        let channel = Channel {
            link,
            home,
            unread: rest,
        };
        let shard = &self.service.shard;
        let link = ReusedLink::new(shard, Role::Client, channel, origin.number, Vec::new());
        let link = Link::Reused(Box::new(link));
        self.service.carry(link, Vec::new(), Some(Box::new(origin)));
        self.told = true;
    }

    fn ended(&mut self, reason: EndReason, error: Option<String>) {
        self.told = true;
        self.service.waiting_ended(reason, error);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.told {
            self.service
                .waiting_ended(self.service.shard.unexpected_end(), None);
        }
        self.service.leave_waiting(self.key);
    }
}

impl Stage {
    /// Of one that has been used before.
    fn into_home(self) -> Option<Home> {
        match self {
            Self::Fresh { .. } => None,
            Self::Reusable { home, .. } => home.map(|home| *home),
        }
    }

    /// Goes on with what came.
    fn take(
        &mut self,
        bytes: &[u8],
        routine: &ClientRoutine,
    ) -> Result<Option<Started>, EndReason> {
        if let Self::Fresh { got, .. } = self {
            got.extend_from_slice(bytes);
            let Some((command, rest)) = got.split_at_checked(routine.start.len()) else {
                return Ok(None);
            };
            if !is_reusable(command, routine)? {
                return Ok(Some(Started::Once(rest.to_vec())));
            }
            let (home, unread) = (None, rest.to_vec());
            *self = Self::Reusable { home, unread };
            return self.take(&[], routine);
        }
        let Self::Reusable { unread, .. } = self else {
            return Ok(None);
        };
        unread.extend_from_slice(bytes);
        let mut rest = &unread[..];
        // From its beginning each time: it nearly always comes whole, and is short.
        let mut reader = WordReader::default();
        match reader.next(&mut rest) {
            // Payload that is announced belongs to no use.
            Ok(None) if reader.left() == 0 => Ok(None),
            Ok(Some(Item::Word(Word::Start(origin)))) => {
                let rest = rest.to_vec();
                Ok(Some(Started::Use { origin, rest }))
            }
            Ok(_) | Err(BadWord) => Err(EndReason::BadRecord),
        }
    }
}

/// Whether that command puts the channel to use again and again.
fn is_reusable(command: &[u8], routine: &ClientRoutine) -> Result<bool, EndReason> {
    if command == routine.start {
        return Ok(false);
    }
    if let Some(reuse) = &routine.reuse
        && command == reuse.start
    {
        return Ok(true);
    }
    let is_other = command == routine.other_start;
    Err(if is_other {
        EndReason::TypeMismatch
    } else {
        EndReason::BadStart
    })
}

/// How many bytes of it the system took.
fn write(link: &Link, bytes: &[u8]) -> Result<usize, EndReason> {
    match link.try_write(bytes) {
        Ok(length) => Ok(length),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(EndReason::StaleChannel),
    }
}

#[cfg(test)]
#[path = "waiting_channel_tests.rs"]
mod tests;
