//! Where a visitor comes from, as START tells a client: what an access log shows, and what a header
//! for the local service (the PROXY protocol) would be made of.

use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Numbers the uses of a session, from 1.
    pub(crate) number: u64,
    /// Absent where the peers did not agree to tell them.
    pub(crate) addresses: Option<Addresses>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) visitor: SocketAddr,
    /// The public address that it reached.
    pub(crate) public: SocketAddr,
}

impl Addresses {
    /// Both of one family: that of IPv4 also for IPv4 within IPv6, as a listener for both has it.
    pub(crate) fn new(visitor: SocketAddr, public: SocketAddr) -> Self {
        let (plain_visitor, plain_public) = (plain(visitor), plain(public));
        if plain_visitor.is_ipv4() == plain_public.is_ipv4() {
            return Self {
                visitor: plain_visitor,
                public: plain_public,
            };
        }
        Self {
            visitor: wide(visitor),
            public: wide(public),
        }
    }
}

impl Origin {
    pub(crate) fn visitor(&self) -> Option<SocketAddr> {
        self.addresses.map(|addresses| addresses.visitor)
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn wide(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V6(ip.to_ipv6_mapped()),
        ip @ IpAddr::V6(_) => ip,
    };
    SocketAddr::new(ip, address.port())
}
