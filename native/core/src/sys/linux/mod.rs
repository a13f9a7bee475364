//! Linux.

mod clock;
mod datagrams;
mod socket;
mod splice;

pub(crate) use clock::*;
pub(crate) use datagrams::*;
pub(crate) use socket::*;
pub(crate) use splice::*;
