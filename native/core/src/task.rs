//! A small executor: one task is the life of one connection, written as straight-line async code,
//! and runs on the one thread of its shard. There are no wakers: a task is woken by its id, by a
//! socket that became ready, by its deadline, by another task or by being cancelled, and then looks
//! again at what it waits for. That costs no atomics and no allocation but the task's own.
//!
//! A panic ends the one task that it happened in. Its connections close as its future is dropped.
//! A task that others depend on takes each of its steps under `Shard::guard` and outlives a panic.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use crate::reason::EndReason;
use crate::upcall::ServiceId;

/// Names one task for as long as the shard lives: an id is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId {
    index: u32,
    generation: u32,
}

impl TaskId {
    /// Names nobody.
    pub(crate) const NONE: Self = Self {
        index: u32::MAX,
        generation: 0,
    };
}

impl Default for TaskId {
    fn default() -> Self {
        Self::NONE
    }
}

/// What a task is for: the service that it can be cancelled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Shard,
    /// A visitor that is being served, by whatever shard.
    Visitor(ServiceId),
    /// A channel that its client is to free.
    Settling(ServiceId),
}

/// The error of every wait in a task that was cancelled; the task ends with this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cancelled(pub(crate) EndReason);

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    generation: u32,
    owner: Owner,
    place: &'static str,
    /// Absent while it runs.
    future: Option<TaskFuture>,
    queued: bool,
    cancelled: Option<EndReason>,
    deadline: Option<Instant>,
    /// Its one entry in `timers`; never later than the deadline, maybe earlier.
    armed: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    slots: Slab<Slot>,
    ready: VecDeque<TaskId>,
    timers: BTreeSet<(Instant, TaskId)>,
    generation: u32,
}

impl Inner {
    fn slot(&mut self, id: TaskId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?;
        (slot.generation == id.generation).then_some(slot)
    }

    fn wake(&mut self, id: TaskId) {
        if let Some(slot) = self.slot(id)
            && !slot.queued
        {
            slot.queued = true;
            self.ready.push_back(id);
        }
    }

    /// Keeps one timer entry per task: extending a deadline costs nothing until the entry fires.
    fn arm(&mut self, id: TaskId, deadline: Instant) {
        let Some(slot) = self.slot(id) else { return };
        slot.deadline = Some(deadline);
        let armed = slot.armed;
        if armed.is_some_and(|at| at <= deadline) {
            return;
        }
        slot.armed = Some(deadline);
        if let Some(at) = armed {
            self.timers.remove(&(at, id));
        }
        self.timers.insert((deadline, id));
    }

    fn remove(&mut self, id: TaskId) {
        if self.slot(id).is_none() {
            return;
        }
        let slot = self.slots.remove(id.index as usize);
        if let Some(at) = slot.armed {
            self.timers.remove(&(at, id));
        }
    }
}

/// A task that panicked: where, and with what message.
pub(crate) struct TaskPanic {
    pub(crate) place: &'static str,
    pub(crate) message: String,
}

/// What a panic says of itself.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic".to_owned())
}

/// The tasks of one shard.
pub(crate) struct Tasks {
    inner: RefCell<Inner>,
    current: Cell<TaskId>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            inner: RefCell::default(),
            current: Cell::new(TaskId::NONE),
        }
    }
}

impl Tasks {
    pub(crate) fn spawn(
        &self,
        owner: Owner,
        place: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> TaskId {
        let inner = &mut *self.inner.borrow_mut();
        inner.generation = inner.generation.wrapping_add(1);
        let generation = inner.generation;
        let index = inner.slots.insert(Slot {
            generation,
            owner,
            place,
            future: Some(Box::pin(future)),
            queued: true,
            cancelled: None,
            deadline: None,
            armed: None,
        });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let id = TaskId { index, generation };
        inner.ready.push_back(id);
        id
    }

    /// The task that runs now.
    pub(crate) fn current(&self) -> TaskId {
        self.current.get()
    }

    /// What the task that runs now is for, as faults name it.
    pub(crate) fn place(&self) -> &'static str {
        let mut inner = self.inner.borrow_mut();
        inner.slot(self.current()).map_or("job", |slot| slot.place)
    }

    pub(crate) fn wake(&self, id: TaskId) {
        self.inner.borrow_mut().wake(id);
    }

    /// The running task has another owner from now on.
    pub(crate) fn set_owner(&self, owner: Owner) {
        if let Some(slot) = self.inner.borrow_mut().slot(self.current()) {
            slot.owner = owner;
        }
    }

    /// Makes the task's waits fail with that reason, from now on. The first reason stays.
    pub(crate) fn cancel(&self, id: TaskId, reason: EndReason) {
        let inner = &mut *self.inner.borrow_mut();
        if let Some(slot) = inner.slot(id) {
            slot.cancelled.get_or_insert(reason);
            inner.wake(id);
        }
    }

    /// Cancels all tasks of that owner.
    pub(crate) fn cancel_all(&self, owner: Owner, reason: EndReason) {
        let inner = &mut *self.inner.borrow_mut();
        let mut woken = Vec::new();
        for (index, slot) in &mut inner.slots {
            if slot.owner == owner {
                slot.cancelled.get_or_insert(reason);
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                woken.push(TaskId {
                    index,
                    generation: slot.generation,
                });
            }
        }
        for id in woken {
            inner.wake(id);
        }
    }

    /// The running task goes on as soon as something wakes it, or at the deadline. It must look
    /// again at what it waits for: a wake-up may be for anything.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> Park<'_> {
        Park {
            tasks: self,
            deadline,
            parked: false,
        }
    }

    /// Lets the others run first.
    pub(crate) fn yield_now(&self) -> Park<'_> {
        self.wake(self.current());
        self.park(None)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.inner.borrow().ready.is_empty()
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.inner.borrow().timers.first().map(|(at, _)| *at)
    }

    /// Wakes the tasks whose deadline has come.
    pub(crate) fn fire_timers(&self, now: Instant) {
        let inner = &mut *self.inner.borrow_mut();
        while let Some(&(at, id)) = inner.timers.first() {
            if at > now {
                break;
            }
            inner.timers.pop_first();
            let Some(slot) = inner.slot(id) else { continue };
            slot.armed = None;
            match slot.deadline {
                Some(deadline) if deadline <= now => inner.wake(id),
                Some(deadline) => inner.arm(id, deadline),
                None => {}
            }
        }
    }

    /// Runs every task that is ready now, once each. Returns those that panicked.
    pub(crate) fn run_ready(&self) -> Vec<TaskPanic> {
        let mut panics = Vec::new();
        let count = self.inner.borrow().ready.len();
        for _ in 0..count {
            let Some(id) = self.inner.borrow_mut().ready.pop_front() else {
                break;
            };
            if let Some(panic) = self.run(id) {
                panics.push(panic);
            }
        }
        panics
    }

    fn run(&self, id: TaskId) -> Option<TaskPanic> {
        let (mut future, place) = {
            let mut inner = self.inner.borrow_mut();
            let slot = inner.slot(id)?;
            slot.queued = false;
            (slot.future.take()?, slot.place)
        };
        self.current.set(id);
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        let panic = match polled {
            Ok(Poll::Pending) => {
                let mut inner = self.inner.borrow_mut();
                if let Some(slot) = inner.slot(id) {
                    slot.future = Some(future);
                }
                self.current.set(TaskId::NONE);
                return None;
            }
            Ok(Poll::Ready(())) => None,
            Err(payload) => Some(panic_text(&*payload)),
        };
        // Dropping closes sockets, which looks up this shard: nothing may be borrowed.
        let dropped = catch_unwind(AssertUnwindSafe(move || drop(future)));
        self.current.set(TaskId::NONE);
        self.inner.borrow_mut().remove(id);
        let message = panic.or_else(|| dropped.err().map(|_| "panic while closing".to_owned()))?;
        Some(TaskPanic { place, message })
    }

    /// Drops every task.
    pub(crate) fn clear(&self) {
        loop {
            let futures: Vec<_> = {
                let inner = &mut *self.inner.borrow_mut();
                inner.ready.clear();
                inner.timers.clear();
                inner.slots.drain().map(|slot| slot.future).collect()
            };
            if futures.is_empty() {
                return;
            }
            for future in futures {
                let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.inner.borrow().slots.len()
    }
}

/// See [`Tasks::park`].
pub(crate) struct Park<'a> {
    tasks: &'a Tasks,
    deadline: Option<Instant>,
    parked: bool,
}

impl Future for Park<'_> {
    type Output = Result<(), Cancelled>;

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.tasks.current.get();
        let inner = &mut *self.tasks.inner.borrow_mut();
        let Some(slot) = inner.slot(id) else {
            return Poll::Pending;
        };
        if let Some(reason) = slot.cancelled {
            return Poll::Ready(Err(Cancelled(reason)));
        }
        if self.parked {
            slot.deadline = None;
            return Poll::Ready(Ok(()));
        }
        match self.deadline {
            Some(deadline) => inner.arm(id, deadline),
            None => slot.deadline = None,
        }
        self.parked = true;
        Poll::Pending
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
