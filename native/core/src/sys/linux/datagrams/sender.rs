//! `sendmmsg` with `UDP_SEGMENT`.
#![allow(unsafe_code, reason = "sendmmsg is not in the standard library")]

use std::ffi::c_uint;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr::{self, addr_of_mut};

use mio::net::UdpSocket;

use super::BATCH;
use super::arrays::{Fixed, Name, checked};

/// Pieces of all runs of one call.
const VECTORS: usize = 1_024;

/// One datagram's place in the bytes that are sent from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

/// Consecutive pieces that go to one address in one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Length of each piece but the last, which may be shorter; 0: it is one datagram.
    pub(crate) segment: u16,
    /// For the caller.
    pub(crate) group: u32,
}

/// Sends batches of datagrams.
pub(crate) struct Sender(Fixed<VECTORS>);

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self(Fixed::new())
    }

    /// Sends the first of the runs, as many as the system takes at once: at least one of them, and
    /// how many. `to`: where a run goes; `None`: where the socket is connected to.
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
        let pointer = self.0.pointer();
        let (mut count, mut used) = (0, 0);
        for run in runs.iter().take(BATCH) {
            let (first, length) = (run.first as usize, run.count as usize);
            if used + length > VECTORS {
                break;
            }
            for (index, piece) in pieces[first..first + length].iter().enumerate() {
                let (start, length) = (piece.start as usize, piece.length as usize);
                let piece = &bytes[start..start + length];
                // SAFETY: `used + index` is below `VECTORS`, as checked above, and nothing else
                // refers to the arrays. The system only reads through the pointer.
                unsafe {
                    let vector = addr_of_mut!((*pointer).vectors[used + index]);
                    (*vector).iov_base = piece.as_ptr().cast_mut().cast();
                    (*vector).iov_len = piece.len();
                }
            }
            self.describe(count, used, length, run.segment, to(run));
            used += length;
            count += 1;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `count` headers are filled, each with a name, pieces and a control message that
        // are live until the call returns: in the arrays, and in `bytes`.
        checked(|| unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                addr_of_mut!((*pointer).headers).cast(),
                count as c_uint,
                flags as _,
            )
        })
    }

    /// Fills the header of a message whose pieces are `length` vectors from `first` on.
    fn describe(
        &mut self,
        index: usize,
        first: usize,
        length: usize,
        segment: u16,
        to: Option<SocketAddr>,
    ) {
        assert!(
            index < BATCH && first + length <= VECTORS,
            "bounded by `send`"
        );
        let pointer = self.0.pointer();
        // SAFETY: the indices are below the arrays' lengths, and nothing else refers to them. The
        // control buffer is aligned and has room for one message with an int.
        unsafe {
            let header = addr_of_mut!((*pointer).headers[index].msg_hdr);
            (*header).msg_iov = addr_of_mut!((*pointer).vectors)
                .cast::<libc::iovec>()
                .add(first);
            (*header).msg_iovlen = length as _;
            (*header).msg_flags = 0;
            (*header).msg_name = ptr::null_mut();
            (*header).msg_namelen = 0;
            if let Some(address) = to {
                let (name, size) = Name::of(address);
                let place = addr_of_mut!((*pointer).names[index]);
                place.write(name);
                (*header).msg_name = place.cast();
                (*header).msg_namelen = size as libc::socklen_t;
            }
            (*header).msg_control = ptr::null_mut();
            (*header).msg_controllen = 0;
            if segment > 0 {
                let size = mem::size_of::<u16>() as c_uint;
                (*header).msg_control = addr_of_mut!((*pointer).controls[index]).cast();
                (*header).msg_controllen = libc::CMSG_SPACE(size) as _;
                let message = libc::CMSG_FIRSTHDR(header);
                (*message).cmsg_level = libc::SOL_UDP;
                (*message).cmsg_type = libc::UDP_SEGMENT;
                (*message).cmsg_len = libc::CMSG_LEN(size) as _;
                libc::CMSG_DATA(message)
                    .cast::<u16>()
                    .write_unaligned(segment);
            }
        }
    }
}
