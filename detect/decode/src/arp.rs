//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 8;
const MESSAGE_LEN: usize = 28;
const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;

/// The fields of an ARP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply, 3 reverse request, 4 reverse reply.
    pub opcode: u16,
    /// Sender's hardware address.
    pub src_mac: [u8; 6],
    /// Sender's protocol address.
    pub src_ip: Ipv4Addr,
    /// Target's hardware address.
    pub dst_mac: [u8; 6],
    /// Target's protocol address.
    pub dst_ip: Ipv4Addr,
}

impl Arp {
    /// The message at the start of `bytes`, if it is all there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let fields = header::<MESSAGE_LEN>(bytes, 0)?;
        Some(Self {
            opcode: u16::from_be_bytes([fields[6], fields[7]]),
            src_mac: *header(fields, 8)?,
            src_ip: Ipv4Addr::from(*header::<4>(fields, 14)?),
            dst_mac: *header(fields, 18)?,
            dst_ip: Ipv4Addr::from(*header::<4>(fields, 24)?),
        })
    }
}

/// Decodes the message at `at`.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.arp += 1;
    packet.ethertype = network::ARP;
    context.enter_layer(packet)?;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::ArpPktTooSmall));
    };
    let complete = header::<MESSAGE_LEN>(data, at).is_some();
    let opcode = u16::from_be_bytes([fields[6], fields[7]]);
    let wrong = if u16::from_be_bytes([fields[0], fields[1]]) != HARDWARE_ETHERNET {
        Some(DecodeEvent::ArpUnsupportedHardware)
    } else if u16::from_be_bytes([fields[2], fields[3]]) != PROTOCOL_IPV4 {
        Some(DecodeEvent::ArpUnsupportedProtocol)
    } else if !complete {
        Some(DecodeEvent::ArpInvalidPkt)
    } else if fields[4] != 6 {
        Some(DecodeEvent::ArpInvalidHardwareSize)
    } else if fields[5] != 4 {
        Some(DecodeEvent::ArpInvalidProtocolSize)
    } else if !(1..=4).contains(&opcode) {
        Some(DecodeEvent::ArpUnsupportedOpcode)
    } else {
        None
    };
    if let Some(event) = wrong {
        return Err(packet.invalid(event));
    }
    packet.flags.arp = true;
    packet.network = at as u32;
    Ok(())
}
