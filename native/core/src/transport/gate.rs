//! One step of a handshake in each turn of a shard: many handshakes at once delay an established flow
//! by the time of one step.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::shard::Shard;
use crate::task::{Cancelled, TaskId};

#[derive(Default)]
pub(crate) struct Gate {
    /// Tasks that wait for their step, in turn.
    waiting: RefCell<VecDeque<TaskId>>,
    /// The step of this turn has been taken.
    taken: Cell<bool>,
    /// Whose turn it is.
    called: Cell<TaskId>,
}

impl Gate {
    /// A new turn has begun: the task that may take the step, if one waits.
    pub(crate) fn open(&self) -> Option<TaskId> {
        let next = self.waiting.borrow_mut().pop_front();
        self.taken.set(next.is_some());
        self.called.set(next.unwrap_or(TaskId::NONE));
        next
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Until the running task may take a step.
    ///
    /// # Errors
    /// When the task is cancelled.
    pub(crate) async fn enter(&self, shard: &Shard) -> Result<(), Cancelled> {
        if !self.taken.get() && !self.has_waiting() {
            self.taken.set(true);
            return Ok(());
        }
        let task = shard.tasks.current();
        self.waiting.borrow_mut().push_back(task);
        let _place = Place { gate: self, task };
        while self.called.get() != task {
            shard.park(None).await?;
        }
        self.called.set(TaskId::NONE);
        Ok(())
    }
}

/// A task's place in the queue: given back also when it is cancelled.
struct Place<'a> {
    gate: &'a Gate,
    task: TaskId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.waiting.borrow_mut().retain(|it| *it != self.task);
    }
}
