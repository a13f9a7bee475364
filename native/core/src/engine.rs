//! The engine as the control plane drives it. Calls only post jobs to shards; answers come as
//! upcalls. The control plane makes all calls of one engine from one thread at a time.
//!
//! A service lives on one shard, its home: its listener, its pool and its control channel. Relays
//! move to other shards when that helps. A control stream moves to its service's home when it is
//! attached.

mod services;
mod tunnels;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use crate::admission::Admission;
use crate::context::{Context, SharedFacts};
use crate::counters::{EngineStats, ReasonCounts};
use crate::descriptors::Descriptors;
use crate::event_batch::EventBatch;
use crate::limits::Limits;
use crate::pipes;
use crate::shard::{Seat, Shard};
use crate::transport::target::ClientTransports;
use crate::upcall::{FIRST_ACCEPTED_STREAM, ListenerId, ServiceId, Upcall, Upcalls, lock};

const THREADS_DEFAULT_MAX: usize = 4;
const THREADS_MAX: usize = 256;
const STACK_BYTES: usize = 256 * 1_024;

#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    pub limits: Limits,
    /// Whether `VisitorEnd` events are made.
    pub access_log: bool,
    /// Whether anybody takes events at all.
    pub events: bool,
    /// Threads; 0: as many as the machine has cores, at most 4.
    pub threads: usize,
}

pub struct Engine {
    context: Arc<Context>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    services: Mutex<HashMap<ServiceId, SharedFacts>>,
    listeners: Mutex<HashMap<ListenerId, usize>>,
}

impl Engine {
    /// Starts the threads. `notify` is called on any thread when upcalls are there to be taken.
    ///
    /// # Errors
    /// The system's, when descriptors or threads are short.
    pub fn start(
        options: EngineOptions,
        notify: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match options.threads {
            0 => cores.min(THREADS_DEFAULT_MAX),
            wanted => wanted.min(THREADS_MAX),
        };
        let context = Arc::new(Context {
            admission: Mutex::new(Admission::new(&options.limits)),
            limits: options.limits,
            access_log: options.access_log,
            upcalls: Upcalls::new(Box::new(notify)),
            events: EventBatch::new(options.events),
            sessions: Mutex::default(),
            streams: Mutex::default(),
            tunnel_rejected: ReasonCounts::default(),
            descriptors: Descriptors::of_system(),
            udp_sockets: AtomicUsize::new(0),
            pipe_budget: pipes::probe(),
            transports: ClientTransports::default(),
            next_stream: AtomicU32::new(FIRST_ACCEPTED_STREAM),
            remotes: OnceLock::new(),
        });
        let mut seats = Vec::with_capacity(threads);
        let mut remotes = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (seat, remote) = Seat::open()?;
            seats.push(seat);
            remotes.push(remote);
        }
        if context.remotes.set(remotes).is_err() {
            unreachable!("the context was made above");
        }
        let engine = Self {
            context,
            threads: Mutex::default(),
            services: Mutex::default(),
            listeners: Mutex::default(),
        };
        for (index, seat) in seats.into_iter().enumerate() {
            let context = Arc::clone(&engine.context);
            let thread = std::thread::Builder::new()
                .name(format!("warren-{index}"))
                .stack_size(STACK_BYTES)
                .spawn(move || seat.run(index, &context))?;
            lock(&engine.threads).push(thread);
        }
        Ok(engine)
    }

    /// What has come since the last call, in order.
    pub fn take_upcalls(&self) -> Vec<Upcall> {
        let mut upcalls = self.context.upcalls.take();
        for upcall in &mut upcalls {
            if let Upcall::Events(events) = upcall {
                *events = self.context.events.take();
            }
        }
        // From now on the control plane knows it.
        for upcall in &upcalls {
            match upcall {
                Upcall::StreamEnded { stream, .. } => {
                    lock(&self.context.streams).remove(stream);
                }
                Upcall::ListenFailed { listener, .. } => {
                    lock(&self.listeners).remove(listener);
                }
                _ => {}
            }
        }
        upcalls
    }

    /// How many it was started with.
    pub fn threads(&self) -> usize {
        self.context.remotes().len()
    }

    pub fn stats(&self) -> EngineStats {
        let services = lock(&self.services);
        let mut ids: Vec<_> = services.keys().copied().collect();
        ids.sort_unstable();
        let each = ids.iter().filter_map(|id| services.get(id));
        EngineStats {
            services: each
                .map(|facts| facts.counters.snapshot(&facts.name, facts.protocol))
                .collect(),
            unauthenticated: self.context.admission().unauthenticated(),
            tunnel_rejected: self.context.tunnel_rejected.snapshot(),
        }
    }

    /// Stops the threads and closes every socket. Returns when none is left; the last upcalls can
    /// still be taken.
    pub fn shutdown(&self) {
        for remote in self.context.remotes() {
            remote.stop();
        }
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                self.context.fault("shard", "panic");
            }
        }
        // What one has posted while another was ending.
        for remote in self.context.remotes() {
            remote.clear();
        }
        self.context.events.flush(&self.context);
    }

    fn post(&self, shard: usize, job: impl FnOnce(&Rc<Shard>) + Send + 'static) {
        self.context.remote(shard).post(job);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
