//! Sends each request when it is due, or as soon after as a connection is free, and accounts for
//! all of them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::Call;
use crate::args::Args;
use crate::fleet::{Finished, Fleet};
use crate::pace::Pace;
use crate::report::Report;
use crate::stats::Latencies;
use crate::sys::precise;

/// Fresh connections that come one after another before the clock starts; those that stay all do.
const WARM_UPS: usize = 32;
const WARM_UP_LIMIT: Duration = Duration::from_secs(10);
const MOST_RESERVED: usize = 1 << 20;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let rate = args.count("rate", 1000)?;
    let seconds = args.seconds("seconds", 2.0)?;
    let connections = args.count("connections", 32)?;
    let is_kept = args.choice("mode", ["keepalive", "close"])? == "keepalive";

    precise::wake_on_time()?;
    let mut callers = Callers::new(addr, connections, is_kept)?;
    let warm_ups = if is_kept {
        connections
    } else {
        connections.min(WARM_UPS)
    };
    callers.warm_up(warm_ups)?;
    let pace = Pace::start(rate, seconds);
    let (outcome, ended) = callers.follow(&pace)?;
    let elapsed = pace.seconds(ended);
    let report = Report::default()
        .count("requests", outcome.answered as u64)
        .count("failures", outcome.failures as u64)
        .count("late", outcome.late as u64)
        .count("warm_ups", warm_ups as u64)
        .number("seconds", elapsed)
        .number("per_second", outcome.answered as f64 / elapsed);
    Ok(outcome.latencies.report_with_curve(report))
}

/// What has become of the requests. Each that was due has a latency: those answered the time from
/// when they were due to the last byte; those that failed, were still open or had not even been
/// sent at the end the time that they had been due for by then.
struct Outcome {
    latencies: Latencies,
    answered: usize,
    /// Requests that failed, and connections that ended between two requests: the sink ends none.
    failures: usize,
    /// Requests without an answer at the end, sent or not.
    late: usize,
}

struct Callers {
    addr: SocketAddrV4,
    request: Arc<[u8]>,
    is_kept: bool,
    fleet: Fleet<Call>,
    /// Places without a request, the one that has rested longest first.
    free: VecDeque<usize>,
    /// When the request that is under way in a place was due.
    asked: Vec<Option<Instant>>,
    /// When the requests that failed were due.
    failed: Vec<Instant>,
    failures: usize,
}

impl Callers {
    fn new(addr: SocketAddrV4, connections: usize, is_kept: bool) -> io::Result<Self> {
        let close = if is_kept { "" } else { "Connection: close\r\n" };
        let request = format!("GET / HTTP/1.1\r\nHost: {addr}\r\n{close}\r\n");
        Ok(Self {
            addr,
            request: request.into_bytes().into(),
            is_kept,
            fleet: Fleet::new(connections)?,
            free: (0..connections).collect(),
            asked: vec![None; connections],
            failed: Vec::new(),
            failures: 0,
        })
    }

    /// One request on each of so many places, one after another: connections that stay are open
    /// then, and nothing measured pays for what only the first requests need.
    fn warm_up(&mut self, places: usize) -> io::Result<()> {
        let mut finished = Vec::new();
        let deadline = Instant::now() + WARM_UP_LIMIT;
        for place in 0..places {
            self.send(place, Instant::now())?;
            while finished.is_empty() {
                self.fleet.wait_precisely(deadline, &mut finished)?;
                if Instant::now() >= deadline {
                    let message = "the first requests were not answered within 10 s";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
            }
            for Finished { slot, outcome } in finished.drain(..) {
                outcome?;
                self.leave(slot);
            }
        }
        Ok(())
    }

    /// Follows the schedule until all is answered or given up, and says when that was.
    fn follow(mut self, pace: &Pace) -> io::Result<(Outcome, Instant)> {
        let mut latencies = Latencies::with_capacity(pace.total().min(MOST_RESERVED));
        let (mut next, mut finished) = (0, Vec::new());
        let ended = loop {
            let now = Instant::now();
            while next < pace.total()
                && pace.due(next) <= now
                && let Some(place) = self.free.pop_front()
            {
                self.ask(place, pace.due(next));
                next += 1;
            }
            let is_over = next == pace.total() && self.free.len() == self.asked.len();
            if is_over || now >= pace.end() {
                break now;
            }
            let can_send = next < pace.total() && !self.free.is_empty();
            let until = if can_send { pace.due(next) } else { pace.end() };
            self.fleet.wait_precisely(until, &mut finished)?;
            for done in finished.drain(..) {
                self.finish(done, &mut latencies);
            }
        };
        Ok((self.account(pace, next, latencies, ended), ended))
    }

    /// Of what was due, `next` and those behind it have not even been sent.
    fn account(
        &self,
        pace: &Pace,
        next: usize,
        mut latencies: Latencies,
        ended: Instant,
    ) -> Outcome {
        let answered = latencies.len();
        let unsent = (next..pace.total()).map(|index| pace.due(index));
        let late: Vec<_> = self.asked.iter().flatten().copied().chain(unsent).collect();
        for due in late.iter().chain(&self.failed) {
            Pace::record_unanswered(&mut latencies, *due, ended);
        }
        Outcome {
            latencies,
            answered,
            failures: self.failures,
            late: late.len(),
        }
    }

    fn ask(&mut self, place: usize, due: Instant) {
        match self.send(place, due) {
            Ok(()) => self.asked[place] = Some(due),
            Err(error) => {
                self.fleet.close(place);
                self.free.push_back(place);
                self.failed.push(due);
                self.fail(&error);
            }
        }
    }

    fn send(&mut self, place: usize, due: Instant) -> io::Result<()> {
        if self.fleet.again(place, due)? {
            return Ok(());
        }
        let call = Call::open(self.addr, Arc::clone(&self.request), due)?;
        self.fleet.open(place, call)
    }

    fn finish(&mut self, Finished { slot, outcome }: Finished, latencies: &mut Latencies) {
        let asked = self.asked[slot].take();
        match outcome {
            Ok(elapsed) => latencies.record(elapsed),
            Err(error) => {
                self.failed.extend(asked);
                self.fail(&error);
            }
        }
        if asked.is_some() {
            self.leave(slot);
            self.free.push_back(slot);
        }
    }

    /// A connection that does not stay has done its part.
    fn leave(&mut self, place: usize) {
        if !self.is_kept {
            self.fleet.close(place);
        }
    }

    /// The first is told; the rest is usually the same.
    fn fail(&mut self, error: &io::Error) {
        if self.failures == 0 {
            eprintln!("warren-load http: {error}");
        }
        self.failures += 1;
    }
}
