//! PPP (RFC 1661, 1662).

use crate::context::{Context, Decoded, Failed, be16};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ipv4, ipv6};

const IPV4: u16 = 0x0021;
const VAN_JACOBSON_UNCOMPRESSED: u16 = 0x002f;
const IPV6: u16 = 0x0057;
/// Address and control field of unnumbered information.
const ADDRESS_AND_CONTROL: u16 = 0xff03;

/// Decodes the PPP frame at `at`: address and control may be left out, and the protocol may
/// be compressed to one byte.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.ppp += 1;
    let has_address = be16(data, at) == Some(ADDRESS_AND_CONTROL);
    let at = if has_address { at + 2 } else { at };
    let Some(&first) = data.get(at) else {
        return Err(packet.invalid(DecodeEvent::PppPktTooSmall));
    };
    context.enter_layer(packet)?;
    if is_compressed(first) {
        return decode_compressed(context, packet, first, data, at + 1);
    }
    match be16(data, at) {
        Some(protocol) => decode_protocol(context, packet, protocol, data, at + 2),
        None => Err(packet.invalid(DecodeEvent::PppPktTooSmall)),
    }
}

/// True if `first` is a whole protocol number: the last byte of one is odd.
pub(crate) const fn is_compressed(first: u8) -> bool {
    first & 1 != 0
}

/// Decodes the data at `at` of a protocol number compressed to one byte.
pub(crate) fn decode_compressed(
    context: &mut Context,
    packet: &mut Packet<'_>,
    protocol: u8,
    data: &[u8],
    at: usize,
) -> Decoded {
    let protocol = u16::from(protocol);
    // Suricata 8 names a short IPv4 packet so here.
    if protocol == IPV4 && data.len() < at + ipv4::HEADER_LEN {
        return Err(packet.invalid(DecodeEvent::PppVjuPktTooSmall));
    }
    decode_protocol(context, packet, protocol, data, at)
}

/// Decodes the data of `protocol` at `at`.
pub(crate) fn decode_protocol(
    context: &mut Context,
    packet: &mut Packet<'_>,
    protocol: u16,
    data: &[u8],
    at: usize,
) -> Decoded {
    let available = data.len().saturating_sub(at);
    match protocol {
        IPV4 if available < ipv4::HEADER_LEN => Err(packet.invalid(DecodeEvent::PppIp4PktTooSmall)),
        IPV4 => ipv4::decode(context, packet, data, at),
        IPV6 if available < ipv6::HEADER_LEN => Err(packet.invalid(DecodeEvent::PppIp6PktTooSmall)),
        IPV6 => ipv6::decode(context, packet, data, at),
        VAN_JACOBSON_UNCOMPRESSED if available < ipv4::HEADER_LEN => {
            Err(packet.invalid(DecodeEvent::PppVjuPktTooSmall))
        }
        VAN_JACOBSON_UNCOMPRESSED => {
            if data.get(at).is_none_or(|byte| byte >> 4 != 4) {
                return Ok(());
            }
            context.van_jacobson = true;
            ipv4::decode(context, packet, data, at)
        }
        _ if is_undecoded(protocol) => {
            packet.event(DecodeEvent::PppUnsupProto);
            Ok(())
        }
        _ if is_control(protocol) => Ok(()),
        _ => {
            packet.invalid(DecodeEvent::PppWrongType);
            Err(Failed)
        }
    }
}

/// Network protocols that are known but not decoded: OSI, XNS, DECnet, AppleTalk, IPX, Van
/// Jacobson compressed, bridging, ST-II, VINES, and MPLS among them.
const fn is_undecoded(protocol: u16) -> bool {
    matches!(
        protocol,
        0x0023
            | 0x0025
            | 0x0027
            | 0x0029
            | 0x002b
            | 0x002d
            | 0x0031
            | 0x0033
            | 0x0035
            | 0x0201
            | 0x0231
            | 0x0233
            | 0x0281
            | 0x0283
    )
}

/// Protocols that negotiate the link and its network protocols (LCP, PAP, CHAP, IPCP, ...).
const fn is_control(protocol: u16) -> bool {
    matches!(
        protocol,
        0x8021
            | 0x8023
            | 0x8025
            | 0x8027
            | 0x8029
            | 0x802b
            | 0x8031
            | 0x8033
            | 0x8035
            | 0x8057
            | 0x80fd
            | 0x8281
            | 0x8283
            | 0xc021
            | 0xc023
            | 0xc025
            | 0xc223
    )
}
