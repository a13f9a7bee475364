//! How much of a shard's turn goes into handshakes: many at once delay an established flow by a
//! fraction of a millisecond, whatever a step of theirs costs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::shard::Shard;
use crate::task::{Cancelled, TaskId};

/// Spent on steps in one turn, before the next one waits for the next turn. A step of public key
/// cryptography takes 50 to 700 µs, of anything else a few.
const BUDGET: Duration = Duration::from_micros(200);

#[derive(Default)]
pub(crate) struct Gate {
    /// Tasks that wait for their step, in the order they came. One leaves when it takes it.
    waiting: RefCell<VecDeque<TaskId>>,
    /// In this turn.
    spent: Cell<Duration>,
}

impl Gate {
    /// A new turn has begun: the task that is to be woken for the first step, if one waits.
    pub(crate) fn open(&self) -> Option<TaskId> {
        self.spent.set(Duration::ZERO);
        self.first()
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Who comes now has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.spent.get() >= BUDGET || self.has_waiting()
    }

    /// Until the running task may take a step; what is returned is dropped behind it.
    ///
    /// # Errors
    /// When the task is cancelled.
    pub(crate) async fn enter<'a>(&'a self, shard: &'a Shard) -> Result<Passage<'a>, Cancelled> {
        if self.is_full() {
            let task = shard.tasks.current();
            self.waiting.borrow_mut().push_back(task);
            let _place = Place { gate: self, task };
            while self.first() != Some(task) || self.spent.get() >= BUDGET {
                shard.park(None).await?;
            }
        }
        Ok(Passage {
            shard,
            since: Instant::now(),
        })
    }

    fn first(&self) -> Option<TaskId> {
        self.waiting.borrow().front().copied()
    }
}

/// One step.
pub(crate) struct Passage<'a> {
    shard: &'a Shard,
    since: Instant,
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let gate = &self.shard.gate;
        gate.spent.set(gate.spent.get() + self.since.elapsed());
        if gate.spent.get() < BUDGET
            && let Some(next) = gate.first()
        {
            self.shard.tasks.wake(next);
        }
    }
}

/// A task's place among those that wait: given back also when it is cancelled.
struct Place<'a> {
    gate: &'a Gate,
    task: TaskId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.waiting.borrow_mut().retain(|it| *it != self.task);
    }
}
