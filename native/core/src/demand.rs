//! How many channels a service has needed at once within the last minute.

use std::collections::VecDeque;

/// Windows of 10 s that are remembered, the one under way included: what is not needed for a minute is
/// forgotten at its end.
const WINDOWS: usize = 5;

#[derive(Default)]
pub(crate) struct Demand {
    /// The peak of each window, oldest first; of the one under way at the back.
    peaks: VecDeque<usize>,
}

impl Demand {
    /// So many are in use.
    pub(crate) fn note(&mut self, in_use: usize) {
        match self.peaks.back_mut() {
            Some(peak) => *peak = in_use.max(*peak),
            None => self.peaks.push_back(in_use),
        }
    }

    /// A window is over, with so many in use. Gives the peak of all that are remembered.
    pub(crate) fn turn(&mut self, in_use: usize) -> usize {
        self.note(in_use);
        let peak = self.peaks.iter().copied().max().unwrap_or(0);
        self.peaks.push_back(in_use);
        while self.peaks.len() > WINDOWS {
            self.peaks.pop_front();
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Demand, WINDOWS};

    #[test]
    fn a_peak_is_remembered_for_all_windows_and_then_forgotten() {
        let mut demand = Demand::default();
        demand.note(3);
        demand.note(40);
        demand.note(7);
        for _ in 0..WINDOWS {
            assert_eq!(demand.turn(1), 40);
        }
        assert_eq!(demand.turn(1), 1);
    }

    #[test]
    fn what_is_in_use_all_the_time_counts_in_every_window() {
        let mut demand = Demand::default();
        for _ in 0..2 * WINDOWS {
            assert_eq!(demand.turn(5), 5);
        }
        assert!(demand.peaks.len() <= WINDOWS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Of each window, what is in use when it begins, all that was noted within, and what is in use
        /// at its end; each time the peak of those that are remembered.
        #[test]
        fn a_peak_is_that_of_the_last_windows(
            windows in prop::collection::vec((prop::collection::vec(0..50_usize, 0..4), 0..50_usize), 1..30),
        ) {
            let mut demand = Demand::default();
            let mut peaks: Vec<usize> = Vec::new();
            let mut at_begin = 0;
            for (noted, at_end) in windows {
                noted.iter().for_each(|in_use| demand.note(*in_use));
                let within = noted.into_iter().max().unwrap_or(0);
                peaks.push(within.max(at_begin).max(at_end));
                at_begin = at_end;
                let last = peaks.iter().rev().take(WINDOWS).max().copied();
                prop_assert_eq!(Some(demand.turn(at_end)), last);
            }
        }
    }
}
