//! Percentiles of latencies by the nearest-rank method.

use std::time::Duration;

use crate::report::Report;

const MAIN: [(&str, f64); 5] = [
    ("p50_us", 50.0),
    ("p90_us", 90.0),
    ("p99_us", 99.0),
    ("p999_us", 99.9),
    ("max_us", 100.0),
];
/// In microseconds, too; the point of a rank is a low line in its name.
const CURVE: [(&str, f64); 12] = [
    ("q0", 0.0),
    ("q10", 10.0),
    ("q25", 25.0),
    ("q50", 50.0),
    ("q75", 75.0),
    ("q90", 90.0),
    ("q95", 95.0),
    ("q99", 99.0),
    ("q99_5", 99.5),
    ("q99_9", 99.9),
    ("q99_99", 99.99),
    ("q100", 100.0),
];

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

    /// Adds `p50_us` to `p999_us` and `max_us`; nothing when nothing was recorded.
    pub(crate) fn report(mut self, report: Report) -> Report {
        self.add(&MAIN, report)
    }

    /// The same, and `q0` to `q100`: the points of a plot.
    pub(crate) fn report_with_curve(mut self, report: Report) -> Report {
        let report = self.add(&MAIN, report);
        self.add(&CURVE, report)
    }

    fn add(&mut self, ranks: &[(&str, f64)], report: Report) -> Report {
        self.nanos.sort_unstable();
        ranks.iter().fold(report, |report, (name, rank)| {
            match percentile(&self.nanos, *rank) {
                Some(nanos) => report.number(name, nanos as f64 / 1e3),
                None => report,
            }
        })
    }
}

/// The smallest value that at least `rank` percent of the sorted values do not exceed.
fn percentile(sorted: &[u64], rank: f64) -> Option<u64> {
    // A whole position must not become the next one by a float's last bit.
    let position = (rank / 100.0 * sorted.len() as f64 - 1e-6).ceil() as usize;
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
        assert_eq!(
            line,
            r#"{"p50_us":20,"p90_us":30,"p99_us":30,"p999_us":30,"max_us":30}"#
        );
    }

    #[test]
    fn reports_a_curve_behind_the_main_ones() {
        let mut latencies = Latencies::default();
        for micros in 1..=10_000 {
            latencies.record(Duration::from_micros(micros));
        }
        let line = latencies.report_with_curve(Report::default()).line();
        let curve = r#""q0":1,"q10":1000,"q25":2500,"q50":5000,"q75":7500,"q90":9000,"q95":9500,"q99":9900,"q99_5":9950,"q99_9":9990,"q99_99":9999,"q100":10000}"#;
        assert!(line.starts_with(r#"{"p50_us":5000,"#), "{line}");
        assert!(line.ends_with(curve), "{line}");
    }
}
