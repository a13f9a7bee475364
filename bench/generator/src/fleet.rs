//! Many visitors in one thread: slots of exchanges over one epoll. What to do when one finishes
//! is the caller's.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::sys::{Interest, Poller};

/// A round trip done, or how the connection failed.
pub(crate) struct Finished {
    pub(crate) slot: usize,
    pub(crate) outcome: io::Result<Duration>,
}

struct Member {
    exchange: Exchange,
    interest: Interest,
}

pub(crate) struct Fleet {
    addr: SocketAddrV4,
    poller: Poller,
    members: Vec<Option<Member>>,
    ready: Vec<u64>,
}

impl Fleet {
    pub(crate) fn new(addr: SocketAddrV4, slots: usize) -> io::Result<Self> {
        let members = std::iter::repeat_with(|| None).take(slots).collect();
        Ok(Self {
            addr,
            poller: Poller::new()?,
            members,
            ready: Vec::new(),
        })
    }

    /// Connects in that slot and sends the first request as soon as it can.
    pub(crate) fn open(&mut self, slot: usize, id: u64) -> io::Result<()> {
        let mut exchange = Exchange::open(self.addr, id)?;
        // On loopback the handshake is over already, so this usually sends.
        exchange.advance()?;
        let interest = exchange.interest();
        self.poller.add(exchange.stream(), slot as u64, interest)?;
        self.members[slot] = Some(Member { exchange, interest });
        Ok(())
    }

    /// Sends the next request on the slot's connection.
    pub(crate) fn again(&mut self, slot: usize) -> io::Result<()> {
        let Some(member) = self.members[slot].as_mut() else {
            return Ok(());
        };
        member.exchange.again();
        member.exchange.advance()?;
        follow_interest(&self.poller, slot, member)
    }

    pub(crate) fn close(&mut self, slot: usize) {
        self.members[slot] = None;
    }

    /// Connections that are open.
    pub(crate) fn open_count(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Waits until `until` at most and replaces `finished`; failed connections are closed.
    pub(crate) fn wait(&mut self, until: Instant, finished: &mut Vec<Finished>) -> io::Result<()> {
        finished.clear();
        let rest = until.saturating_duration_since(Instant::now());
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(Some(rest), &mut ready)?;
        for token in &ready {
            let slot = *token as usize;
            let Some(member) = self.members[slot].as_mut() else {
                continue;
            };
            match member.exchange.advance() {
                Ok(None) => follow_interest(&self.poller, slot, member)?,
                Ok(Some(elapsed)) => finished.push(Finished {
                    slot,
                    outcome: Ok(elapsed),
                }),
                Err(error) => {
                    self.members[slot] = None;
                    finished.push(Finished {
                        slot,
                        outcome: Err(error),
                    });
                }
            }
        }
        self.ready = ready;
        Ok(())
    }
}

fn follow_interest(poller: &Poller, slot: usize, member: &mut Member) -> io::Result<()> {
    let interest = member.exchange.interest();
    if interest != member.interest {
        member.interest = interest;
        poller.modify(member.exchange.stream(), slot as u64, interest)?;
    }
    Ok(())
}
