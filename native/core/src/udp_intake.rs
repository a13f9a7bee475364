//! Datagrams from visitors into the channels of a udp service.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::sys;
use crate::udp_buffers::with_receiver;
use crate::udp_channel::UdpChannel;
use crate::udp_frame::{PAYLOAD_MAX, VisitorKey};
use crate::udp_front::{Again, UdpFront};
use crate::udp_socket::{UdpLink, is_of_earlier};
use crate::udp_visitors::Visitor;

/// Batches, and their bytes, before other tasks have their turn.
const BATCHES_PER_TURN: usize = 4;
const BYTES_PER_TURN: usize = 1_048_576;
/// Before a socket that had no room, or whose calls fail, is tried again.
const PAUSE: Duration = Duration::from_millis(1);

enum Next {
    /// There is more to receive.
    Yield,
    Park(Option<Instant>),
}

impl UdpFront {
    /// Runs the task that has the socket's datagrams, until the socket is closed.
    pub(crate) fn receive_from(self: &Rc<Self>, link: &Rc<UdpLink>) {
        let (weak, socket) = (Rc::downgrade(self), Rc::downgrade(link));
        let shard = Rc::clone(self.shard());
        let again = {
            let socket = socket.clone();
            Again(weak.clone(), move |front: &Rc<Self>| {
                if let Some(link) = socket.upgrade() {
                    front.receive_from(&link);
                }
            })
        };
        let task = self.shard().spawn("visitor datagrams", async move {
            let _again = again;
            while let Some((front, link)) = weak.upgrade().zip(socket.upgrade()) {
                let next = front.receiver_turn(&link);
                drop((front, link));
                let parked = match next {
                    Next::Yield => shard.tasks.yield_now().await,
                    Next::Park(until) => shard.park(until).await,
                };
                if parked.is_err() {
                    return;
                }
            }
        });
        self.receiver.set(task);
        link.watch_by(task);
    }

    fn receiver_turn(&self, link: &UdpLink) -> Next {
        let has_unsent = !self.send_unsent(link);
        let pause = || self.shard().now().checked_add(PAUSE);
        let mut next = Next::Yield;
        let mut bytes = 0;
        for _ in 0..BATCHES_PER_TURN {
            match self.receive(link, &mut bytes) {
                Ok(true) if bytes >= BYTES_PER_TURN => break,
                Ok(true) => {}
                Ok(false) => {
                    next = Next::Park(None);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    next = Next::Park(None);
                    break;
                }
                // Windows tells that a visitor is gone; what others sent comes behind it.
                Err(error) if is_of_earlier(&error) => {}
                // It is about one datagram; one that stays must not keep the thread busy.
                Err(_) => {
                    self.dropped(1);
                    next = Next::Park(pause());
                    break;
                }
            }
        }
        for channel in &*self.channels.borrow() {
            channel.flush();
        }
        match next {
            Next::Park(None) if has_unsent => Next::Park(pause()),
            next => next,
        }
    }

    /// One batch, whose length is added. True: there may be more.
    fn receive(&self, link: &UdpLink, bytes: &mut usize) -> io::Result<bool> {
        if !link.is_readable() {
            return Ok(false);
        }
        with_receiver(self.shard(), |receiver| {
            let more = link.receive(receiver)?;
            let now = self.shard().now();
            let segment_max = sys::segment_max(link.socket());
            let channels = self.channels.borrow();
            let visitors = &mut *self.visitors.borrow_mut();
            let was_empty = visitors.is_empty();
            let mut tally = Tally::default();
            for message in receiver.messages() {
                // Port 0 is legal for a sender, and nobody can answer it.
                let from = message.from.filter(|from| from.port() != 0);
                for payload in message.datagrams() {
                    *bytes += payload.len();
                    let visitor = from.and_then(|from| {
                        let key = VisitorKey::from(from);
                        let visitor = visitors.of_sender(&key, from, segment_max, now)?;
                        Some((key, visitor))
                    });
                    match visitor {
                        Some((key, visitor)) => {
                            self.to_channel(&channels, visitor, &key, payload, &mut tally);
                        }
                        None => tally.dropped += 1,
                    }
                }
            }
            self.count(&tally);
            if was_empty {
                // It ends visitors that are idle.
                self.wake_keeper();
            }
            Ok(more)
        })
    }

    /// Into the visitor's channel, or to wait for the first one.
    fn to_channel(
        &self,
        channels: &[Rc<UdpChannel>],
        visitor: &mut Visitor,
        key: &VisitorKey,
        payload: &[u8],
        tally: &mut Tally,
    ) {
        let Some(channel) = channel_of(channels, visitor, key) else {
            if !self.pending.borrow_mut().push(*key, payload) {
                tally.dropped += 1;
            }
            return;
        };
        visitor.channel = channel.id;
        let fits = payload.len() <= PAYLOAD_MAX;
        if fits && channel.send(key, payload, &mut visitor.share) {
            visitor.bytes_in += payload.len() as u64;
            tally.bytes_in += payload.len() as u64;
        } else {
            tally.dropped += 1;
        }
    }

    /// What waited for a channel goes into those that are there now.
    pub(crate) fn send_pending(&self) {
        let pending = self.pending.borrow_mut().take();
        if pending.is_empty() {
            return;
        }
        let now = self.shard().now();
        let channels = self.channels.borrow();
        let visitors = &mut *self.visitors.borrow_mut();
        let mut tally = Tally::default();
        for (key, payload) in pending {
            let index = visitors.of_key(&key, now);
            match index.and_then(|index| visitors.get(index)) {
                Some(visitor) => {
                    self.to_channel(&channels, visitor, &key, &payload, &mut tally);
                }
                None => tally.dropped += 1,
            }
        }
        self.count(&tally);
    }

    fn count(&self, tally: &Tally) {
        let counters = &self.line.facts.counters;
        counters.bytes_in.fetch_add(tally.bytes_in, Relaxed);
        self.dropped(tally.dropped);
    }
}

/// Counted once per batch.
#[derive(Default)]
struct Tally {
    bytes_in: u64,
    dropped: u64,
}

/// The visitor's channel while it lives; new ones are spread by their address.
fn channel_of<'a>(
    channels: &'a [Rc<UdpChannel>],
    visitor: &Visitor,
    key: &VisitorKey,
) -> Option<&'a Rc<UdpChannel>> {
    let own = channels
        .iter()
        .find(|channel| channel.id == visitor.channel);
    own.or_else(|| {
        let index = (key.spread() as usize).checked_rem(channels.len())?;
        channels.get(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use crate::udp_scene::{LOOPBACK, dropped, facts, front, until};

    #[test]
    fn a_visitor_that_is_gone_holds_up_no_other() {
        run(|shard| async move {
            let facts = facts(1);
            let (front, _) = front(&shard, &facts);
            let gone = std::net::UdpSocket::bind(LOOPBACK).expect("a free port");
            let address = gone.local_addr().expect("bound");
            drop(gone);
            // Here only a connected socket is told.
            let link = UdpLink::connect(&shard, address).expect("loopback");
            link.send(b"x", None).expect("loopback");
            until(&shard, "the answer", || link.is_readable()).await;
            let next = front.receiver_turn(&link);
            assert!(matches!(next, Next::Park(None)));
            assert_eq!(dropped(&facts), 0);
        });
    }
}
