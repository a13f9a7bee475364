//! A data channel between two uses, and where it belongs.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::context::SharedFacts;
use crate::link::{Link, LinkParcel};
use crate::shard::{Service, Shard};
use crate::upcall::SessionId;

pub(crate) struct Channel {
    pub(crate) link: Link,
    pub(crate) home: Home,
    /// What was read behind its last use: the beginning of the next one, if anything.
    pub(crate) unread: Vec<u8>,
}

/// What stays the same in all its uses, on whatever shard.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) facts: SharedFacts,
    pub(crate) session: SessionId,
    pub(crate) born: Instant,
    /// So often it has been put to use.
    pub(crate) uses: usize,
    /// What was set last; `None`: nothing, it has what its transport says.
    pub(crate) nodelay: Option<bool>,
}

impl Home {
    pub(crate) fn new(facts: &SharedFacts, session: SessionId, born: Instant) -> Self {
        Self {
            facts: SharedFacts::clone(facts),
            session,
            born,
            uses: 0,
            nodelay: None,
        }
    }
}

/// A channel in use is counted as long as this is there.
pub(crate) struct Lease(SharedFacts);

impl Lease {
    pub(crate) fn new(facts: &SharedFacts) -> Self {
        facts.channels_used.fetch_add(1, Ordering::Relaxed);
        Self(SharedFacts::clone(facts))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.channels_used.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One on its way to another shard.
struct Parcel {
    link: LinkParcel,
    home: Home,
    unread: Vec<u8>,
}

impl Channel {
    pub(crate) fn idle(link: Link, home: Home) -> Self {
        let unread = Vec::new();
        Self { link, home, unread }
    }

    /// It is idle: its service has it from now on, on whatever shard that is.
    pub(crate) fn go_home(self, shard: &Rc<Shard>) {
        let to = self.home.facts.home;
        if to == shard.index {
            self.arrive(shard);
            return;
        }
        // One that the system does not let go is closed.
        let Ok(parcel) = self.into_parcel() else {
            return;
        };
        shard.remote(to).post(move |shard| {
            let Parcel { link, home, unread } = parcel;
            if let Ok(link) = link.unpack(shard) {
                let channel = Self { link, home, unread };
                channel.arrive(shard);
            }
        });
    }

    fn into_parcel(self) -> io::Result<Parcel> {
        Ok(Parcel {
            link: self.link.into_parcel()?,
            home: self.home,
            unread: self.unread,
        })
    }

    /// One whose service is gone is closed.
    fn arrive(self, shard: &Rc<Shard>) {
        let service = shard.services.borrow().get(&self.home.facts.id).cloned();
        match service {
            Some(Service::Server(it)) => it.channel_back(self),
            Some(Service::Client(it)) => it.channel_back(self),
            None => {}
        }
    }
}
