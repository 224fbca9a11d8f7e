//! The memory of a ring, shared with the kernel, and which side has each block.
#![allow(unsafe_code)]

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{tpacket_block_desc, tpacket_hdr_v1, tpacket_req3};

use crate::block::VLAN_TAG;
use crate::error::Step;
use crate::system::set_packet_option;

/// Offset of the word that says which side has a block.
const STATUS: usize =
    offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, block_status);
/// Offset of the number of frames in a block.
const COUNT: usize = offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, num_pkts);
/// The kernel wants a frame size that fits a block; with TPACKET_V3 frames have any size.
const FRAME_SIZE: u32 = 2048;

/// The blocks of a ring. They are taken and given back in order; several may be in hand at a time.
///
/// Invariant: `base` begins a mapping of `block_size * blocks` bytes of the TPACKET_V3 receive ring
/// of a packet socket, page-aligned, that lives until this value is dropped. While the status word
/// of a block has TP_STATUS_USER the kernel writes nothing to that block. The `in_hand` blocks
/// (`blocks` at most) from `oldest` on, around the ring, are those in which that bit was seen and
/// has not been taken away since. `oldest` is below `blocks`.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    block_size: usize,
    blocks: usize,
    oldest: usize,
    in_hand: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this value is its only owner.
unsafe impl Send for Memory {}

impl Memory {
    /// Makes the receive ring of a packet socket and maps it. The kernel refuses to change or
    /// remove a ring that is mapped, so it stays as asked for here whatever is done with the
    /// socket.
    pub(crate) fn set_up(
        socket: BorrowedFd<'_>,
        block_size: u32,
        blocks: u32,
        timeout_ms: u32,
    ) -> Result<Memory, (Step, io::Error)> {
        let failed = |cause| (Step::SetRing, cause);
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        set_packet_option(socket, libc::PACKET_VERSION, &version).map_err(failed)?;
        let reserve = VLAN_TAG as libc::c_uint;
        set_packet_option(socket, libc::PACKET_RESERVE, &reserve).map_err(failed)?;
        let request = tpacket_req3 {
            tp_block_size: block_size,
            tp_block_nr: blocks,
            tp_frame_size: FRAME_SIZE,
            tp_frame_nr: (block_size / FRAME_SIZE).saturating_mul(blocks),
            tp_retire_blk_tov: timeout_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_packet_option(socket, libc::PACKET_RX_RING, &request).map_err(failed)?;
        let (block_size, blocks) = (block_size as usize, blocks as usize);
        let Some(length) = block_size.checked_mul(blocks).filter(|n| isize::try_from(*n).is_ok())
        else {
            return Err((Step::MapRing, io::Error::from_raw_os_error(libc::ENOMEM)));
        };
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                socket.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(address.cast::<u8>()) {
            Some(base) if address != libc::MAP_FAILED => {
                Ok(Memory { base, block_size, blocks, oldest: 0, in_hand: 0 })
            }
            _ => Err((Step::MapRing, io::Error::last_os_error())),
        }
    }

    /// Whether the kernel has handed over the next block.
    pub(crate) fn is_ready(&self) -> bool {
        // Acquire: what the kernel wrote to the block before this word is to be seen after it.
        self.in_hand < self.blocks
            && self.word(self.next(), STATUS).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// Whether the next block has frames, handed over or not.
    pub(crate) fn is_pending(&self) -> bool {
        // The kernel counts a frame before it writes its bytes. It may do so at this moment, hence
        // the atomic load; if it has not opened the block yet, that is the count of the last time.
        self.in_hand < self.blocks
            && (self.is_ready() || self.word(self.next(), COUNT).load(Ordering::Acquire) > 0)
    }

    /// Takes the next block in hand if the kernel has handed it over.
    pub(crate) fn take(&mut self) -> Option<usize> {
        let block = self.is_ready().then(|| self.next())?;
        self.in_hand += 1;
        Some(block)
    }

    /// How many blocks are in hand.
    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand
    }

    /// A block in hand; empty if it is not.
    pub(crate) fn block(&self, block: usize) -> &[u8] {
        if !self.has(block) {
            return &[];
        }
        // SAFETY: `start` of a block below `blocks` has `block_size` bytes in the mapping, which
        // the kernel does not write as the block is in hand. Only `block_mut` and `give_back`
        // write them, and they need the value to themselves.
        unsafe { slice::from_raw_parts(self.start(block).as_ptr(), self.block_size) }
    }

    /// A block in hand, to put things in place; empty if it is not.
    pub(crate) fn block_mut(&mut self, block: usize) -> &mut [u8] {
        if !self.has(block) {
            return &mut [];
        }
        // SAFETY: as in `block`, and the borrow of `self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.start(block).as_ptr(), self.block_size) }
    }

    /// Gives the oldest block in hand, if any, back to the kernel.
    pub(crate) fn give_back(&mut self) {
        if self.in_hand == 0 {
            return;
        }
        // Release: all reads and writes of the block come before the kernel may fill it again.
        self.word(self.oldest, STATUS).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.oldest = (self.oldest + 1) % self.blocks;
        self.in_hand -= 1;
    }

    /// Leaves the block that was taken last to be taken once more.
    #[cfg(test)]
    pub(crate) fn put_down(&mut self) {
        self.in_hand = self.in_hand.saturating_sub(1);
    }

    /// The block after those in hand.
    fn next(&self) -> usize {
        (self.oldest + self.in_hand) % self.blocks
    }

    fn has(&self, block: usize) -> bool {
        block < self.blocks && (block + self.blocks - self.oldest) % self.blocks < self.in_hand
    }

    fn start(&self, block: usize) -> NonNull<u8> {
        let offset = block % self.blocks * self.block_size;
        // SAFETY: the offset is inside the mapping, whose size fits an isize.
        unsafe { self.base.add(offset) }
    }

    /// A word of a block's header.
    fn word(&self, block: usize, offset: usize) -> &AtomicU32 {
        debug_assert!(offset == STATUS || offset == COUNT);
        // SAFETY: the callers' offsets are those of words inside a block and aligned, as blocks
        // begin at multiples of the page size. On this side the words are accessed through such a
        // reference alone, or through the slice of a block in hand: then only `give_back` writes,
        // and no slice can live when it does.
        unsafe { AtomicU32::from_ptr(self.start(block).add(offset).as_ptr().cast()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is the mapping that `set_up` made, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.block_size * self.blocks) };
    }
}
