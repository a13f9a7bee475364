//! What `recvmmsg` and `sendmmsg` are given: arrays of headers, names and pieces of memory.
#![allow(
    unsafe_code,
    reason = "the arrays point at each other, as the system calls want it"
)]

use std::ffi::c_int;
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::{self, NonNull};

use super::BATCH;

/// For one control message with an int: `CMSG_SPACE(4)`.
pub(super) const CONTROL: usize = 24;

/// A socket address as the system writes it. All zero is valid: no family.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    pub(super) fn of(address: SocketAddr) -> (Self, usize) {
        let mut name = Self {
            v6: libc::sockaddr_in6 {
                sin6_family: 0,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
                sin6_scope_id: 0,
            },
        };
        match address {
            SocketAddr::V4(it) => {
                name.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: it.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(it.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                (name, mem::size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(it) => {
                name.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: it.port().to_be(),
                    sin6_flowinfo: it.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: it.ip().octets(),
                    },
                    sin6_scope_id: it.scope_id(),
                };
                (name, mem::size_of::<libc::sockaddr_in6>())
            }
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: all variants begin with the family, and every bit pattern is one.
        match c_int::from(unsafe { self.family }) {
            libc::AF_INET => {
                // SAFETY: plain numbers, valid whatever they are; the family says that they are an
                // IPv4 address.
                let it = unsafe { self.v4 };
                let ip = Ipv4Addr::from(it.sin_addr.s_addr.to_ne_bytes());
                let port = u16::from_be(it.sin_port);
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                // SAFETY: plain numbers; the union is at least that long.
                let it = unsafe { self.v6 };
                let ip = Ipv6Addr::from(it.sin6_addr.s6_addr);
                let port = u16::from_be(it.sin6_port);
                Some(SocketAddrV6::new(ip, port, 0, it.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control([u8; CONTROL]);

/// What a call of `recvmmsg` or `sendmmsg` is given, for `V` pieces of memory.
pub(super) struct Arrays<const V: usize> {
    pub(super) headers: [libc::mmsghdr; BATCH],
    pub(super) names: [Name; BATCH],
    pub(super) controls: [Control; BATCH],
    pub(super) vectors: [libc::iovec; V],
}

/// Arrays that point at each other: on the heap, reached through raw pointers only.
pub(super) struct Fixed<const V: usize>(NonNull<Arrays<V>>);

impl<const V: usize> Fixed<V> {
    pub(super) fn new() -> Self {
        let arrays = Box::<Arrays<V>>::new_uninit();
        let arrays: *mut MaybeUninit<Arrays<V>> = Box::into_raw(arrays);
        // SAFETY: the pointer is to one writable `Arrays`, all of whose fields are numbers and raw
        // pointers, for which zero bytes are valid values.
        unsafe {
            ptr::write_bytes(arrays, 0, 1);
            Self(NonNull::new_unchecked(arrays.cast()))
        }
    }

    pub(super) fn pointer(&self) -> *mut Arrays<V> {
        self.0.as_ptr()
    }
}

impl<const V: usize> Drop for Fixed<V> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `new`, initialised there, and freed only here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The result of a call that returns -1 with an error, repeated when a signal interrupted it.
pub(super) fn checked(mut call: impl FnMut() -> c_int) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
