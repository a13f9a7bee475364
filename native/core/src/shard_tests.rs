//! Faults of a shard itself: what has its home there is still answered.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Events;

use super::{Remote, Seat, serve};
use crate::context::Context;
use crate::events::Event;
use crate::limits::Limits;
use crate::testing;
use crate::upcall::Upcall;

const HANGS: Duration = Duration::from_secs(60);

/// A shard whose poll fails like that, so many times or for ever.
struct Failing {
    context: Arc<Context>,
    thread: Option<JoinHandle<()>>,
}

impl Failing {
    fn new(times: usize, fail: fn() -> io::Error) -> Self {
        let (seat, remote) = Seat::open().expect("descriptors for a test");
        let context = Arc::new(testing::context(Limits::default()));
        assert!(context.remotes.set(vec![remote]).is_ok());
        let known = Arc::clone(&context);
        let thread = std::thread::spawn(move || {
            let Seat { mut poll, registry } = seat;
            let left = AtomicUsize::new(times);
            let mut ask = |events: &mut Events, timeout| match left.load(Ordering::Relaxed) {
                0 => poll.poll(events, timeout),
                count => {
                    left.store(count - 1, Ordering::Relaxed);
                    Err(fail())
                }
            };
            serve(registry, 0, &known, &mut ask);
        });
        Self {
            context,
            thread: Some(thread),
        }
    }

    /// A task that has to wait for a time, started by a job.
    fn answers(&self) {
        let (send, receive) = mpsc::channel();
        self.context.remote(0).post(move |shard| {
            let timer = std::rc::Rc::clone(shard);
            shard.spawn("test", async move {
                let _ = send.send(timer.sleep(5).await.is_ok());
            });
        });
        assert_eq!(receive.recv_timeout(HANGS), Ok(true));
    }

    fn faults(&self) -> Vec<String> {
        let events = self.context.events.take();
        let texts = events.into_iter().filter_map(|event| match event {
            Event::Fault { place, error, .. } => Some(format!("{place}: {error}")),
            _ => None,
        });
        texts.collect()
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.context.remotes().iter().for_each(Remote::stop);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(matches!(joined, Some(Ok(()))) || std::thread::panicking());
    }
}

#[test]
fn answers_while_the_system_does_not_say_what_happened() {
    let shard = Failing::new(usize::MAX, || io::Error::other("no poll"));
    for _ in 0..3 {
        shard.answers();
    }
    assert_eq!(shard.faults(), ["shard: no poll"]);
}

#[test]
fn goes_on_after_a_fault_of_its_own() {
    let shard = Failing::new(2, || panic!("planted"));
    shard.answers();
    assert_eq!(shard.faults(), ["shard: planted"]);
}

#[test]
fn an_interrupted_wait_is_no_fault() {
    let shard = Failing::new(3, || io::ErrorKind::Interrupted.into());
    shard.answers();
    assert!(shard.faults().is_empty());
    assert!(!shard.context.upcalls.take().iter().any(is_events));
}

fn is_events(upcall: &Upcall) -> bool {
    matches!(upcall, Upcall::Events(_))
}
