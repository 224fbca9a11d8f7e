//! The pcapng format (draft-ietf-opsawg-pcapng): blocks, read in place.

use std::borrow::Cow;

use crate::LinkType;
use crate::batch::Record;
use crate::reader::{Format, MAXIMUM_FRAME, Stop};

/// The first bytes of a file, the same in both byte orders.
pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The largest block that is looked into, as in libpcap.
const MAXIMUM_BLOCK: u32 = 16 * 1024 * 1024;
/// Interfaces of a section beyond this number are a fault, lest a file fill the memory with them.
const MAXIMUM_INTERFACES: usize = 65_536;
/// Larger blocks without interest are passed over instead of being read at once.
const SKIP_UNREAD: usize = 65_536;
/// Downstream arithmetic on timestamps must not overflow.
const LAST_TIMESTAMP: u64 = i64::MAX as u64;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// The format of one pcapng file: what its current section has said so far.
#[derive(Debug)]
pub(crate) struct PcapNg {
    swapped: bool,
    interfaces: Vec<Interface>,
    /// Simple packets have no time of their own: they get that of the packet before.
    last_timestamp: u64,
    skipped_blocks: u64,
    file: u32,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: LinkType,
    snap_length: u32,
    clock: Clock,
    offset_us: i64,
}

/// From the units of an interface to microseconds.
#[derive(Debug, Clone, Copy)]
enum Clock {
    Times(u64),
    Divided(u64),
    /// Units so small that not even all of them make a microsecond.
    Infinitesimal,
    /// Units of 2 to the power of minus this many seconds.
    Binary(u8),
}

/// A block in the byte order of its section.
struct Block<'a> {
    body: &'a [u8],
    swapped: bool,
    /// Where the body begins in the window.
    place: usize,
}

type Wrong = Cow<'static, str>;

impl PcapNg {
    pub(crate) fn new(file: u32) -> PcapNg {
        PcapNg {
            swapped: false,
            interfaces: Vec::new(),
            last_timestamp: 0,
            skipped_blocks: 0,
            file,
        }
    }

    fn section(&mut self, block: &Block<'_>) -> Result<(), Wrong> {
        let (Some(major), Some(minor)) = (block.u16(4), block.u16(6)) else {
            return Err("a section header that is too short".into());
        };
        // Version 1.2 is 1.0 by mistake; the draft tells readers to treat them alike.
        if major != 1 {
            return Err(format!("version {major}.{minor} of the pcapng format is not known").into());
        }
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, block: &Block<'_>) -> Result<(), Wrong> {
        let (Some(number), Some(snap_length)) = (block.u16(0), block.u32(4)) else {
            return Err("an interface description that is too short".into());
        };
        if self.interfaces.len() >= MAXIMUM_INTERFACES {
            return Err(format!("more than {MAXIMUM_INTERFACES} interfaces in a section").into());
        }
        let mut interface = Interface {
            link_type: LinkType::from_file(number),
            snap_length,
            clock: Clock::Times(1),
            offset_us: 0,
        };
        let mut at = 8;
        while let (Some(code), Some(length)) = (block.u16(at), block.u16(at + 2)) {
            if code == OPTION_END {
                break;
            }
            at += 4;
            let length = usize::from(length);
            let Some(value) = block.body.get(at..at + length) else {
                return Err(format!(
                    "an option of an interface description with a length of {length} bytes, \
                     more than the block has left"
                )
                .into());
            };
            match (code, value) {
                (OPTION_RESOLUTION, [resolution]) => interface.clock = Clock::new(*resolution),
                (OPTION_OFFSET, [_, _, _, _, _, _, _, _]) => {
                    let seconds = block.u64(at).unwrap_or_default() as i64;
                    interface.offset_us = seconds.saturating_mul(1_000_000);
                }
                _ => {}
            }
            at += length.next_multiple_of(4);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Enhanced packets, and the obsolete ones, which differ in their first four bytes.
    fn packet(&mut self, block: &Block<'_>, obsolete: bool) -> Result<Record, Wrong> {
        let index = if obsolete { block.u16(0).map(u32::from) } else { block.u32(0) };
        let (Some(index), Some(high), Some(low), Some(length), Some(wire_len)) =
            (index, block.u32(4), block.u32(8), block.u32(12), block.u32(16))
        else {
            return Err("a packet block that is too short".into());
        };
        let interface = self.find(index)?;
        let record = self.record(block, 20, length, wire_len, index, interface)?;
        let units = u64::from(high) << 32 | u64::from(low);
        self.last_timestamp = interface.microseconds(units);
        Ok(Record { timestamp_us: self.last_timestamp, ..record })
    }

    /// A simple packet belongs to the first interface and is as long as its snap length allows.
    fn simple(&self, block: &Block<'_>) -> Result<Record, Wrong> {
        let Some(wire_len) = block.u32(0) else {
            return Err("a simple packet block that is too short".into());
        };
        let interface = self.find(0)?;
        // Without a snap length in the description, the block itself tells how much there is.
        let room = u32::try_from(block.body.len().saturating_sub(4)).unwrap_or(u32::MAX);
        let limit = if interface.snap_length == 0 { room } else { interface.snap_length };
        self.record(block, 4, wire_len.min(limit), wire_len, 0, interface)
    }

    fn find(&self, index: u32) -> Result<Interface, Wrong> {
        self.interfaces.get(index as usize).copied().ok_or_else(|| {
            let count = self.interfaces.len();
            format!("a packet of interface {index}, but its section describes only {count} so far")
                .into()
        })
    }

    fn record(
        &self,
        block: &Block<'_>,
        header: usize,
        length: u32,
        wire_len: u32,
        index: u32,
        interface: Interface,
    ) -> Result<Record, Wrong> {
        let room = block.body.len().saturating_sub(header);
        if length as usize > room {
            return Err(format!(
                "a packet with a captured length of {length} bytes in a block with room for {room}"
            )
            .into());
        }
        if length > MAXIMUM_FRAME {
            return Err(format!(
                "a packet with a captured length of {length} bytes, the limit is {MAXIMUM_FRAME}"
            )
            .into());
        }
        Ok(Record {
            timestamp_us: self.last_timestamp,
            offset: block.place + header,
            length,
            wire_len: wire_len.max(length),
            interface: index,
            file: self.file,
            link_type: interface.link_type,
        })
    }

    /// Looks at the block at the beginning of `rest`: its type, its length, its byte order.
    fn head(&self, rest: &[u8]) -> Result<(u32, u32, bool), Stop> {
        let Some([t0, t1, t2, t3, l0, l1, l2, l3]) = rest.first_chunk::<8>().copied() else {
            return Err(Stop::Needs { bytes: 12, what: "a block" });
        };
        let mut swapped = self.swapped;
        if [t0, t1, t2, t3] == MAGIC {
            swapped = match rest.get(8..12) {
                None => return Err(Stop::Needs { bytes: 12, what: "a section header" }),
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
                Some(other) => {
                    let what = format!("a section header with the byte order mark {other:02x?}");
                    return Err(Stop::Fault(what.into()));
                }
            };
        }
        let block = Block { body: &[t0, t1, t2, t3, l0, l1, l2, l3], swapped, place: 0 };
        let kind = block.u32(0).unwrap_or_default();
        let length = block.u32(4).unwrap_or_default();
        if length < 12 || !length.is_multiple_of(4) {
            let what = format!(
                "a block of type {kind:#x} with a length of {length} bytes, \
                 not a multiple of 4 of at least 12"
            );
            return Err(Stop::Fault(what.into()));
        }
        Ok((kind, length, swapped))
    }
}

impl Format for PcapNg {
    fn take(
        &mut self,
        bytes: &[u8],
        place: &mut usize,
        max: usize,
        records: &mut Vec<Record>,
    ) -> Stop {
        while records.len() < max {
            let rest = bytes.get(*place..).unwrap_or_default();
            let (kind, length, swapped) = match self.head(rest) {
                Ok(head) => head,
                Err(stop) => return stop,
            };
            let known = matches!(
                kind,
                SECTION_HEADER
                    | INTERFACE_DESCRIPTION
                    | OBSOLETE_PACKET
                    | SIMPLE_PACKET
                    | ENHANCED_PACKET
            );
            if known && length > MAXIMUM_BLOCK {
                let what = format!("a block of {length} bytes, the limit is {MAXIMUM_BLOCK}");
                return Stop::Fault(what.into());
            }
            let total = length as usize;
            let Some(whole) = rest.get(..total) else {
                if known || total <= SKIP_UNREAD {
                    return Stop::Needs { bytes: total, what: "a block" };
                }
                if !records.is_empty() {
                    return Stop::Full;
                }
                self.skipped_blocks += 1;
                return Stop::Skip(u64::from(length));
            };
            let body = whole.get(8..total - 4).unwrap_or_default();
            let block = Block { body, swapped, place: *place + 8 };
            let trailer = Block { body: whole, swapped, place: 0 }.u32(total - 4);
            if trailer != Some(length) {
                let trailer = trailer.unwrap_or_default();
                let what = format!(
                    "a block that states a length of {length} bytes at its beginning \
                     and {trailer} at its end"
                );
                return Stop::Fault(what.into());
            }
            let taken = match kind {
                SECTION_HEADER => self.section(&block).map(|()| None),
                INTERFACE_DESCRIPTION => self.interface(&block).map(|()| None),
                ENHANCED_PACKET => self.packet(&block, false).map(Some),
                OBSOLETE_PACKET => self.packet(&block, true).map(Some),
                SIMPLE_PACKET => self.simple(&block).map(Some),
                _ => {
                    self.skipped_blocks += 1;
                    Ok(None)
                }
            };
            match taken {
                Ok(record) => records.extend(record),
                Err(what) => return Stop::Fault(what),
            }
            self.swapped = swapped;
            *place += total;
        }
        Stop::Full
    }

    fn skipped_blocks(&self) -> u64 {
        self.skipped_blocks
    }
}

impl Interface {
    fn microseconds(&self, units: u64) -> u64 {
        let since = self.clock.microseconds(units).min(LAST_TIMESTAMP);
        since.saturating_add_signed(self.offset_us).min(LAST_TIMESTAMP)
    }
}

impl Clock {
    /// From if_tsresol: a negative power of 10, or of 2 if the top bit is set.
    fn new(resolution: u8) -> Clock {
        let exponent = resolution & 0x7f;
        if resolution & 0x80 != 0 {
            return Clock::Binary(exponent);
        }
        match exponent {
            0..=6 => Clock::Times(10u64.pow(u32::from(6 - exponent))),
            7.. => 10u64
                .checked_pow(u32::from(exponent - 6))
                .map_or(Clock::Infinitesimal, Clock::Divided),
        }
    }

    #[inline]
    fn microseconds(self, units: u64) -> u64 {
        match self {
            Clock::Times(factor) => units.saturating_mul(factor),
            Clock::Divided(divisor) => units / divisor,
            Clock::Infinitesimal => 0,
            Clock::Binary(shift) => {
                let scaled = (u128::from(units) * 1_000_000) >> shift;
                u64::try_from(scaled).unwrap_or(u64::MAX)
            }
        }
    }
}

impl Block<'_> {
    #[inline]
    fn u16(&self, at: usize) -> Option<u16> {
        let value = u16::from_le_bytes(*self.body.get(at..)?.first_chunk::<2>()?);
        Some(if self.swapped { value.swap_bytes() } else { value })
    }

    #[inline]
    fn u32(&self, at: usize) -> Option<u32> {
        let value = u32::from_le_bytes(*self.body.get(at..)?.first_chunk::<4>()?);
        Some(if self.swapped { value.swap_bytes() } else { value })
    }

    #[inline]
    fn u64(&self, at: usize) -> Option<u64> {
        let value = u64::from_le_bytes(*self.body.get(at..)?.first_chunk::<8>()?);
        Some(if self.swapped { value.swap_bytes() } else { value })
    }
}
