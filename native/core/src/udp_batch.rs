//! Datagrams of one read of a data channel on their way out: sorted by destination, the order of
//! each kept, and equal ones joined into runs that the system cuts up again (data-plane section 7).

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use crate::sys::{Piece, RUN_BYTES, RUN_DATAGRAMS, Run, Sender, is_about_segments};
use crate::udp_socket::{UdpLink, is_of_earlier};

/// Datagrams that are sorted together.
const PIECES_MAX: usize = 1_024;
const NONE: u32 = u32::MAX;

thread_local! {
    /// Of this thread, whichever batch had it: marks outlive the batch that made them.
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

/// Where a visitor or session finds its destination in the batch; outdated ones are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    batch: u64,
    group: u32,
}

impl Mark {
    pub(crate) fn group(self) -> u32 {
        self.group
    }
}

pub(crate) struct Destination {
    /// For the caller.
    pub(crate) owner: usize,
    /// `None`: where the socket is connected to.
    pub(crate) to: Option<SocketAddr>,
    /// The longest datagram that runs are cut into on this way.
    pub(crate) segment_max: u16,
    /// Of datagrams that were sent.
    pub(crate) bytes: u64,
    first: u32,
    last: u32,
}

#[derive(Default)]
pub(crate) struct Batch {
    id: u64,
    /// In the order in which they came, each with the next one of its destination.
    pieces: Vec<(Piece, u32)>,
    destinations: Vec<Destination>,
    /// Of all pieces.
    bytes: u64,
    /// In the order in which they are sent.
    order: Vec<Piece>,
    runs: Vec<Run>,
    /// The first run that was not sent, for want of room in the socket.
    unsent: usize,
    sender: Sender,
}

impl Batch {
    pub(crate) fn begin(&mut self) {
        self.id = LAST_ID.get() + 1;
        LAST_ID.set(self.id);
        self.pieces.clear();
        self.destinations.clear();
        self.bytes = 0;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.pieces.len() >= PIECES_MAX
    }

    /// The destination that the mark stands for, if it has one in this batch.
    pub(crate) fn group_of(&self, mark: Mark) -> Option<u32> {
        (mark.batch == self.id).then_some(mark.group)
    }

    pub(crate) fn add_destination(
        &mut self,
        owner: usize,
        to: Option<SocketAddr>,
        segment_max: u16,
    ) -> Mark {
        // There are no more of them than pieces.
        let group = self.destinations.len() as u32;
        self.destinations.push(Destination {
            owner,
            to,
            segment_max,
            bytes: 0,
            first: NONE,
            last: NONE,
        });
        Mark {
            batch: self.id,
            group,
        }
    }

    /// A datagram at that place of the bytes that are sent from, which are less than 4 GiB.
    pub(crate) fn add(&mut self, group: u32, payload: &Range<usize>) {
        let index = self.pieces.len() as u32;
        let piece = Piece {
            start: payload.start as u32,
            length: payload.len() as u32,
        };
        self.pieces.push((piece, NONE));
        self.bytes += payload.len() as u64;
        let destination = &mut self.destinations[group as usize];
        match self.pieces.get_mut(destination.last as usize) {
            Some(last) => last.1 = index,
            None => destination.first = index,
        }
        destination.last = index;
    }

    /// Of all payloads together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the mark is that of the destination with this number.
    pub(crate) fn is_of(&self, mark: Mark, group: usize) -> bool {
        self.group_of(mark).is_some_and(|it| it as usize == group)
    }

    pub(crate) fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// As `send` to a socket without room.
    pub(crate) fn hold(&mut self, groups: Range<usize>) {
        self.plan(groups);
        self.unsent = 0;
    }

    /// Sends the datagrams of those destinations. Returns how many were lost; those that found no
    /// room in the socket are not: `unsent` has them.
    pub(crate) fn send(&mut self, link: &UdpLink, bytes: &[u8], groups: Range<usize>) -> u64 {
        self.plan(groups);
        let mut lost = 0;
        let mut at = 0;
        let mut retried = false;
        while at < self.runs.len() {
            let Self {
                sender,
                order,
                runs,
                destinations,
                ..
            } = self;
            let to = |run: &Run| destinations[run.group as usize].to;
            match sender.send(link.socket(), bytes, order, &runs[at..], to) {
                Ok(sent) => {
                    for run in &runs[at..at + sent] {
                        let sent = &order[run.first as usize..][..run.count as usize];
                        let length: u64 = sent.iter().map(|piece| u64::from(piece.length)).sum();
                        destinations[run.group as usize].bytes += length;
                    }
                    at += sent;
                    retried = false;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_of_earlier(&error) && !retried => retried = true,
                Err(error) if runs[at].segment > 0 && is_about_segments(&error) => self.split(at),
                Err(_) => {
                    lost += u64::from(runs[at].count);
                    at += 1;
                    retried = false;
                }
            }
        }
        self.unsent = at;
        lost
    }

    /// What found no room: where each goes, and its place.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = (&Destination, Range<usize>)> {
        self.runs[self.unsent..].iter().flat_map(|run| {
            let pieces = &self.order[run.first as usize..][..run.count as usize];
            pieces.iter().map(|piece| {
                let start = piece.start as usize;
                let place = start..start + piece.length as usize;
                (&self.destinations[run.group as usize], place)
            })
        })
    }

    /// Joins consecutive datagrams of one destination: equal ones, and a shorter one at the end.
    fn plan(&mut self, groups: Range<usize>) {
        self.order.clear();
        self.runs.clear();
        for group in groups {
            let segment_max = u32::from(self.destinations[group].segment_max);
            let mut next = self.destinations[group].first;
            let mut open: Option<(Run, u32)> = None;
            while let Some(&(piece, after)) = self.pieces.get(next as usize) {
                next = after;
                let first = self.order.len() as u32;
                self.order.push(piece);
                let segment = u32::from(open.as_ref().map_or(0, |(run, _)| run.segment));
                if let Some((run, length)) = &mut open
                    && (1..=segment).contains(&piece.length)
                    && (run.count as usize) < RUN_DATAGRAMS
                    && (*length + piece.length) as usize <= RUN_BYTES
                {
                    run.count += 1;
                    *length += piece.length;
                    if piece.length < segment {
                        self.runs.extend(open.take().map(|(run, _)| run));
                    }
                    continue;
                }
                self.runs.extend(open.take().map(|(run, _)| run));
                // A payload is shorter than a frame's 16 bits can say.
                let segment = if piece.length <= segment_max {
                    piece.length as u16
                } else {
                    0
                };
                let run = Run {
                    first,
                    count: 1,
                    segment,
                    group: group as u32,
                };
                open = Some((run, piece.length));
            }
            self.runs.extend(open.take().map(|(run, _)| run));
        }
        for run in &mut self.runs {
            if run.count == 1 {
                run.segment = 0;
            }
        }
    }

    /// The system does not cut datagrams of this length on this way (a device, a smaller MTU): they
    /// go one by one, now and from now on.
    fn split(&mut self, at: usize) {
        let run = self.runs[at];
        let destination = &mut self.destinations[run.group as usize];
        destination.segment_max = destination.segment_max.min(run.segment.saturating_sub(1));
        let singles = (run.first..run.first + run.count).map(|first| Run {
            first,
            count: 1,
            segment: 0,
            ..run
        });
        self.runs.splice(at..=at, singles);
    }
}
