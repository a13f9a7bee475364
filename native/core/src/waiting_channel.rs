//! A client's data channel that waits for its start command, hours if need be. Its end is noticed
//! meanwhile, and it has no buffer of its own: what comes is read into the shard's.

use std::io;
use std::rc::Rc;

use crate::client_service::ClientService;
use crate::client_session::ClientSession;
use crate::link::Link;
use crate::reason::EndReason;
use crate::spec::ClientRoutine;
use crate::task::Cancelled;

/// Shows the hello, waits for the start, and gives the channel to its service.
pub(crate) async fn wait_for_start(link: Link, mut held: Held) {
    match held.until_started(&link).await {
        Ok(rest) => held.started(link, rest),
        Err(reason) => {
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

    /// What came behind the start command, or why it will not come.
    async fn until_started(&self, link: &Link) -> Result<Vec<u8>, EndReason> {
        let routine = self.session.routine();
        let shard = &self.service.shard;
        let mut written = 0;
        let mut got = Vec::new();
        loop {
            self.may_wait()?;
            if written < routine.hello.len() {
                written += write(link, &routine.hello[written..])?;
            }
            link.flush().map_err(|_| EndReason::StaleChannel)?;
            if let Some(rest) = self.read(link, &routine, &mut got)? {
                return Ok(rest);
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
        got: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, EndReason> {
        let buffer = &mut *self.service.shard.buffer.borrow_mut();
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
            // Nearly always it comes whole.
            let bytes = if got.is_empty() {
                &buffer[..length]
            } else {
                got.extend_from_slice(&buffer[..length]);
                &got[..]
            };
            if let Some((command, rest)) = bytes.split_at_checked(routine.start.len()) {
                return judge(command, routine).map(|()| Some(rest.to_vec()));
            }
            if got.is_empty() {
                got.extend_from_slice(&buffer[..length]);
            }
        }
    }

    fn started(&mut self, link: Link, rest: Vec<u8>) {
        // It leaves those that wait only then, or a service that drains would seem to be empty.
        self.service.carry(link, rest);
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

fn judge(command: &[u8], routine: &ClientRoutine) -> Result<(), EndReason> {
    if command == routine.start {
        return Ok(());
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
