//! Calls about listeners and control streams.

use std::rc::Rc;

use super::Engine;
use crate::context::StreamHome;
use crate::control_stream::{self, ControlStream};
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{DialSpec, TransportSpec, TunnelListenSpec};
use crate::tunnel_listener::TunnelListener;
use crate::upcall::{ListenerId, StreamId, lock};

impl Engine {
    /// Answered by `Listening` or `ListenFailed`.
    pub fn listen(&self, listener: ListenerId, spec: TunnelListenSpec) {
        let shard = {
            let mut listeners = lock(&self.listeners);
            let shard = listeners.len() % self.context.remotes().len();
            listeners.insert(listener, shard);
            shard
        };
        self.post(shard, move |shard| {
            TunnelListener::open(shard, listener, spec);
        });
    }

    /// For connections accepted from now on.
    pub fn update_listener(&self, listener: ListenerId, spec: TransportSpec) {
        self.with_listener(listener, move |it| it.update(&spec));
    }

    /// Frees the ports of all listeners, before anything else ends. `close_listener` is still due.
    pub fn stop_accepting(&self) {
        for remote in self.context.remotes() {
            remote.post(|shard| {
                for listener in shard.listeners.borrow().values() {
                    listener.stop_accepting();
                }
            });
        }
    }

    /// Stops accepting and ends the control streams that came in here. Answered by `ListenerClosed`.
    pub fn close_listener(&self, listener: ListenerId, reason: EndReason) {
        let Some(home) = lock(&self.listeners).remove(&listener) else {
            return;
        };
        self.post(home, move |shard| {
            let it = shard.listeners.borrow().get(&listener).cloned();
            if let Some(it) = it {
                it.close(reason);
            }
            // From here, and so behind the streams that have set out from here to their services.
            for index in 0..shard.context.remotes().len() {
                shard.remote(index).post(move |shard| {
                    control_stream::end_of_listener(shard, listener, reason);
                });
            }
        });
    }

    fn with_listener(
        &self,
        listener: ListenerId,
        act: impl FnOnce(&Rc<TunnelListener>) + Send + 'static,
    ) {
        let Some(shard) = lock(&self.listeners).get(&listener).copied() else {
            return;
        };
        self.post(shard, move |shard| {
            let it = shard.listeners.borrow().get(&listener).cloned();
            if let Some(it) = it {
                act(&it);
            }
        });
    }

    /// Answered by `Dialed` or `DialFailed`.
    pub fn dial(&self, stream: StreamId, spec: DialSpec) {
        lock(&self.context.streams).insert(stream, StreamHome::Shard(0));
        self.post(0, move |shard| ControlStream::dial(shard, stream, spec));
    }

    /// Gives a dial up that has not been answered.
    pub fn abort_dial(&self, stream: StreamId) {
        self.with_stream(stream, |it| it.abort_dial());
    }

    /// Answered by `StreamRead`, unless the stream ends first.
    pub fn stream_read(&self, stream: StreamId, length: usize) {
        self.with_stream(stream, move |it| it.read(length));
    }

    /// Answered by `StreamFlushed` when the system has all of it.
    pub fn stream_write(&self, stream: StreamId, bytes: Vec<u8>) {
        self.with_stream(stream, move |it| it.write(&bytes));
    }

    /// Flushes, sends FIN and waits a little for the peer's.
    pub fn stream_finish(&self, stream: StreamId, reason: EndReason) {
        self.with_stream(stream, move |it| it.finish(reason));
    }

    pub fn stream_destroy(&self, stream: StreamId, reason: EndReason) {
        self.with_stream(stream, move |it| it.destroy(reason));
    }

    fn with_stream(&self, stream: StreamId, act: impl FnOnce(&Rc<ControlStream>) + Send + 'static) {
        let home = lock(&self.context.streams).get(&stream).copied();
        if let Some(StreamHome::Shard(home)) = home {
            self.post(home, move |shard| on_stream(shard, stream, act));
        }
    }
}

/// Acts on a stream of this shard. One that is still on its way here is waited for.
fn on_stream(
    shard: &Rc<Shard>,
    stream: StreamId,
    act: impl FnOnce(&Rc<ControlStream>) + Send + 'static,
) {
    let it = shard.streams.borrow().get(&stream).cloned();
    if let Some(it) = it {
        act(&it);
    } else if lock(&shard.context.streams).get(&stream) == Some(&StreamHome::Shard(shard.index)) {
        shard
            .remote(shard.index)
            .post(move |shard| on_stream(shard, stream, act));
    }
}
