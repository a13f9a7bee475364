//! Linux.

mod datagrams;
mod socket;
mod splice;

pub(crate) use datagrams::*;
pub(crate) use socket::*;
pub(crate) use splice::*;
