//! A fixed schedule: everything has its time, whether or not what was due before it is done. What
//! comes too late counts from when it was due, so a stall is seen by all that it has held up
//! (without that, "coordinated omission": a loader that waits for a slow answer asks less while
//! everything is slow).

use std::time::{Duration, Instant};

use crate::stats::Latencies;

/// How long a run waits for the rest when all has been due.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) struct Pace {
    rate: f64,
    total: usize,
    started: Instant,
    over: Instant,
}

impl Pace {
    /// Starts now; all of it is due within that time.
    pub(crate) fn start(rate: usize, seconds: Duration) -> Self {
        let started = Instant::now();
        let rate = rate as f64;
        Self {
            rate,
            total: ((seconds.as_secs_f64() * rate) as usize).max(1),
            started,
            over: started + seconds,
        }
    }

    /// The same, but it ends behind so many.
    pub(crate) fn at_most(mut self, count: usize) -> Self {
        if count < self.total {
            self.total = count;
            self.over = self.due(count);
        }
        self
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// When that one, counted from zero, is due.
    pub(crate) fn due(&self, index: usize) -> Instant {
        self.started + Duration::from_secs_f64(index as f64 / self.rate)
    }

    /// When the rest is given up.
    pub(crate) fn end(&self) -> Instant {
        self.over + DRAIN
    }

    /// How long the schedule took; more than it should when it could not be followed.
    pub(crate) fn seconds(&self, ended: Instant) -> f64 {
        (self.over.max(ended) - self.started).as_secs_f64()
    }

    /// Counts one that was due then and had no answer until now: it has waited at least so long.
    /// Left out, it would make the others look good.
    pub(crate) fn record_unanswered(latencies: &mut Latencies, due: Instant, now: Instant) {
        latencies.record(now.saturating_duration_since(due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_time() {
        let pace = Pace::start(500, Duration::from_millis(100));
        assert_eq!(pace.total(), 50);
        assert_eq!(pace.due(49) - pace.due(0), Duration::from_millis(98));
        assert_eq!(pace.end() - pace.due(0), Duration::from_millis(2100));
        assert_eq!(Pace::start(1, Duration::from_millis(10)).total(), 1);
        let few = pace.at_most(7);
        assert_eq!(few.total(), 7);
        assert_eq!(few.end() - few.due(0), Duration::from_millis(2014));
    }

    #[test]
    fn a_run_that_cannot_follow_takes_longer() {
        let pace = Pace::start(500, Duration::from_millis(100));
        assert_eq!(pace.seconds(pace.due(49)), 0.1);
        assert_eq!(pace.seconds(pace.end()), 2.1);
    }
}
