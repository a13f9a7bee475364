//! Makes a handshake on a connection: beside everything else, within the shard's budget for it; where
//! that is used up, on the shard that has the fewest under way.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mio::net::TcpStream;

use crate::coded_link::CodedLink;
use crate::link::{Link, LinkParcel};
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::{Cancelled, TaskId};
use crate::tcp_link::TcpLink;
use crate::transport::codec::{Handshake, Refused, Step};
use crate::upcall::lock;

/// What one read takes at most.
const READ_BYTES: usize = 16_384;

#[derive(Debug)]
pub(crate) enum ShakeError {
    Cancelled(Cancelled),
    Refused(Refused),
    /// By us. The handshake's last words and FIN are on their way; the peer may be sending still.
    Answered(Refused, TcpStream),
}

impl From<Cancelled> for ShakeError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

/// The connection behind its transport. What the handshake has said last may still have to be
/// flushed. On failure the connection is closed, unless the error brings it.
pub(crate) async fn shake(
    shard: &Rc<Shard>,
    link: TcpLink,
    handshake: Box<dyn Handshake>,
    deadline: Option<Instant>,
) -> Result<Link, ShakeError> {
    let place = if handshake.is_costly() && shard.gate.is_full() {
        least_busy(shard)
    } else {
        shard.index
    };
    if place == shard.index {
        let _counted = Counted::enter(shard);
        return here(shard, link, handshake, deadline).await;
    }
    elsewhere(shard, link, handshake, deadline, place).await
}

/// This shard, unless another one has fewer handshakes under way.
fn least_busy(shard: &Shard) -> usize {
    let under_way = |index: usize| shard.remote(index).shaking.load(Relaxed);
    let mut best = shard.index;
    for index in 0..shard.context.remotes().len() {
        if under_way(index) < under_way(best) {
            best = index;
        }
    }
    best
}

/// One of the handshakes under way on its shard.
struct Counted {
    shard: Rc<Shard>,
}

impl Counted {
    fn enter(shard: &Rc<Shard>) -> Self {
        shard.remote(shard.index).shaking.fetch_add(1, Relaxed);
        let shard = Rc::clone(shard);
        Self { shard }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let remote = self.shard.remote(self.shard.index);
        remote.shaking.fetch_sub(1, Relaxed);
    }
}

async fn here(
    shard: &Rc<Shard>,
    link: TcpLink,
    mut handshake: Box<dyn Handshake>,
    deadline: Option<Instant>,
) -> Result<Link, ShakeError> {
    link.watch();
    let mut came = Vec::new();
    let mut out = Vec::new();
    loop {
        let step = {
            let _passage = shard.gate.enter(shard).await?;
            handshake.advance(&mut came, &mut out)
        };
        if let Ok(Step::Done(Some(codec))) = step {
            let link = CodedLink::new(link, codec, &came, out);
            return Ok(Link::Coded(Box::new(link)));
        }
        let written = send(shard, &link, &mut out, deadline, &*handshake).await;
        match step {
            Err(refused) => {
                // Behind the last words.
                let _ = link.finish();
                return Err(match link.into_stream() {
                    Ok(stream) => ShakeError::Answered(refused, stream),
                    Err(_) => ShakeError::Refused(refused),
                });
            }
            Ok(Step::Done(_)) if came.is_empty() => return written.map(|()| link.into()),
            Ok(Step::Done(_)) => {
                let text = "it sent bytes of its own behind its answer";
                let refused = Refused::new(EndReason::ProxyRefused, text);
                return Err(ShakeError::Refused(refused));
            }
            Ok(Step::Wait) => written?,
        }
        receive(shard, &link, &mut came, deadline, &*handshake).await?;
    }
}

/// Writes all of it.
async fn send(
    shard: &Shard,
    link: &TcpLink,
    out: &mut Vec<u8>,
    deadline: Option<Instant>,
    handshake: &dyn Handshake,
) -> Result<(), ShakeError> {
    let mut written = 0;
    while written < out.len() {
        match link.try_write(&out[written..]) {
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(shard, deadline, handshake).await?;
            }
            Err(error) => return Err(broken(handshake, &error)),
        }
    }
    out.clear();
    Ok(())
}

/// At least one byte more.
async fn receive(
    shard: &Shard,
    link: &TcpLink,
    came: &mut Vec<u8>,
    deadline: Option<Instant>,
    handshake: &dyn Handshake,
) -> Result<(), ShakeError> {
    loop {
        let read = {
            let buffer = &mut shard.buffer.borrow_mut()[..READ_BYTES];
            let read = link.try_read(buffer);
            if let Ok(length) = read {
                came.extend_from_slice(&buffer[..length]);
            }
            read
        };
        match read {
            Ok(0) => {
                let text = format!(
                    "the other end closed the connection during the {} handshake{}",
                    handshake.name(),
                    handshake.when_closed()
                );
                let refused = Refused::new(EndReason::HandshakeEof, text);
                return Err(ShakeError::Refused(refused));
            }
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(shard, deadline, handshake).await?;
            }
            Err(error) => return Err(broken(handshake, &error)),
        }
    }
}

async fn wait(
    shard: &Shard,
    deadline: Option<Instant>,
    handshake: &dyn Handshake,
) -> Result<(), ShakeError> {
    if deadline.is_some_and(|at| at <= shard.now()) {
        return Err(ShakeError::Refused(late(handshake.name())));
    }
    Ok(shard.park(deadline).await?)
}

fn late(name: &str) -> Refused {
    let text = format!("the {name} handshake was not complete in time");
    Refused::new(EndReason::HandshakeTimeout, text)
}

fn broken(handshake: &dyn Handshake, error: &io::Error) -> ShakeError {
    let text = format!(
        "the connection broke during the {} handshake: {error}",
        handshake.name()
    );
    ShakeError::Refused(Refused::new(EndReason::HandshakeEof, text))
}

/// What another shard makes of a connection.
#[derive(Default)]
struct Errand {
    task: Option<TaskId>,
    result: Option<Result<LinkParcel, ShakeError>>,
}

/// On another shard, and back.
async fn elsewhere(
    shard: &Rc<Shard>,
    link: TcpLink,
    handshake: Box<dyn Handshake>,
    deadline: Option<Instant>,
    place: usize,
) -> Result<Link, ShakeError> {
    let name = handshake.name();
    let stream = link
        .into_stream()
        .map_err(|error| broken(&*handshake, &error))?;
    let errand = Arc::new(Mutex::new(Errand::default()));
    let (home, waiting) = (shard.index, shard.tasks.current());
    let theirs = Arc::clone(&errand);
    // Before it is there: the next one of this turn may be better off elsewhere.
    shard.remote(place).shaking.fetch_add(1, Relaxed);
    shard.remote(place).post(move |there| {
        let (shard, done) = (Rc::clone(there), Arc::clone(&theirs));
        let counted = Counted {
            shard: Rc::clone(there),
        };
        let task = there.spawn("handshake", async move {
            let report = Report {
                shard: Rc::clone(&shard),
                home,
                waiting,
                errand: done,
            };
            let result = match TcpLink::adopt(&shard, stream) {
                Ok(link) => here(&shard, link, handshake, deadline).await,
                Err(error) => Err(broken(&*handshake, &error)),
            };
            drop(counted);
            report.give(result.and_then(|link| link.into_parcel().map_err(|error| lost(&error))));
        });
        lock(&theirs).task = Some(task);
    });
    let guard = Abandon {
        shard: Rc::clone(shard),
        place,
        errand: Arc::clone(&errand),
    };
    loop {
        let result = lock(&errand).result.take();
        if let Some(result) = result {
            drop(guard);
            return result.and_then(|parcel| parcel.unpack(shard).map_err(|error| lost(&error)));
        }
        if deadline.is_some_and(|at| at <= shard.now()) {
            return Err(ShakeError::Refused(late(name)));
        }
        shard.park(deadline).await?;
    }
}

/// The system did not let the connection move.
fn lost(error: &io::Error) -> ShakeError {
    let text = format!("the connection was lost: {error}");
    ShakeError::Refused(Refused::new(EndReason::InternalError, text))
}

/// Brings the result home, also when a fault ended the handshake.
struct Report {
    shard: Rc<Shard>,
    home: usize,
    waiting: TaskId,
    errand: Arc<Mutex<Errand>>,
}

impl Report {
    fn give(self, result: Result<LinkParcel, ShakeError>) {
        lock(&self.errand).result = Some(result);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        lock(&self.errand).result.get_or_insert_with(|| {
            let reason = self.shard.unexpected_end();
            Err(ShakeError::Cancelled(Cancelled(reason)))
        });
        let waiting = self.waiting;
        self.shard
            .remote(self.home)
            .post(move |home| home.tasks.wake(waiting));
    }
}

/// Who waits for an errand is gone: it is given up.
struct Abandon {
    shard: Rc<Shard>,
    place: usize,
    errand: Arc<Mutex<Errand>>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if lock(&self.errand).result.is_some() {
            return;
        }
        let errand = Arc::clone(&self.errand);
        self.shard.remote(self.place).post(move |there| {
            let task = lock(&errand).task;
            if let Some(task) = task {
                there.tasks.cancel(task, EndReason::Destroyed);
            }
        });
    }
}

#[cfg(test)]
#[path = "shake_tests.rs"]
mod tests;
