//! One end of a byte path on its shard: a TCP connection, plain or behind a transport. What the
//! relay, the pool, control streams and UDP channels see of a connection.

use std::io;
use std::rc::Rc;

use mio::net::TcpStream;

use crate::coded_link::{CodedLink, CodedParcel};
use crate::reason::EndReason;
use crate::reused_link::{ReusedLink, ReusedParcel};
use crate::shard::Shard;
use crate::task::TaskId;
use crate::tcp_link::TcpLink;
use crate::transport::codec::Refused;

pub(crate) enum Link {
    Tcp(TcpLink),
    Coded(Box<CodedLink>),
    Reused(Box<ReusedLink>),
}

/// A link on its way to another shard.
pub(crate) enum LinkParcel {
    Tcp(TcpStream),
    Coded(Box<CodedParcel>),
    Reused(Box<ReusedParcel>),
}

impl Link {
    /// Asks the TCP connection below every transport, whose readiness is not the link's. `otherwise`:
    /// the answer of one that has been given back.
    fn ask<T>(&self, otherwise: T, question: impl FnOnce(&TcpLink) -> T) -> T {
        match self {
            Self::Tcp(link) => question(link),
            Self::Coded(link) => question(link.tcp()),
            Self::Reused(link) => link.ask(otherwise, question),
        }
    }

    /// Where what is read and written is what is on the wire, the system can move it by itself.
    pub(crate) fn as_tcp(&self) -> Option<&TcpLink> {
        match self {
            Self::Tcp(link) => Some(link),
            Self::Coded(_) | Self::Reused(_) => None,
        }
    }

    /// It is a use of a channel that others follow.
    pub(crate) fn is_reused(&self) -> bool {
        matches!(self, Self::Reused(_))
    }

    /// See [`TcpLink::watch`].
    pub(crate) fn watch(&self) {
        self.watch_by(self.shard().tasks.current());
    }

    pub(crate) fn watch_by(&self, task: TaskId) {
        if let Self::Reused(link) = self {
            link.watched_by(task);
        }
        self.ask((), |tcp| tcp.watch_by(task));
    }

    /// Whether a read is worth trying.
    pub(crate) fn is_readable(&self) -> bool {
        match self {
            Self::Tcp(link) => link.is_readable(),
            Self::Coded(link) => link.is_readable(),
            Self::Reused(link) => link.is_readable(),
        }
    }

    pub(crate) fn is_writable(&self) -> bool {
        match self {
            Self::Tcp(link) => link.is_writable(),
            Self::Coded(link) => link.is_writable(),
            Self::Reused(link) => link.is_writable(),
        }
    }

    /// See [`TcpLink::is_broken`].
    pub(crate) fn is_broken(&self) -> bool {
        self.ask(false, TcpLink::is_broken)
    }

    /// See [`TcpLink::take_error`].
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.ask(None, TcpLink::take_error)
    }

    /// Why its use is over, as far as can be known while nobody reads; `None`: it is not.
    pub(crate) fn look_ahead(&self) -> Option<EndReason> {
        match self {
            Self::Tcp(_) | Self::Coded(_) => None,
            Self::Reused(link) => link.look_ahead(),
        }
    }

    /// What the transport found wrong with what came; `None`: nothing, or there is none.
    pub(crate) fn fault(&self) -> Option<EndReason> {
        match self {
            Self::Tcp(_) => None,
            Self::Coded(link) => link.fault(),
            Self::Reused(link) => link.fault(),
        }
    }

    /// What the peer has said against us, where the fault comes from that.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        match self {
            Self::Tcp(_) | Self::Reused(_) => None,
            Self::Coded(link) => link.refusal(),
        }
    }

    /// What a read that failed means where no visitor's bytes are carried: there, FIN without the
    /// transport's goodbye is as good as one with it (wire-v1 3.7). `broken`: what it is called here
    /// when the connection itself broke.
    pub(crate) fn channel_reason(
        &self,
        error: &io::Error,
        eof: EndReason,
        broken: EndReason,
    ) -> EndReason {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            eof
        } else {
            self.fault().unwrap_or(broken)
        }
    }

    /// # Errors
    /// `WouldBlock` when the task has to wait; `InvalidData` for what the transport cannot open and
    /// an end inside a record; `UnexpectedEof` for one between records, without its goodbye.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(link) => link.try_read(buffer),
            Self::Coded(link) => link.try_read(buffer),
            Self::Reused(link) => link.try_read(buffer),
        }
    }

    /// # Errors
    /// `WouldBlock` when the task has to wait.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(link) => link.try_write(bytes),
            Self::Coded(link) => link.try_write(bytes),
            Self::Reused(link) => link.try_write(bytes),
        }
    }

    /// Runs a system call that writes what is in a pipe; whatever that carries was announced.
    ///
    /// # Errors
    /// `WouldBlock` when the task has to wait.
    pub(crate) fn write_spliced(
        &self,
        call: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self {
            Self::Tcp(link) => link.write_with(call),
            Self::Reused(link) => link.write_record_with(call),
            Self::Coded(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Something goes out ahead of the first bytes, and leaves with them where they are at hand.
    pub(crate) fn has_head(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Coded(_) => false,
            Self::Reused(link) => link.has_head(),
        }
    }

    /// Hands what was written to the system, as far as it takes it; to be called whenever something
    /// woke the task. True: nothing is left.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(_) => Ok(true),
            Self::Coded(link) => link.flush(),
            Self::Reused(link) => link.flush(),
        }
    }

    /// All that was written is with the system, the end of our direction included.
    pub(crate) fn is_flushed(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Coded(link) => link.is_flushed(),
            Self::Reused(link) => link.is_flushed(),
        }
    }

    /// See [`TcpLink::is_delivered`].
    pub(crate) fn is_delivered(&self) -> Option<bool> {
        if self.is_flushed() {
            self.ask(None, TcpLink::is_delivered)
        } else {
            Some(false)
        }
    }

    /// See [`CodedLink::holds_goodbye`]. A second `finish` says it.
    pub(crate) fn holds_goodbye(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Reused(_) => false,
            Self::Coded(link) => link.holds_goodbye(),
        }
    }

    /// Ends our direction behind everything written, as the transport does that; `flush` sends what
    /// the system does not take at once.
    pub(crate) fn finish(&self) -> io::Result<()> {
        match self {
            Self::Tcp(link) => link.finish(),
            Self::Coded(link) => link.finish(),
            Self::Reused(link) => link.finish(),
        }
    }

    /// RST, now. What the peer has not got of what was written is lost.
    pub(crate) fn abort(self, reason: EndReason) {
        self.abort_on_close(reason);
    }

    /// Dropping it will send RST, or what says the same and the reason, too.
    pub(crate) fn abort_on_close(&self, reason: EndReason) {
        match self {
            Self::Tcp(_) | Self::Coded(_) => self.reset_on_close(),
            Self::Reused(link) => link.give_up(reason),
        }
    }

    /// Dropping it will send RST.
    pub(crate) fn reset_on_close(&self) {
        self.ask((), TcpLink::reset_on_close);
    }

    pub(crate) fn set_nodelay(&self, on: bool) {
        self.ask((), |tcp| tcp.set_nodelay(on));
    }

    /// See [`TcpLink::allow_stalls`].
    pub(crate) fn allow_stalls(&self) {
        self.ask((), TcpLink::allow_stalls);
    }

    pub(crate) fn shard(&self) -> &Rc<Shard> {
        match self {
            Self::Tcp(link) => link.shard(),
            Self::Coded(link) => link.tcp().shard(),
            Self::Reused(link) => link.shard(),
        }
    }

    /// Takes the connection out; the link is of no use any more.
    pub(crate) fn detach(&mut self) -> io::Result<LinkParcel> {
        match self {
            Self::Tcp(link) => link.detach().map(LinkParcel::Tcp),
            Self::Coded(link) => Ok(LinkParcel::Coded(Box::new(link.detach()?))),
            Self::Reused(link) => Ok(LinkParcel::Reused(Box::new(link.detach()?))),
        }
    }

    /// Hands the connection on, to another shard.
    pub(crate) fn into_parcel(mut self) -> io::Result<LinkParcel> {
        self.detach()
    }
}

impl From<TcpLink> for Link {
    fn from(link: TcpLink) -> Self {
        Self::Tcp(link)
    }
}

impl LinkParcel {
    /// It goes on here; its events wake the running task.
    pub(crate) fn unpack(self, shard: &Rc<Shard>) -> io::Result<Link> {
        match self {
            Self::Tcp(stream) => TcpLink::adopt(shard, stream).map(Link::Tcp),
            Self::Coded(parcel) => {
                let link = parcel.unpack(shard)?;
                Ok(Link::Coded(Box::new(link)))
            }
            Self::Reused(parcel) => {
                let link = parcel.unpack(shard)?;
                Ok(Link::Reused(Box::new(link)))
            }
        }
    }

    /// Dropping it will send RST.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => crate::tcp_socket::reset_on_close(stream),
            Self::Coded(parcel) => crate::tcp_socket::reset_on_close(parcel.stream()),
            Self::Reused(parcel) => parcel.reset_on_close(),
        }
    }
}
