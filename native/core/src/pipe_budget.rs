//! How many pipes of which size one engine may have open. Pipe memory is counted per user over all
//! processes (pipe(7)): beyond `pipe-user-pages-soft` every further pipe of the user is tiny, in
//! whichever program. The server and the client of one user together stay within half of that.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::descriptors::Descriptors;

/// Where no limit of the system is near: as many as 512 MiB of kernel memory at worst.
const PIPES_MAX: usize = 512;
/// Of what a user may have, one engine takes one part in so many.
const USER_PART: u64 = 4;
/// What the kernel counts in. Where pages are larger we take less than our part.
const PAGE_BYTES: u64 = 4_096;
/// What suffices for most of the gain, and what a privileged user takes for all of it.
const USUAL: usize = 256 << 10;
const LARGE: usize = 1 << 20;
/// So many large ones must fit.
const LARGE_MIN: u64 = 64;

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;

/// Shared by all shards of an engine; clones are the same budget.
#[derive(Clone, Debug)]
pub(crate) struct PipeBudget(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    bytes: usize,
    max: usize,
    descriptors: Descriptors,
    open: AtomicUsize,
}

/// The right to have one pipe open, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(PipeBudget);

impl PipeBudget {
    /// Of pipes of so many bytes; `None`: there is no room for a single one.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let descriptors = Descriptors::of_system();
        let max = PIPES_MAX
            .min(user_pipes(user_bytes(), bytes))
            .min(descriptors.pipes());
        Self::with_max(bytes, max, descriptors)
    }

    pub(crate) fn with_max(bytes: usize, max: usize, descriptors: Descriptors) -> Option<Self> {
        (max > 0).then(|| {
            Self(Arc::new(Budget {
                bytes,
                max,
                descriptors,
                open: AtomicUsize::new(0),
            }))
        })
    }

    /// The size of each pipe.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes
    }

    pub(crate) fn descriptors(&self) -> Descriptors {
        self.0.descriptors
    }

    pub(crate) fn seat(&self) -> Option<Seat> {
        let open = &self.0.open;
        // Relaxed: a count and nothing else.
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < self.0.max).then_some(open + 1)
        })
        .ok()
        .map(|_| Seat(self.clone()))
    }

    /// Whether others may soon want what one keeps idle.
    pub(crate) fn is_crowded(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > self.0.max / 2
    }

    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn max(&self) -> usize {
        self.0.max
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The size to ask for.
pub(crate) fn wanted_size() -> usize {
    size_within(user_bytes())
}

fn size_within(user: Option<u64>) -> usize {
    match user {
        Some(bytes) if bytes / USER_PART / (LARGE as u64) < LARGE_MIN => USUAL,
        _ => LARGE,
    }
}

fn user_pipes(user: Option<u64>, bytes: usize) -> usize {
    user.map_or(usize::MAX, |user| {
        usize::try_from(user / USER_PART / bytes as u64).unwrap_or(usize::MAX)
    })
}

/// The pipe memory that all processes of this user may have together; `None`: any.
fn user_bytes() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if is_privileged(&read("/proc/self/status"), &read("/proc/self/uid_map")) {
        return None;
    }
    let pages = |path: &str| read(path).trim().parse::<u64>().ok();
    let soft = pages("/proc/sys/fs/pipe-user-pages-soft");
    let hard = pages("/proc/sys/fs/pipe-user-pages-hard");
    user_limit(soft, hard)
}

/// Zero is no limit; what cannot be read is taken for the kernel's default.
fn user_limit(soft: Option<u64>, hard: Option<u64>) -> Option<u64> {
    const SOFT_DEFAULT: u64 = 16_384;
    let limits = [soft.unwrap_or(SOFT_DEFAULT), hard.unwrap_or(0)];
    let pages = limits.into_iter().filter(|&pages| pages > 0).min()?;
    Some(pages.saturating_mul(PAGE_BYTES))
}

/// Whether the limits do not hold for us. Capabilities within a user namespace do not count.
fn is_privileged(status: &str, uid_map: &str) -> bool {
    let everyone = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    everyone && effective & (1 << CAP_SYS_ADMIN | 1 << CAP_SYS_RESOURCE) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: &str = "         0          0 4294967295\n";

    #[test]
    fn takes_large_pipes_only_where_they_are_plentiful() {
        assert_eq!(size_within(None), LARGE);
        assert_eq!(size_within(user_limit(Some(0), Some(0))), LARGE);
        assert_eq!(size_within(user_limit(Some(16_384), Some(0))), USUAL);
        assert_eq!(size_within(user_limit(None, None)), USUAL);
        assert_eq!(size_within(user_limit(Some(1 << 20), None)), LARGE);
        assert_eq!(size_within(user_limit(Some(0), Some(16_384))), USUAL);
    }

    #[test]
    fn takes_a_quarter_of_what_the_user_may_have() {
        assert_eq!(user_pipes(user_limit(Some(16_384), Some(0)), USUAL), 64);
        assert_eq!(user_pipes(user_limit(Some(16_384), Some(8_192)), USUAL), 32);
        assert_eq!(user_pipes(None, LARGE), usize::MAX);
        assert_eq!(user_pipes(Some(0), USUAL), 0);
    }

    #[test]
    fn privilege_is_a_capability_outside_of_user_namespaces() {
        let status = |mask: &str| format!("Name:\tx\nCapEff:\t{mask}\nCapBnd:\t000001ffffffffff\n");
        assert!(is_privileged(&status("0000000000200000"), INITIAL));
        assert!(is_privileged(&status("0000000001000000"), INITIAL));
        assert!(!is_privileged(&status("000001fffedfffff"), INITIAL));
        assert!(!is_privileged(&status("000001ffffffffff"), "0 1000 1\n"));
        assert!(!is_privileged("", INITIAL));
    }

    #[test]
    fn gives_no_more_seats_than_there_are() {
        let budget = PipeBudget::with_max(USUAL, 2, Descriptors::of_system());
        let budget = budget.expect("two");
        let first = budget.seat();
        assert!(first.is_some() && !budget.is_crowded());
        let second = budget.seat();
        assert!(second.is_some() && budget.is_crowded());
        assert!(budget.seat().is_none());
        drop(first);
        assert!(budget.seat().is_some());
        assert!(PipeBudget::with_max(USUAL, 0, Descriptors::of_system()).is_none());
    }
}
