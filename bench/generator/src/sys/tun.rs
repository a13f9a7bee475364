//! A network device whose other end is this program: what the kernel sends over it is read, what is
//! written comes in. Lives as long as the value.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::checked;

pub(crate) struct Tun(File);

impl Tun {
    /// A device of that name in this thread's network namespace.
    pub(crate) fn new(name: &CStr) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        // SAFETY: ifreq is plain data, for which all-zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let bytes = name.to_bytes();
        if bytes.len() >= request.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
        // SAFETY: `request` is a live ifreq with its flags set, which is what TUNSETIFF reads; the
        // descriptor is owned, so open.
        checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
        Ok(Self(file))
    }

    /// One packet.
    pub(crate) fn read(&self, packet: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(packet)
    }

    pub(crate) fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write(packet).map(drop)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Moves this thread, and what it starts from now on, into a network namespace of its own.
pub(crate) fn leave_network() -> io::Result<()> {
    // SAFETY: no pointers; CLONE_NEWNET changes nothing else than the thread's network.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}
