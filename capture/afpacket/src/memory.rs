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
/// The kernel wants a frame size that fits a block; with TPACKET_V3 frames have any size.
const FRAME_SIZE: u32 = 2048;

/// The blocks of a ring. They are used in order; at most one is in hand at a time.
///
/// Invariant: `base` begins a mapping of `block_size * blocks` bytes of the TPACKET_V3 receive ring
/// of a packet socket, page-aligned, that lives until this value is dropped. While the status word
/// of a block has TP_STATUS_USER the kernel writes nothing to that block. `in_hand` is true only
/// if that bit was seen in block `current` and has not been taken away since.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    block_size: usize,
    blocks: usize,
    current: usize,
    in_hand: bool,
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
                Ok(Memory { base, block_size, blocks, current: 0, in_hand: false })
            }
            _ => Err((Step::MapRing, io::Error::last_os_error())),
        }
    }

    /// Whether there is a block in hand or the kernel has handed over the next.
    pub(crate) fn is_ready(&self) -> bool {
        // Acquire: what the kernel wrote to the block before this word is to be seen after it.
        self.in_hand || self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// Takes the next block if there is none in hand and the kernel has handed it over; says
    /// whether there is one in hand.
    pub(crate) fn take(&mut self) -> bool {
        self.in_hand = self.is_ready();
        self.in_hand
    }

    /// The block in hand; empty if there is none.
    pub(crate) fn block(&self) -> &[u8] {
        if !self.in_hand {
            return &[];
        }
        // SAFETY: `block_start` has `block_size` bytes in the mapping, which the kernel does not
        // write as the block is in hand. Only `block_mut` and `give_back` write them, and they
        // need the value to themselves.
        unsafe { slice::from_raw_parts(self.block_start().as_ptr(), self.block_size) }
    }

    /// The block in hand, to put things in place; empty if there is none.
    pub(crate) fn block_mut(&mut self) -> &mut [u8] {
        if !self.in_hand {
            return &mut [];
        }
        // SAFETY: as in `block`, and the borrow of `self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.block_start().as_ptr(), self.block_size) }
    }

    /// Gives the block in hand, if any, back to the kernel.
    pub(crate) fn give_back(&mut self) {
        if !self.in_hand {
            return;
        }
        self.in_hand = false;
        // Release: all reads and writes of the block come before the kernel may fill it again.
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.current = (self.current + 1) % self.blocks;
    }

    /// Leaves the block in hand to be taken once more.
    #[cfg(test)]
    pub(crate) fn put_down(&mut self) {
        self.in_hand = false;
    }

    fn block_start(&self) -> NonNull<u8> {
        // SAFETY: `current` is below `blocks`, so that the offset is inside the mapping, whose
        // size fits an isize.
        unsafe { self.base.add(self.current * self.block_size) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the word is inside the block and aligned, as blocks begin at multiples of the
        // page size. On this side it is accessed through this reference alone, or through the
        // slice of a block in hand, which cannot live when this one is written (`give_back`).
        unsafe { AtomicU32::from_ptr(self.block_start().add(STATUS).as_ptr().cast()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is the mapping that `set_up` made, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.block_size * self.blocks) };
    }
}
