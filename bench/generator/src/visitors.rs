//! Short visitors: connect, 64 B out, 64 B back, close, and the next one: at once, or when the
//! schedule says so.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::exchange::Exchange;
use crate::fleet::{Finished, Fleet};
use crate::pace::Pace;
use crate::report::Report;
use crate::stats::Latencies;
use crate::sys::precise;

/// Limit of a run that ends by its count.
const COUNTED_SECONDS: f64 = 120.0;

struct Run {
    addr: SocketAddrV4,
    fleet: Fleet<Exchange>,
    /// `None`: visitors come as fast as they are served.
    pace: Option<Pace>,
    /// All visitors of the run.
    count: usize,
    free: Vec<usize>,
    /// When the visitor in a place was due.
    asked: Vec<Option<Instant>>,
    opened: usize,
    failures: usize,
    latencies: Latencies,
    started: Instant,
    until: Instant,
}

impl Run {
    fn start(
        addr: SocketAddrV4,
        concurrency: usize,
        (pace, count): (Option<Pace>, Option<usize>),
        seconds: Duration,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let pace = pace.map(|pace| match count {
            Some(count) => pace.at_most(count),
            None => pace,
        });
        let total = pace.as_ref().map(Pace::total).or(count);
        let until = pace.as_ref().map_or(started + seconds, Pace::end);
        Ok(Self {
            addr,
            fleet: Fleet::new(concurrency)?,
            pace,
            count: total.unwrap_or(usize::MAX),
            free: (0..concurrency).rev().collect(),
            asked: vec![None; concurrency],
            opened: 0,
            failures: 0,
            latencies: Latencies::with_capacity(1 << 16),
            started,
            until,
        })
    }

    /// When the next visitor may come.
    fn next_due(&self) -> Instant {
        self.pace
            .as_ref()
            .map_or(self.started, |pace| pace.due(self.opened))
    }

    /// Opens what is due and has a free place. Paced visitors count from when they were due.
    fn open_due(&mut self) -> io::Result<()> {
        while self.opened < self.count
            && self.next_due() <= Instant::now()
            && let Some(slot) = self.free.pop()
        {
            let since = match &self.pace {
                Some(pace) => pace.due(self.opened),
                None => Instant::now(),
            };
            let visitor = Exchange::open(self.addr, self.opened as u64, since)?;
            self.fleet.open(slot, visitor)?;
            self.asked[slot] = Some(since);
            self.opened += 1;
        }
        Ok(())
    }

    fn wait(&mut self, finished: &mut Vec<Finished>) -> io::Result<()> {
        let all_busy = self.free.is_empty() || self.opened == self.count;
        let turn = if all_busy {
            self.until
        } else {
            self.until.min(self.next_due())
        };
        if self.pace.is_some() {
            self.fleet.wait_precisely(turn, finished)
        } else {
            self.fleet.wait(turn, finished)
        }
    }

    fn follow(&mut self) -> io::Result<()> {
        let mut finished = Vec::new();
        self.open_due()?;
        while Instant::now() < self.until && self.latencies.len() + self.failures < self.count {
            self.wait(&mut finished)?;
            for done in &finished {
                match done.outcome {
                    Ok(elapsed) => self.latencies.record(elapsed),
                    Err(_) => self.failures += 1,
                }
                self.fleet.close(done.slot);
                self.asked[done.slot] = None;
                self.free.push(done.slot);
                self.open_due()?;
            }
            self.open_due()?;
        }
        Ok(())
    }

    fn report(mut self) -> Report {
        let ended = Instant::now();
        let visitors = self.latencies.len();
        let mut report = Report::default()
            .count("visitors", visitors as u64)
            .count("failures", self.failures as u64);
        let mut elapsed = (ended - self.started).as_secs_f64();
        if let Some(pace) = &self.pace {
            elapsed = pace.seconds(ended);
            let unsent = (self.opened..self.count).map(|index| pace.due(index));
            let late: Vec<_> = self.asked.iter().flatten().copied().chain(unsent).collect();
            for due in &late {
                Pace::record_unanswered(&mut self.latencies, *due, ended);
            }
            report = report.count("late", late.len() as u64);
        }
        let report = report
            .number("seconds", elapsed)
            .number("per_second", visitors as f64 / elapsed);
        self.latencies.report(report)
    }
}

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let concurrency = args.count("concurrency", 1)?;
    let rate = args.optional_count("rate")?;
    let count = args.optional_count("count")?;
    let seconds = args.seconds("seconds", count.map_or(2.0, |_| COUNTED_SECONDS))?;

    if rate.is_some() {
        precise::wake_on_time()?;
    }
    let pace = rate.map(|rate| Pace::start(rate, seconds));
    let mut run = Run::start(addr, concurrency, (pace, count), seconds)?;
    run.follow()?;
    Ok(run.report())
}
