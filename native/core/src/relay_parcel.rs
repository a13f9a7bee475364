//! A relay on its way to another shard.

use std::rc::Rc;
use std::time::Instant;

use crate::direction::Direction;
use crate::link::LinkParcel;
use crate::reason::EndReason;
use crate::relay::Relay;
use crate::shard::Shard;
use crate::task::Owner;
use crate::visit::{Visit, VisitFacts};

struct Parcel {
    near: LinkParcel,
    far: LinkParcel,
    inward: Direction,
    outward: Direction,
    moved_at: Instant,
    half_closed: Option<EndReason>,
    counted_in: u64,
    counted_out: u64,
    known: VisitFacts,
}

impl Relay {
    /// Goes on at that shard, bytes and pipes that are under way included.
    pub(crate) fn move_to(mut self, to: usize) {
        let shard = Rc::clone(&self.visit.shard);
        match self.pack() {
            Some(parcel) => shard.remote(to).post(move |shard| parcel.unpack(shard)),
            None => self.finish(false, EndReason::InternalError),
        }
    }

    fn pack(&mut self) -> Option<Parcel> {
        // What is detached is not the link's any more: with bytes lost it must not end by FIN.
        let near = self.near.detach().ok()?;
        let Ok(far) = self.far.detach() else {
            near.reset_on_close();
            return None;
        };
        Some(Parcel {
            near,
            far,
            inward: std::mem::take(&mut self.inward),
            outward: std::mem::take(&mut self.outward),
            moved_at: self.moved_at,
            half_closed: self.half_closed,
            counted_in: self.counted_in,
            counted_out: self.counted_out,
            known: self.visit.hand_on(),
        })
    }
}

impl Parcel {
    fn unpack(self, shard: &Rc<Shard>) {
        let owner = Owner::Visitor(self.known.facts.id);
        let aborting = self.known.facts.aborting();
        let mut visit = Visit::new(shard, self.known);
        (visit.bytes_in, visit.bytes_out) = (self.counted_in, self.counted_out);
        let links = (self.near.unpack(shard), self.far.unpack(shard));
        let (near, far) = match links {
            (Ok(near), Ok(far)) => (near, far),
            (near, far) => {
                for link in [near, far].into_iter().flatten() {
                    link.abort(EndReason::InternalError);
                }
                visit.end(EndReason::InternalError);
                return;
            }
        };
        let relay = Relay {
            near,
            far,
            inward: self.inward,
            outward: self.outward,
            moved_at: self.moved_at,
            half_closed: self.half_closed,
            window: 0,
            counted_in: self.counted_in,
            counted_out: self.counted_out,
            visit,
        };
        let task = shard.tasks.spawn(owner, "moved visitor", relay.go());
        // Its service was aborted while it was on its way.
        if let Some(reason) = aborting {
            shard.tasks.cancel(task, reason);
        }
    }
}
