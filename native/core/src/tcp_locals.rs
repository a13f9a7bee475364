//! Carries started tcp channels to the local service: connect, then relay. Each is a task of its
//! own, which its service can cancel.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use crate::context::{SharedFacts, VisitorEnd};
use crate::dial::{DialError, DialOptions, connect_text, dial};
use crate::link::Link;
use crate::origin::Origin;
use crate::reason::EndReason;
use crate::relay::{RelayOptions, relay};
use crate::shard::Shard;
use crate::spec::ClientServiceSpec;
use crate::task::{Cancelled, Owner};
use crate::tcp_link::TcpLink;
use crate::tcp_socket::StreamOptions;
use crate::upcall::SystemError;

pub(crate) struct TcpLocals {
    shard: Rc<Shard>,
    facts: SharedFacts,
    /// As it is now: a reload may change it.
    spec: Rc<RefCell<ClientServiceSpec>>,
}

impl TcpLocals {
    pub(crate) fn new(
        shard: &Rc<Shard>,
        facts: SharedFacts,
        spec: Rc<RefCell<ClientServiceSpec>>,
    ) -> Rc<Self> {
        let shard = Rc::clone(shard);
        Rc::new(Self { shard, facts, spec })
    }

    /// On this shard or another, where the relay may have moved.
    pub(crate) fn size(&self) -> usize {
        self.facts.counters.visitors_open.load(Ordering::SeqCst)
    }

    pub(crate) fn carry(self: &Rc<Self>, link: Link, rest: Vec<u8>, origin: Option<Box<Origin>>) {
        let visitor = Visitor::enter(self, origin);
        match self.shard.balance.next_visit() {
            Some(to) if to != self.shard.index => visitor.move_to(to, link, rest),
            _ => visitor.begin(link, rest),
        }
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        self.facts.abort_visitors(&self.shard.context, reason);
    }
}

/// Why there is no connection to the local service.
struct Refusal {
    reason: EndReason,
    /// Absent where it was not the local service's doing.
    error: Option<String>,
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice, and this is what a held connection costs"
)]
fn serve(visitor: Visitor, channel: Link, rest: Vec<u8>) -> impl Future<Output = ()> {
    async move {
        channel.watch();
        if !channel.is_reused() {
            channel.allow_stalls();
        }
        // Boxed: the relay must not carry the room for it along.
        match Box::pin(visitor.connect(&channel)).await {
            Ok(local) => {
                let shard = Rc::clone(&visitor.locals.shard);
                let options = visitor.into_relay(rest);
                relay(&shard, channel, local.into(), options).await;
            }
            Err(refusal) => {
                // Counted when the peer can see it.
                let reason = refusal.reason;
                visitor.refused(refusal);
                channel.abort(reason);
            }
        }
    }
}

/// A visitor until it is relayed.
struct Visitor {
    locals: Rc<TcpLocals>,
    /// Where it comes from, as far as the server tells.
    origin: Option<Box<Origin>>,
    since: Instant,
    told: bool,
}

impl Visitor {
    fn enter(locals: &Rc<TcpLocals>, origin: Option<Box<Origin>>) -> Self {
        let counters = &locals.facts.counters;
        counters.visitors_total.fetch_add(1, Ordering::Relaxed);
        counters.visitors_open.fetch_add(1, Ordering::AcqRel);
        Self {
            locals: Rc::clone(locals),
            origin,
            since: locals.shard.now(),
            told: false,
        }
    }

    fn begin(self, channel: Link, rest: Vec<u8>) {
        let owner = Owner::Visitor(self.locals.facts.id);
        let shard = Rc::clone(&self.locals.shard);
        shard
            .tasks
            .spawn(owner, "tcp local", serve(self, channel, rest));
    }

    /// Is served at that shard, from the beginning.
    fn move_to(mut self, to: usize, channel: Link, rest: Vec<u8>) {
        // Where the system does not let it go, the visitor is lost.
        let Ok(parcel) = channel.into_parcel() else {
            return;
        };
        self.told = true;
        let (since, origin) = (self.since, self.origin.take());
        let facts = SharedFacts::clone(&self.locals.facts);
        let spec = self.locals.spec.borrow().clone();
        self.locals.shard.remote(to).post(move |shard| {
            let locals = TcpLocals::new(shard, facts, Rc::new(RefCell::new(spec)));
            let visitor = Self {
                locals,
                origin,
                since,
                told: false,
            };
            let Ok(channel) = parcel.unpack(shard) else {
                return;
            };
            // Its service was aborted while it was on its way.
            if let Some(reason) = visitor.locals.facts.aborting() {
                visitor.refused(Refusal {
                    reason,
                    error: None,
                });
                channel.abort(reason);
            } else {
                visitor.begin(channel, rest);
            }
        });
    }

    /// Dials the local service, unless the channel breaks meanwhile.
    async fn connect(&self, channel: &Link) -> Result<TcpLink, Refusal> {
        let TcpLocals { shard, spec, .. } = &*self.locals;
        let (local, prefer_ipv6) = {
            let spec = spec.borrow();
            (spec.local.clone(), spec.prefer_ipv6)
        };
        let options = DialOptions {
            timeout_ms: shard.context.limits.local_connect_timeout_ms,
            prefer_ipv6,
            stream: StreamOptions::PLAIN,
            first: None,
        };
        let mut dialling = pin!(dial(shard, &local, &options));
        let dialled = poll_fn(|context| {
            let broken = channel.is_broken().then_some(EndReason::ChannelReset);
            if let Some(reason) = channel.look_ahead().or(broken) {
                return Poll::Ready(Err(Cancelled(reason).into()));
            }
            dialling.as_mut().poll(context)
        });
        match dialled.await {
            Ok((link, _)) => Ok(link),
            Err(DialError::Cancelled(Cancelled(reason))) => Err(Refusal {
                reason,
                error: None,
            }),
            // No local service has a transport.
            Err(DialError::Refused(refused)) => Err(Refusal {
                reason: EndReason::LocalUnreachable,
                error: Some(refused.text),
            }),
            Err(DialError::Failed { tried, error }) => Err(Refusal {
                reason: local_reason(error.as_ref()),
                error: Some(connect_text(&local, &tried)),
            }),
        }
    }

    /// The relay counts its end from now on.
    fn into_relay(mut self, rest: Vec<u8>) -> RelayOptions {
        self.told = true;
        RelayOptions {
            facts: SharedFacts::clone(&self.locals.facts),
            visitor: self.visitor(),
            since: self.since,
            near_broken: EndReason::ChannelReset,
            far_broken: EndReason::LocalReset,
            already_in: rest.len() as u64,
            unwritten: rest,
        }
    }

    fn visitor(&self) -> Option<SocketAddr> {
        self.origin.as_ref().and_then(|origin| origin.visitor())
    }

    fn refused(mut self, Refusal { reason, error }: Refusal) {
        self.told = true;
        self.end(reason, error);
    }

    fn end(&self, reason: EndReason, error: Option<String>) {
        let TcpLocals { shard, facts, .. } = &*self.locals;
        let end = VisitorEnd {
            visitor: self.visitor(),
            bytes_in: 0,
            bytes_out: 0,
            duration_ms: shard.elapsed_ms(self.since),
            reason,
        };
        shard.context.visitor_end(facts, &end);
        if error.is_some() {
            shard.context.visitor_refused(facts, reason, error);
        }
        facts.visitor_gone(&shard.context);
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if !self.told {
            self.end(self.locals.shard.unexpected_end(), None);
        }
    }
}

fn local_reason(error: Option<&SystemError>) -> EndReason {
    match error.and_then(|error| error.code.as_deref()) {
        Some("ECONNREFUSED") => EndReason::LocalRefused,
        Some("ETIMEDOUT") => EndReason::LocalTimeout,
        _ => EndReason::LocalUnreachable,
    }
}

#[cfg(test)]
#[path = "tcp_locals_tests.rs"]
mod tests;
