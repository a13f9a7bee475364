//! How a use ends: the channel goes back, settles first, or is given up.

use std::rc::Rc;

use super::settling::{Settling, Wait};
use super::{ReusedLink, State, UseState};
use crate::abort_reason;
use crate::channel::Channel;
use crate::channel_words::abort_words;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;

impl ReusedLink {
    /// The use is over: from now on this link is an end of stream that has been flushed.
    pub(super) fn give_back(&self, below: &mut Option<Link>, of: &mut UseState) {
        if let Some(link) = below.take() {
            give_back(&self.shard, link, of);
        }
    }
}

pub(super) fn give_back(shard: &Rc<Shard>, link: Link, of: &mut UseState) {
    shard.uses.borrow_mut().remove(&of.key());
    drop(of.lease.take());
    let channel = Channel {
        link,
        home: of.home.clone(),
        unread: of.incoming.take_unread(),
    };
    channel.go_home(shard);
}

/// Whoever had it is through with it.
impl Drop for ReusedLink {
    fn drop(&mut self) {
        let State { below, of } = self.state.get_mut();
        let Some(below) = below.take() else { return };
        let mut of = of.take();
        let shard = &self.shard;
        let running = shard.uses.borrow_mut().remove(&of.key());
        // The peer waits for the end of the channel.
        let is_given_up = running.is_some_and(|running| running.is_given_up);
        if of.incoming.bad {
            let context = &shard.context;
            context.channel_failed(&of.home.facts, EndReason::BadRecord, None);
        }
        if of.incoming.lost || is_given_up || shard.unexpected_end() == EndReason::Destroyed {
            below.reset_on_close();
        } else if of.is_over() && below.is_flushed() {
            give_back(shard, below, &mut of);
        } else if !of.head.is_empty() {
            // Nothing of this use was said: the peer knows of none.
            of.home.uses = of.home.uses.saturating_sub(1);
            give_back(shard, below, &mut of);
        } else if let Some(reason) = of.aborting.filter(|_| !of.is_over()) {
            abort(shard, below, of, reason);
        } else if of.rules.has_finished() && of.rules.has_peer_finished() {
            Settling::begin(shard, below, of, Wait::Free);
        } else {
            below.reset_on_close();
        }
    }
}

/// In band where the peer comes to it; else past the channel, which is lost then.
fn abort(shard: &Rc<Shard>, below: Link, mut of: UseState, reason: EndReason) {
    let number = abort_reason::number(reason);
    let answers = of.rules.has_peer_aborted();
    let is_clear = of.unwritten.is_empty() && of.head.is_empty();
    if of.rules.may_abort() && of.owed == 0 && (is_clear || answers) {
        of.unwritten.extend_from_slice(&abort_words(number));
        of.rules.abort();
        Settling::begin(shard, below, of, Wait::Peer);
    } else if answers {
        // The record under way cannot be finished.
        below.reset_on_close();
    } else {
        Settling::begin(shard, below, of, Wait::End { number });
    }
}
