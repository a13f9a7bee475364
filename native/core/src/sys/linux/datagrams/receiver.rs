//! `recvmmsg` with `UDP_GRO`.
#![allow(unsafe_code, reason = "recvmmsg is not in the standard library")]

use std::ffi::{c_int, c_uint};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr::{self, addr_of, addr_of_mut};

use mio::net::UdpSocket;

use super::BATCH;
use super::area::Area;
use super::arrays::{CONTROL, Fixed, Name, checked};

/// The longest datagram, or several that the system has joined.
const SLOT: usize = 65_536;
/// From slot to slot. A power of two would put all datagrams of a batch into the same few cache sets.
const STRIDE: usize = SLOT + 9 * 64;

/// Receives batches of datagrams.
pub(crate) struct Receiver {
    area: Area,
    arrays: Fixed<BATCH>,
    /// Messages of the last call.
    count: usize,
}

/// One datagram, or several of one sender that the system has joined.
pub(crate) struct Message<'a> {
    pub(crate) from: Option<SocketAddr>,
    bytes: &'a [u8],
    segment: usize,
}

impl<'a> Message<'a> {
    /// At least one; it may be empty.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let size = if self.segment == 0 {
            self.bytes.len().max(1)
        } else {
            self.segment
        };
        let empty = self.bytes.is_empty().then_some(self.bytes);
        self.bytes.chunks(size).chain(empty)
    }
}

impl Receiver {
    /// # Errors
    /// The system's, when memory is short.
    pub(crate) fn new() -> io::Result<Self> {
        let area = Area::new(BATCH * STRIDE)?;
        let start = area.pointer();
        let arrays = Fixed::new();
        let pointer = arrays.pointer();
        for index in 0..BATCH {
            // SAFETY: `pointer` is to a live, initialised `Arrays`, `index` is below the length of
            // its arrays, and slot `index` lies whole within the area. The pointers that are stored
            // stay good: neither the heap block nor the mapping moves.
            unsafe {
                let vector = addr_of_mut!((*pointer).vectors[index]);
                (*vector).iov_base = start.add(index * STRIDE).cast();
                (*vector).iov_len = SLOT;
                let header = addr_of_mut!((*pointer).headers[index].msg_hdr);
                (*header).msg_name = addr_of_mut!((*pointer).names[index]).cast();
                (*header).msg_iov = vector;
                (*header).msg_iovlen = 1;
                (*header).msg_control = addr_of_mut!((*pointer).controls[index]).cast();
            }
        }
        // All of them are reset before the first call.
        let count = BATCH;
        Ok(Self {
            area,
            arrays,
            count,
        })
    }

    /// At least one message has come; whether there may be more.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, or the socket's error.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let pointer = self.arrays.pointer();
        for index in 0..self.count {
            // SAFETY: `index` is below the arrays' length, and nothing else refers to them.
            unsafe {
                let header = addr_of_mut!((*pointer).headers[index].msg_hdr);
                (*header).msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
                (*header).msg_controllen = CONTROL as _;
                (*header).msg_flags = 0;
            }
        }
        // Until the call has said how many it has filled.
        self.count = BATCH;
        // SAFETY: every header points at a name, a control buffer and a slot of the lengths that it
        // says, all live and not borrowed; `BATCH` headers follow the pointer.
        let count = checked(|| unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                addr_of_mut!((*pointer).headers).cast(),
                BATCH as c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        })?;
        self.count = count.min(BATCH);
        Ok(self.count == BATCH)
    }

    /// The messages of the last call.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        (0..self.count).map(|index| self.message(index))
    }

    fn message(&self, index: usize) -> Message<'_> {
        let pointer = self.arrays.pointer();
        // SAFETY: the element is initialised, and only `receive`, which needs `&mut self`, writes.
        let (header, name) = unsafe {
            let header = addr_of!((*pointer).headers[index]).read();
            (header, addr_of!((*pointer).names[index]).read())
        };
        let length = (header.msg_len as usize).min(SLOT);
        let start = index * STRIDE;
        Message {
            from: name.address(),
            bytes: &self.area[start..start + length],
            segment: segment_of(&header.msg_hdr),
        }
    }
}

/// The length of each datagram but the last of a message that the system has joined; 0: it is one.
fn segment_of(header: &libc::msghdr) -> usize {
    // SAFETY: the header's control buffer and its length are as `recvmmsg` left them, and the buffer
    // is live: it lies in the arrays that the header was read from.
    let message = unsafe { libc::CMSG_FIRSTHDR(header) };
    if message.is_null() {
        return 0;
    }
    // SAFETY: not null means that a whole header lies within the buffer.
    let control = unsafe { message.read_unaligned() };
    if (control.cmsg_level, control.cmsg_type) != (libc::SOL_UDP, libc::UDP_GRO) {
        return 0;
    }
    // SAFETY: a message of this type carries an int, for which the buffer has room.
    let segment: c_int = unsafe { libc::CMSG_DATA(message).cast::<c_int>().read_unaligned() };
    usize::try_from(segment).unwrap_or(0)
}
