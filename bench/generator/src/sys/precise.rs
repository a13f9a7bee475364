//! Waiting for the clock with more precision than epoll's milliseconds.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::checked;

/// Lets the waits of this thread end on time: the kernel may otherwise end each up to 50 us later
/// than asked, to wake up for several at once (prctl(2), PR_SET_TIMERSLACK).
pub(crate) fn wake_on_time() -> io::Result<()> {
    let nanos: libc::c_ulong = 1;
    // SAFETY: no pointers; this option reads one number of that type.
    checked(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos) }).map(drop)
}

/// Which of them can be read or have ended; waits with the precision of the system's timers, for
/// ever without a `timeout`.
pub(crate) fn readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().cast_signed(),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let limit = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the array and `timeout` are live for the call; no signal mask is given.
    let result = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            N as libc::nfds_t,
            limit,
            std::ptr::null(),
        )
    };
    match checked(result) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(polled.map(|entry| entry.revents != 0)),
    }
}
