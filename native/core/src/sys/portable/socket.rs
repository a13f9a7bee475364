//! What sockets of other systems have of the same options.
#![cfg_attr(
    unix,
    allow(unsafe_code, reason = "getrlimit is not in the standard library")
)]

use std::time::Duration;

use socket2::Socket;

/// BSD does hand some on, Windows others; none is relied upon.
pub(crate) const LISTENER_OPTIONS_INHERITED: bool = false;

/// Not known here.
pub(crate) fn set_user_timeout(_socket: &Socket, _patience: Option<Duration>) {}

/// Not known here.
pub(crate) fn set_retransmission_patience(_socket: &Socket, _patience: Duration) {}

/// Theirs to choose.
pub(crate) fn avoid_bbr(_socket: &Socket) {}

/// Not asked here.
pub(crate) fn unsent<T>(_socket: &T) -> Option<usize> {
    None
}

/// Only where pipes are spliced does something follow a write.
pub(crate) const MORE_FOLLOWS: i32 = 0;

/// How many descriptors this process may have open; `None`: as many as it likes, or unknown.
#[cfg(unix)]
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "rlim_t is signed on FreeBSD, and an u64 on macOS"
)]
pub(crate) fn open_files_limit() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one `rlimit` to where one is.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if result != 0 || limit.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    limit.rlim_cur.try_into().ok()
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub(crate) fn open_files_limit() -> Option<u64> {
    None
}
