//! What is left of a use when its visitor has gone: the peer has a last word, or is told past the
//! channel that it has been given up.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::UseState;
use super::ending::give_back;
use crate::channel_use::Role;
use crate::context::SharedFacts;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::{Service, Shard};
use crate::task::Owner;

/// The system does not say when the peer has what was written.
const POLL_MS: u64 = 5;

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The peer's terminal word. What comes before is discarded.
    Peer,
    /// FREE: the client still delivers what it has, which may take as long as it likes. A channel that
    /// is not waited for any more ends politely, and costs nobody a byte.
    Free,
    /// The end of the channel: the peer is told of that abort on the control channel. At a client it may
    /// be the peer's END instead, that was on its way.
    End { number: u8 },
}

pub(super) struct Settling {
    shard: Rc<Shard>,
    link: Option<Link>,
    of: UseState,
    wait: Wait,
    deadline: Option<Instant>,
    /// Absent where a closing service does not wait for it.
    _counted: Option<Counted>,
}

impl Settling {
    pub(super) fn begin(shard: &Rc<Shard>, link: Link, of: UseState, wait: Wait) {
        let limits = &shard.context.limits;
        let facts = &of.home.facts;
        let (patience_ms, owner, counted) = if wait == Wait::Free {
            if facts.draining.load(Ordering::SeqCst) {
                return;
            }
            let owner = Owner::Settling(facts.id);
            (limits.half_close_idle_ms, owner, None)
        } else {
            let owner = Owner::Visitor(facts.id);
            let counted = Counted::new(shard, facts);
            (limits.channel_settle_ms, owner, Some(counted))
        };
        let mut settling = Self {
            shard: Rc::clone(shard),
            link: Some(link),
            wait,
            deadline: shard.after(patience_ms),
            _counted: counted,
            of,
        };
        // Nearly always that is all: an ABORT leaves, and the answer comes later.
        if settling.turn() {
            return;
        }
        // Its visitors are being aborted at once: an ABORT that left is followed by FIN, which does not
        // overtake it, and nobody waits for the answer.
        if settling.of.home.facts.aborting().is_some() {
            if wait == Wait::Peer && settling.of.unwritten.is_empty() {
                settling.wait = Wait::Free;
            }
            return;
        }
        shard.tasks.spawn(owner, "channel", settling.run());
    }

    async fn run(mut self) {
        if let Some(link) = &self.link {
            link.watch();
        }
        if let Wait::End { number } = self.wait {
            self.until_delivered().await;
            self.tell(number);
        }
        while !self.turn() {
            let is_late = self.deadline.is_some_and(|at| at <= self.shard.now());
            if is_late || self.shard.park(self.deadline).await.is_err() {
                return;
            }
        }
    }

    /// What is told past the channel is not to overtake what is in it, where the peer still takes that.
    async fn until_delivered(&self) {
        while let Some(link) = &self.link
            && link.is_delivered() == Some(false)
            && !link.is_broken()
            && self.of.rules.has_finished()
            && self.deadline.is_none_or(|at| at > self.shard.now())
            && self.shard.sleep(POLL_MS).await.is_ok()
        {
            // A link below may have to be helped along.
            if link.flush().is_err() {
                return;
            }
        }
    }

    /// True: it is over, or of no use.
    fn turn(&mut self) -> bool {
        let Some(link) = &self.link else { return true };
        if let Wait::End { .. } = self.wait {
            // A server that had sent its own END does not miss this use any more, and may be at the next.
            let may_be_over = self.of.rules.role() == Role::Client && self.of.rules.has_finished();
            if !may_be_over || link.is_broken() {
                return link.is_broken();
            }
        }
        let of = &mut self.of;
        if of.flush(link).is_err() {
            return true;
        }
        of.incoming.discard(&self.shard, link, &mut of.rules);
        // Behind what was discarded a client may owe FREE.
        if of.incoming.lost || of.flush(link).is_err() {
            return true;
        }
        // A transport below may still have the last words.
        if !of.is_over() || !link.is_flushed() {
            return false;
        }
        if let Some(link) = self.link.take() {
            give_back(&self.shard, link, of);
        }
        true
    }

    /// Says on the control channel that this use is given up. Where that cannot be, nobody waits.
    fn tell(&self, number: u8) {
        let (home, visitor) = (&self.of.home, self.of.visitor);
        let (service, session) = (home.facts.id, home.session);
        let (here, task) = (self.shard.index, self.shard.tasks.current());
        self.shard.remote(home.facts.home).post(move |shard| {
            let found = shard.services.borrow().get(&service).cloned();
            let told = match found {
                Some(Service::Server(it)) => it.tell_gave_up(session, visitor, number),
                Some(Service::Client(it)) => it.tell_gave_up(session, visitor, number),
                None => false,
            };
            if !told {
                let lost = EndReason::ChannelReset;
                let there = shard.remote(here);
                there.post(move |shard| shard.tasks.cancel(task, lost));
            }
        });
    }
}

/// What did not come to its end is closed by RST, unless that could cost the client what it has.
impl Drop for Settling {
    fn drop(&mut self) {
        let Some(link) = &self.link else { return };
        let is_bad = self.of.incoming.bad;
        if is_bad {
            let (context, facts) = (&self.shard.context, &self.of.home.facts);
            context.channel_failed(facts, EndReason::BadRecord, None);
        }
        if is_bad || self.wait != Wait::Free {
            link.reset_on_close();
        }
    }
}

/// A closing service waits for it.
struct Counted {
    shard: Rc<Shard>,
    facts: SharedFacts,
}

impl Counted {
    fn new(shard: &Rc<Shard>, facts: &SharedFacts) -> Self {
        facts.settling.fetch_add(1, Ordering::SeqCst);
        Self {
            shard: Rc::clone(shard),
            facts: SharedFacts::clone(facts),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.facts.settled(&self.shard.context);
    }
}
