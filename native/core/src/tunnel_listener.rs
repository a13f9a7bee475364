//! Accepts tunnel connections and tells them apart by their hello. Each connection is on its own
//! from accept on: a silent one costs a slot for 5 seconds and delays nobody (wire-v1 W1, W2).

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use mio::net::TcpStream;

use crate::admission::Admitted;
use crate::context::SessionHome;
use crate::control_stream::ControlStream;
use crate::link::Link;
use crate::listen::{Listener, accept_all};
use crate::reason::EndReason;
use crate::resolve::resolve;
use crate::shard::{Service, Shard};
use crate::spec::{HelloRule, TransportSpec, TunnelListenSpec};
use crate::task::{Cancelled, TaskId};
use crate::tcp_link::TcpLink;
use crate::tcp_socket::StreamOptions;
use crate::transport::ServerTransport;
use crate::transport::codec::Refused;
use crate::transport::linger::linger;
use crate::transport::shake::{ShakeError, shake};
use crate::upcall::{ListenerId, SystemError, UPCALLS_WAITING_MAX, Upcall, lock};

/// What one read takes at most: a hello, and little of what a control channel says behind it.
const READ_BYTES: usize = 4_096;

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

/// What a complete hello says.
struct Hello {
    is_control: bool,
    digest: Vec<u8>,
    rest: Vec<u8>,
}

/// Why a connection did not show who it is; the text where there is more to say.
struct Unknown {
    reason: EndReason,
    text: Option<String>,
    /// It has been told, and may not have heard it yet.
    answered: Option<TcpStream>,
}

impl From<EndReason> for Unknown {
    fn from(reason: EndReason) -> Self {
        Self {
            reason,
            text: None,
            answered: None,
        }
    }
}

impl From<ShakeError> for Unknown {
    fn from(error: ShakeError) -> Self {
        let (Refused { reason, text }, answered) = match error {
            ShakeError::Cancelled(Cancelled(reason)) => return reason.into(),
            ShakeError::Refused(refused) => (refused, None),
            ShakeError::Answered(refused, stream) => (refused, Some(stream)),
        };
        Self {
            reason,
            text: Some(text),
            answered,
        }
    }
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
        let mut newcomer = Newcomer {
            shard: Rc::clone(&self.shard),
            peer,
            known: false,
        };
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
            let shown = match this.take_hello(link, deadline).await {
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
                        link.abort();
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

    /// The connection behind its transport, and who it is.
    async fn take_hello(
        &self,
        link: TcpLink,
        deadline: Option<Instant>,
    ) -> Result<(Link, Hello), Unknown> {
        let handshake = self.transport.borrow().handshake();
        let link = match handshake {
            None => Link::Tcp(link),
            Some(handshake) => Box::pin(shake(&self.shard, link, handshake, deadline))
                .await
                .map_err(Unknown::from)?,
        };
        link.watch();
        let hello = self.read_hello(&link, deadline).await?;
        Ok((link, hello))
    }

    async fn read_hello(&self, link: &Link, deadline: Option<Instant>) -> Result<Hello, EndReason> {
        let mut got = Vec::new();
        loop {
            if deadline.is_some_and(|at| at <= self.shard.now()) {
                return Err(EndReason::HandshakeTimeout);
            }
            link.flush().map_err(|_| EndReason::HandshakeEof)?;
            match read_some(&self.shard, link, &mut got) {
                Ok(0) => return Err(EndReason::HandshakeEof),
                Ok(_) if got.len() >= self.hello.length => return self.parse(&got),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let parked = self.shard.park(deadline).await;
                    parked.map_err(|Cancelled(reason)| reason)?;
                }
                Err(error) => {
                    let eof = EndReason::HandshakeEof;
                    return Err(link.channel_reason(&error, eof, eof));
                }
            }
        }
    }

    fn parse(&self, got: &[u8]) -> Result<Hello, EndReason> {
        let HelloRule {
            length,
            control,
            data,
        } = &self.hello;
        let is_control = got.starts_with(control);
        if !is_control && !got.starts_with(data) {
            return Err(EndReason::BadHello);
        }
        let prefix = if is_control {
            control.len()
        } else {
            data.len()
        };
        let (digest, rest) = (got[prefix..*length].to_vec(), got[*length..].to_vec());
        Ok(Hello {
            is_control,
            digest,
            rest,
        })
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

fn read_some(shard: &Shard, link: &Link, got: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = shard.buffer.borrow_mut();
    let length = link.try_read(&mut buffer[..READ_BYTES])?;
    got.extend_from_slice(&buffer[..length]);
    Ok(length)
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

/// A connection that has not shown who it is. One that is dropped like that was lost by a fault.
struct Newcomer {
    shard: Rc<Shard>,
    peer: SocketAddr,
    /// It has, or its end has been told.
    known: bool,
}

impl Newcomer {
    fn show(mut self) {
        self.known = true;
    }

    fn reject(&mut self, reason: EndReason, text: Option<String>) {
        if !std::mem::replace(&mut self.known, true) {
            self.shard.context.reject_tunnel(reason, self.peer, text);
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.reject(self.shard.unexpected_end(), None);
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
