//! Mapped memory: the chunks of an area, and the rings that are shared with the kernel.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::ring::Memory;
use crate::system::{Ring, RingOffsets};

/// `MADV_POPULATE_WRITE`, from kernel 5.14.
const POPULATE_WRITE: libc::c_int = 23;
/// `MPOL_BIND`.
const BIND_TO_NODES: libc::c_int = 2;
/// Nodes that a node mask has bits for.
const NODES: u32 = 1024;

/// Which pages an area's memory shall be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Reserved huge pages.
    Huge,
    /// Ordinary ones, which the kernel may make transparent huge pages of.
    Transparent,
    /// Ordinary ones.
    Ordinary,
}

/// A range of addresses that is unmapped at the end.
struct Mapping {
    base: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(
        length: usize,
        flags: libc::c_int,
        file: Option<BorrowedFd<'_>>,
        offset: i64,
    ) -> io::Result<Mapping> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let fd = file.map_or(-1, |file| file.as_raw_fd());
        // SAFETY: without an address of ours, mmap(2) takes addresses that nothing else uses.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, fd, offset) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { base, length })
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is a mapping of ours, and no advice that is used here changes what
        // it holds or takes it away from this process.
        match unsafe { libc::madvise(self.base.as_ptr().cast(), self.length, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and is unmapped once; all that points into it
        // borrows from the owner of this value.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread; what may be done with the memory
// behind it is decided by the types that contain it.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared reference gives no access to the memory by itself.
unsafe impl Sync for Mapping {}

/// The memory of an area. It is only memory: who may look at which part of it is decided in
/// [`crate::chunks`].
pub(crate) struct AreaMapping {
    mapping: Mapping,
    node_error: Option<io::Error>,
}

impl AreaMapping {
    /// Maps zeroed memory, ties it to a NUMA node before it is touched, and touches it all.
    pub(crate) fn new(length: usize, pages: Pages, node: Option<u32>) -> io::Result<AreaMapping> {
        let mut flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        if pages == Pages::Huge {
            flags |= libc::MAP_HUGETLB;
        }
        let mapping = Mapping::new(length, flags, None, 0)?;
        let mut area = AreaMapping { mapping, node_error: None };
        if !cfg!(miri) {
            area.node_error = node.and_then(|node| area.tie_to(node).err());
            if pages == Pages::Transparent {
                // Without transparent huge pages the memory is as good, only slower.
                let _ = area.mapping.advise(libc::MADV_HUGEPAGE);
            }
            area.touch()?;
            // A child after fork(2) has no business here, and copying on write would part the
            // kernel's pages from ours on old kernels.
            area.mapping.advise(libc::MADV_DONTFORK)?;
        }
        Ok(area)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.mapping.base
    }

    pub(crate) fn address(&self) -> u64 {
        self.mapping.base.as_ptr().addr() as u64
    }

    pub(crate) fn length(&self) -> usize {
        self.mapping.length
    }

    /// Why the memory could not be tied to its node.
    pub(crate) fn node_error(&self) -> Option<&io::Error> {
        self.node_error.as_ref()
    }

    fn tie_to(&self, node: u32) -> io::Result<()> {
        if node >= NODES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut mask = [0_u64; NODES as usize / 64];
        mask[node as usize / 64] |= 1 << (node % 64);
        // SAFETY: the range is a mapping of ours; the mask has the bits that are announced (the
        // kernel takes one off the count).
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.mapping.base.as_ptr(),
                self.mapping.length,
                BIND_TO_NODES,
                mask.as_ptr(),
                NODES as usize + 1,
                0,
            )
        };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Has all pages present, with an error instead of a signal if there are not enough.
    fn touch(&self) -> io::Result<()> {
        match self.mapping.advise(POPULATE_WRITE) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            outcome => return outcome,
        }
        for offset in (0..self.mapping.length).step_by(4096) {
            // SAFETY: the offset lies in the mapping, which nobody else knows yet.
            unsafe { self.mapping.base.add(offset).write_volatile(0) };
        }
        Ok(())
    }
}

/// The memory of one ring, which the kernel writes as well: it is only accessed as atomics.
pub(crate) struct RingMapping {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    words: NonNull<AtomicU64>,
    count: usize,
    /// Keeps the memory that the pointers point to.
    _mapping: Mapping,
}

impl RingMapping {
    /// Maps a ring of `slots` slots that was made on a socket.
    pub(crate) fn new(
        socket: BorrowedFd<'_>,
        ring: Ring,
        offsets: &RingOffsets,
        slots: u32,
    ) -> io::Result<RingMapping> {
        let place = |offset: u64| usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidData);
        let (producer, consumer) = (place(offsets.producer)?, place(offsets.consumer)?);
        let (flags, first) = (place(offsets.flags)?, place(offsets.slots)?);
        let bytes = slots as usize * ring.slot();
        let length = first.checked_add(bytes).ok_or(io::ErrorKind::InvalidData)?;
        let index_fits = |offset: usize| offset.is_multiple_of(4) && offset < length - 3;
        if bytes < 8
            || !first.is_multiple_of(8)
            || ![producer, consumer, flags].map(index_fits).iter().all(|fits| *fits)
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let shared = libc::MAP_SHARED | libc::MAP_POPULATE;
        let mapping = Mapping::new(length, shared, Some(socket), ring.page_offset())?;
        // SAFETY: all four offsets were checked to lie in the mapping, with what is read there.
        unsafe {
            Ok(RingMapping {
                producer: mapping.base.add(producer).cast(),
                consumer: mapping.base.add(consumer).cast(),
                flags: mapping.base.add(flags).cast(),
                words: mapping.base.add(first).cast(),
                count: bytes / 8,
                _mapping: mapping,
            })
        }
    }
}

// SAFETY: the pointers point into the mapping that the value owns, and only atomics are reached
// through them.
unsafe impl Send for RingMapping {}
// SAFETY: as above.
unsafe impl Sync for RingMapping {}

impl Memory for RingMapping {
    #[inline]
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: in the mapping and aligned (checked in `new`); the mapping lives as long as
        // `self`; all bits are a valid value; the kernel's accesses are atomic, too.
        unsafe { self.producer.as_ref() }
    }

    #[inline]
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer.
        unsafe { self.consumer.as_ref() }
    }

    #[inline]
    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as for the producer.
        unsafe { self.flags.as_ref() }
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `count` words from there on lie in the mapping and are aligned (checked in
        // `new`); otherwise as for the producer.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}
