//! Walking the frames of one block that the kernel has handed over, with every offset checked.
//!
//! A block is a header (`tpacket_block_desc`) and a chain of frames, each with a header
//! (`tpacket3_hdr`, then `sockaddr_ll`), room, and its bytes; a frame's header says where the next
//! one is. See Documentation/networking/packet_mmap.rst of the kernel.

use std::mem::{offset_of, size_of};

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

use crate::frame::Frame;

/// Bytes of a VLAN tag: also the room to reserve in front of each frame.
pub(crate) const VLAN_TAG: usize = 4;

const BLOCK_HEADER: usize = size_of::<tpacket_block_desc>();
const DESCRIPTION: usize = offset_of!(tpacket_block_desc, hdr);
const STATUS: usize = DESCRIPTION + offset_of!(tpacket_hdr_v1, block_status);
const FRAMES: usize = DESCRIPTION + offset_of!(tpacket_hdr_v1, num_pkts);
const FIRST: usize = DESCRIPTION + offset_of!(tpacket_hdr_v1, offset_to_first_pkt);
const LENGTH: usize = DESCRIPTION + offset_of!(tpacket_hdr_v1, blk_len);

const FRAME_HEADER: usize = size_of::<tpacket3_hdr>() + size_of::<sockaddr_ll>();
const FRAME_ALIGNMENT: usize = 8;
const VARIANT: usize = offset_of!(tpacket3_hdr, hv1);
const VLAN_TCI: usize = VARIANT + offset_of!(tpacket_hdr_variant1, tp_vlan_tci);
const VLAN_TPID: usize = VARIANT + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid);
const PACKET_TYPE: usize = size_of::<tpacket3_hdr>() + offset_of!(sockaddr_ll, sll_pkttype);

const MAC_ADDRESSES: usize = 12;
/// TPID of an IEEE 802.1Q tag, for kernels that do not say which one they took out.
const VLAN_DEFAULT_TPID: u16 = 0x8100;

/// A header with impossible values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Frames of the block that cannot be had because of it.
    pub(crate) unread: u32,
}

/// Where a frame is in its block, and what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    timestamp_ns: u64,
    start: u32,
    length: u32,
    wire_length: u32,
    /// `TP_STATUS` bits of the frame.
    status: u32,
    vlan_restored: bool,
    losing: bool,
    outgoing: bool,
}

impl Slot {
    pub(crate) fn frame<'a>(&self, block: &'a [u8]) -> Frame<'a> {
        let (start, length) = (self.start as usize, self.length as usize);
        Frame {
            bytes: block.get(start..start + length).unwrap_or_default(),
            wire_len: self.wire_length,
            timestamp_ns: self.timestamp_ns,
            vlan_restored: self.vlan_restored,
            checksum_not_ready: self.status & libc::TP_STATUS_CSUMNOTREADY != 0,
            checksum_valid: self.status & libc::TP_STATUS_CSUM_VALID != 0,
            losing: self.losing,
            outgoing: self.outgoing,
        }
    }
}

/// The way through a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    /// Offset of the next frame's header.
    position: usize,
    /// End of what the kernel wrote.
    end: usize,
    /// Frames to go.
    left: u32,
    ethernet: bool,
    losing: bool,
}

impl Walk {
    /// Begins with the block's first frame. VLAN tags are put back only into Ethernet frames.
    pub(crate) fn begin(block: &[u8], ethernet: bool) -> Result<Walk, Malformed> {
        let Some(header) = block.first_chunk::<BLOCK_HEADER>() else {
            return Err(Malformed { unread: 0 });
        };
        let left = word(header, FRAMES);
        let position = word(header, FIRST) as usize;
        let end = word(header, LENGTH) as usize;
        let sound = end >= BLOCK_HEADER && end <= block.len();
        let sound_first = position >= BLOCK_HEADER && position.is_multiple_of(FRAME_ALIGNMENT);
        if !sound || (left > 0 && !sound_first) {
            return Err(Malformed { unread: left });
        }
        let losing = word(header, STATUS) & libc::TP_STATUS_LOSING != 0;
        Ok(Walk { position, end, left, ethernet, losing })
    }

    /// Whether the block has no more frames.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Moves on by up to `max` frames and notes where they are. A malformed header ends the walk.
    pub(crate) fn advance(
        &mut self,
        block: &mut [u8],
        max: usize,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Malformed> {
        for _ in 0..max {
            if self.left == 0 {
                break;
            }
            let Some((slot, next)) = self.frame(block) else { return Err(self.stop()) };
            slots.push(slot);
            self.left -= 1;
            if self.left > 0 && next == 0 {
                return Err(self.stop());
            }
            self.position += next;
        }
        Ok(())
    }

    fn stop(&mut self) -> Malformed {
        Malformed { unread: std::mem::take(&mut self.left) }
    }

    /// The frame at the position, with its VLAN tag put back, and the distance to the next (0:
    /// none follows).
    fn frame(&self, block: &mut [u8]) -> Option<(Slot, usize)> {
        let written = block.get_mut(self.position..self.end)?;
        let header = Header::read(written.first_chunk()?);
        let limit = match header.next {
            0 => written.len(),
            next if next < FRAME_HEADER || !next.is_multiple_of(FRAME_ALIGNMENT) => return None,
            next => next,
        };
        // All of the frame, and all that is written to it, is inside its own stretch.
        let own = written.get_mut(..limit)?;
        let (mut start, mut length, mut wire_length) =
            (header.start, header.length, header.wire_length);
        let end = start.checked_add(length)?;
        if start < FRAME_HEADER || end > own.len() || length > wire_length as usize {
            return None;
        }
        let tagged = header.status & libc::TP_STATUS_VLAN_VALID != 0;
        let vlan_restored = tagged && self.ethernet && length >= MAC_ADDRESSES;
        if vlan_restored {
            let room = start.checked_sub(VLAN_TAG).filter(|room| *room >= FRAME_HEADER)?;
            restore_vlan(own.get_mut(room..end)?, header.tag())?;
            start = room;
            length += VLAN_TAG;
            wire_length = wire_length.saturating_add(VLAN_TAG as u32);
        }
        let slot = Slot {
            timestamp_ns: header.timestamp_ns,
            start: u32::try_from(self.position + start).ok()?,
            length: u32::try_from(length).ok()?,
            wire_length,
            status: header.status,
            vlan_restored,
            losing: self.losing,
            outgoing: header.packet_type == libc::PACKET_OUTGOING,
        };
        Some((slot, header.next))
    }
}

/// What the header of a frame says.
struct Header {
    /// Distance to the next header.
    next: usize,
    timestamp_ns: u64,
    /// Distance to the frame's bytes.
    start: usize,
    length: usize,
    wire_length: u32,
    status: u32,
    vlan_tpid: u16,
    vlan_tci: u32,
    packet_type: u8,
}

impl Header {
    #[inline]
    fn read(bytes: &[u8; FRAME_HEADER]) -> Header {
        let seconds = word(bytes, offset_of!(tpacket3_hdr, tp_sec));
        let nanoseconds = word(bytes, offset_of!(tpacket3_hdr, tp_nsec));
        Header {
            next: word(bytes, offset_of!(tpacket3_hdr, tp_next_offset)) as usize,
            timestamp_ns: u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds),
            start: half(bytes, offset_of!(tpacket3_hdr, tp_mac)).into(),
            length: word(bytes, offset_of!(tpacket3_hdr, tp_snaplen)) as usize,
            wire_length: word(bytes, offset_of!(tpacket3_hdr, tp_len)),
            status: word(bytes, offset_of!(tpacket3_hdr, tp_status)),
            vlan_tpid: half(bytes, VLAN_TPID),
            vlan_tci: word(bytes, VLAN_TCI),
            packet_type: bytes[PACKET_TYPE],
        }
    }

    /// The tag that the kernel took out of the frame, as on the wire.
    fn tag(&self) -> [u8; VLAN_TAG] {
        let tpid = match self.status & libc::TP_STATUS_VLAN_TPID_VALID {
            0 => VLAN_DEFAULT_TPID,
            _ => self.vlan_tpid,
        };
        let [high, low] = tpid.to_be_bytes();
        // The kernel has the 16 bits of the TCI in a field of 32.
        let [.., control_high, control_low] = self.vlan_tci.to_be_bytes();
        [high, low, control_high, control_low]
    }
}

/// Moves the addresses of a frame to the room in front of it and puts the tag behind them.
fn restore_vlan(room_and_frame: &mut [u8], tag: [u8; VLAN_TAG]) -> Option<()> {
    let head = room_and_frame.first_chunk_mut::<{ MAC_ADDRESSES + VLAN_TAG }>()?;
    head.copy_within(VLAN_TAG.., 0);
    *head.last_chunk_mut()? = tag;
    Some(())
}

/// A number of 32 bits at a constant offset.
#[inline]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A number of 16 bits at a constant offset.
#[inline]
fn half<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests;
