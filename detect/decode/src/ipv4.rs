//! IPv4 (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::packet::{IpHeader, Packet};
use crate::{defrag, ip_protocol};

pub mod options;

/// Length of the header without options.
pub(crate) const HEADER_LEN: usize = 20;
/// The flag that forbids fragmentation, in `IpHeader::V4::fragment`.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// The flag that says that more fragments follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// The reserved flag.
pub const RESERVED: u16 = 0x8000;
/// The fragment offset, in units of 8 bytes.
pub const OFFSET_MASK: u16 = 0x1fff;

/// Decodes the header at `at` and the packet's data.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.ipv4 += 1;
    let van_jacobson = std::mem::take(&mut context.van_jacobson);
    context.enter_layer(packet)?;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::Ipv4PktTooSmall));
    };
    let header_len = usize::from(h[0] & 0x0f) * 4;
    let total_len = u16::from_be_bytes([h[2], h[3]]);
    if h[0] >> 4 != 4 || header_len < HEADER_LEN || usize::from(total_len) < header_len {
        return Err(reject(packet, h[0], header_len));
    }
    // Surplus bytes are padding of the link layer.
    let Some(data) = data.get(..at + usize::from(total_len)) else {
        return Err(packet.invalid(DecodeEvent::Ipv4TruncPkt));
    };
    packet.network = at as u32;
    packet.src = IpAddr::V4(Ipv4Addr::new(h[12], h[13], h[14], h[15]));
    packet.dst = IpAddr::V4(Ipv4Addr::new(h[16], h[17], h[18], h[19]));
    packet.flags.addresses = true;
    let mut options = 0;
    if header_len > HEADER_LEN {
        let bytes = data.get(at + HEADER_LEN..at + header_len).unwrap_or(&[]);
        options = options::read(packet, bytes)?;
    }
    let fragment = u16::from_be_bytes([h[6], h[7]]);
    packet.ttl = h[8];
    packet.proto = h[9];
    packet.ip = IpHeader::V4 {
        header_len: header_len as u8,
        total_len,
        tos: h[1],
        id: u16::from_be_bytes([h[4], h[5]]),
        fragment,
        options,
    };
    if fragment & (MORE_FRAGMENTS | OFFSET_MASK) != 0 {
        packet.flags.fragment = true;
        defrag::submit_ipv4(context, packet, data, at, header_len);
        return Ok(());
    }
    if van_jacobson && packet.proto == 0 {
        let _outcome = crate::tcp::decode(context, packet, data, at + header_len);
        return Ok(());
    }
    ip_protocol::decode_ipv4_data(context, packet, data, at + header_len);
    Ok(())
}

/// Names the first thing wrong with the lengths and version of a header.
#[cold]
fn reject(packet: &mut Packet<'_>, first: u8, header_len: usize) -> Failed {
    packet.invalid(if first >> 4 != 4 {
        DecodeEvent::Ipv4WrongIpVersion
    } else if header_len < HEADER_LEN {
        DecodeEvent::Ipv4HlenTooSmall
    } else {
        DecodeEvent::Ipv4IplenSmallerThanHlen
    })
}
