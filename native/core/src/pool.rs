//! Data channels of one service that wait for a visitor, and the bookkeeping of those that were
//! requested. Idle channels are watched, so that FIN, RST and stray bytes are noticed while nobody
//! uses them (wire-v1 W11); requests that nobody answered are made again (W12).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::front::Line;
use crate::link::Link;
use crate::reason::EndReason;
use crate::spec::ServiceType;
use crate::task::TaskId;

const DECAY: Duration = Duration::from_secs(10);
/// A client whose channels die as they come must not be asked at network speed.
const REPLACE: Duration = Duration::from_millis(50);

struct State {
    /// Oldest first: each is used before a NAT forgets it.
    idle: VecDeque<Link>,
    /// When each outstanding request expires, oldest first; `None`: never.
    requested: VecDeque<Option<Instant>>,
    target: usize,
    /// Visitors that wait for a channel.
    waiting: usize,
    missed: bool,
    /// As many channels as wanted have been there at once.
    filled: bool,
    decay_at: Option<Instant>,
    replace_at: Option<Instant>,
}

pub(crate) struct Pool {
    line: Rc<Line>,
    floor: usize,
    on_ready: Rc<dyn Fn()>,
    task: Cell<TaskId>,
    state: RefCell<State>,
}

impl Pool {
    /// `floor`: channels kept ready. `on_ready` is called when a channel has become ready; it must
    /// not call back into the pool, only wake a task.
    pub(crate) fn new(line: &Rc<Line>, floor: usize, on_ready: Rc<dyn Fn()>) -> Rc<Self> {
        let pool = Rc::new(Self {
            line: Rc::clone(line),
            floor,
            on_ready,
            task: Cell::new(TaskId::NONE),
            state: RefCell::new(State {
                idle: VecDeque::new(),
                requested: VecDeque::new(),
                target: floor,
                waiting: 0,
                missed: false,
                filled: false,
                decay_at: None,
                replace_at: None,
            }),
        });
        let weak = Rc::downgrade(&pool);
        let shard = Rc::clone(&line.shard);
        let task = line.shard.spawn("pool", async move {
            loop {
                let deadline = match shard.guard(|| Self::turn(&weak)) {
                    Some(Some(deadline)) => deadline,
                    Some(None) => return,
                    // A panic: what is due is still due.
                    None => Some(shard.now() + REPLACE),
                };
                if shard.park(deadline).await.is_err() {
                    return;
                }
            }
        });
        pool.task.set(task);
        pool.publish(&pool.state.borrow());
        pool
    }

    /// What the pool's task does whenever something woke it; `None`: the pool is gone.
    #[expect(
        clippy::option_option,
        reason = "the inner one is a deadline that may not exist"
    )]
    fn turn(weak: &Weak<Self>) -> Option<Option<Instant>> {
        let pool = weak.upgrade()?;
        let now = pool.line.shard.now();
        pool.drop_dead(now);
        pool.expire(now);
        if pool.state.borrow().replace_at.is_some_and(|at| at <= now) {
            pool.state.borrow_mut().replace_at = None;
            pool.fill();
        }
        if pool.state.borrow().decay_at.is_some_and(|at| at <= now) {
            pool.shrink(now);
        }
        let state = pool.state.borrow();
        let expiry = state.requested.front().copied().flatten();
        let deadlines = [expiry, state.decay_at, state.replace_at];
        Some(deadlines.into_iter().flatten().min())
    }

    pub(crate) fn ready(&self) -> usize {
        self.state.borrow().idle.len()
    }

    /// Takes an authenticated channel over, idle, or ends it.
    pub(crate) fn add(&self, link: Link) {
        let limits = &self.line.shard.context.limits;
        let expected = self.state.borrow_mut().requested.pop_front().is_some();
        if expected {
            self.line.expect(-1);
        }
        let refused = {
            let state = &mut *self.state.borrow_mut();
            let most = state.target.max(limits.pool_ceiling);
            let wanted = most.saturating_add(state.waiting);
            if state.idle.len() >= wanted.min(limits.channels_per_service) {
                Some(link)
            } else {
                link.watch_by(self.task.get());
                state.idle.push_back(link);
                state.filled |= state.idle.len() >= state.target;
                if state.idle.len() > state.target {
                    self.arm_decay(state);
                }
                None
            }
        };
        self.publish(&self.state.borrow());
        if let Some(link) = refused {
            // One that we asked for is merely late.
            self.failed(if expected {
                EndReason::SurplusChannel
            } else {
                EndReason::ChannelLimit
            });
            drop(link);
        } else {
            (self.on_ready)();
        }
    }

    /// The longest idle channel that is alive.
    pub(crate) fn take(&self) -> Option<Link> {
        loop {
            let link = self.state.borrow_mut().idle.pop_front()?;
            match dead(&link) {
                None => {
                    self.publish(&self.state.borrow());
                    return Some(link);
                }
                Some(reason) => self.dropped(link, reason),
            }
        }
    }

    /// A visitor found none ready, `waiting` of them now: aim higher.
    pub(crate) fn miss(&self, waiting: usize) {
        let state = &mut *self.state.borrow_mut();
        // While the first channels of a session are on their way, a few misses say nothing about
        // demand.
        if !state.filled && waiting <= state.requested.len() {
            return;
        }
        state.missed = true;
        state.target = state
            .target
            .saturating_mul(2)
            .min(self.line.shard.context.limits.pool_ceiling);
        self.arm_decay(state);
        self.publish(state);
    }

    /// Requests what is wanting while `waiting` visitors wait. At once, also for one: to ask for
    /// several in one go saves wake-ups, but costs the visitor more that comes meanwhile.
    pub(crate) fn refill(&self, waiting: usize) {
        self.state.borrow_mut().waiting = waiting;
        self.fill();
    }

    fn missing(&self, state: &State) -> usize {
        let limits = &self.line.shard.context.limits;
        let wanted = state.target.saturating_add(state.waiting);
        let wanted = wanted.min(limits.channels_per_service);
        wanted.saturating_sub(state.idle.len() + state.requested.len())
    }

    /// Requests all that is wanting now.
    fn fill(&self) {
        let limits = &self.line.shard.context.limits;
        let missing = {
            let state = &mut *self.state.borrow_mut();
            self.missing(state)
        };
        if missing == 0 || !self.line.request(missing) {
            return;
        }
        let expires = self.line.shard.after(limits.create_timeout_ms);
        {
            let state = &mut *self.state.borrow_mut();
            let was_empty = state.requested.is_empty();
            state
                .requested
                .extend(std::iter::repeat_n(expires, missing));
            self.publish(state);
            if was_empty {
                self.nudge();
            }
        }
        self.line.expect(missing.cast_signed());
    }

    /// Forgets everything that belongs to the session that ended, and closes its idle channels.
    pub(crate) fn clear(&self) {
        let (idle, requested) = {
            let state = &mut *self.state.borrow_mut();
            state.decay_at = None;
            state.replace_at = None;
            state.target = self.floor;
            state.filled = false;
            (
                std::mem::take(&mut state.idle),
                std::mem::take(&mut state.requested),
            )
        };
        self.line.expect(-requested.len().cast_signed());
        drop(idle);
        self.publish(&self.state.borrow());
    }

    pub(crate) fn failed(&self, reason: EndReason) {
        self.line
            .shard
            .context
            .channel_failed(&self.line.facts, reason, None);
    }

    fn nudge(&self) {
        self.line.shard.tasks.wake(self.task.get());
    }

    /// Drops idle channels that got FIN, RST or bytes.
    fn drop_dead(&self, now: Instant) {
        let dead: Vec<_> = {
            let idle = &mut self.state.borrow_mut().idle;
            let reasons: Vec<_> = idle.iter().map(dead).collect();
            let mut gone = Vec::new();
            for (index, reason) in reasons.iter().enumerate().rev() {
                if let Some(reason) = reason
                    && let Some(link) = idle.remove(index)
                {
                    gone.push((link, *reason));
                }
            }
            gone
        };
        if dead.is_empty() {
            return;
        }
        for (link, reason) in dead {
            self.dropped(link, reason);
        }
        let state = &mut *self.state.borrow_mut();
        state.replace_at.get_or_insert(now + REPLACE);
    }

    fn dropped(&self, link: Link, reason: EndReason) {
        drop(link);
        self.line.facts.counters.pool_stale.fetch_add(1, Relaxed);
        self.failed(reason);
        let at = self.line.shard.now() + REPLACE;
        let state = &mut *self.state.borrow_mut();
        state.replace_at.get_or_insert(at);
        self.publish(state);
        self.nudge();
    }

    fn expire(&self, now: Instant) {
        let expired = {
            let state = &mut *self.state.borrow_mut();
            let before = state.requested.len();
            state
                .requested
                .retain(|expires| expires.is_none_or(|at| at > now));
            before - state.requested.len()
        };
        if expired > 0 {
            self.line.expect(-expired.cast_signed());
            // Where nothing can be requested now, at least what has expired is told.
            self.publish(&self.state.borrow());
            self.fill();
        }
    }

    fn arm_decay(&self, state: &mut State) {
        if state.decay_at.is_none() {
            state.decay_at = Some(self.line.shard.now() + DECAY);
            self.nudge();
        }
    }

    /// A quiet window takes a quarter off what demand had added, and closes what is idle beyond
    /// that: the newest, since the oldest are next in turn.
    fn shrink(&self, now: Instant) {
        let surplus = {
            let state = &mut *self.state.borrow_mut();
            if !state.missed {
                state.target = (state.target - state.target.div_ceil(4)).max(self.floor);
            }
            state.missed = false;
            let keep = state.target.saturating_add(state.waiting);
            let keep = keep.min(state.idle.len());
            let surplus = state.idle.split_off(keep);
            let done = state.target <= self.floor && state.idle.len() <= state.target;
            state.decay_at = if done { None } else { Some(now + DECAY) };
            self.publish(state);
            surplus
        };
        for link in surplus {
            drop(link);
            self.failed(EndReason::SurplusChannel);
        }
    }

    fn publish(&self, state: &State) {
        let counters = &self.line.facts.counters;
        counters
            .pool_requested
            .store(state.requested.len(), Relaxed);
        // A udp service's are its channels in use: the front tells them.
        if self.line.facts.protocol == ServiceType::Tcp {
            counters.pool_ready.store(state.idle.len(), Relaxed);
            counters.pool_target.store(state.target, Relaxed);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.nudge();
    }
}

/// Why an idle channel cannot be used.
fn dead(link: &Link) -> Option<EndReason> {
    if !link.is_readable() {
        return None;
    }
    match link.try_read(&mut [0]) {
        Ok(0) => Some(EndReason::StaleChannel),
        Ok(_) => Some(EndReason::EarlyData),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
        Err(error) => {
            let stale = EndReason::StaleChannel;
            Some(link.channel_reason(&error, stale, stale))
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
