//! One hop of a bare relay, with no tunnel and no protocol: what two of them reach is what a relay
//! in user space can reach on this machine.

mod event_loop;
mod way;

pub(crate) use event_loop::run;
