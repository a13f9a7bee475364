//! Memory that can be given back to the system.
#![allow(unsafe_code, reason = "mmap is not in the standard library")]

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

/// Memory that is the process's only as far as it is touched, and no more once it is dropped. The
/// allocator would keep a large block after its first use.
pub(crate) struct Area {
    start: NonNull<u8>,
    length: usize,
}

impl Area {
    /// Zeroed.
    ///
    /// # Errors
    /// The system's, when there is no address space left.
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a fresh anonymous mapping touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // Huge pages would be resident whole for the first byte. A refusal only costs memory.
        // SAFETY: the range is the mapping made above; the advice does not change its contents.
        let _ = unsafe { libc::madvise(start, length, libc::MADV_NOHUGEPAGE) };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

impl Area {
    /// To hand to the system; good as long as the area.
    pub(super) fn pointer(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Deref for Area {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable, initialised (zero) bytes, and lives as long as
        // `self`; writes to it need `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Area {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, made by `new`, to which no reference is left.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
