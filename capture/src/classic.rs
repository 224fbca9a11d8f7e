//! The classic pcap format (draft-ietf-opsawg-pcap) and its dialects.

use crate::LinkType;
use crate::batch::Record;
use crate::reader::{Format, MAXIMUM_FRAME, Stop};

/// Length of the header of a file.
pub(crate) const FILE_HEADER: usize = 24;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's libpcap, which added an interface, a protocol and a type to each record.
const MODIFIED: u32 = 0xa1b2_cd34;

/// The format of one classic file.
#[derive(Debug)]
pub(crate) struct Classic {
    swapped: bool,
    nanoseconds: bool,
    lengths: Lengths,
    record_header: usize,
    link_type: LinkType,
    file: u32,
}

/// The order of the two length fields, which early versions of the format had the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    /// The smaller one is the captured length.
    Either,
}

impl Classic {
    /// Whether a file that begins so is a classic capture.
    pub(crate) fn recognises(magic: [u8; 4]) -> bool {
        let magic = u32::from_le_bytes(magic);
        [magic, magic.swap_bytes()]
            .iter()
            .any(|magic| matches!(*magic, MICROSECONDS | NANOSECONDS | MODIFIED))
    }

    /// Reads the header of a file whose magic number is recognised; `Err` says what is wrong.
    pub(crate) fn new(header: &[u8; FILE_HEADER], file: u32) -> Result<Classic, String> {
        let word = |at: usize| {
            let bytes = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
            u32::from_le_bytes(bytes.copied().unwrap_or_default())
        };
        let magic = word(0);
        let swapped = !matches!(magic, MICROSECONDS | NANOSECONDS | MODIFIED);
        let word = |at: usize| if swapped { word(at).swap_bytes() } else { word(at) };
        let magic = word(0);
        // Two numbers of 16 bits: swapped as one word, each is right and their places are not.
        let version = if swapped { word(4).rotate_left(16) } else { word(4) };
        let (major, minor) = (version & 0xffff, version >> 16);
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, _) => Lengths::WireFirst,
            (2, 3) => Lengths::Either,
            (2, _) => Lengths::CapturedFirst,
            _ => return Err(format!("version {major}.{minor} of the pcap format is not known")),
        };
        // The upper half of the last word tells about a frame check sequence, not the link type.
        let link_type = LinkType::from_file((word(20) & 0xffff) as u16);
        Ok(Classic {
            swapped,
            nanoseconds: magic == NANOSECONDS,
            lengths,
            record_header: if magic == MODIFIED { 24 } else { 16 },
            link_type,
            file,
        })
    }

    #[inline]
    fn field(&self, bytes: [u8; 4]) -> u32 {
        let value = u32::from_le_bytes(bytes);
        if self.swapped { value.swap_bytes() } else { value }
    }
}

impl Format for Classic {
    fn take(
        &mut self,
        bytes: &[u8],
        place: &mut usize,
        max: usize,
        records: &mut Vec<Record>,
    ) -> Stop {
        while records.len() < max {
            let rest = bytes.get(*place..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<16>() else {
                return Stop::Needs { bytes: self.record_header, what: "the header of a packet" };
            };
            let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, w0, w1, w2, w3] = *header;
            let seconds = self.field([s0, s1, s2, s3]);
            let fraction = self.field([f0, f1, f2, f3]);
            let mut length = self.field([c0, c1, c2, c3]);
            let mut wire_len = self.field([w0, w1, w2, w3]);
            let swap = match self.lengths {
                Lengths::CapturedFirst => false,
                Lengths::WireFirst => true,
                Lengths::Either => length > wire_len,
            };
            if swap {
                std::mem::swap(&mut length, &mut wire_len);
            }
            if length > MAXIMUM_FRAME {
                let what = format!(
                    "a packet with a captured length of {length} bytes, \
                     the limit is {MAXIMUM_FRAME}"
                );
                return Stop::Fault(what.into());
            }
            let total = self.record_header + length as usize;
            if rest.len() < total {
                return Stop::Needs { bytes: total, what: "a packet with its header" };
            }
            let fraction = if self.nanoseconds { fraction / 1000 } else { fraction };
            records.push(Record {
                timestamp_us: u64::from(seconds) * 1_000_000 + u64::from(fraction),
                offset: *place + self.record_header,
                length,
                wire_len: wire_len.max(length),
                interface: 0,
                file: self.file,
                link_type: self.link_type,
            });
            *place += total;
        }
        Stop::Full
    }
}
