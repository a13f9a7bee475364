//! Percentiles of latencies by the nearest-rank method.

use std::time::Duration;

use crate::report::Report;

/// Latencies of one run, kept whole: a run has at most a few hundred thousand.
#[derive(Default)]
pub(crate) struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self {
            nanos: Vec::with_capacity(count),
        }
    }

    pub(crate) fn record(&mut self, elapsed: Duration) {
        self.nanos
            .push(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.nanos.len()
    }

    /// Adds `p50_us`, `p90_us`, `p99_us` and `max_us`; nothing when nothing was recorded.
    pub(crate) fn report(mut self, report: Report) -> Report {
        self.nanos.sort_unstable();
        [
            ("p50_us", 50.0),
            ("p90_us", 90.0),
            ("p99_us", 99.0),
            ("max_us", 100.0),
        ]
        .into_iter()
        .fold(report, |report, (name, rank)| {
            match percentile(&self.nanos, rank) {
                Some(nanos) => report.number(name, nanos as f64 / 1e3),
                None => report,
            }
        })
    }
}

/// The smallest value that at least `rank` percent of the sorted values do not exceed.
fn percentile(sorted: &[u64], rank: f64) -> Option<u64> {
    let position = (rank / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(position.max(1) - 1).or(sorted.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50.0), Some(50));
        assert_eq!(percentile(&hundred, 99.0), Some(99));
        assert_eq!(percentile(&hundred, 100.0), Some(100));
        assert_eq!(percentile(&hundred, 0.0), Some(1));
        assert_eq!(percentile(&[7], 99.0), Some(7));
        assert_eq!(percentile(&[1, 2, 3], 50.0), Some(2));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn reports_sorted_microseconds() {
        let mut latencies = Latencies::default();
        for micros in [30, 10, 20] {
            latencies.record(Duration::from_micros(micros));
        }
        let line = latencies.report(Report::default()).line();
        assert_eq!(line, r#"{"p50_us":20,"p90_us":30,"p99_us":30,"max_us":30}"#);
    }
}
