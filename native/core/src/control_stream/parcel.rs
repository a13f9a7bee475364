//! A held control stream goes to the shard of its service, and what has to find it there.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::ControlStream;
use crate::context::StreamHome;
use crate::link::LinkParcel;
use crate::reason::EndReason;
use crate::shard::{Service, Shard};
use crate::upcall::{ListenerId, ServiceId, SessionId, StreamId, Upcall, lock};

/// A stream on its way to another shard.
struct Parcel {
    id: StreamId,
    listener: Option<ListenerId>,
    peer: SocketAddr,
    link: LinkParcel,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    wanted: Option<usize>,
    tell_flushed: bool,
}

/// Ends the control streams that came in at that listener.
pub(crate) fn end_of_listener(shard: &Rc<Shard>, listener: ListenerId, reason: EndReason) {
    let streams: Vec<_> = shard.streams.borrow().values().cloned().collect();
    for stream in streams {
        if stream.listener == Some(listener) {
            stream.end(reason);
        }
    }
}

/// Sends a held stream to the shard of its service.
pub(crate) fn hand_over(
    shard: &Rc<Shard>,
    id: StreamId,
    home: usize,
    service: ServiceId,
    session: SessionId,
) {
    let found = shard.streams.borrow().get(&id).cloned();
    let Some(stream) = found else {
        let reason = match lock(&shard.context.streams).get(&id) {
            Some(StreamHome::Ended(reason)) => *reason,
            _ => EndReason::ControlReset,
        };
        shard
            .remote(home)
            .post(move |shard| arrive(shard, service, session, Err(reason)));
        return;
    };
    if home == shard.index {
        arrive(shard, service, session, Ok(stream));
        return;
    }
    shard.streams.borrow_mut().remove(&id);
    let parcel = pack(&stream);
    shard.remote(home).post(move |shard| {
        let stream = parcel.and_then(|parcel| unpack(shard, parcel));
        arrive(shard, service, session, stream.map_err(|_| lost(shard, id)));
    });
}

/// The system did not let it move: nobody else will tell its end.
fn lost(shard: &Shard, stream: StreamId) -> EndReason {
    let (reason, unread) = (EndReason::ControlReset, Vec::new());
    lock(&shard.context.streams).insert(stream, StreamHome::Ended(reason));
    shard.context.upcall(Upcall::StreamEnded {
        stream,
        reason,
        error: None,
        unread,
    });
    reason
}

/// Takes the connection out; the old stream's task ends without a word.
fn pack(stream: &ControlStream) -> io::Result<Parcel> {
    let mut state = stream.state.borrow_mut();
    let link = state.link.take().ok_or(io::ErrorKind::NotConnected)?;
    drop(state.admitted.take());
    state.end = Some(EndReason::SessionEnd);
    let parcel = Parcel {
        id: stream.id,
        listener: stream.listener,
        peer: stream.peer.get(),
        unread: std::mem::take(&mut state.unread),
        unwritten: std::mem::take(&mut state.unwritten),
        wanted: state.wanted.take(),
        tell_flushed: state.tell_flushed,
        link: link.into_parcel()?,
    };
    drop(state);
    stream.nudge();
    Ok(parcel)
}

fn unpack(shard: &Rc<Shard>, parcel: Parcel) -> io::Result<Rc<ControlStream>> {
    let Parcel {
        id,
        listener,
        peer,
        link,
        unread,
        unwritten,
        wanted,
        tell_flushed,
    } = parcel;
    let link = link.unpack(shard)?;
    let stream = ControlStream::new(shard, id, listener, peer, Some(link));
    {
        let mut state = stream.state.borrow_mut();
        state.was_attached = true;
        state.unread = unread;
        state.unwritten = unwritten;
        state.wanted = wanted;
        state.tell_flushed = tell_flushed;
    }
    stream.start();
    Ok(stream)
}

/// The session's stream has come, or had ended before it could.
pub(crate) fn arrive(
    shard: &Rc<Shard>,
    service: ServiceId,
    session: SessionId,
    stream: Result<Rc<ControlStream>, EndReason>,
) {
    if let Ok(stream) = &stream {
        stream.service.set(service);
    }
    let found = shard.services.borrow().get(&service).cloned();
    match found {
        Some(Service::Server(it)) => it.arrive(session, stream),
        Some(Service::Client(it)) => it.arrive(session, stream),
        None => {
            if let Ok(stream) = stream {
                stream.destroy(EndReason::ServiceClosed);
            }
            let reason = EndReason::ServiceClosed;
            shard.context.upcall(Upcall::SessionEnded {
                service,
                session,
                reason,
            });
        }
    }
}
