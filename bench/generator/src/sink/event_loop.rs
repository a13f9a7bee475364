//! Accepts visitors and gives each event to its connection. Knows no mode.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};

use super::connection::{Connection, Next};
use super::datagrams::Datagrams;
use super::ledger::Ledger;
use crate::args::Args;
use crate::report::Report;
use crate::sys::{self, Interest, Poller};

const LISTENER: u64 = u64::MAX;
const DATAGRAMS: u64 = u64::MAX - 1;
/// A burst of visitors waits here while the loop is busy.
const BACKLOG: i32 = 4096;
const ACCEPTS_PER_TURN: usize = 64;
/// Shared by all connections: what one read or write moves.
const SCRATCH: usize = 1 << 20;
const BIND_TRIES: usize = 16;

/// Serves until killed.
pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr_or("listen", SocketAddrV4::new([127, 0, 0, 1].into(), 0))?;
    args.expect_all_used()?;
    let (listener, socket) = bind_both(addr)?;
    Report::default()
        .count("ready", u64::from(listener.local_addr()?.port()))
        .print();
    Sink::new(listener, socket)?.serve()
}

/// TCP and UDP on the same port; a port that is free for one may be taken for the other.
fn bind_both(addr: SocketAddrV4) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = 1;
    loop {
        let listener = TcpListener::bind(addr)?;
        match UdpSocket::bind(listener.local_addr()?) {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) if addr.port() != 0 || tries == BIND_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

struct Slot {
    connection: Connection,
    interest: Interest,
}

struct Sink {
    listener: TcpListener,
    datagrams: Datagrams,
    poller: Poller,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    ledger: Ledger,
    scratch: Vec<u8>,
}

impl Sink {
    fn new(listener: TcpListener, socket: UdpSocket) -> io::Result<Self> {
        sys::deepen_backlog(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.add(&listener, LISTENER, Interest::Read)?;
        poller.add(&socket, DATAGRAMS, Interest::Read)?;
        Ok(Self {
            listener,
            datagrams: Datagrams::new(socket)?,
            poller,
            slots: Vec::new(),
            free: Vec::new(),
            ledger: Ledger::default(),
            scratch: vec![0; SCRATCH],
        })
    }

    fn serve(mut self) -> io::Result<Report> {
        let mut ready = Vec::new();
        loop {
            self.poller.wait(None, &mut ready)?;
            for token in &ready {
                match *token {
                    LISTENER => self.accept()?,
                    DATAGRAMS => self.datagrams.take(&mut self.scratch, &mut self.ledger),
                    token => self.serve_slot(token)?,
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            // EMFILE and aborted connections: the next turn tries again.
            let Ok((stream, _)) = self.listener.accept() else {
                break;
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
            self.poller.add(&stream, index as u64, Interest::Read)?;
            let connection = Connection::new(stream);
            self.slots[index] = Some(Slot {
                connection,
                interest: Interest::Read,
            });
        }
        Ok(())
    }

    fn serve_slot(&mut self, token: u64) -> io::Result<()> {
        let index = token as usize;
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else {
            return Ok(());
        };
        // A visitor's reset ends that visitor, never the sink.
        let next = slot
            .connection
            .ready(&mut self.scratch, &mut self.ledger)
            .unwrap_or(Next::Close);
        let interest = match next {
            Next::Close => {
                self.slots[index] = None;
                self.free.push(index);
                return Ok(());
            }
            Next::Read => Interest::Read,
            Next::Write => Interest::Write,
        };
        if interest != slot.interest {
            slot.interest = interest;
            self.poller
                .modify(slot.connection.stream(), token, interest)?;
        }
        Ok(())
    }
}
