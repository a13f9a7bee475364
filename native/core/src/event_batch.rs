//! Collects events of all shards and hands them up; equal facts of a batch become one event.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::context::Context;
use crate::events::{EVENT_BATCH_MAX, Event};
use crate::reason::EndReason;
use crate::upcall::{Upcall, lock};

const FLUSH_MS: u64 = 10;

/// What makes two events the same fact.
#[derive(PartialEq, Eq, Hash)]
enum Fact {
    Tunnel(EndReason, Option<IpAddr>),
    Visitor(EndReason, String, Option<String>),
    Channel(EndReason, String, Option<String>),
}

impl Fact {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::TunnelRejected { reason, peer, .. } => {
                Some(Self::Tunnel(*reason, peer.map(|peer| peer.ip())))
            }
            Event::VisitorRefused {
                reason,
                service,
                error,
                ..
            } => Some(Self::Visitor(*reason, service.clone(), error.clone())),
            Event::ChannelFailed {
                reason,
                service,
                error,
                ..
            } => Some(Self::Channel(*reason, service.clone(), error.clone())),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    merged: HashMap<Fact, usize>,
    lost: u64,
    /// The upcall that takes it is under way.
    due: bool,
}

impl Batch {
    fn push(&mut self, mut event: Event) {
        let more = count_of(&mut event).map_or(1, |count| *count);
        let fact = Fact::of(&event);
        let same = fact
            .as_ref()
            .and_then(|fact| self.merged.get(fact))
            .copied();
        if let Some(count) = same
            .and_then(|at| self.events.get_mut(at))
            .and_then(count_of)
        {
            *count += more;
        } else if self.events.len() >= EVENT_BATCH_MAX {
            self.lost += 1;
        } else {
            if let Some(fact) = fact {
                self.merged.insert(fact, self.events.len());
            }
            self.events.push(event);
        }
    }
}

fn count_of(event: &mut Event) -> Option<&mut u64> {
    match event {
        Event::TunnelRejected { count, .. }
        | Event::VisitorRefused { count, .. }
        | Event::ChannelFailed { count, .. } => Some(count),
        _ => None,
    }
}

pub(crate) struct EventBatch {
    /// `None`: nobody wants events.
    batch: Option<Mutex<Batch>>,
}

impl EventBatch {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            batch: wanted.then(Mutex::default),
        }
    }

    /// The first event of a batch has it handed up a little later.
    pub(crate) fn push(&self, context: &Context, event: Event) {
        let Some(batch) = &self.batch else { return };
        let first = {
            let mut batch = lock(batch);
            batch.push(event);
            batch.events.len() == 1
        };
        if first && let Some(remote) = context.remotes().first() {
            remote.post(|shard| {
                let timer = std::rc::Rc::clone(shard);
                shard.spawn("event batch", async move {
                    let _ = timer.sleep(FLUSH_MS).await;
                    timer.context.events.flush(&timer.context);
                });
            });
        }
    }

    /// Has the batch handed up: an upcall without events says that it is due. Until the control
    /// plane takes it the batch grows, within its bound.
    pub(crate) fn flush(&self, context: &Context) {
        let Some(batch) = &self.batch else { return };
        let is_news = {
            let batch = &mut *lock(batch);
            !batch.events.is_empty() && !std::mem::replace(&mut batch.due, true)
        };
        if is_news {
            context.upcall(Upcall::Events(Vec::new()));
        }
    }

    pub(crate) fn take(&self) -> Vec<Event> {
        let Some(batch) = &self.batch else {
            return Vec::new();
        };
        let Batch {
            mut events, lost, ..
        } = std::mem::take(&mut *lock(batch));
        if lost > 0 {
            events.push(Event::EventsLost { count: lost });
        }
        events
    }
}
