//! A shard that has much to do gives relays to one that has little. A service begins all its relays
//! at its home, so this is what uses the machine's other cores; 32 busy connections on two threads
//! instead of one are 7 % faster even where both cores are shared with the peers. A client gives new
//! visitors, too, before they are connected: 5 to 15 % more of them in a second. What counts is the
//! time on a processor: a shard that waits for one has not much to do.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::sys;

const WINDOW: Duration = Duration::from_millis(50);
/// What a shard says of itself is not true for longer.
const STALE: Duration = Duration::from_millis(150);
/// Of its core, in percent: a shard that uses more gives relays to one that uses less than half of
/// that.
const GIVE_FROM: u32 = 30;
/// Of its busy relays, a shard gives this part away per window.
const GIVE_PART: usize = 4;

/// How much of a core a shard has used in its last window; read by the others.
pub(crate) struct Load {
    origin: Instant,
    /// Milliseconds since the origin, and in the last 8 bits the percentage.
    told: AtomicU64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            told: AtomicU64::new(0),
        }
    }
}

impl Load {
    fn tell(&self, now: Instant, percent: u32) {
        let at = now.saturating_duration_since(self.origin).as_millis();
        let at = u64::try_from(at).unwrap_or(0);
        self.told
            .store(at << 8 | u64::from(percent.min(255)), Relaxed);
    }

    /// A shard that sleeps says nothing, and has nothing to do.
    fn percent(&self, now: Instant) -> u32 {
        let told = self.told.load(Relaxed);
        let at = Duration::from_millis(told >> 8);
        if now.saturating_duration_since(self.origin) > at + STALE {
            return 0;
        }
        u32::try_from(told & 255).unwrap_or(0)
    }
}

/// So many relays are to go to that shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Giving {
    to: usize,
    left: usize,
}

/// New visitors are given away in groups of so many, from none to half of them.
const GROUP: u32 = 8;
/// Loads that differ by less, in percent of a core, are level.
const LEVEL: u32 = 10;

pub(crate) struct Balance {
    began: Cell<Instant>,
    used: Cell<Duration>,
    /// Counts windows, so that a relay is counted once in each.
    window: Cell<u32>,
    /// Relays that moved bytes in this window.
    busy: Cell<usize>,
    giving: Cell<Option<Giving>>,
    /// Of each group of new visitors, so many go to that shard.
    visits_to: Cell<(usize, u32)>,
    visits: Cell<u32>,
}

impl Balance {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: Cell::new(now),
            used: Cell::new(Duration::ZERO),
            window: Cell::new(1),
            busy: Cell::new(0),
            giving: Cell::new(None),
            visits_to: Cell::new((0, 0)),
            visits: Cell::new(0),
        }
    }

    /// Once a turn: closes the window when it is over.
    pub(crate) fn turn(&self, now: Instant, index: usize, loads: &[&Load]) {
        let length = now.saturating_duration_since(self.began.get());
        if length < WINDOW || loads.len() < 2 {
            return;
        }
        self.began.set(now);
        self.window.set(self.window.get().wrapping_add(1));
        let busy = self.busy.take();
        let Some(used) = sys::thread_cpu_time() else {
            return;
        };
        let spent = used.saturating_sub(self.used.replace(used));
        let percent = percent(spent, length);
        if let Some(load) = loads.get(index) {
            load.tell(now, percent);
        }
        let others = || loads.iter().map(|load| load.percent(now)).enumerate();
        self.giving.set(decide(index, percent, busy, others()));
        let (_, share) = self.visits_to.get();
        self.visits_to
            .set(share_of(index, percent, share, others()));
    }

    /// Where a new visitor is to be served; `None`: here.
    pub(crate) fn next_visit(&self) -> Option<usize> {
        let (to, share) = self.visits_to.get();
        if share == 0 {
            return None;
        }
        let nth = self.visits.get().wrapping_add(1);
        self.visits.set(nth);
        (nth * share % GROUP < share).then_some(to)
    }

    /// A relay moved bytes; `window` is where it keeps when it was counted last.
    pub(crate) fn moved(&self, window: &mut u32) {
        if *window != self.window.get() {
            *window = self.window.get();
            self.busy.set(self.busy.get() + 1);
        }
    }

    /// Where the relay that asks is to go on; `None`: here.
    pub(crate) fn give(&self) -> Option<usize> {
        let Giving { to, left } = self.giving.get()?;
        let rest = (left > 1).then_some(Giving { to, left: left - 1 });
        self.giving.set(rest);
        Some(to)
    }

    #[cfg(test)]
    pub(crate) fn give_half_of_visits_to(&self, to: usize) {
        self.visits_to.set((to, GROUP / 2));
    }

    #[cfg(test)]
    pub(crate) fn give_next_to(&self, to: usize) {
        self.giving.set(Some(Giving { to, left: 1 }));
    }
}

fn percent(part: Duration, whole: Duration) -> u32 {
    let percent = part.as_micros() * 100 / whole.as_micros().max(1);
    u32::try_from(percent).unwrap_or(u32::MAX)
}

fn decide(
    index: usize,
    percent: u32,
    busy: usize,
    loads: impl Iterator<Item = (usize, u32)>,
) -> Option<Giving> {
    // A single one would only move its bottleneck.
    if percent < GIVE_FROM || busy < 2 {
        return None;
    }
    let (to, least) = loads
        .filter(|(shard, _)| *shard != index)
        .min_by_key(|(_, load)| *load)?;
    let left = (busy / GIVE_PART).max(1);
    (least * 2 < percent).then_some(Giving { to, left })
}

/// Of each group of new visitors, how many go where, after `share` of them went: step by step until
/// both shards have as much to do.
fn share_of(
    index: usize,
    percent: u32,
    share: u32,
    loads: impl Iterator<Item = (usize, u32)>,
) -> (usize, u32) {
    let least = loads
        .filter(|(shard, _)| *shard != index)
        .min_by_key(|(_, load)| *load);
    match least {
        Some((to, least)) if percent >= GIVE_FROM && least + LEVEL < percent => {
            (to, (share + 1).min(GROUP / 2))
        }
        Some((to, least)) if percent >= GIVE_FROM && least < percent + LEVEL => (to, share),
        Some((to, _)) => (to, share.saturating_sub(1)),
        None => (index, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(percent: u32, busy: usize, loads: &[u32]) -> Option<Giving> {
        decide(0, percent, busy, loads.iter().copied().enumerate())
    }

    #[test]
    fn a_busy_shard_gives_a_part_to_the_emptiest() {
        let giving = Giving { to: 2, left: 2 };
        assert_eq!(decided(97, 8, &[97, 40, 10]), Some(giving));
    }

    #[test]
    fn nothing_moves_where_it_would_not_help() {
        assert_eq!(decided(20, 8, &[20, 0]), None, "the shard has little to do");
        assert_eq!(decided(97, 1, &[97, 0]), None, "there is one busy relay");
        assert_eq!(
            decided(97, 8, &[97, 60]),
            None,
            "the other one is busy, too"
        );
    }

    #[test]
    fn new_visitors_go_step_by_step_to_who_has_less_to_do() {
        let share = |percent: u32, share: u32, loads: &[u32]| {
            share_of(0, percent, share, loads.iter().copied().enumerate()).1
        };
        assert_eq!(share(90, 0, &[90, 10]), 1);
        assert_eq!(share(90, GROUP / 2, &[90, 10]), GROUP / 2, "half at most");
        assert_eq!(share(60, 3, &[60, 55]), 3, "as much to do");
        assert_eq!(share(50, 3, &[50, 70]), 2, "too many went");
        assert_eq!(share(20, 3, &[20, 0]), 2, "there is little to do");
        assert_eq!(share(90, 0, &[90]), 0, "there is nobody else");
    }

    #[test]
    fn as_many_visitors_go_as_their_share_is() {
        let balance = Balance::new(Instant::now());
        for share in 0..=GROUP / 2 {
            balance.visits_to.set((1, share));
            let given = (0..GROUP)
                .filter(|_| balance.next_visit().is_some())
                .count();
            assert_eq!(given, share as usize);
        }
    }

    #[test]
    fn as_many_go_as_were_decided() {
        let balance = Balance::new(Instant::now());
        balance.giving.set(Some(Giving { to: 1, left: 2 }));
        let given: Vec<_> = (0..3).map(|_| balance.give()).collect();
        assert_eq!(given, [Some(1), Some(1), None]);
    }

    #[test]
    fn a_shard_that_computes_says_so_and_gives_away() {
        let loads = [Load::default(), Load::default()];
        let loads: Vec<_> = loads.iter().collect();
        let began = Instant::now();
        let balance = Balance::new(began);
        // What the thread has used before belongs to no window.
        balance.turn(began + WINDOW, 0, &loads);
        balance.busy.set(4);
        let (at, before) = (Instant::now(), sys::thread_cpu_time());
        let Some(before) = before else { return };
        while sys::thread_cpu_time().is_some_and(|used| used - before < WINDOW) {}
        balance.began.set(at);
        // The window as the processor saw it: the machine may have had other things to do.
        balance.turn(at + WINDOW, 0, &loads);
        let told = loads[0].percent(at + WINDOW);
        assert!(told >= 99, "{told}");
        assert_eq!(balance.give(), Some(1));
    }

    #[test]
    fn what_a_shard_said_does_not_outlive_it() {
        let load = Load::default();
        let now = load.origin + Duration::from_secs(5);
        load.tell(now, 60);
        assert_eq!(load.percent(now + STALE), 60);
        assert_eq!(load.percent(now + STALE + Duration::from_millis(2)), 0);
    }

    #[test]
    fn a_relay_is_busy_once_in_a_window() {
        let balance = Balance::new(Instant::now());
        let (mut one, mut other) = (0, 0);
        for _ in 0..5 {
            balance.moved(&mut one);
        }
        balance.moved(&mut other);
        assert_eq!(balance.busy.get(), 2);
    }
}
