//! Short visitors: connect, 64 B out, 64 B back, close, and the next one: at once, or when the
//! schedule says so.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::stats::Latencies;

/// Limit of a run that ends by its count.
const COUNTED_SECONDS: f64 = 120.0;

/// When visitors may come.
struct Schedule {
    /// Visitors a second; `None` is as fast as they are served.
    rate: Option<f64>,
    /// All visitors of the run.
    count: usize,
}

impl Schedule {
    /// Visitors that may have come by then. What could not be opened in time is made up for.
    fn due(&self, elapsed: Duration) -> usize {
        self.rate.map_or(self.count, |rate| {
            self.count.min((elapsed.as_secs_f64() * rate) as usize + 1)
        })
    }

    /// When that visitor, counted from zero, is due.
    fn time_of(&self, visitor: usize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(visitor as f64 / rate)
        })
    }
}

struct Run {
    addr: SocketAddrV4,
    fleet: Fleet<Exchange>,
    schedule: Schedule,
    free: Vec<usize>,
    opened: usize,
    started: Instant,
    until: Instant,
}

impl Run {
    /// Opens what is due and has a free place.
    fn open_due(&mut self) -> io::Result<()> {
        while self.opened < self.schedule.due(self.started.elapsed())
            && let Some(slot) = self.free.pop()
        {
            let visitor = Exchange::open(self.addr, self.opened as u64)?;
            self.fleet.open(slot, visitor)?;
            self.opened += 1;
        }
        Ok(())
    }

    /// When something must be done even if no visitor finishes.
    fn next_turn(&self) -> Instant {
        if self.free.is_empty() || self.opened == self.schedule.count {
            return self.until;
        }
        self.until
            .min(self.started + self.schedule.time_of(self.opened))
    }
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let concurrency = args.count("concurrency", 1)?;
    let rate = args.optional_count("rate")?;
    let count = args.optional_count("count")?;
    let seconds = args.seconds("seconds", count.map_or(2.0, |_| COUNTED_SECONDS))?;

    let started = Instant::now();
    let mut run = Run {
        addr,
        fleet: Fleet::new(concurrency)?,
        schedule: Schedule {
            rate: rate.map(|rate| rate as f64),
            count: count.unwrap_or(usize::MAX),
        },
        free: (0..concurrency).rev().collect(),
        opened: 0,
        started,
        until: started + seconds,
    };
    let mut latencies = Latencies::with_capacity(1 << 16);
    let (mut failures, mut finished) = (0, Vec::new());
    run.open_due()?;
    while Instant::now() < run.until && latencies.len() + failures < run.schedule.count {
        let turn = run.next_turn();
        run.fleet.wait(turn, &mut finished)?;
        for done in &finished {
            match done.outcome {
                Ok(elapsed) => latencies.record(elapsed),
                Err(_) => failures += 1,
            }
            run.fleet.close(done.slot);
            run.free.push(done.slot);
            run.open_due()?;
        }
        run.open_due()?;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let visitors = latencies.len();
    let report = Report::default()
        .count("visitors", visitors as u64)
        .count("failures", failures as u64)
        .number("seconds", elapsed)
        .number("per_second", visitors as f64 / elapsed);
    Ok(latencies.report(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_visitors_and_the_count_ends_them() {
        let schedule = Schedule {
            rate: Some(1000.0),
            count: 5,
        };
        assert_eq!(schedule.due(Duration::ZERO), 1);
        assert_eq!(schedule.due(Duration::from_micros(2500)), 3);
        assert_eq!(schedule.due(Duration::from_secs(1)), 5);
        assert_eq!(schedule.time_of(3), Duration::from_millis(3));
        let unpaced = Schedule {
            rate: None,
            count: 7,
        };
        assert_eq!(unpaced.due(Duration::ZERO), 7);
    }
}
