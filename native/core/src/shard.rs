//! One thread of the engine: its sockets, its tasks and what they share. Nothing in it is touched
//! by another thread; others post jobs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry, Waker};

use crate::balance::{Balance, Load};
use crate::channel_words::WORD_BYTES;
use crate::client_service::ClientService;
use crate::context::Context;
use crate::control_stream::ControlStream;
use crate::pipes::Pipes;
use crate::reactor::{Reactor, WAKER};
use crate::reason::EndReason;
use crate::reused_link::{RunningUse, UseKey};
use crate::scratch::Scratch;
use crate::server_service::ServerService;
use crate::sys;
use crate::task::{Cancelled, Owner, TaskId, TaskPanic, Tasks, panic_text};
use crate::transport::gate::Gate;
use crate::tunnel_listener::TunnelListener;
use crate::upcall::{ListenerId, ServiceId, SessionId, StreamId, lock};

/// One read; also the largest datagram.
pub(crate) const BUFFER_BYTES: usize = 65_536;
/// With room for the word that announces a read, so that both leave in one write, and come in one read.
const BUFFER_ROOM_BYTES: usize = BUFFER_BYTES + WORD_BYTES;
const EVENTS_PER_POLL: usize = 1_024;
/// Rounds of tasks that wake each other before sockets are looked at again.
const ROUNDS_PER_POLL: usize = 8;
/// After a fault of the shard itself, so that one that stays does not cost a core.
const FAULT_PAUSE: Duration = Duration::from_millis(10);
/// Such a fault is told once in this time.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Work for a shard from another thread.
pub(crate) type Job = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// The way to a shard from other threads.
pub(crate) struct Remote {
    jobs: Mutex<Vec<Job>>,
    waker: Waker,
    stopping: AtomicBool,
    pub(crate) load: Load,
    /// Handshakes under way there.
    pub(crate) shaking: AtomicUsize,
}

impl Remote {
    /// Jobs of one sender run in order. One that comes when the shard has stopped is dropped.
    pub(crate) fn post(&self, job: impl FnOnce(&Rc<Shard>) + Send + 'static) {
        if self.stopping.load(Ordering::Acquire) {
            return;
        }
        let first = {
            let mut jobs = lock(&self.jobs);
            jobs.push(Box::new(job));
            jobs.len() == 1
        };
        if first {
            self.wake();
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Drops what is posted. Not under the lock: what is dropped may post.
    pub(crate) fn clear(&self) {
        let jobs = std::mem::take(&mut *lock(&self.jobs));
        drop(jobs);
    }

    fn wake(&self) {
        // An eventfd write fails only when its counter is full, and then it is awake.
        let _ = self.waker.wake();
    }
}

/// A service of either role.
#[derive(Clone)]
pub(crate) enum Service {
    Server(Rc<ServerService>),
    Client(Rc<ClientService>),
}

pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) context: Arc<Context>,
    pub(crate) tasks: Tasks,
    pub(crate) reactor: Reactor,
    pub(crate) pipes: Pipes,
    /// What a quiet connection is read into. Borrowed for one call at a time, never across a wait.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) gate: Gate,
    pub(crate) listeners: RefCell<HashMap<ListenerId, Rc<TunnelListener>>>,
    pub(crate) streams: RefCell<HashMap<StreamId, Rc<ControlStream>>>,
    pub(crate) services: RefCell<HashMap<ServiceId, Service>>,
    pub(crate) balance: Balance,
    /// Uses of reusable channels.
    pub(crate) uses: RefCell<HashMap<UseKey, RunningUse>>,
    now: Cell<Instant>,
    closing: Cell<bool>,
}

impl Shard {
    /// The reason of a task that ended without having one: a panic, unless the shard itself ends.
    pub(crate) fn unexpected_end(&self) -> EndReason {
        if self.closing.get() {
            EndReason::Destroyed
        } else {
            EndReason::InternalError
        }
    }

    /// The time of this turn.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// So many milliseconds from now; `None` when that is beyond what a clock can say: never.
    pub(crate) fn after(&self, milliseconds: u64) -> Option<Instant> {
        self.now().checked_add(Duration::from_millis(milliseconds))
    }

    /// Milliseconds since then.
    pub(crate) fn elapsed_ms(&self, since: Instant) -> u64 {
        let elapsed = self.now().saturating_duration_since(since);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn spawn(
        &self,
        place: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> TaskId {
        self.tasks.spawn(Owner::Shard, place, future)
    }

    /// The running task sleeps until something wakes it. See [`Tasks::park`].
    pub(crate) async fn park(&self, deadline: Option<Instant>) -> Result<(), Cancelled> {
        self.tasks.park(deadline).await
    }

    pub(crate) async fn sleep(&self, milliseconds: u64) -> Result<(), Cancelled> {
        let until = self.after(milliseconds);
        while until.is_none_or(|at| self.now() < at) {
            self.park(until).await?;
        }
        Ok(())
    }

    /// Takes a step of a task that must outlive it: a panic is told as the task's fault. `None`: it
    /// panicked. Costs nothing else.
    pub(crate) fn guard<T>(&self, step: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(value) => Some(value),
            Err(payload) => {
                let place = self.tasks.place();
                self.context.fault(place, &panic_text(&*payload));
                None
            }
        }
    }

    /// The peer has given up the use of that visitor: it ends, where it is here.
    pub(crate) fn gave_up(&self, session: SessionId, visitor: u64, reason: EndReason) {
        let mut uses = self.uses.borrow_mut();
        if let Some(running) = uses.get_mut(&(session, visitor)) {
            self.tasks.cancel(running.given_up(), reason);
        }
    }

    pub(crate) fn remote(&self, shard: usize) -> &Remote {
        self.context.remote(shard)
    }

    /// Until every shard has done what was posted to it before.
    pub(crate) async fn settled(&self) -> Result<(), Cancelled> {
        let (home, task) = (self.index, self.tasks.current());
        let remotes = self.context.remotes();
        let left = Arc::new(AtomicUsize::new(remotes.len()));
        for remote in remotes {
            let left = Arc::clone(&left);
            remote.post(move |shard| {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    shard.remote(home).post(move |home| home.tasks.wake(task));
                }
            });
        }
        while left.load(Ordering::Acquire) > 0 {
            self.park(None).await?;
        }
        Ok(())
    }

    /// Until it is told to stop, whatever happens: what has its home here must be answered.
    fn run(self: &Rc<Self>, remote: &Remote, poll: &mut impl Ask) {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let loads: Vec<_> = self
            .context
            .remotes()
            .iter()
            .map(|remote| &remote.load)
            .collect();
        let mut told = None;
        while !remote.stopping.load(Ordering::Acquire) {
            let turn = AssertUnwindSafe(|| self.turn(remote, poll, &mut events, &loads));
            let error = match catch_unwind(turn) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(payload) => panic_text(&*payload),
            };
            let now = Instant::now();
            if told.is_none_or(|at| now - at >= TELL_EVERY) {
                told = Some(now);
                self.context.fault("shard", &error);
            }
            std::thread::sleep(FAULT_PAUSE);
        }
    }

    /// What happened, and what is to be done about it. Where the system does not say what happened,
    /// all else is done.
    fn turn(
        self: &Rc<Self>,
        remote: &Remote,
        poll: &mut impl Ask,
        events: &mut Events,
        loads: &[&Load],
    ) -> io::Result<()> {
        let mut polled = poll(events, self.timeout());
        if let Err(error) = &polled {
            events.clear();
            if error.kind() == io::ErrorKind::Interrupted {
                polled = Ok(());
            }
        }
        self.now.set(Instant::now());
        let mut posted = polled.is_err();
        for event in &*events {
            if event.token() == WAKER {
                posted = true;
            } else if let Some(task) = self.reactor.note(event) {
                self.tasks.wake(task);
            }
        }
        if posted {
            self.run_jobs(remote);
        }
        self.tasks.fire_timers(self.now());
        self.pipes.trim(self.now());
        self.balance.turn(self.now(), self.index, loads);
        if let Some(task) = self.gate.open() {
            self.tasks.wake(task);
        }
        for _ in 0..ROUNDS_PER_POLL {
            if !self.tasks.has_ready() {
                break;
            }
            for TaskPanic { place, message } in self.tasks.run_ready() {
                self.context.fault(place, &message);
            }
        }
        polled
    }

    fn timeout(&self) -> Option<Duration> {
        if self.tasks.has_ready() || self.gate.has_waiting() {
            return Some(Duration::ZERO);
        }
        let deadlines = [self.tasks.next_timer(), self.pipes.trim_at()];
        let at = deadlines.into_iter().flatten().min()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    fn run_jobs(self: &Rc<Self>, remote: &Remote) {
        let jobs = std::mem::take(&mut *lock(&remote.jobs));
        for job in jobs {
            if catch_unwind(AssertUnwindSafe(|| job(self))).is_err() {
                self.context.fault("job", "panic");
            }
        }
    }

    /// What has been posted so far, within a turn of a task.
    #[cfg(test)]
    pub(crate) fn run_posted(self: &Rc<Self>) {
        self.run_jobs(self.remote(self.index));
    }

    /// Closes everything.
    fn clear(&self, remote: &Remote) {
        self.closing.set(true);
        // Twice: what is dropped may hold the last handle of something that spawns.
        for _ in 0..2 {
            self.tasks.clear();
            let listeners = std::mem::take(&mut *self.listeners.borrow_mut());
            let streams = std::mem::take(&mut *self.streams.borrow_mut());
            let services = std::mem::take(&mut *self.services.borrow_mut());
            drop((listeners, streams, services));
            remote.clear();
        }
    }
}

/// Asks the system what has happened; waits for it that long at most.
trait Ask: FnMut(&mut Events, Option<Duration>) -> io::Result<()> {}

impl<T: FnMut(&mut Events, Option<Duration>) -> io::Result<()>> Ask for T {}

/// All descriptors that a shard itself needs, before its thread runs.
pub(crate) struct Seat {
    poll: Poll,
    registry: Registry,
}

impl Seat {
    /// # Errors
    /// The system's, when descriptors are short.
    pub(crate) fn open() -> io::Result<(Self, Remote)> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let remote = Remote {
            jobs: Mutex::default(),
            waker,
            stopping: AtomicBool::new(false),
            load: Load::default(),
            shaking: AtomicUsize::new(0),
        };
        Ok((Self { poll, registry }, remote))
    }

    /// The thread's body.
    pub(crate) fn run(self, index: usize, context: &Arc<Context>) {
        let Self { mut poll, registry } = self;
        let mut ask = |events: &mut Events, timeout| poll.poll(events, timeout);
        serve(registry, index, context, &mut ask);
    }
}

fn serve(registry: Registry, index: usize, context: &Arc<Context>, poll: &mut impl Ask) {
    sys::ignore_broken_pipes();
    let pipes = Pipes::new(context.pipe_budget.clone());
    let shard = Rc::new(Shard {
        index,
        tasks: Tasks::default(),
        reactor: Reactor::new(registry),
        pipes,
        buffer: RefCell::new(vec![0; BUFFER_ROOM_BYTES].into_boxed_slice()),
        uses: RefCell::default(),
        scratch: RefCell::default(),
        gate: Gate::default(),
        listeners: RefCell::default(),
        streams: RefCell::default(),
        services: RefCell::default(),
        balance: Balance::new(Instant::now()),
        now: Cell::new(Instant::now()),
        closing: Cell::new(false),
        context: Arc::clone(context),
    });
    let remote = context.remote(index);
    shard.run(remote, poll);
    shard.clear(remote);
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
