//! Many datagrams per system call, and memory that can be given back. The portable twin has the same
//! functions.
#![allow(unsafe_code, reason = "the options of UDP sockets that only Linux has")]

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;

use mio::net::UdpSocket;

mod area;
mod arrays;
mod receiver;
mod sender;

pub(crate) use area::Area;
pub(crate) use receiver::Receiver;
pub(crate) use sender::{Piece, Run, Sender};

/// Datagrams, or runs of them, per system call.
pub(crate) const BATCH: usize = 64;
/// Datagrams of one run, and its longest length (data-plane section 7).
pub(crate) const RUN_DATAGRAMS: usize = 64;
pub(crate) const RUN_BYTES: usize = 65_000;

/// Asks the system to hand over several datagrams of one sender as one message. Without it, they
/// come one by one.
pub(crate) fn join_received(socket: &UdpSocket) {
    let on: c_int = 1;
    // SAFETY: the option is an int, and `on` lives longer than the call.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const on).cast(),
            mem::size_of::<c_int>() as libc::socklen_t,
        )
    };
}

/// The longest datagram that the system cuts out of a run; 0: it cuts none. Linux before 4.18 would
/// send the run as one datagram, without a word.
pub(crate) fn segment_max(socket: &UdpSocket) -> u16 {
    static CUTS: OnceLock<bool> = OnceLock::new();
    if *CUTS.get_or_init(|| knows_segments(socket.as_raw_fd())) {
        u16::MAX
    } else {
        0
    }
}

/// Whether the error says that a run cannot be cut up on its way, not that nothing can be sent.
pub(crate) fn is_about_segments(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(
        number,
        Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE | libc::EOPNOTSUPP)
    )
}

fn knows_segments(descriptor: RawFd) -> bool {
    let mut value: c_int = 0;
    let mut length = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the value and its length are ours and live longer than the call.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    result == 0
}

/// Makes the system refuse to cut runs that are sent here, as some devices do.
#[cfg(test)]
pub(crate) fn refuse_segments(socket: &UdpSocket) {
    let on: c_int = 1;
    // SAFETY: the option is an int, and `on` lives longer than the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const on).cast(),
            mem::size_of::<c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "the option is known");
}
