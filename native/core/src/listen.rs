//! Accepts connections on one address: a long backlog, many accepts per wake-up, and a pause where
//! the system cannot give a descriptor.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::Interest;
use mio::net::{TcpListener, TcpStream};

use crate::dial::system_error;
use crate::events::Event;
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::task::{Cancelled, TaskId};
use crate::tcp_socket::{self, StreamOptions};
use crate::upcall::SystemError;

/// Accepts before other tasks have their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// After an error that is not the connection's own (EMFILE and the like).
const PAUSE_MS: u64 = 100;
/// Such an error is told once in this time.
const TELL_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Listener {
    shard: Rc<Shard>,
    socket: TcpListener,
    slot: usize,
    address: SocketAddr,
    options: RefCell<StreamOptions>,
    /// The task that accepts.
    task: Cell<TaskId>,
}

impl Listener {
    /// Binds the first of the addresses that can be bound.
    ///
    /// # Errors
    /// The last error of the system, worded as Node words it.
    pub(crate) fn bind(
        shard: &Rc<Shard>,
        addresses: &[SocketAddr],
        options: &StreamOptions,
    ) -> Result<Self, SystemError> {
        let mut failure = None;
        for address in addresses {
            match Self::bind_one(shard, *address, options) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = Some(listen_error(&error, *address)),
            }
        }
        let none = || SystemError {
            code: None,
            message: "no address to bind".to_owned(),
        };
        Err(failure.unwrap_or_else(none))
    }

    fn bind_one(shard: &Rc<Shard>, to: SocketAddr, options: &StreamOptions) -> io::Result<Self> {
        let mut socket = tcp_socket::listen(to, options)?;
        let address = socket.local_addr()?;
        let slot = shard
            .reactor
            .register(&mut socket, Interest::READABLE, TaskId::NONE, 0)?;
        let options = RefCell::new(options.clone());
        Ok(Self {
            shard: Rc::clone(shard),
            socket,
            slot,
            address,
            options,
            task: Cell::new(TaskId::NONE),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Options of connections accepted from now on.
    pub(crate) fn update(&self, options: &StreamOptions) {
        tcp_socket::update(&self.socket, options);
        *self.options.borrow_mut() = options.clone();
    }

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.socket.accept() {
                Err(error) if is_of_connection(&error) => {}
                Ok((stream, peer)) => {
                    tcp_socket::accepted(&stream, peer, self.address, &self.options.borrow());
                    return Ok((stream, peer));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shard.reactor.release(self.slot);
        // It finds nothing to accept from any more.
        self.shard.tasks.wake(self.task.get());
    }
}

/// The connection was gone before it was accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Worded as Node words it.
pub(crate) fn listen_error(error: &io::Error, address: SocketAddr) -> SystemError {
    let SystemError { code, message } = system_error(error);
    let name = code.clone().unwrap_or_default();
    SystemError {
        code,
        message: format!("listen {name}: {message} {address}"),
    }
}

/// Accepts until the listener is gone (`find` gives it while it is there). `take` gets every
/// connection, `turn` is called after each bunch; a panic in either costs what it was at, no more.
///
/// # Errors
/// When the task is cancelled.
pub(crate) async fn accept_all(
    shard: &Rc<Shard>,
    name: &HostPort,
    find: impl Fn() -> Option<Rc<Listener>>,
    take: impl Fn(TcpStream, SocketAddr),
    turn: impl Fn(),
) -> Result<(), Cancelled> {
    let mut told: Option<Instant> = None;
    if let Some(listener) = find() {
        listener.task.set(shard.tasks.current());
        shard.reactor.set_task(listener.slot, listener.task.get());
    }
    loop {
        let mut count = 0;
        let failure = loop {
            let Some(listener) = find() else {
                return Ok(());
            };
            if count == ACCEPTS_PER_TURN {
                break None;
            }
            match listener.accept() {
                Ok((stream, peer)) => drop(shard.guard(|| take(stream, peer))),
                Err(error) => break Some(error),
            }
            count += 1;
        };
        if count > 0 {
            shard.guard(&turn);
        }
        match failure {
            None => shard.tasks.yield_now().await?,
            Some(error) if error.kind() == io::ErrorKind::WouldBlock => shard.park(None).await?,
            Some(error) => {
                if told.is_none_or(|at| shard.now() - at >= TELL_EVERY) {
                    told = Some(shard.now());
                    let address = format_address(name);
                    let error = system_error(&error);
                    let code = error.code.unwrap_or_default();
                    let error = format!("accept {code}: {}", error.message);
                    shard.context.event(Event::AcceptFailed { address, error });
                }
                shard.sleep(PAUSE_MS).await?;
            }
        }
    }
}

/// Host and port as people write them.
pub(crate) fn format_address(to: &HostPort) -> String {
    let HostPort { host, port } = to;
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
