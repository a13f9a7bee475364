//! System calls that std does not offer: epoll, non-blocking connect, reading without copying,
//! pipes and splice, socket options. The only file with unsafe code, hence its length; everything
//! it exports is safe.
#![allow(
    unsafe_code,
    reason = "FFI to libc; every block states why it is sound"
)]

pub(crate) mod precise;
pub(crate) mod tun;

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};

/// What a descriptor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    /// Both, and told only when something changes: who uses it goes on until `WouldBlock`.
    Edges,
}

impl Interest {
    fn events(self) -> u32 {
        match self {
            Self::Read => libc::EPOLLIN as u32,
            Self::Write => libc::EPOLLOUT as u32,
            Self::Edges => {
                (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32
            }
        }
    }
}

/// Epoll; a closed descriptor leaves it by itself.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

/// The lowest there is.
const LOW_PRIORITY: c_int = 19;
/// Events taken in one wait.
const BATCH: usize = 256;

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a new descriptor that nobody else owns.
        let epoll =
            unsafe { OwnedFd::from_raw_fd(checked(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self {
            epoll,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; BATCH],
        })
    }

    fn control(
        &self,
        operation: c_int,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.events(),
            u64: token,
        };
        // SAFETY: both descriptors are open (owned and borrowed); `event` outlives the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        checked(result).map(drop)
    }

    pub(crate) fn add(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_fd(), token, interest)
    }

    pub(crate) fn modify(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_fd(), token, interest)
    }

    /// Waits for at most `timeout` (for ever without one) and replaces `ready` by the tokens.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<u64>,
    ) -> io::Result<()> {
        ready.clear();
        // Rounded up, so that a short rest is slept through and not spun away.
        let millis = timeout.map_or(-1, |timeout| {
            c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
        });
        // SAFETY: the pointer and BATCH describe the live vector `events`.
        let result = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                BATCH as c_int,
                millis,
            )
        };
        match checked(result) {
            Ok(count) => {
                ready.extend(
                    self.events
                        .iter()
                        .take(count as usize)
                        .map(|event| event.u64),
                );
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same with the precision of the system's timers, for one system call more.
    pub(crate) fn wait_precisely(
        &mut self,
        timeout: Duration,
        ready: &mut Vec<u64>,
    ) -> io::Result<()> {
        precise::readable([self.as_fd()], Some(timeout))?;
        self.wait(Some(Duration::ZERO), ready)
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Starts a connection without waiting for it; writing tells whether it came about.
pub(crate) fn connect_nonblocking(addr: SocketAddrV4) -> io::Result<TcpStream> {
    connect(nonblocking_socket()?, addr)
}

/// The same from an address of this machine.
pub(crate) fn connect_nonblocking_from(
    source: Ipv4Addr,
    addr: SocketAddrV4,
) -> io::Result<TcpStream> {
    let socket = nonblocking_socket()?;
    let (address, length) = sockaddr(SocketAddrV4::new(source, 0));
    // SAFETY: `address` is an initialized sockaddr_in of the length given, alive for the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    checked(result)?;
    connect(socket, addr)
}

fn nonblocking_socket() -> io::Result<OwnedFd> {
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; a non-negative result is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(checked(libc::socket(libc::AF_INET, flags, 0))?) })
}

fn connect(socket: OwnedFd, addr: SocketAddrV4) -> io::Result<TcpStream> {
    let (address, length) = sockaddr(addr);
    // SAFETY: `address` is an initialized sockaddr_in of the length given, alive for the call.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) };
    match checked(result) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from(socket)),
    }
}

fn sockaddr(addr: SocketAddrV4) -> (libc::sockaddr_in, socklen_t) {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: addr.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(addr.ip().octets()),
        },
        sin_zero: [0; 8],
    };
    (address, size_of::<libc::sockaddr_in>() as socklen_t)
}

/// Takes up to `buffer.len()` bytes from the stream and throws them away in the kernel
/// (tcp(7), MSG_TRUNC): counting must not cost a copy. Zero means FIN.
pub(crate) fn discard(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe the live slice; on TCP the kernel does not even
    // write to it under MSG_TRUNC.
    let count = unsafe {
        libc::recv(
            stream.as_raw_fd(),
            buffer.as_mut_ptr().cast::<c_void>(),
            buffer.len(),
            libc::MSG_TRUNC,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// A kernel pipe that carries bytes between sockets without copying them.
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    /// A pipe of at least `bytes`.
    ///
    /// # Errors
    /// The system's limits: `EMFILE`, or `EPERM` where a user has used up its pipe pages.
    pub(crate) fn new(bytes: c_int) -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` is a live array of the two integers that pipe2 writes.
        checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        // SAFETY: pipe2 succeeded, so both are new descriptors that nobody else owns.
        let (reader, writer) =
            unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        // SAFETY: no pointers; the descriptor is owned, so open.
        checked(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) })?;
        Ok(Self { reader, writer })
    }

    /// Moves what the stream holds into the empty pipe; zero means FIN.
    pub(crate) fn fill(&self, stream: &TcpStream) -> io::Result<usize> {
        splice(stream.as_fd(), self.writer.as_fd(), usize::MAX >> 1)
    }

    /// Moves up to `count` bytes that the pipe holds into the stream.
    pub(crate) fn empty(&self, stream: &TcpStream, count: usize) -> io::Result<usize> {
        splice(self.reader.as_fd(), stream.as_fd(), count)
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
    // SAFETY: both descriptors are borrowed, so open; null offsets are what sockets and pipes need.
    let moved = unsafe {
        libc::splice(
            from.as_raw_fd(),
            std::ptr::null_mut(),
            to.as_raw_fd(),
            std::ptr::null_mut(),
            count,
            libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK,
        )
    };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

fn set_option<T>(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: pointer and length describe the live `value`; the descriptor is borrowed, so open.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as socklen_t,
        )
    };
    checked(result).map(drop)
}

/// Makes closing send RST, as a visitor that gives up does.
pub(crate) fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    set_option(stream.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &linger)
}

/// A receive buffer that takes a burst: the sink must not be the one that drops. Past
/// `net.core.rmem_max` only where the user may.
pub(crate) fn enlarge_receive_buffer(socket: &UdpSocket, bytes: c_int) -> io::Result<()> {
    set_option(
        socket.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        &bytes,
    )
    .or_else(|_| set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
}

/// Raises std's accept backlog (128), which a burst of visitors overflows.
pub(crate) fn deepen_backlog(listener: &TcpListener, backlog: c_int) -> io::Result<()> {
    // SAFETY: no pointers; listening again on a listening socket only changes its backlog.
    checked(unsafe { libc::listen(listener.as_raw_fd(), backlog) }).map(drop)
}

/// The congestion control this connection really uses; it decides bulk numbers on loopback.
pub(crate) fn congestion(stream: &TcpStream) -> io::Result<String> {
    let mut name = [0u8; 16];
    let mut length = name.len() as socklen_t;
    // SAFETY: `name` and `length` are live, and `length` holds the capacity of `name`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    checked(result)?;
    let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Puts this thread, and those it starts from now on, behind all others that want a processor.
pub(crate) fn lower_priority() -> io::Result<()> {
    // SAFETY: no pointers; zero is the calling thread.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LOW_PRIORITY) }).map(drop)
}

/// CPU time of this process so far, threads that ended included.
pub(crate) fn cpu_time() -> Duration {
    // SAFETY: rusage is plain integers, for which all-zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is live and writable. The call cannot fail for RUSAGE_SELF; if it did,
    // zero would be reported.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let seconds = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
