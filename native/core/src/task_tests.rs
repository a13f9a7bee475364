use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Cancelled, Owner, TaskId};
use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::testing::{run, run_with};
use crate::upcall::Upcall;

#[test]
fn a_deadline_wakes_a_task_also_when_it_is_moved_closer() {
    run(|shard| async move {
        let began = Instant::now();
        shard.tasks.wake(shard.tasks.current());
        shard
            .park(shard.after(60_000))
            .await
            .expect("not cancelled");
        let until = shard.now() + Duration::from_millis(20);
        while shard.now() < until {
            shard.park(Some(until)).await.expect("not cancelled");
        }
        assert!(began.elapsed() >= Duration::from_millis(20));
    });
}

#[test]
fn a_task_that_was_woken_before_it_parked_goes_on() {
    run(|shard| async move {
        shard.tasks.wake(shard.tasks.current());
        shard.park(None).await.expect("not cancelled");
    });
}

#[test]
fn cancelling_fails_every_wait_with_the_first_reason() {
    let seen = run(|shard| async move {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let task = {
            let (shard, seen) = (Rc::clone(&shard), Rc::clone(&seen));
            shard.clone().spawn("cancelled", async move {
                for _ in 0..2 {
                    let parked = shard.park(None).await;
                    seen.borrow_mut().push(parked);
                }
            })
        };
        shard.tasks.yield_now().await.expect("not cancelled");
        shard.tasks.cancel(task, EndReason::Drain);
        shard.tasks.cancel(task, EndReason::Destroyed);
        shard.tasks.yield_now().await.expect("not cancelled");
        shard.tasks.yield_now().await.expect("not cancelled");
        seen.take()
    });
    assert_eq!(seen, [Err(Cancelled(EndReason::Drain)); 2]);
}

#[test]
fn an_owner_s_tasks_are_cancelled_together_and_nobody_else_s() {
    let ended = run(|shard| async move {
        let ended = Rc::new(RefCell::new(Vec::new()));
        for (name, owner) in [
            (1, Owner::Visitor(1)),
            (2, Owner::Visitor(2)),
            (3, Owner::Visitor(1)),
        ] {
            let (this, ended) = (Rc::clone(&shard), Rc::clone(&ended));
            shard.tasks.spawn(owner, "visitor", async move {
                let parked = this.park(this.after(50)).await;
                ended.borrow_mut().push((name, parked.is_err()));
            });
        }
        shard.tasks.yield_now().await.expect("not cancelled");
        shard
            .tasks
            .cancel_all(Owner::Visitor(1), EndReason::Destroyed);
        while ended.borrow().len() < 3 {
            shard.sleep(5).await.expect("not cancelled");
        }
        ended.take()
    });
    assert_eq!(ended, [(1, true), (3, true), (2, false)]);
}

#[test]
fn a_panic_ends_its_task_drops_what_it_holds_and_is_told() {
    struct Held(Rc<Cell<bool>>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let (left, upcalls) = run_with(Limits::default(), |shard| async move {
        let dropped = Rc::new(Cell::new(false));
        let held = Held(Rc::clone(&dropped));
        shard.spawn("planted", async move {
            let _held = held;
            panic!("planted by a test");
        });
        while !dropped.get() {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        // A fault is told at the end of the round that it happened in.
        for _ in 0..2 {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        shard.tasks.count()
    });
    assert_eq!(left, 1, "only the test's own task is left");
    let told = upcalls.iter().any(|upcall| {
        let Upcall::Events(events) = upcall else {
            return false;
        };
        events.iter().any(|event| {
            matches!(event, Event::Fault { place, error, .. }
                if place == "planted" && error == "planted by a test")
        })
    });
    assert!(told, "no fault in {upcalls:?}");
}

#[test]
fn an_id_is_not_used_again() {
    run(|shard| async move {
        let first = shard.spawn("short", async {});
        shard.tasks.yield_now().await.expect("not cancelled");
        let second = shard.spawn("next", async {});
        assert_ne!(first, second);
        shard.tasks.wake(first);
        shard.tasks.wake(TaskId::NONE);
    });
}
