//! IP protocols: which decoder comes after a network header.

use crate::context::Context;
use crate::packet::Packet;
use crate::{esp, gre, icmp4, icmp6, sctp, tcp, tunnel, udp};

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ICMP4: u8 = 1;
pub(crate) const IPV4: u8 = 4;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const IPV6: u8 = 41;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const GRE: u8 = 47;
pub(crate) const ESP: u8 = 50;
pub(crate) const AUTHENTICATION: u8 = 51;
pub(crate) const ICMP6: u8 = 58;
pub(crate) const NO_NEXT_HEADER: u8 = 59;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;
pub(crate) const SCTP: u8 = 132;
pub(crate) const MOBILITY: u8 = 135;
pub(crate) const HIP: u8 = 139;
pub(crate) const SHIM6: u8 = 140;

/// Decodes the data of an IPv4 packet, which ends where `data` ends.
#[inline]
pub(crate) fn decode_ipv4_data(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) {
    // A transport layer that fails leaves its event; the packet stays an IP packet.
    let _outcome = match packet.proto {
        TCP => tcp::decode(context, packet, data, at),
        UDP => udp::decode(context, packet, data, at),
        ICMP4 => icmp4::decode(context, packet, data, at),
        GRE => gre::decode(context, packet, data, at),
        SCTP => sctp::decode(context, packet, data, at),
        ESP => esp::decode(context, packet, data, at),
        IPV4 | IPV6 => tunnel::decode_in_ipv4(context, packet, data, at),
        ICMP6 => Err(packet.invalid(crate::event::DecodeEvent::Ipv4Icmpv6)),
        _ => Ok(()),
    };
}

/// Decodes the data of an IPv6 packet behind its extension headers; false if the protocol is
/// none that can stand there.
pub(crate) fn decode_ipv6_data(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> bool {
    let _outcome = match packet.proto {
        TCP => tcp::decode(context, packet, data, at),
        UDP => udp::decode(context, packet, data, at),
        ICMP6 => icmp6::decode(context, packet, data, at),
        GRE => gre::decode(context, packet, data, at),
        SCTP => sctp::decode(context, packet, data, at),
        ESP => esp::decode(context, packet, data, at),
        IPV4 => tunnel::decode_ipv4_in_ipv6(context, packet, data, at),
        IPV6 => tunnel::decode_ipv6_in_ipv6(context, packet, data, at),
        _ => return false,
    };
    true
}
