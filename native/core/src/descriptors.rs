//! Watches how many file descriptors are left. Visitors are refused a little before the system
//! refuses everything, with a reason; the rest is kept for control and data channels and for files.
//!
//! The system hands out the lowest free number, so the number of a fresh descriptor tells how many
//! are in use. Where the limit is not known nothing is short.

use crate::sys;

/// One part in so many is kept.
const RESERVE_PART: u64 = 20;
const RESERVE_MIN: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors {
    limit: Option<u64>,
}

impl Descriptors {
    /// The soft limit of open files, which Node has raised to the hard one.
    pub(crate) fn of_system() -> Self {
        Self::with_limit(sys::open_files_limit())
    }

    fn with_limit(limit: Option<u64>) -> Self {
        Self { limit }
    }

    fn visitors_up_to(limit: u64) -> u64 {
        limit.saturating_sub(RESERVE_MIN.max(limit / RESERVE_PART))
    }

    /// Whether a visitor's fresh descriptor eats into the reserve; -1 is an unknown number.
    pub(crate) fn is_short(&self, descriptor: i64) -> bool {
        match (self.limit, u64::try_from(descriptor)) {
            (Some(limit), Ok(descriptor)) => descriptor >= Self::visitors_up_to(limit),
            _ => false,
        }
    }

    /// Sockets of UDP sessions that may be open at once, all services together: half of what there
    /// is. A flood on a udp service must leave room for everything else.
    pub(crate) fn udp_sockets(&self) -> usize {
        self.share(2)
    }

    /// Pipes that may be open at once, at two descriptors each: a quarter of what there is.
    pub(crate) fn pipes(&self) -> usize {
        self.share(8)
    }

    /// One part in so many of what visitors may use.
    fn share(&self, part: u64) -> usize {
        self.limit.map_or(usize::MAX, |limit| {
            usize::try_from(Self::visitors_up_to(limit) / part).unwrap_or(usize::MAX)
        })
    }

    pub(crate) fn text(&self) -> String {
        let limit = self
            .limit
            .map_or("the".to_owned(), |limit| limit.to_string());
        format!("nearly all of {limit} file descriptors are in use (EMFILE is near)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_twentieth() {
        let descriptors = Descriptors::with_limit(Some(20_000));
        assert!(!descriptors.is_short(18_999));
        assert!(descriptors.is_short(19_000));
        assert_eq!(descriptors.udp_sockets(), 9_500);
        assert_eq!(descriptors.pipes(), 2_375);
        assert_eq!(
            descriptors.text(),
            "nearly all of 20000 file descriptors are in use (EMFILE is near)"
        );
    }

    #[test]
    fn keeps_at_least_sixteen() {
        let descriptors = Descriptors::with_limit(Some(100));
        assert!(!descriptors.is_short(83));
        assert!(descriptors.is_short(84));
        assert!(Descriptors::with_limit(Some(10)).is_short(0));
        assert_eq!(Descriptors::with_limit(Some(10)).pipes(), 0);
    }

    #[test]
    fn refuses_nothing_where_the_number_or_the_limit_is_not_known() {
        assert!(!Descriptors::with_limit(Some(100)).is_short(-1));
        let unknown = Descriptors::with_limit(None);
        assert!(!unknown.is_short(i64::MAX));
        assert_eq!(unknown.udp_sockets(), usize::MAX);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn reads_the_soft_limit() -> std::io::Result<()> {
        let limits = std::fs::read_to_string("/proc/self/limits")?;
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().nth(3));
        let limit = Descriptors::of_system()
            .limit
            .map(|limit| limit.to_string());
        assert_eq!(limit.as_deref().or(Some("unlimited")), soft);
        Ok(())
    }
}
