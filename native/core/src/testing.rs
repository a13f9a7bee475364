//! What tests of this crate stand on: a real shard on a thread of its own.

use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use crate::admission::Admission;
use crate::context::Context;
use crate::counters::ReasonCounts;
use crate::descriptors::Descriptors;
use crate::event_batch::EventBatch;
use crate::limits::Limits;
use crate::shard::{Seat, Shard};
use crate::upcall::{FIRST_ACCEPTED_STREAM, Upcall, Upcalls};

/// A context whose shards are still to be seated.
fn context(limits: Limits) -> Context {
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
        next_stream: AtomicU32::new(FIRST_ACCEPTED_STREAM),
        remotes: OnceLock::new(),
    }
}

/// Runs the task on a shard and returns what it returns, with all upcalls that came.
///
/// # Panics
/// When the task panics.
pub(crate) fn run_with<T, F>(
    limits: Limits,
    make: impl FnOnce(Rc<Shard>) -> F + Send + 'static,
) -> (T, Vec<Upcall>)
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let context = Arc::new(context(limits));
    let (seat, remote) = Seat::open().expect("descriptors for a test");
    assert!(context.remotes.set(vec![remote]).is_ok());
    let (send, receive) = mpsc::channel();
    context.remote(0).post(move |shard| {
        let task = make(Rc::clone(shard));
        shard.spawn("test", async move {
            // The test has gone: nobody wants to know.
            drop(send.send(task.await));
        });
    });
    let thread = {
        let context = Arc::clone(&context);
        std::thread::spawn(move || seat.run(0, context).expect("the shard runs"))
    };
    let result = receive.recv();
    context.remote(0).stop();
    thread.join().expect("the shard ends");
    context.events.flush(&context);
    let upcalls = context.upcalls.take();
    let value = result.unwrap_or_else(|_| panic!("the task panicked: {upcalls:?}"));
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
