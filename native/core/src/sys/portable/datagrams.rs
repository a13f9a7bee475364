//! The twin of `linux/datagrams.rs` for systems that have one system call per datagram.

use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use mio::net::UdpSocket;

/// Datagrams that are received before they are looked at.
pub(crate) const BATCH: usize = 16;
pub(crate) const RUN_DATAGRAMS: usize = 1;
pub(crate) const RUN_BYTES: usize = 65_000;

const SLOT: usize = 65_536;

/// Memory that can be given back.
pub(crate) struct Area(Box<[u8]>);

impl Area {
    /// # Errors
    /// None here; the twin has some.
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        Ok(Self(vec![0; length].into_boxed_slice()))
    }
}

impl Deref for Area {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Area {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Receives batches of datagrams.
pub(crate) struct Receiver {
    area: Area,
    /// Length and sender of what came with the last call, slot by slot.
    received: Vec<(usize, Option<SocketAddr>)>,
}

/// One datagram.
pub(crate) struct Message<'a> {
    pub(crate) from: Option<SocketAddr>,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// One; it may be empty.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        std::iter::once(self.bytes)
    }
}

impl Receiver {
    /// # Errors
    /// None here; the twin has some.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            area: Area::new(BATCH * SLOT)?,
            received: Vec::with_capacity(BATCH),
        })
    }

    /// At least one message has come; whether there may be more.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, or the socket's error.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.received.clear();
        while let Some(slot) = self.area.chunks_mut(SLOT).nth(self.received.len()) {
            match socket.recv_from(slot) {
                Ok((length, from)) => self.received.push((length, Some(from))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.received.is_empty() => return Err(error),
                // What another error was about has been lost before.
                Err(error) => return Ok(error.kind() != io::ErrorKind::WouldBlock),
            }
        }
        Ok(true)
    }

    /// The messages of the last call.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let slots = self.area.chunks(SLOT);
        let messages = self.received.iter().zip(slots);
        messages.map(|(&(length, from), slot)| Message {
            from,
            bytes: &slot[..length],
        })
    }
}

/// One datagram's place in the bytes that are sent from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

/// Consecutive pieces that go to one address; here always one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) segment: u16,
    /// For the caller.
    pub(crate) group: u32,
}

/// Sends datagrams.
#[derive(Default)]
pub(crate) struct Sender;

impl Sender {
    pub(crate) fn new() -> Self {
        Self
    }

    /// Sends the first of the runs, which are single datagrams. `to`: where a run goes; `None`:
    /// where the socket is connected to.
    ///
    /// # Errors
    /// The system's, of the first run.
    pub(crate) fn send(
        &mut self,
        socket: &UdpSocket,
        bytes: &[u8],
        pieces: &[Piece],
        runs: &[Run],
        to: impl Fn(&Run) -> Option<SocketAddr>,
    ) -> io::Result<usize> {
        for (sent, run) in runs.iter().enumerate() {
            let piece = pieces[run.first as usize];
            let (start, length) = (piece.start as usize, piece.length as usize);
            let payload = &bytes[start..start + length];
            let result = match to(run) {
                Some(address) => socket.send_to(payload, address),
                None => socket.send(payload),
            };
            match result {
                Err(error) if sent == 0 => return Err(error),
                // It comes again with the next call, or it was about an earlier datagram.
                Err(_) => return Ok(sent),
                Ok(_) => {}
            }
        }
        Ok(runs.len())
    }
}

/// Nothing joins datagrams here.
pub(crate) fn join_received(_socket: &UdpSocket) {}

/// The longest datagram that the system cuts out of a run: it cuts none.
pub(crate) fn segment_max(_socket: &UdpSocket) -> u16 {
    0
}

/// Whether the error says that a run cannot be cut up on its way: there are no runs.
pub(crate) fn is_about_segments(_error: &io::Error) -> bool {
    false
}
