//! Caps on tunnel connections that have not shown who they are, in total and per address (wire-v1
//! W1, W2, W14). Channels that we asked a client for do not count against its address, or a burst of
//! visitors would be refused as an attack.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::context::Context;
use crate::limits::Limits;
use crate::reason::EndReason;

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Unauthenticated connections of an address.
    open: usize,
    /// Channels that are on their way from it.
    expected: usize,
}

impl Counts {
    fn strangers(self) -> usize {
        self.open.saturating_sub(self.expected)
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 /64, which one host can use all of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

pub(crate) struct Admission {
    total: usize,
    per_address: usize,
    counts: HashMap<Network, Counts>,
    open: usize,
    /// Connections beyond what was asked for, of all addresses: only they are limited.
    strangers: usize,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            total: limits.unauthenticated_total,
            per_address: limits.unauthenticated_per_address,
            counts: HashMap::new(),
            open: 0,
            strangers: 0,
        }
    }

    pub(crate) fn unauthenticated(&self) -> usize {
        self.open
    }

    /// One that is admitted must be given back by `leave`, once.
    ///
    /// # Errors
    /// Why it is not admitted.
    pub(crate) fn enter(&mut self, address: IpAddr) -> Result<(), EndReason> {
        let network = Network::from(address);
        let counts = self.counts.get(&network).copied().unwrap_or_default();
        // A flood of strangers never takes the places of channels that were asked for.
        if counts.open >= counts.expected {
            if self.strangers >= self.total {
                return Err(EndReason::LimitTotal);
            }
            if counts.strangers() >= self.per_address {
                return Err(EndReason::LimitAddress);
            }
        }
        self.open += 1;
        self.change(network, |counts| counts.open += 1);
        Ok(())
    }

    pub(crate) fn leave(&mut self, address: IpAddr) {
        self.open = self.open.saturating_sub(1);
        self.change(address.into(), |counts| {
            counts.open = counts.open.saturating_sub(1);
        });
    }

    /// So many more (or fewer) channels are on their way from that address.
    pub(crate) fn expect(&mut self, address: IpAddr, change: isize) {
        self.change(address.into(), |counts| {
            counts.expected = counts.expected.saturating_add_signed(change);
        });
    }

    fn change(&mut self, network: Network, apply: impl FnOnce(&mut Counts)) {
        let counts = self.counts.entry(network).or_default();
        let before = counts.strangers();
        apply(counts);
        self.strangers = self.strangers + counts.strangers() - before;
        if counts.open == 0 && counts.expected == 0 {
            self.counts.remove(&network);
        }
    }
}

/// A place among the unauthenticated connections of an address.
pub(crate) struct Admitted {
    context: Arc<Context>,
    address: IpAddr,
}

impl Admitted {
    /// # Errors
    /// Why there is none.
    pub(crate) fn enter(context: &Arc<Context>, address: IpAddr) -> Result<Self, EndReason> {
        context.admission().enter(address)?;
        Ok(Self {
            context: Arc::clone(context),
            address,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.context.admission().leave(self.address);
    }
}
