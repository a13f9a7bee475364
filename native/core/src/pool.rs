//! Data channels of one service that wait for a visitor, and the bookkeeping of those that were
//! requested. Idle channels are watched, so that FIN, RST and stray bytes are noticed while nobody
//! uses them (wire-v1 W11); requests that nobody answered are made again (W12). Those of a peer that
//! reuses them come back after each use; `demand.rs` says how many are kept.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::channel::{Channel, Home};
use crate::demand::Demand;
use crate::front::Line;
use crate::link::Link;
use crate::reason::EndReason;
use crate::spec::ServiceType;
use crate::task::TaskId;
use crate::upcall::SessionId;

const DECAY: Duration = Duration::from_secs(10);
/// A client whose channels die as they come must not be asked at network speed.
const REPLACE: Duration = Duration::from_millis(50);

struct State {
    /// Those that came last at the back. Of wire v1 the oldest is taken, before a NAT forgets it; of
    /// reusable ones the newest, so that what demand no longer needs stays behind.
    idle: VecDeque<Channel>,
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
    demand: Demand,
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
                demand: Demand::default(),
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
    pub(crate) fn add(&self, link: Link, session: SessionId) {
        let expected = self.state.borrow_mut().requested.pop_front().is_some();
        if expected {
            self.line.expect(-1);
        }
        let now = self.line.shard.now();
        let home = Home::new(&self.line.facts, session, now);
        // One that we asked for is merely late.
        let reason = if expected {
            EndReason::SurplusChannel
        } else {
            EndReason::ChannelLimit
        };
        self.keep(Channel::idle(link, home), reason);
    }

    /// Takes a channel over whose use is over, unless it has served its time.
    pub(crate) fn back(&self, channel: Channel) {
        let limits = &self.line.shard.context.limits;
        let age = limits.channel_age_ms;
        let is_spent = channel.home.uses >= limits.channel_uses
            || self.line.shard.elapsed_ms(channel.home.born) >= age;
        // The peer has nothing to say now.
        let is_early = !channel.unread.is_empty();
        if is_spent || is_early {
            self.failed(if is_early {
                EndReason::EarlyData
            } else {
                EndReason::SurplusChannel
            });
            drop(channel);
            self.fill();
        } else if let Some(reason) = dead(&channel.link) {
            // Its end came with the last word: nothing will tell of it again.
            self.dropped(channel, reason);
        } else {
            self.keep(channel, EndReason::SurplusChannel);
        }
    }

    /// `surplus`: the reason of one that finds no room.
    fn keep(&self, channel: Channel, surplus: EndReason) {
        let limits = &self.line.shard.context.limits;
        let refused = {
            let state = &mut *self.state.borrow_mut();
            let most = if self.line.reuses() {
                limits.reuse_ceiling.max(self.floor)
            } else {
                state.target.max(limits.pool_ceiling)
            };
            let wanted = most.saturating_add(state.waiting);
            if state.idle.len() >= wanted.min(limits.channels_per_service) {
                Some(channel)
            } else {
                channel.link.watch_by(self.task.get());
                state.idle.push_back(channel);
                state.filled |= state.idle.len() >= state.target;
                if state.idle.len() > state.target {
                    self.arm_decay(state);
                }
                None
            }
        };
        self.publish(&self.state.borrow());
        if let Some(channel) = refused {
            self.failed(surplus);
            drop(channel);
        } else {
            (self.on_ready)();
        }
    }

    /// The next channel that is alive.
    pub(crate) fn take(&self) -> Option<Channel> {
        loop {
            let channel = {
                let state = &mut *self.state.borrow_mut();
                if self.line.reuses() {
                    state.idle.pop_back()?
                } else {
                    state.idle.pop_front()?
                }
            };
            match dead(&channel.link) {
                None => {
                    self.publish(&self.state.borrow());
                    return Some(channel);
                }
                Some(reason) => self.dropped(channel, reason),
            }
        }
    }

    /// So many channels are in use now, one more than before.
    pub(crate) fn in_use(&self, count: usize) {
        let state = &mut *self.state.borrow_mut();
        state.demand.note(count);
        self.arm_decay(state);
    }

    /// A visitor found none ready, `waiting` of them now: aim higher.
    pub(crate) fn miss(&self, waiting: usize) {
        if self.line.reuses() {
            return;
        }
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

    /// Idle channels that are wanted while nobody waits.
    fn target(&self, state: &State) -> usize {
        if self.line.reuses() {
            self.floor
        } else {
            state.target
        }
    }

    fn missing(&self, state: &State) -> usize {
        let limits = &self.line.shard.context.limits;
        let wanted = self.target(state).saturating_add(state.waiting);
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
            state.demand = Demand::default();
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
            let reasons: Vec<_> = idle.iter().map(|channel| dead(&channel.link)).collect();
            let mut gone = Vec::new();
            for (index, reason) in reasons.iter().enumerate().rev() {
                if let Some(reason) = reason
                    && let Some(channel) = idle.remove(index)
                {
                    gone.push((channel, *reason));
                }
            }
            gone
        };
        if dead.is_empty() {
            return;
        }
        for (channel, reason) in dead {
            self.dropped(channel, reason);
        }
        let state = &mut *self.state.borrow_mut();
        state.replace_at.get_or_insert(now + REPLACE);
    }

    fn dropped(&self, channel: Channel, reason: EndReason) {
        drop(channel);
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
    /// that: of wire v1 the newest, since the oldest are next in turn.
    fn shrink(&self, now: Instant) {
        let surplus = if self.line.reuses() {
            self.shrink_reusable(now)
        } else {
            self.shrink_v1(now)
        };
        let is_surplus = !surplus.is_empty();
        for channel in surplus {
            drop(channel);
            self.failed(EndReason::SurplusChannel);
        }
        if is_surplus {
            self.fill();
        }
    }

    fn shrink_v1(&self, now: Instant) -> VecDeque<Channel> {
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
    }

    /// Closes the reusable ones that the last minute did not need, and those that are too old.
    fn shrink_reusable(&self, now: Instant) -> VecDeque<Channel> {
        let limits = &self.line.shard.context.limits;
        let in_use = self.line.facts.channels_used.load(Relaxed);
        let state = &mut *self.state.borrow_mut();
        let spare = state.demand.turn(in_use).saturating_sub(in_use);
        let ceiling = limits.reuse_ceiling.max(self.floor);
        let keep = self.floor.saturating_add(spare).min(ceiling);
        let keep = keep.saturating_add(state.waiting);
        // Those at the front have been idle longest.
        let beyond = state.idle.len().saturating_sub(keep);
        let mut surplus: VecDeque<_> = state.idle.drain(..beyond).collect();
        let age = |channel: &Channel| self.line.shard.elapsed_ms(channel.home.born);
        let (old, fresh): (VecDeque<_>, _) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|channel| age(channel) >= limits.channel_age_ms);
        state.idle = fresh;
        surplus.extend(old);
        let is_quiet = in_use + spare == 0 && state.idle.len() <= self.floor;
        let oldest = state.idle.iter().map(|channel| channel.home.born).min();
        state.decay_at = match oldest {
            // Nothing is left to shrink; but they grow old.
            Some(born) if is_quiet => {
                born.checked_add(Duration::from_millis(limits.channel_age_ms))
            }
            None if is_quiet => None,
            _ => Some(now + DECAY),
        };
        self.publish(state);
        surplus
    }

    fn publish(&self, state: &State) {
        let counters = &self.line.facts.counters;
        counters
            .pool_requested
            .store(state.requested.len(), Relaxed);
        // A udp service's are its channels in use: the front tells them.
        if self.line.facts.protocol == ServiceType::Tcp {
            counters.pool_ready.store(state.idle.len(), Relaxed);
            counters.pool_target.store(self.target(state), Relaxed);
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
#[path = "pool_review_tests.rs"]
mod review_tests;
#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
