//! Dials the data channels that a server asks for: a bounded number at once, the rest in a bounded
//! queue (wire-v1 W14), each retried with short, growing, jittered pauses (W42).
//!
//! The task that dials a channel stays with it until it is started.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::client_service::ClientService;
use crate::client_session::ClientSession;
use crate::dial::{DialError, DialOptions, connect_text};
use crate::link::Link;
use crate::reason::EndReason;
use crate::task::{TaskId, Tasks};
use crate::tcp_socket::StreamOptions;
use crate::transport::target::Target;
use crate::waiting_channel::{Held, wait_for_start};

const FIRST_PAUSE_MS: u64 = 50;
const PAUSE_MAX_MS: u64 = 1_000;

/// The dials of one session.
#[derive(Default)]
pub(crate) struct ChannelDialer {
    running: RefCell<Slab<TaskId>>,
    /// When each dial that waits was requested, oldest first.
    waiting: RefCell<VecDeque<Instant>>,
}

impl ChannelDialer {
    /// Channels that are being dialled or wait to be.
    pub(crate) fn outstanding(&self) -> usize {
        self.running.borrow().len() + self.waiting.borrow().len()
    }

    pub(crate) fn create(
        &self,
        service: &Rc<ClientService>,
        session: &Rc<ClientSession>,
        count: usize,
    ) {
        let shard = &service.shard;
        let limit = shard.context.limits.dials_waiting;
        let room = limit.saturating_sub(self.waiting.borrow().len()).min(count);
        for _ in 0..room {
            self.waiting.borrow_mut().push_back(shard.now());
        }
        if room < count {
            let error = format!("more than {limit} channels are waiting");
            service.refused(count - room, error);
        }
        self.next(service, session);
    }

    /// Gives up everything that is not open yet.
    pub(crate) fn close(&self, tasks: &Tasks) {
        self.waiting.borrow_mut().clear();
        for (_, task) in &*self.running.borrow() {
            tasks.cancel(*task, EndReason::SessionEnd);
        }
    }

    fn next(&self, service: &Rc<ClientService>, session: &Rc<ClientSession>) {
        let shard = &service.shard;
        let limits = &shard.context.limits;
        while self.running.borrow().len() < limits.dials_at_once {
            let Some(requested_at) = self.waiting.borrow_mut().pop_front() else {
                return;
            };
            let give_up_at = requested_at.checked_add(Duration::from_millis(limits.dial_retry_ms));
            // By now the server has asked for another one.
            if give_up_at.is_some_and(|at| at <= shard.now()) {
                let error = "waited too long behind other dials".to_owned();
                service.channel_failed(EndReason::DialFailed, Some(error));
                continue;
            }
            let key = self.running.borrow_mut().insert(TaskId::NONE);
            let dialing = Dialing::begin(service, session, key);
            let task = shard.spawn("data channel", channel(dialing, give_up_at));
            if let Some(running) = self.running.borrow_mut().get_mut(key) {
                *running = task;
            }
        }
    }
}

/// The life of a channel until it is started.
async fn channel(dialing: Dialing, give_up_at: Option<Instant>) {
    if let Some((link, held)) = open(dialing, give_up_at).await {
        wait_for_start(link, held).await;
    }
}

async fn open(mut dialing: Dialing, give_up_at: Option<Instant>) -> Option<(Link, Held)> {
    let opened = dialing.open(give_up_at).await;
    dialing.panicked = false;
    let (service, session) = (&dialing.service, &dialing.session);
    if session.is_over() || service.is_closing() {
        return None;
    }
    Some((opened?, Held::enter(service, session)))
}

/// A place among the dials under way; given back, the next one starts.
struct Dialing {
    service: Rc<ClientService>,
    session: Rc<ClientSession>,
    key: usize,
    /// Until it has come to its end.
    panicked: bool,
}

impl Dialing {
    fn begin(service: &Rc<ClientService>, session: &Rc<ClientSession>, key: usize) -> Self {
        service.dialing.set(service.dialing.get() + 1);
        Self {
            service: Rc::clone(service),
            session: Rc::clone(session),
            key,
            panicked: true,
        }
    }

    async fn open(&self, give_up_at: Option<Instant>) -> Option<Link> {
        let shard = &self.service.shard;
        let mut pause_ms = FIRST_PAUSE_MS;
        loop {
            let target = self.session.target();
            let options = self.options(give_up_at, &target);
            let (reason, text) = match Box::pin(target.open(shard, &options)).await {
                Ok((link, _)) => return Some(link),
                Err(DialError::Cancelled(_)) => return None,
                Err(DialError::Failed { tried, .. }) => {
                    (EndReason::DialFailed, connect_text(target.hop(), &tried))
                }
                Err(DialError::Refused(refused)) if is_final(refused.reason) => {
                    self.service
                        .channel_failed(refused.reason, Some(refused.text));
                    return None;
                }
                Err(DialError::Refused(refused)) => (refused.reason, refused.text),
            };
            let jittered = jitter(pause_ms);
            let goes_on_at = shard.after(jittered);
            if give_up_at.is_some_and(|at| goes_on_at.is_none_or(|next| next >= at)) {
                self.service.channel_failed(reason, Some(text));
                return None;
            }
            shard.sleep(jittered).await.ok()?;
            pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
        }
    }

    fn options(&self, give_up_at: Option<Instant>, target: &Target) -> DialOptions {
        let Self {
            service, session, ..
        } = self;
        let left = give_up_at.map_or(Duration::MAX, |at| at - service.shard.now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let tcp = &target.tcp;
        DialOptions {
            timeout_ms: service
                .shard
                .context
                .limits
                .dial_timeout_ms
                .min(left_ms)
                .max(1),
            prefer_ipv6: target.prefer_ipv6,
            stream: StreamOptions::tunnel(tcp, service.nodelay().unwrap_or(tcp.nodelay)),
            first: session.first(),
        }
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        let Self {
            service, session, ..
        } = self;
        let dialer = &session.dialer;
        dialer.running.borrow_mut().try_remove(self.key);
        service.dialing.set(service.dialing.get() - 1);
        if self.panicked && service.shard.unexpected_end() == EndReason::InternalError {
            service.channel_failed(EndReason::InternalError, None);
        }
        dialer.next(service, session);
        service.check_empty();
    }
}

/// Asking again at once does not help: what is configured does not fit.
fn is_final(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::CertificateRefused | EndReason::KeyMismatch
    )
}

/// Between half of it and one and a half.
fn jitter(pause_ms: u64) -> u64 {
    // Each of them is keyed by chance.
    let random = RandomState::new().build_hasher().finish();
    pause_ms / 2 + random % (pause_ms + 1)
}

#[cfg(test)]
#[path = "channel_dialer_tests.rs"]
mod tests;
