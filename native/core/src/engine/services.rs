//! Calls about services and their sessions.

use std::rc::Rc;
use std::sync::Arc;

use super::Engine;
use crate::client_service::{ClientService, ClientSessionStart};
use crate::context::{ServiceFacts, SharedFacts, StreamHome};
use crate::control_stream;
use crate::reason::EndReason;
use crate::server_service::{ServerService, ServerSessionStart};
use crate::shard::Service;
use crate::spec::{
    ClientRoutine, ClientServiceChange, ClientServiceSpec, ServerRoutine, ServerServiceChange,
    ServerServiceSpec, ServiceType,
};
use crate::upcall::{ServiceId, SessionId, StreamId, Upcall, lock};

impl Engine {
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

    fn home_of(&self, service: ServiceId) -> Option<usize> {
        lock(&self.services).get(&service).map(|facts| facts.home)
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
