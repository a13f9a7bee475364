//! What all shards of one engine share. Nothing here is global to the process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::admission::Admission;
use crate::counters::{ReasonCounts, ServiceCounters};
use crate::descriptors::Descriptors;
use crate::event_batch::EventBatch;
use crate::events::Event;
use crate::limits::Limits;
use crate::pipe_budget::PipeBudget;
use crate::reason::EndReason;
use crate::shard::{Remote, Service};
use crate::spec::ServiceType;
use crate::task::Owner;
use crate::transport::target::ClientTransports;
use crate::upcall::{ServiceId, SessionId, StreamId, Upcall, Upcalls, lock};

/// Where the live session of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionHome {
    pub(crate) shard: usize,
    pub(crate) service: ServiceId,
    pub(crate) session: SessionId,
}

/// Where a control stream is, for the control plane's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamHome {
    Shard(usize),
    Ended(EndReason),
}

/// What is known of a service on every thread.
pub(crate) struct ServiceFacts {
    pub(crate) id: ServiceId,
    pub(crate) name: String,
    pub(crate) protocol: ServiceType,
    pub(crate) home: usize,
    pub(crate) counters: ServiceCounters,
    /// Its service is closing: the last visitor's end is to be told.
    pub(crate) draining: AtomicBool,
    /// All visitors are being aborted with this reason (its number + 1); 0: they are not.
    aborting: AtomicU8,
    /// Reusable channels that are in use, or not idle again yet.
    pub(crate) channels_used: AtomicUsize,
    /// Those whose visitor has gone: a closing service waits for them.
    pub(crate) settling: AtomicUsize,
}

impl ServiceFacts {
    pub(crate) fn new(id: ServiceId, name: &str, protocol: ServiceType, home: usize) -> Self {
        Self {
            id,
            name: name.to_owned(),
            protocol,
            home,
            counters: ServiceCounters::default(),
            draining: AtomicBool::new(false),
            aborting: AtomicU8::new(0),
            channels_used: AtomicUsize::new(0),
            settling: AtomicUsize::new(0),
        }
    }

    /// Why a visitor that comes to another shard just now must end there at once.
    pub(crate) fn aborting(&self) -> Option<EndReason> {
        let number = self.aborting.load(Ordering::Acquire);
        EndReason::ALL
            .get(usize::from(number.checked_sub(1)?))
            .copied()
    }

    /// Aborts every visitor that is being served, on whatever shard.
    pub(crate) fn abort_visitors(&self, context: &Context, reason: EndReason) {
        self.aborting.store(reason as u8 + 1, Ordering::Release);
        let service = self.id;
        for remote in context.remotes() {
            remote.post(move |shard| shard.tasks.cancel_all(Owner::Visitor(service), reason));
        }
    }

    /// Ends the wait for channels that clients are to free, on whatever shard.
    pub(crate) fn stop_settling(&self, context: &Context, reason: EndReason) {
        let service = self.id;
        for remote in context.remotes() {
            remote.post(move |shard| shard.tasks.cancel_all(Owner::Settling(service), reason));
        }
    }

    /// One visitor less, on whatever shard; the last one of a closing service is told at its home.
    /// Sequentially consistent, as are the close's two steps: either it sees no visitor, or we see it.
    pub(crate) fn visitor_gone(&self, context: &Context) {
        if self.counters.visitors_open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.check_empty(context);
        }
    }

    /// One channel less that is not idle yet; as `visitor_gone`.
    pub(crate) fn settled(&self, context: &Context) {
        if self.settling.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.check_empty(context);
        }
    }

    /// Visitors, and channels that are not idle again, on all shards.
    pub(crate) fn busy(&self) -> usize {
        self.counters.visitors_open.load(Ordering::SeqCst) + self.settling.load(Ordering::SeqCst)
    }

    fn check_empty(&self, context: &Context) {
        if !self.draining.load(Ordering::SeqCst) {
            return;
        }
        let service = self.id;
        context.remote(self.home).post(move |shard| {
            let it = shard.services.borrow().get(&service).cloned();
            match it {
                Some(Service::Server(it)) => it.check_empty(),
                Some(Service::Client(it)) => it.check_empty(),
                None => {}
            }
        });
    }
}

pub(crate) struct Context {
    pub(crate) limits: Limits,
    pub(crate) access_log: bool,
    pub(crate) upcalls: Upcalls,
    pub(crate) events: EventBatch,
    pub(crate) admission: Mutex<Admission>,
    pub(crate) sessions: Mutex<HashMap<Vec<u8>, SessionHome>>,
    pub(crate) streams: Mutex<HashMap<StreamId, StreamHome>>,
    pub(crate) tunnel_rejected: ReasonCounts,
    pub(crate) descriptors: Descriptors,
    /// Sockets of UDP sessions that are open, all services together.
    pub(crate) udp_sockets: AtomicUsize,
    /// Of a relay's pipes; `None`: this system has none that help.
    pub(crate) pipe_budget: Option<PipeBudget>,
    /// How servers are dialled.
    pub(crate) transports: ClientTransports,
    pub(crate) next_stream: AtomicU32,
    pub(crate) remotes: OnceLock<Vec<Remote>>,
}

impl Context {
    pub(crate) fn remotes(&self) -> &[Remote] {
        self.remotes.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn remote(&self, shard: usize) -> &Remote {
        &self.remotes()[shard]
    }

    pub(crate) fn event(&self, event: Event) {
        self.events.push(self, event);
    }

    pub(crate) fn upcall(&self, upcall: Upcall) {
        self.upcalls.push(upcall);
    }

    /// A fault of ours: told, never thrown on.
    pub(crate) fn fault(&self, place: &str, error: &str) {
        self.event(Event::Fault {
            place: place.to_owned(),
            error: error.to_owned(),
            stack: None,
        });
    }

    /// A data channel of a service that ended without a visitor.
    pub(crate) fn channel_failed(
        &self,
        facts: &ServiceFacts,
        reason: EndReason,
        error: Option<String>,
    ) {
        self.channels_failed(facts, reason, error, 1);
    }

    /// So many of them at once.
    pub(crate) fn channels_failed(
        &self,
        facts: &ServiceFacts,
        reason: EndReason,
        error: Option<String>,
        count: u64,
    ) {
        facts.counters.ends.add(reason, count);
        let service = facts.name.clone();
        self.event(Event::ChannelFailed {
            service,
            reason,
            error,
            count,
        });
    }

    pub(crate) fn visitor_refused(
        &self,
        facts: &ServiceFacts,
        reason: EndReason,
        error: Option<String>,
    ) {
        let service = facts.name.clone();
        self.event(Event::VisitorRefused {
            service,
            reason,
            error,
            count: 1,
        });
    }

    /// Counts a visitor's end and makes the access record; that is free when nobody wants it.
    pub(crate) fn visitor_end(&self, facts: &ServiceFacts, end: &VisitorEnd) {
        facts.counters.end(end.reason);
        if self.access_log {
            self.event(Event::VisitorEnd {
                service: facts.name.clone(),
                protocol: facts.protocol,
                visitor: end.visitor,
                bytes_in: end.bytes_in,
                bytes_out: end.bytes_out,
                duration_ms: end.duration_ms,
                reason: end.reason,
            });
        }
    }

    pub(crate) fn reject_tunnel(&self, reason: EndReason, peer: SocketAddr, error: Option<String>) {
        self.tunnel_rejected.count(reason);
        // The control plane refused this one itself, and knows more about it than we do.
        if reason != EndReason::RefusedAuth {
            self.event(Event::TunnelRejected {
                reason,
                peer: Some(peer),
                error,
                count: 1,
            });
        }
    }

    pub(crate) fn admission(&self) -> std::sync::MutexGuard<'_, Admission> {
        lock(&self.admission)
    }
}

/// The end of one visitor, as the access log has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VisitorEnd {
    pub(crate) visitor: Option<SocketAddr>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration_ms: u64,
    pub(crate) reason: EndReason,
}

pub(crate) type SharedFacts = Arc<ServiceFacts>;
