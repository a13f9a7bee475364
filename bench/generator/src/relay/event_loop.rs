//! Accepts visitors, connects onward for each, and gives every event to the direction that waited
//! for it. Moves no byte itself.

use std::io;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use super::way::{BUFFER, Next, Way};
use crate::args::Args;
use crate::report::Report;
use crate::sys::{self, Interest, Poller};

const LISTENER: u64 = u64::MAX;
const BACKLOG: i32 = 4096;
const ACCEPTS_PER_TURN: usize = 64;

/// A visitor (side 0) and its connection onward (side 1); `ways[0]` leads onward.
struct Pair {
    sides: [TcpStream; 2],
    ways: [Way; 2],
}

impl Pair {
    /// Runs the directions that an event on this side may concern: the one that reads it and the
    /// one that writes to it. False when the pair has ended.
    fn run(&mut self, side: usize, buffer: &mut [u8]) -> bool {
        for (way, wanted) in [(side, Next::Source), (1 - side, Next::Target)] {
            if self.ways[way].next == wanted && !self.turn(way, buffer) {
                return false;
            }
        }
        true
    }

    /// False when the pair has ended; an error is passed on to both sides as RST.
    fn turn(&mut self, way: usize, buffer: &mut [u8]) -> bool {
        let [source, target] = [&self.sides[way], &self.sides[1 - way]];
        if self.ways[way].turn(source, target, buffer).is_err() {
            for side in &self.sides {
                // It is closed next; without this it ends with FIN.
                drop(sys::reset_on_close(side));
            }
            return false;
        }
        self.ways.iter().any(|way| way.next != Next::Never)
    }
}

struct Relay {
    listener: TcpListener,
    onward: SocketAddrV4,
    poller: Poller,
    pairs: Vec<Option<Pair>>,
    free: Vec<usize>,
    /// Slot and direction of turns that were cut short.
    unfinished: Vec<(usize, usize)>,
    buffer: Vec<u8>,
}

/// Serves until killed.
pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let listener = TcpListener::bind(args.addr("listen")?)?;
    let onward = args.addr("connect")?;
    args.expect_all_used()?;
    sys::deepen_backlog(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Report::default()
        .count("ready", u64::from(listener.local_addr()?.port()))
        .print();
    let poller = Poller::new()?;
    poller.add(&listener, LISTENER, Interest::Read)?;
    Relay {
        listener,
        onward,
        poller,
        pairs: Vec::new(),
        free: Vec::new(),
        unfinished: Vec::new(),
        buffer: vec![0; BUFFER],
    }
    .serve()
}

impl Relay {
    fn serve(mut self) -> io::Result<Report> {
        let mut ready = Vec::new();
        loop {
            let rest = (!self.unfinished.is_empty()).then_some(Duration::ZERO);
            self.poller.wait(rest, &mut ready)?;
            for token in &ready {
                if *token == LISTENER {
                    self.accept()?;
                } else {
                    let (slot, side) = (*token as usize / 2, *token as usize % 2);
                    self.with_pair(slot, |pair, buffer| pair.run(side, buffer));
                }
            }
            for (slot, way) in std::mem::take(&mut self.unfinished) {
                self.with_pair(slot, |pair, buffer| {
                    pair.ways[way].next != Next::Turn || pair.turn(way, buffer)
                });
            }
        }
    }

    /// Works on a pair and closes it when that says so.
    fn with_pair(&mut self, slot: usize, work: impl FnOnce(&mut Pair, &mut [u8]) -> bool) {
        let Some(pair) = self.pairs.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if !work(pair, &mut self.buffer) {
            self.pairs[slot] = None;
            self.free.push(slot);
            return;
        }
        for (way, _) in pair
            .ways
            .iter()
            .enumerate()
            .filter(|(_, way)| way.next == Next::Turn)
        {
            self.unfinished.push((slot, way));
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let Ok((visitor, _)) = self.listener.accept() else {
                break;
            };
            visitor.set_nonblocking(true)?;
            // Without the next hop there is nothing to do for this visitor.
            let Ok(onward) = sys::connect_nonblocking(self.onward) else {
                continue;
            };
            let slot = self.free.pop().unwrap_or_else(|| {
                self.pairs.push(None);
                self.pairs.len() - 1
            });
            let sides = [visitor, onward];
            for (side, stream) in sides.iter().enumerate() {
                stream.set_nodelay(true)?;
                self.poller
                    .add(stream, (slot * 2 + side) as u64, Interest::Edges)?;
            }
            self.pairs[slot] = Some(Pair {
                sides,
                ways: [Way::new(), Way::new()],
            });
        }
        Ok(())
    }
}
