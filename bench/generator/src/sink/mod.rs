//! The local service behind the tunnel: one thread, one epoll, TCP and UDP on one port.

mod connection;
mod datagrams;
mod event_loop;
mod ledger;
mod origin;
mod transfer;

pub(crate) use event_loop::run;
