//! The engine as the control plane drives it. Calls only post jobs to shards; answers come as
//! upcalls. The control plane makes all calls of one engine from one thread at a time.
//!
//! A service lives on one shard, its home: its listener, its pool and its control channel. Relays
//! move to other shards when that helps. A control stream moves to its service's home when it is
//! attached.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use crate::admission::Admission;
use crate::client_service::{ClientService, ClientSessionStart};
use crate::context::{Context, ServiceFacts, SharedFacts, StreamHome};
use crate::control_stream::{self, ControlStream};
use crate::counters::{EngineStats, ReasonCounts};
use crate::descriptors::Descriptors;
use crate::event_batch::EventBatch;
use crate::limits::Limits;
use crate::pipes;
use crate::reason::EndReason;
use crate::server_service::{ServerService, ServerSessionStart};
use crate::shard::{Seat, Service, Shard};
use crate::spec::{
    ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec, ServerRoutine,
    ServerServiceChange, ServerServiceSpec, ServiceType, TcpSpec, TunnelListenSpec,
};
use crate::tunnel_listener::TunnelListener;
use crate::upcall::{
    FIRST_ACCEPTED_STREAM, ListenerId, ServiceId, SessionId, StreamId, Upcall, Upcalls, lock,
};

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
                .spawn(move || {
                    if let Err(error) = seat.run(index, &context) {
                        context.fault("shard", &error.to_string());
                    }
                })?;
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
        let mut streams = lock(&self.context.streams);
        for upcall in &upcalls {
            // From now on the control plane knows it.
            if let Upcall::StreamEnded { stream, .. } = upcall {
                streams.remove(stream);
            }
        }
        upcalls
    }

    /// Answered by `Listening` or `ListenFailed`.
    pub fn listen(&self, listener: ListenerId, spec: TunnelListenSpec) {
        let shard = {
            let mut listeners = lock(&self.listeners);
            let shard = listeners.len() % self.context.remotes().len();
            listeners.insert(listener, shard);
            shard
        };
        self.post(shard, move |shard| {
            TunnelListener::open(shard, listener, spec);
        });
    }

    /// For connections accepted from now on.
    pub fn update_listener(&self, listener: ListenerId, tcp: TcpSpec) {
        self.with_listener(listener, move |it| it.update(&tcp));
    }

    /// Frees the ports of all listeners, before anything else ends. `close_listener` is still due.
    pub fn stop_accepting(&self) {
        for remote in self.context.remotes() {
            remote.post(|shard| {
                for listener in shard.listeners.borrow().values() {
                    listener.stop_accepting();
                }
            });
        }
    }

    /// Stops accepting and ends the control streams that came in here. Answered by `ListenerClosed`.
    pub fn close_listener(&self, listener: ListenerId, reason: EndReason) {
        self.with_listener(listener, move |it| it.close(reason));
        lock(&self.listeners).remove(&listener);
        // Streams that were attached have moved to the shards of their services.
        for shard in 0..self.context.remotes().len() {
            self.post(shard, move |shard| {
                control_stream::end_of_listener(shard, listener, reason);
            });
        }
    }

    fn with_listener(
        &self,
        listener: ListenerId,
        act: impl FnOnce(&Rc<TunnelListener>) + Send + 'static,
    ) {
        let Some(shard) = lock(&self.listeners).get(&listener).copied() else {
            return;
        };
        self.post(shard, move |shard| {
            let it = shard.listeners.borrow().get(&listener).cloned();
            if let Some(it) = it {
                act(&it);
            }
        });
    }

    /// Answered by `Dialed` or `DialFailed`.
    pub fn dial(&self, stream: StreamId, spec: DialSpec) {
        lock(&self.context.streams).insert(stream, StreamHome::Shard(0));
        self.post(0, move |shard| ControlStream::dial(shard, stream, spec));
    }

    /// Gives a dial up that has not been answered.
    pub fn abort_dial(&self, stream: StreamId) {
        self.with_stream(stream, |it| it.abort_dial());
    }

    /// Answered by `StreamRead`, unless the stream ends first.
    pub fn stream_read(&self, stream: StreamId, length: usize) {
        self.with_stream(stream, move |it| it.read(length));
    }

    /// Answered by `StreamFlushed` when the system has all of it.
    pub fn stream_write(&self, stream: StreamId, bytes: Vec<u8>) {
        self.with_stream(stream, move |it| it.write(&bytes));
    }

    /// Flushes, sends FIN and waits a little for the peer's.
    pub fn stream_finish(&self, stream: StreamId, reason: EndReason) {
        self.with_stream(stream, move |it| it.finish(reason));
    }

    pub fn stream_destroy(&self, stream: StreamId, reason: EndReason) {
        self.with_stream(stream, move |it| it.destroy(reason));
    }

    fn with_stream(&self, stream: StreamId, act: impl FnOnce(&Rc<ControlStream>) + Send + 'static) {
        let home = lock(&self.context.streams).get(&stream).copied();
        if let Some(StreamHome::Shard(home)) = home {
            self.post(home, move |shard| on_stream(shard, stream, act));
        }
    }

    pub fn open_server_service(&self, service: ServiceId, spec: ServerServiceSpec) {
        let facts = self.open(service, &spec.name, spec.protocol);
        self.post(facts.home, move |shard| {
            let it = ServerService::open(shard, facts, spec);
            shard
                .services
                .borrow_mut()
                .insert(service, Service::Server(it));
        });
    }

    pub fn open_client_service(&self, service: ServiceId, spec: ClientServiceSpec) {
        let facts = self.open(service, &spec.name, spec.protocol);
        self.post(facts.home, move |shard| {
            let it = ClientService::open(shard, facts, spec);
            shard
                .services
                .borrow_mut()
                .insert(service, Service::Client(it));
        });
    }

    /// The home is the shard with the fewest services.
    fn open(&self, id: ServiceId, name: &str, protocol: ServiceType) -> SharedFacts {
        let mut services = lock(&self.services);
        let mut load = vec![0_usize; self.context.remotes().len()];
        for facts in services.values() {
            load[facts.home] += 1;
        }
        let home = (0..load.len())
            .min_by_key(|shard| load[*shard])
            .unwrap_or(0);
        let facts = Arc::new(ServiceFacts::new(id, name, protocol, home));
        services.insert(id, Arc::clone(&facts));
        facts
    }

    /// Gives the session to the service. `ended`: the stream has ended already, for that reason.
    /// Answered in the end by one `SessionEnded`.
    pub fn attach_server(
        &self,
        service: ServiceId,
        stream: StreamId,
        ended: Option<EndReason>,
        start: ServerSessionStart,
    ) {
        let Some(home) = self.home_of(service) else {
            return;
        };
        let session = start.session;
        self.with_server(service, move |it| it.attach(start));
        self.hand_over(stream, ended, home, service, session);
    }

    /// As `attach_server`.
    pub fn attach_client(
        &self,
        service: ServiceId,
        stream: StreamId,
        ended: Option<EndReason>,
        start: ClientSessionStart,
    ) {
        let Some(home) = self.home_of(service) else {
            return;
        };
        let session = start.session;
        self.with_client(service, move |it| it.attach(start));
        self.hand_over(stream, ended, home, service, session);
    }

    /// Sends the stream to the session's shard; the session waits for it there.
    fn hand_over(
        &self,
        stream: StreamId,
        ended: Option<EndReason>,
        home: usize,
        service: ServiceId,
        session: SessionId,
    ) {
        let from = lock(&self.context.streams).insert(stream, StreamHome::Shard(home));
        let reason = match from {
            Some(StreamHome::Shard(from)) => {
                self.post(from, move |shard| {
                    control_stream::hand_over(shard, stream, home, service, session);
                });
                return;
            }
            Some(StreamHome::Ended(reason)) => reason,
            None => ended.unwrap_or(EndReason::ControlReset),
        };
        lock(&self.context.streams).remove(&stream);
        self.post(home, move |shard| {
            control_stream::arrive(shard, service, session, Err(reason));
        });
    }

    /// After `Surplus`: the session goes on with this routine.
    pub fn resume_server(&self, service: ServiceId, routine: ServerRoutine) {
        self.with_server(service, move |it| it.resume(routine));
    }

    pub fn resume_client(&self, service: ServiceId, routine: ClientRoutine) {
        self.with_client(service, move |it| it.resume(routine));
    }

    pub fn update_server(&self, service: ServiceId, change: ServerServiceChange) {
        self.with_server(service, move |it| it.update(change));
    }

    pub fn update_client(&self, service: ServiceId, change: ClientServiceChange) {
        self.with_client(service, move |it| it.update(change));
    }

    /// Ends the attached session, if any.
    pub fn detach(&self, service: ServiceId, reason: EndReason) {
        self.with_service(service, move |it| match it {
            Service::Server(it) => it.detach(reason),
            Service::Client(it) => it.detach(reason),
        });
    }

    /// Ends its session and what waits with the reason, lets visitors that are served finish until
    /// the deadline (`None`: as long as it takes). Answered by `ServiceClosed`.
    pub fn close_service(&self, service: ServiceId, reason: EndReason, deadline_ms: Option<u64>) {
        self.end_service(service, move |it| match it {
            Service::Server(it) => it.close(reason, deadline_ms),
            Service::Client(it) => it.close(reason, deadline_ms),
        });
    }

    /// Aborts everything of it (`destroyed`). Answered by `ServiceClosed`.
    pub fn destroy_service(&self, service: ServiceId) {
        self.end_service(service, |it| match it {
            Service::Server(it) => it.destroy(),
            Service::Client(it) => it.destroy(),
        });
    }

    /// Forgets a service after `ServiceClosed`.
    pub fn forget_service(&self, service: ServiceId) {
        lock(&self.services).remove(&service);
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
        self.context.events.flush(&self.context);
    }

    fn home_of(&self, service: ServiceId) -> Option<usize> {
        lock(&self.services).get(&service).map(|facts| facts.home)
    }

    fn post(&self, shard: usize, job: impl FnOnce(&Rc<Shard>) + Send + 'static) {
        self.context.remote(shard).post(job);
    }

    fn with_service(&self, service: ServiceId, act: impl FnOnce(&Service) + Send + 'static) {
        let Some(home) = self.home_of(service) else {
            return;
        };
        self.post(home, move |shard| {
            let it = shard.services.borrow().get(&service).cloned();
            if let Some(it) = it {
                act(&it);
            }
        });
    }

    /// A service that is not there, because a fault kept it from being opened, is closed.
    fn end_service(&self, service: ServiceId, act: impl FnOnce(&Service) + Send + 'static) {
        let Some(home) = self.home_of(service) else {
            return;
        };
        self.post(home, move |shard| {
            let it = shard.services.borrow().get(&service).cloned();
            match it {
                Some(it) => act(&it),
                None => shard.context.upcall(Upcall::ServiceClosed { service }),
            }
        });
    }

    fn with_server(
        &self,
        service: ServiceId,
        act: impl FnOnce(&Rc<ServerService>) + Send + 'static,
    ) {
        self.with_service(service, move |it| {
            if let Service::Server(it) = it {
                act(it);
            }
        });
    }

    fn with_client(
        &self,
        service: ServiceId,
        act: impl FnOnce(&Rc<ClientService>) + Send + 'static,
    ) {
        self.with_service(service, move |it| {
            if let Service::Client(it) = it {
                act(it);
            }
        });
    }
}

/// Acts on a stream of this shard. One that is still on its way here is waited for.
fn on_stream(
    shard: &Rc<Shard>,
    stream: StreamId,
    act: impl FnOnce(&Rc<ControlStream>) + Send + 'static,
) {
    let it = shard.streams.borrow().get(&stream).cloned();
    if let Some(it) = it {
        act(&it);
    } else if lock(&shard.context.streams).get(&stream) == Some(&StreamHome::Shard(shard.index)) {
        shard
            .remote(shard.index)
            .post(move |shard| on_stream(shard, stream, act));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}
