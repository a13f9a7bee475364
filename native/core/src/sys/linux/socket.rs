//! Options of sockets, and the limit of descriptors.
#![allow(unsafe_code, reason = "socket2 lacks the options, and std getrlimit")]

use std::fs;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use socket2::Socket;

/// Accepted connections have the options of their listener.
pub(crate) const LISTENER_OPTIONS_INHERITED: bool = true;

/// `TCP_RTO_MAX_MS` of `linux/tcp.h`, since Linux 6.15.
const TCP_RTO_MAX_MS: libc::c_int = 44;
/// What the system takes for it.
const RTO_MAX_MS: std::ops::RangeInclusive<u64> = 1_000..=120_000;
/// Of the kernel's model of how long retransmissions go on (`tcp_model_timeout`).
const RTO_BASE_MS: u64 = 200;
const RETRIES_DEFAULT: u32 = 15;

/// Ends the connection when the peer has not acknowledged anything for so long, or has taken nothing:
/// `TCP_USER_TIMEOUT`. `None`: only as the system does it.
pub(crate) fn set_user_timeout(socket: &Socket, patience: Option<Duration>) {
    // A socket without it works; it only notices later.
    let _ = socket.set_tcp_user_timeout(patience);
}

/// Has the system give retransmissions and window probes up when they were not answered for about so
/// long. In contrast to the user timeout this spares a peer that answers and takes nothing. Older
/// kernels do not know the option, and go on for a quarter of an hour.
pub(crate) fn set_retransmission_patience(socket: &Socket, patience: Duration) {
    let longest = longest_retransmission(patience, retries());
    // As above.
    let _ = set_tcp_option(socket, TCP_RTO_MAX_MS, longest);
}

/// Whether this kernel knows it.
#[cfg(test)]
pub(crate) fn knows_retransmission_patience() -> bool {
    let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    socket.is_ok_and(|socket| set_tcp_option(&socket, TCP_RTO_MAX_MS, 1_000).is_ok())
}

/// The longest time between two retransmissions with which the system gives up within `patience`.
fn longest_retransmission(patience: Duration, retries: u32) -> libc::c_int {
    let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let (mut low, mut high) = RTO_MAX_MS.into_inner();
    while low < high {
        let middle = (low + high).div_ceil(2);
        if gives_up_after(middle, retries) <= patience {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    libc::c_int::try_from(low).unwrap_or(libc::c_int::MAX)
}

/// The kernel's model: times between retransmissions double up to the longest, then stay.
fn gives_up_after(longest_ms: u64, retries: u32) -> u64 {
    let doublings = (longest_ms / RTO_BASE_MS).max(1).ilog2();
    let doubled = (2 << doublings.min(retries)) - 1;
    doubled * RTO_BASE_MS + u64::from(retries.saturating_sub(doublings)) * longest_ms
}

/// How often this system retransmits. The same as long as the process lives: it is read once.
fn retries() -> u32 {
    static RETRIES: OnceLock<u32> = OnceLock::new();
    *RETRIES.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/net/ipv4/tcp_retries2").ok();
        text.and_then(|text| text.trim().parse().ok())
            .unwrap_or(RETRIES_DEFAULT)
    })
}

/// For a connection within this machine: BBR's pacing halves its speed, and any user may choose
/// reno. Whatever else has been chosen for the socket, or by a route, stays.
pub(crate) fn avoid_bbr(socket: &Socket) {
    // Failing means that it stays as it is.
    if let Ok(name) = socket.tcp_congestion()
        && name.starts_with(b"bbr")
    {
        let _ = socket.set_tcp_congestion(b"reno");
    }
}

fn set_tcp_option(socket: &Socket, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(mem::size_of_val(&value)).unwrap_or(0);
    // SAFETY: the descriptor is open as long as the socket lives; the kernel reads `length` bytes
    // from `value`, which has as many.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            name,
            ptr::from_ref(&value).cast(),
            length,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Bytes, FIN included, that were written and that the peer has not acknowledged.
pub(crate) fn unsent(socket: &impl AsRawFd) -> Option<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as the socket lives; the call writes one int to where
    // one is. (TIOCOUTQ is SIOCOUTQ.)
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result != 0 {
        return None;
    }
    usize::try_from(bytes).ok()
}

/// Of a write that another one follows at once; like every write of ours it raises no signal.
pub(crate) const MORE_FOLLOWS: i32 = libc::MSG_MORE | libc::MSG_NOSIGNAL;

/// How many descriptors this process may have open; `None`: as many as it likes, or unknown.
pub(crate) fn open_files_limit() -> Option<u64> {
    // The fields of `rlimit` have 32 bits on a processor of 32.
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one `rlimit64` to where one is.
    let result = unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM64_INFINITY).then_some(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmissions_end_as_the_kernel_models_it() {
        // Measured on Linux 6.18: 14.8 s, 27.3 s, and 924.6 s is what ip-sysctl tells of the default.
        assert_eq!(gives_up_after(1_000, 15), 14_400);
        assert_eq!(gives_up_after(2_000, 15), 27_000);
        assert_eq!(gives_up_after(120_000, 15), 924_600);
        assert_eq!(gives_up_after(120_000, 3), 3_000);
    }

    #[test]
    fn the_longest_retransmission_fits_the_patience() {
        for seconds in [15, 20, 44, 120, 600] {
            let patience = Duration::from_secs(seconds);
            let longest = u64::try_from(longest_retransmission(patience, 15)).unwrap_or(0);
            let limit = seconds * 1_000;
            assert!(gives_up_after(longest, 15) <= limit, "{seconds}: {longest}");
            assert!(
                gives_up_after(longest + 1, 15) > limit,
                "{seconds}: {longest}"
            );
        }
        // Out of what the system takes.
        assert_eq!(longest_retransmission(Duration::from_secs(1), 15), 1_000);
        assert_eq!(longest_retransmission(Duration::MAX, 15), 120_000);
        // An administrator who retransmits less often gives up no earlier than patience has it.
        let longest =
            u64::try_from(longest_retransmission(Duration::from_secs(44), 8)).unwrap_or(0);
        assert!((40_000..=44_000).contains(&gives_up_after(longest, 8)));
    }
}
