//! What tests of this crate stand on: real shards, each on a thread of its own.

use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::admission::Admission;
use crate::context::Context;
use crate::counters::ReasonCounts;
use crate::descriptors::Descriptors;
use crate::event_batch::EventBatch;
use crate::limits::Limits;
use crate::shard::{Seat, Shard};
use crate::upcall::{FIRST_ACCEPTED_STREAM, Upcall, Upcalls};

/// A context whose shards are still to be seated.
pub(crate) fn context(limits: Limits) -> Context {
    Context {
        admission: Mutex::new(Admission::new(&limits)),
        limits,
        access_log: true,
        upcalls: Upcalls::new(Box::new(|| {})),
        events: EventBatch::new(true),
        sessions: Mutex::default(),
        streams: Mutex::default(),
        tunnel_rejected: ReasonCounts::default(),
        descriptors: Descriptors::of_system(),
        udp_sockets: AtomicUsize::new(0),
        pipe_budget: crate::pipes::probe(),
        transports: crate::transport::target::ClientTransports::default(),
        next_stream: AtomicU32::new(FIRST_ACCEPTED_STREAM),
        remotes: OnceLock::new(),
    }
}

/// A test that waits longer hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What an engine runs on, without the engine. Calls and tasks of tests run on shard 0.
pub(crate) struct TestShards {
    pub(crate) context: Arc<Context>,
    threads: Vec<JoinHandle<()>>,
}

impl TestShards {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::several(1, limits)
    }

    pub(crate) fn several(count: usize, limits: Limits) -> Self {
        let context = Arc::new(context(limits));
        let open = |_| Seat::open().expect("descriptors for a test");
        let (seats, remotes): (Vec<_>, Vec<_>) = (0..count).map(open).unzip();
        assert!(context.remotes.set(remotes).is_ok());
        let start = |(index, seat): (usize, Seat)| {
            let context = Arc::clone(&context);
            std::thread::spawn(move || seat.run(index, &context))
        };
        let threads = seats.into_iter().enumerate().map(start).collect();
        Self { context, threads }
    }

    pub(crate) fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Rc<Shard>) -> T + Send + 'static,
    ) -> T {
        let (send, receive) = mpsc::channel();
        self.context.remote(0).post(move |shard| {
            // The test has gone: nobody wants to know.
            let _ = send.send(job(shard));
        });
        self.receive(&receive)
    }

    /// Runs a task to its end.
    ///
    /// # Panics
    /// When the task panics.
    pub(crate) fn run<T, F>(&self, make: impl FnOnce(Rc<Shard>) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (send, receive) = mpsc::channel();
        self.context.remote(0).post(move |shard| {
            let task = make(Rc::clone(shard));
            shard.spawn("test", async move {
                let _ = send.send(task.await);
            });
        });
        self.receive(&receive)
    }

    /// Waits until it is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Shard) -> bool + Send + 'static) {
        let what = what.to_owned();
        self.run(move |shard| async move {
            let deadline = shard.after(20_000);
            while !is_so(&shard) {
                assert!(deadline > Some(shard.now()), "waited for {what}");
                shard.sleep(1).await.expect("not cancelled");
            }
        });
    }

    pub(crate) fn upcalls(&self) -> Vec<Upcall> {
        self.context.events.flush(&self.context);
        let mut upcalls = self.context.upcalls.take();
        for upcall in &mut upcalls {
            if let Upcall::Events(events) = upcall {
                *events = self.context.events.take();
            }
        }
        upcalls
    }

    fn receive<T>(&self, result: &mpsc::Receiver<T>) -> T {
        let received = result.recv_timeout(HANGS);
        received.unwrap_or_else(|error| panic!("{error}: {:?}", self.upcalls()))
    }
}

impl Drop for TestShards {
    fn drop(&mut self) {
        for remote in self.context.remotes() {
            remote.stop();
        }
        for thread in self.threads.drain(..) {
            let joined = thread.join();
            assert!(
                joined.is_ok() || std::thread::panicking(),
                "a shard panicked"
            );
        }
    }
}

/// Runs the task on a shard of its own and returns what it returns, with all upcalls that came.
pub(crate) fn run_with<T, F>(
    limits: Limits,
    make: impl FnOnce(Rc<Shard>) -> F + Send + 'static,
) -> (T, Vec<Upcall>)
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let shards = TestShards::new(limits);
    let value = shards.run(make);
    let upcalls = shards.upcalls();
    (value, upcalls)
}

/// As `run_with`, with the default limits.
pub(crate) fn run<T, F>(make: impl FnOnce(Rc<Shard>) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    run_with(Limits::default(), make).0
}
