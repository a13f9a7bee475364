//! A long way between two network namespaces: a device in the one that it is started in, another in
//! a new one, which is this process's own (`/proc/PID/ns/net`), and every packet takes a fixed time
//! from one to the other. What netem does, for kernels without it: connecting waits for a round
//! trip, and each connection has its window and its losses. Ends with its standard input, and both
//! devices with it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::report::Report;
use crate::sys::precise::readable;
use crate::sys::tun::{self, Tun};

/// Where the bench's servers and visitors are, and where its clients and their service are.
const NEAR: &std::ffi::CStr = c"delay-near";
const FAR: &std::ffi::CStr = c"delay-far";
const MOST_BYTES: usize = 65_536;
/// Packets of one turn in one direction: what is due meanwhile must not wait.
const PACKETS_PER_TURN: usize = 64;

/// Packets on their way in one direction; the delay is the same for all, so they keep their order.
struct Way {
    delay: Duration,
    limit: usize,
    packets: VecDeque<(Instant, Box<[u8]>)>,
    lost: u64,
}

impl Way {
    fn new(delay: Duration, limit: usize) -> Self {
        Self {
            delay,
            limit,
            packets: VecDeque::new(),
            lost: 0,
        }
    }

    fn enter(&mut self, packet: &[u8], now: Instant) {
        if self.packets.len() < self.limit {
            self.packets.push_back((now + self.delay, packet.into()));
        } else {
            self.lost += 1;
        }
    }

    /// The next one that has arrived.
    fn leave(&mut self, now: Instant) -> Option<Box<[u8]>> {
        if self.due()? > now {
            return None;
        }
        self.packets.pop_front().map(|(_, packet)| packet)
    }

    fn due(&self) -> Option<Instant> {
        self.packets.front().map(|(due, _)| *due)
    }

    /// Takes in what the device has, and hands out what has arrived at the other one.
    fn turn(&mut self, from: &Tun, to: &Tun, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..PACKETS_PER_TURN {
            match from.read(buffer) {
                Ok(count) => self.enter(&buffer[..count], Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let now = Instant::now();
        while let Some(packet) = self.leave(now) {
            // A device that is not up yet, or no more, takes nothing.
            if to.write(&packet).is_err() {
                self.lost += 1;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let delay = Duration::from_millis(args.count("ms", 10)? as u64);
    let limit = args.count("limit", 100_000)?;
    args.expect_all_used()?;
    let near = Tun::new(NEAR)?;
    tun::leave_network()?;
    let far = Tun::new(FAR)?;
    Report::default().count("ready", 1).print();

    let stdin = io::stdin();
    let mut out = Way::new(delay, limit);
    let mut back = Way::new(delay, limit);
    let mut buffer = vec![0; MOST_BYTES];
    loop {
        let due = out.due().into_iter().chain(back.due()).min();
        let rest = due.map(|due| due.saturating_duration_since(Instant::now()));
        let [_, _, ended] = readable([near.as_fd(), far.as_fd(), stdin.as_fd()], rest)?;
        if ended {
            return Ok(Report::default().count("lost", out.lost + back.lost));
        }
        out.turn(&near, &far, &mut buffer)?;
        back.turn(&far, &near, &mut buffer)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_takes_the_delay_and_keeps_its_place() {
        let (delay, start) = (Duration::from_millis(10), Instant::now());
        let mut way = Way::new(delay, 2);
        way.enter(b"one", start);
        way.enter(b"two", start + Duration::from_millis(3));
        way.enter(b"too many", start + Duration::from_millis(4));
        assert_eq!(way.lost, 1);
        assert_eq!(way.due(), Some(start + delay));
        assert_eq!(way.leave(start + Duration::from_millis(9)), None);
        assert_eq!(way.leave(start + delay).as_deref(), Some(&b"one"[..]));
        assert_eq!(way.leave(start + delay), None);
        assert_eq!(way.due(), Some(start + Duration::from_millis(13)));
        assert_eq!(
            way.leave(start + Duration::from_millis(20)).as_deref(),
            Some(&b"two"[..])
        );
    }
}
