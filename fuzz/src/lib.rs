//! What fuzz targets share: how an input becomes frames, chunks and calls.
#![forbid(unsafe_code)]

mod conversation;
mod parse;

pub use conversation::Conversation;
pub use parse::{ask, parse, protocol_settings};

use decode::{RawFrame, Timestamp};

/// LINKTYPE_RAW: a frame begins with its IP header.
pub const RAW: u16 = 101;

/// Cuts the input into pieces: two bytes of control, of which the last four bits and the second
/// byte give the length, then the bytes. The upper four bits are the target's.
pub fn pieces(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [control, low, rest @ ..] = data else { return None };
        let length = usize::from(*control & 0x0f) << 8 | usize::from(*low);
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        data = behind;
        Some((*control, piece))
    })
}

/// A frame of a capture at a time in microseconds after the first one.
pub fn frame(bytes: &[u8], number: u64, link_type: u16, after: u64) -> RawFrame<'_> {
    RawFrame {
        bytes,
        timestamp: Timestamp(1_700_000_000_000_000 + after),
        number,
        link_type,
        input: 0,
        wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        no_checksum: false,
    }
}

/// The byte that stands at a place of a stream or datagram: with content that only the place
/// decides, overlaps agree, and whatever is put together can be checked.
pub fn byte_at(place: u32) -> u8 {
    (place.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

/// An IPv4 header of 20 bytes between the two ends that all targets use.
pub fn ipv4(to_server: bool, proto: u8, id: u8, fragment: [u8; 2], payload: usize) -> Vec<u8> {
    let length = u16::try_from(20 + payload).unwrap_or(u16::MAX).to_be_bytes();
    let (client, server) = ([192, 168, 0, 1], [198, 51, 100, 1]);
    let (from, to) = if to_server { (client, server) } else { (server, client) };
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, id];
    bytes.extend(fragment);
    bytes.extend([64, proto, 0, 0]);
    bytes.extend(from);
    bytes.extend(to);
    bytes
}

/// What of a TCP segment is not the same in all of them.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// From the client.
    pub to_server: bool,
    /// Port of the server.
    pub port: u16,
    /// Flags.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window.
    pub window: u16,
    /// Payload.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// The packet, without right checksums.
    pub fn packet(&self) -> Vec<u8> {
        let mut bytes = ipv4(self.to_server, 6, 1, [0x40, 0], 20 + self.payload.len());
        let (from, to) = if self.to_server { (40_000, self.port) } else { (self.port, 40_000) };
        bytes.extend(u16::to_be_bytes(from));
        bytes.extend(u16::to_be_bytes(to));
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([0x50, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0, 0, 0, 4]);
        bytes.extend(self.payload);
        bytes
    }
}
