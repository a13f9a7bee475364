//! Requests over HTTP by a fixed schedule, over connections that stay or over fresh ones.

mod answer;
mod call;
mod schedule;

pub(crate) use schedule::run;
