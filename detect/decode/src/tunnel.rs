//! IP in IP (RFC 2003, RFC 2473, RFC 4213): an IP packet as data of another.

use crate::context::{Context, Decoded, Inner};
use crate::event::DecodeEvent;
use crate::ip_protocol;
use crate::packet::{Origin, Packet, Transport};

/// Decodes IPv4 or IPv6, by the protocol number, as data of IPv4.
pub(crate) fn decode_in_ipv4(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    let inner = if packet.proto == ip_protocol::IPV4 { Inner::Ipv4 } else { Inner::Ipv6 };
    open(context, packet, Origin::Ipv4Tunnel, inner, at..data.len());
    Ok(())
}

/// Decodes IPv4 as data of IPv6, where size and version are looked at first.
pub(crate) fn decode_ipv4_in_ipv6(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    if data.len() < at + 20 {
        return Err(packet.invalid(DecodeEvent::Ipv6Ipv4InIpv6TooSmall));
    }
    if version(data, at) != 4 {
        return Err(packet.invalid(DecodeEvent::Ipv6Ipv4InIpv6WrongVersion));
    }
    open(context, packet, Origin::Ipv6Tunnel, Inner::Ipv4, at..data.len());
    Ok(())
}

/// Decodes IPv6 as data of IPv6, where size and version are looked at first.
pub(crate) fn decode_ipv6_in_ipv6(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    if data.len() < at + 40 {
        return Err(packet.invalid(DecodeEvent::Ipv6Ipv6InIpv6TooSmall));
    }
    if version(data, at) != 6 {
        return Err(packet.invalid(DecodeEvent::Ipv6Ipv6InIpv6WrongVersion));
    }
    open(context, packet, Origin::Ipv6Tunnel, Inner::Ipv6, at..data.len());
    Ok(())
}

fn open(
    context: &mut Context,
    packet: &mut Packet<'_>,
    origin: Origin,
    inner: Inner,
    range: std::ops::Range<usize>,
) {
    packet.transport = Transport::IpTunnel;
    packet.transport_offset = range.start as u32;
    packet.flags.wants_flow = true;
    context.open_tunnel(packet, origin, inner, range);
}

fn version(data: &[u8], at: usize) -> u8 {
    data.get(at).map_or(0, |byte| byte >> 4)
}
