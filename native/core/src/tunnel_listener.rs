//! Accepts tunnel connections and tells them apart by their hello. Each connection is on its own
//! from accept on: a silent one costs a slot for 5 seconds and delays nobody (wire-v1 W1, W2).

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::net::TcpStream;

use crate::admission::Admitted;
use crate::arrival::{Hello, Newcomer, arrive};
use crate::context::SessionHome;
use crate::control_stream::ControlStream;
use crate::link::Link;
use crate::listen::{Listener, accept_all};
use crate::reason::EndReason;
use crate::resolve::resolve;
use crate::shard::{Service, Shard};
use crate::spec::{HelloRule, TransportSpec, TunnelListenSpec};
use crate::task::TaskId;
use crate::tcp_link::TcpLink;
use crate::tcp_socket::StreamOptions;
use crate::transport::ServerTransport;
use crate::transport::linger::linger;
use crate::upcall::{ListenerId, SystemError, UPCALLS_WAITING_MAX, Upcall, lock};

pub(crate) struct TunnelListener {
    shard: Rc<Shard>,
    id: ListenerId,
    hello: HelloRule,
    transport: RefCell<ServerTransport>,
    /// Absent before it is bound and when it is closed.
    listener: RefCell<Option<Rc<Listener>>>,
    closed: Cell<bool>,
    /// Connections whose hello is not complete.
    pending: RefCell<HashSet<TaskId>>,
}

impl TunnelListener {
    pub(crate) fn open(shard: &Rc<Shard>, id: ListenerId, spec: TunnelListenSpec) {
        let TunnelListenSpec {
            bind,
            transport,
            hello,
        } = spec;
        let made = ServerTransport::new(&transport);
        let unusable = made.as_ref().err().cloned();
        let tcp = transport.tcp;
        let this = Rc::new(Self {
            shard: Rc::clone(shard),
            id,
            hello,
            transport: RefCell::new(made.unwrap_or(ServerTransport::Tcp)),
            listener: RefCell::default(),
            closed: Cell::new(false),
            pending: RefCell::default(),
        });
        shard.listeners.borrow_mut().insert(id, Rc::clone(&this));
        let shard = Rc::clone(shard);
        shard.clone().spawn("tunnel accept", async move {
            let mut opening = Opening(Some(Rc::clone(&this)));
            if let Some(message) = unusable {
                opening.fail(SystemError {
                    code: None,
                    message,
                });
                return;
            }
            let Ok(bound) = resolve(&shard, &bind, false).await else {
                return;
            };
            let options = StreamOptions::tunnel(&tcp, tcp.nodelay);
            let bind_now = || {
                let addresses = bound.as_ref().map_err(SystemError::clone)?;
                Listener::bind(&shard, addresses, &options)
            };
            let mut bound = bind_now();
            if bound.as_ref().is_err_and(SystemError::is_in_use) {
                // It may be one of ours that another shard was told before to give up.
                if shard.settled().await.is_err() {
                    return;
                }
                bound = bind_now();
            }
            // Closed meanwhile, and told so.
            if this.closed.get() {
                return;
            }
            let listener = match bound {
                Ok(listener) => Rc::new(listener),
                Err(error) => {
                    opening.fail(error);
                    return;
                }
            };
            let address = listener.address();
            *this.listener.borrow_mut() = Some(Rc::clone(&listener));
            opening.0 = None;
            shard.context.upcall(Upcall::Listening {
                listener: id,
                address,
            });
            let weak = Rc::downgrade(&listener);
            drop(listener);
            let take = |stream, peer| this.accept(stream, peer);
            // Cancelled: the shard ends.
            let _ = accept_all(&shard, &bind, || weak.upgrade(), take, || {}).await;
        });
    }

    /// For connections accepted from now on.
    pub(crate) fn update(&self, spec: &TransportSpec) {
        match ServerTransport::new(spec) {
            Ok(transport) => *self.transport.borrow_mut() = transport,
            // The control plane has checked it; what was there stays.
            Err(error) => self.shard.context.fault("tunnel listener", &error),
        }
        let tcp = &spec.tcp;
        if let Some(listener) = &*self.listener.borrow() {
            listener.update(&StreamOptions::tunnel(tcp, tcp.nodelay));
        }
    }

    pub(crate) fn stop_accepting(&self) {
        drop(self.listener.borrow_mut().take());
    }

    /// Stops accepting, ends what has not shown who it is.
    pub(crate) fn close(&self, reason: EndReason) {
        if self.closed.replace(true) {
            return;
        }
        self.stop_accepting();
        for task in &*self.pending.borrow() {
            self.shard.tasks.cancel(*task, reason);
        }
        self.shard.listeners.borrow_mut().remove(&self.id);
        self.shard
            .context
            .upcall(Upcall::ListenerClosed { listener: self.id });
    }

    fn accept(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let context = &self.shard.context;
        let mut newcomer = Newcomer::new(&self.shard, peer);
        let Ok(link) = TcpLink::accepted(&self.shard, stream) else {
            newcomer.reject(EndReason::InternalError, None);
            return;
        };
        let admitted = match Admitted::enter(context, peer.ip()) {
            Ok(admitted) => admitted,
            Err(reason) => {
                newcomer.reject(reason, None);
                link.abort();
                return;
            }
        };
        let this = Rc::clone(self);
        let deadline = self.shard.after(context.limits.handshake_timeout_ms);
        let task = self.shard.spawn("hello", async move {
            link.watch();
            let pending = Pending {
                listener: Rc::clone(&this),
                task: this.shard.tasks.current(),
            };
            let handshake = this.transport.borrow().handshake();
            let arrived = arrive(&this.shard, link, handshake, &this.hello, deadline).await;
            let shown = match arrived {
                Ok(shown) => shown,
                Err(unknown) => {
                    newcomer.reject(unknown.reason, unknown.text);
                    if let Some(stream) = unknown.answered {
                        let lingers = this.shard.after(this.shard.context.limits.linger_ms);
                        let until = [lingers, deadline].into_iter().flatten().min();
                        linger(&this.shard, stream, until).await;
                    }
                    return;
                }
            };
            drop(pending);
            match shown {
                (
                    link,
                    Hello {
                        is_control: true,
                        digest,
                        rest,
                    },
                ) => {
                    let context = &this.shard.context;
                    // Each leaves a few of them, however it ends.
                    if context.upcalls.waiting() >= UPCALLS_WAITING_MAX {
                        newcomer.reject(EndReason::LimitTotal, None);
                        link.reset_on_close();
                        return;
                    }
                    let stream =
                        ControlStream::accepted(link, this.id, peer, rest, admitted, deadline);
                    newcomer.show();
                    let (listener, stream) = (this.id, stream.id());
                    context.upcall(Upcall::Control {
                        listener,
                        stream,
                        digest,
                        peer,
                    });
                }
                (link, Hello { digest, rest, .. }) => {
                    drop(admitted);
                    match this.match_data(link, &digest, &rest) {
                        Ok(()) => newcomer.show(),
                        Err(reason) => newcomer.reject(reason, None),
                    }
                }
            }
        });
        self.pending.borrow_mut().insert(task);
    }

    fn match_data(&self, link: Link, key: &[u8], rest: &[u8]) -> Result<(), EndReason> {
        let context = &self.shard.context;
        let home = lock(&context.sessions).get(key).copied();
        let Some(SessionHome {
            shard: home,
            service,
            session,
        }) = home
        else {
            return Err(EndReason::UnknownSession);
        };
        // A client sends nothing between hello and start (wire-v1 7.6).
        if !rest.is_empty() {
            return Err(EndReason::EarlyData);
        }
        if home == self.shard.index {
            let found = self.shard.services.borrow().get(&service).cloned();
            if let Some(Service::Server(it)) = found {
                it.channel(session, link);
            }
        } else if let Ok(parcel) = link.into_parcel() {
            self.shard.remote(home).post(move |shard| {
                let found = shard.services.borrow().get(&service).cloned();
                // What fails here is gone, as on any network; the pool asks for another one.
                if let (Some(Service::Server(it)), Ok(link)) = (found, parcel.unpack(shard)) {
                    it.channel(session, link);
                }
            });
        }
        Ok(())
    }
}

/// A listener that is told to be bound, or not: also when a fault comes between.
struct Opening(Option<Rc<TunnelListener>>);

impl Opening {
    fn fail(&mut self, error: SystemError) {
        // Closed meanwhile, and told so.
        if let Some(it) = self.0.take()
            && !it.closed.replace(true)
        {
            let (shard, listener) = (&it.shard, it.id);
            shard.listeners.borrow_mut().remove(&listener);
            shard
                .context
                .upcall(Upcall::ListenFailed { listener, error });
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.fail(SystemError {
            code: None,
            message: "internal error".to_owned(),
        });
    }
}

/// A connection's place among those that can be ended by `close`.
struct Pending {
    listener: Rc<TunnelListener>,
    task: TaskId,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.listener.pending.borrow_mut().remove(&self.task);
    }
}

#[cfg(test)]
#[path = "tunnel_listener_tests.rs"]
mod tests;
