//! Frames from the channels of a udp service out to its visitors.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use crate::udp_batch::Batch;
use crate::udp_buffers::with_batch;
use crate::udp_frame::{Malformed, PAYLOAD_MAX, VisitorKey, decode_all};
use crate::udp_front::UdpFront;
use crate::udp_socket::UdpLink;

impl UdpFront {
    /// Sends what the frames carry. Returns how many bytes were whole frames.
    pub(crate) fn deliver(&self, bytes: &[u8]) -> Result<usize, Malformed> {
        with_batch(|batch| {
            batch.begin();
            let result = decode_all(bytes, |key, payload| {
                if batch.is_full() {
                    self.send(batch, bytes);
                    batch.begin();
                }
                if !self.sort(batch, key, payload) {
                    self.dropped(1);
                }
            });
            self.send(batch, bytes);
            result
        })
    }

    /// False: it is for nobody.
    fn sort(&self, batch: &mut Batch, key: &VisitorKey, payload: Range<usize>) -> bool {
        let now = self.shard().now();
        let visitors = &mut *self.visitors.borrow_mut();
        let Some(index) = visitors.of_key(key, now) else {
            return false;
        };
        let Some(visitor) = visitors.get(index).filter(|_| payload.len() <= PAYLOAD_MAX) else {
            return false;
        };
        let group = batch.group_of(visitor.mark).unwrap_or_else(|| {
            let to = Some(visitor.address);
            visitor.mark = batch.add_destination(index, to, visitor.segment_max);
            visitor.mark.group()
        });
        batch.add(group, &payload);
        true
    }

    fn send(&self, batch: &mut Batch, bytes: &[u8]) {
        let all = 0..batch.destinations().len();
        if all.is_empty() {
            return;
        }
        let socket = self.socket.borrow().clone();
        // What waits goes first.
        let has_unsent = !self.unsent.borrow().is_empty();
        // Counted beforehand: who has got a datagram must find it counted.
        let counter = &self.line.facts.counters.bytes_out;
        counter.fetch_add(batch.bytes(), Relaxed);
        let mut lost = 0;
        match socket {
            Some(link) if !has_unsent => lost = batch.send(&link, bytes, all),
            _ => batch.hold(all),
        }
        lost += self.keep_unsent(batch, bytes);
        let visitors = &mut *self.visitors.borrow_mut();
        let mut sent = 0;
        for (group, destination) in batch.destinations().iter().enumerate() {
            sent += destination.bytes;
            // Another visitor may have its place by now.
            let visitor = visitors.get(destination.owner);
            if let Some(visitor) = visitor.filter(|it| batch.is_of(it.mark, group)) {
                visitor.bytes_out += destination.bytes;
                visitor.segment_max = destination.segment_max;
            }
        }
        counter.fetch_sub(batch.bytes() - sent, Relaxed);
        self.dropped(lost);
    }

    /// What the socket had no room for waits, as far as it may. Returns how many were lost.
    fn keep_unsent(&self, batch: &Batch, bytes: &[u8]) -> u64 {
        let is_bound = self.socket.borrow().is_some();
        let unsent = &mut *self.unsent.borrow_mut();
        let visitors = &mut *self.visitors.borrow_mut();
        let mut lost = 0;
        for (destination, place) in batch.unsent() {
            let payload = &bytes[place];
            let to = destination.to.filter(|_| is_bound);
            if to.is_none_or(|to| !unsent.push(to, payload)) {
                lost += 1;
            } else if let Some(visitor) = visitors.get(destination.owner) {
                visitor.bytes_out += payload.len() as u64;
            }
        }
        if !unsent.is_empty() {
            self.shard().tasks.wake(self.receiver.get());
        }
        lost
    }

    /// Sends what waits for room. False: some of it still does.
    pub(crate) fn send_unsent(&self, link: &UdpLink) -> bool {
        let unsent = &mut *self.unsent.borrow_mut();
        let counter = &self.line.facts.counters.bytes_out;
        while let Some((to, payload)) = unsent.first() {
            let bytes = payload.len() as u64;
            counter.fetch_add(bytes, Relaxed);
            if let Err(error) = link.send(payload, Some(*to)) {
                counter.fetch_sub(bytes, Relaxed);
                if error.kind() == io::ErrorKind::WouldBlock {
                    return false;
                }
                self.dropped(1);
            }
            unsent.drop_first();
        }
        true
    }
}
