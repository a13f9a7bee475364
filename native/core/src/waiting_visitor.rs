//! A visitor that waits for a data channel. It is read meanwhile, into a small stash, so that one
//! that leaves is noticed (wire-v1 W13) and its first bytes go out with the start command.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::channel::Channel;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::{Cancelled, TaskId};
use crate::tcp_link::TcpLink;

/// Reading stops here; what is with the system comes later. A stranger can have us keep this much.
const STASH_MAX_BYTES: usize = 8_192;

/// Where a waiting visitor is handed its channel.
#[derive(Default)]
pub(crate) struct WaitingVisitor {
    pub(crate) task: Cell<TaskId>,
    pub(crate) channel: RefCell<Option<Channel>>,
}

/// Waits for the channel.
///
/// # Errors
/// Why the visitor is to be refused.
pub(crate) async fn wait(
    shard: &Rc<Shard>,
    link: &TcpLink,
    place: &WaitingVisitor,
    stash: &mut Vec<u8>,
) -> Result<Channel, EndReason> {
    let limits = &shard.context.limits;
    let mut deadline = shard.after(limits.pool_wait_ms);
    let mut late = EndReason::PoolTimeout;
    let mut ended = false;
    loop {
        if let Some(channel) = place.channel.borrow_mut().take() {
            return Ok(channel);
        }
        if deadline.is_some_and(|at| at <= shard.now()) {
            return Err(late);
        }
        match stash_more(shard, link, stash) {
            Ok(true) if !ended => {
                ended = true;
                // FIN behind a request is a half-close and may wait. FIN alone is most likely
                // somebody who left, but need not be: it gets a short while more.
                if stash.is_empty() {
                    deadline = shard.after(limits.leave_grace_ms);
                    late = EndReason::VisitorLeft;
                }
            }
            Ok(_) => {}
            Err(_) => return Err(EndReason::VisitorLeft),
        }
        // What it was told by RST while the stash is full.
        if link.is_broken() && link.take_error().is_some() {
            return Err(EndReason::VisitorLeft);
        }
        match shard.park(deadline).await {
            Ok(()) => {}
            Err(Cancelled(reason)) => return Err(reason),
        }
    }
}

/// Reads what the visitor has sent. True: its FIN has come.
fn stash_more(shard: &Shard, link: &TcpLink, stash: &mut Vec<u8>) -> io::Result<bool> {
    while stash.len() < STASH_MAX_BYTES {
        let mut buffer = shard.buffer.borrow_mut();
        let room = STASH_MAX_BYTES - stash.len();
        match link.try_read(&mut buffer[..room]) {
            Ok(0) => return Ok(true),
            Ok(length) => stash.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
