//! UDP sockets of both ends on their shard: 64 KiB datagrams whole, room for bursts, never blocking.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use mio::Interest;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::reactor::{ERROR, READ};
use crate::shard::Shard;
use crate::sys;
use crate::task::TaskId;
use crate::tcp_link::retry;

/// Default 208 KiB drops bursts (data-plane section 7); the system caps it at its own maximum.
const BUFFER_BYTES: usize = 4 * 1_024 * 1_024;

/// Only reading is waited for: a system that tells when a UDP socket is writable does so after every
/// single datagram. What cannot be sent is tried again after a moment, or dropped.
pub(crate) struct UdpLink {
    socket: UdpSocket,
    slot: usize,
    shard: Rc<Shard>,
}

impl UdpLink {
    /// For visitors. Its events wake nobody until it is watched.
    pub(crate) fn bind(shard: &Rc<Shard>, address: SocketAddr) -> io::Result<Self> {
        let socket = open(address)?;
        if address.is_ipv6() {
            // As the system's default is nearly everywhere; a refusal leaves that.
            let _ = socket.set_only_v6(false);
        }
        socket.bind(&address.into())?;
        Self::register(shard, socket)
    }

    /// For one session with a local service.
    pub(crate) fn connect(shard: &Rc<Shard>, address: SocketAddr) -> io::Result<Self> {
        let first = connected(address)?;
        if first.local_addr()?.as_socket() != Some(address) {
            return Self::register(shard, first);
        }
        // Where nobody listens it may be given that very port, and would talk to itself. While it
        // has the port another one is not given it.
        let second = connected(address)?;
        drop(first);
        Self::register(shard, second)
    }

    fn register(shard: &Rc<Shard>, socket: Socket) -> io::Result<Self> {
        // The system's own limits stay where it refuses.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        let mut socket = UdpSocket::from_std(socket.into());
        sys::join_received(&socket);
        let slot = shard
            .reactor
            .register(&mut socket, Interest::READABLE, TaskId::NONE, 0)?;
        Ok(Self {
            socket,
            slot,
            shard: Rc::clone(shard),
        })
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.shard.reactor.ready(self.slot) & READ != 0
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Its events wake the task from now on.
    pub(crate) fn watch_by(&self, task: TaskId) {
        self.shard.reactor.set_task(self.slot, task);
    }

    /// Receives a batch. True: there may be more.
    ///
    /// # Errors
    /// `WouldBlock` when the task has to wait for the socket; others are about single datagrams.
    pub(crate) fn receive(&self, receiver: &mut sys::Receiver) -> io::Result<bool> {
        if !self.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = receiver.receive(&self.socket);
        let is_dry = match &result {
            Ok(more) => !more,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if is_dry {
            self.shard.reactor.clear(self.slot, READ | ERROR);
        }
        result
    }

    /// Sends one datagram; `None`: to where it is connected.
    ///
    /// # Errors
    /// The system's: the datagram is lost. `WouldBlock`: it may be tried again.
    pub(crate) fn send(&self, payload: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let send = || match to {
            Some(address) => self.socket.send_to(payload, address),
            None => self.socket.send(payload),
        };
        match retry(send) {
            // An error that an earlier datagram met takes this one with it: once more.
            Err(error) if is_of_earlier(&error) => retry(send).map(drop),
            result => result.map(drop),
        }
    }
}

impl Drop for UdpLink {
    fn drop(&mut self) {
        self.shard.reactor.release(self.slot);
    }
}

fn connected(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(address)?;
    if cfg!(windows) {
        // It does not receive before it is bound.
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        socket.bind(&any.into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket)
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether the error is the answer to an earlier datagram.
pub(crate) fn is_of_earlier(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
#[path = "udp_socket_tests.rs"]
mod tests;
