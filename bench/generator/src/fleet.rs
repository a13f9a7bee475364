//! Many visitors in one thread: slots of connections over one epoll. What is said on them is the
//! connection's, and what to do when one finishes is the caller's.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::sys::{Interest, Poller};

/// A connection that goes there and back again and again, without blocking.
pub(crate) trait RoundTrips {
    fn stream(&self) -> &TcpStream;

    fn interest(&self) -> Interest;

    /// Starts the next round trip, whose time counts from then on.
    fn again(&mut self, since: Instant);

    /// Does what is possible now. `Some` is the time of a completed round trip.
    ///
    /// # Errors
    /// The connection's error, its early end, or another answer than the right one. An idle
    /// connection that has an event has ended: the sink never speaks first.
    fn advance(&mut self) -> io::Result<Option<Duration>>;
}

/// A round trip done, or how the connection failed.
pub(crate) struct Finished {
    pub(crate) slot: usize,
    pub(crate) outcome: io::Result<Duration>,
}

struct Member<T> {
    trips: T,
    interest: Interest,
}

pub(crate) struct Fleet<T> {
    poller: Poller,
    members: Vec<Option<Member<T>>>,
    ready: Vec<u64>,
}

impl<T: RoundTrips> Fleet<T> {
    pub(crate) fn new(slots: usize) -> io::Result<Self> {
        let members = std::iter::repeat_with(|| None).take(slots).collect();
        Ok(Self {
            poller: Poller::new()?,
            members,
            ready: Vec::new(),
        })
    }

    /// Takes a connection into that slot; its first request is sent as soon as it can be.
    pub(crate) fn open(&mut self, slot: usize, mut trips: T) -> io::Result<()> {
        // On loopback the handshake is over already, so this usually sends.
        trips.advance()?;
        let interest = trips.interest();
        self.poller.add(trips.stream(), slot as u64, interest)?;
        self.members[slot] = Some(Member { trips, interest });
        Ok(())
    }

    /// Sends the next request on the slot's connection; false when that has ended.
    pub(crate) fn again(&mut self, slot: usize, since: Instant) -> io::Result<bool> {
        let Some(member) = self.members[slot].as_mut() else {
            return Ok(false);
        };
        member.trips.again(since);
        member.trips.advance()?;
        follow_interest(&self.poller, slot, member)?;
        Ok(true)
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
        let rest = until.saturating_duration_since(Instant::now());
        self.poller.wait(Some(rest), &mut self.ready)?;
        self.advance_ready(finished)
    }

    /// The same, but a wait for the clock ends when it should and not up to a millisecond later.
    pub(crate) fn wait_precisely(
        &mut self,
        until: Instant,
        finished: &mut Vec<Finished>,
    ) -> io::Result<()> {
        let rest = until.saturating_duration_since(Instant::now());
        self.poller.wait_precisely(rest, &mut self.ready)?;
        self.advance_ready(finished)
    }

    fn advance_ready(&mut self, finished: &mut Vec<Finished>) -> io::Result<()> {
        finished.clear();
        for token in &self.ready {
            let slot = *token as usize;
            let Some(member) = self.members[slot].as_mut() else {
                continue;
            };
            match member.trips.advance() {
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
        Ok(())
    }
}

fn follow_interest<T: RoundTrips>(
    poller: &Poller,
    slot: usize,
    member: &mut Member<T>,
) -> io::Result<()> {
    let interest = member.trips.interest();
    if interest != member.interest {
        member.interest = interest;
        poller.modify(member.trips.stream(), slot as u64, interest)?;
    }
    Ok(())
}
