//! ICMP for IPv6 (RFC 4443, 4861, 2710 and others).

use std::net::{IpAddr, Ipv6Addr};

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::icmp4::embedded_ports;
use crate::packet::{Embedded, Icmp, Packet, Transport};

const HEADER_LEN: usize = 8;
/// Type, code and checksum: all that messages without an identifier have in common.
const SHORT_HEADER_LEN: usize = 4;
const IPV6_HEADER_LEN: usize = 40;

const PACKET_TOO_BIG: u8 = 2;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Decodes the message at `at`.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.icmpv6 += 1;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::Icmpv6PktTooSmall));
    };
    let (kind, code) = (h[0], h[1]);
    let mut icmp =
        Icmp { kind, code, checksum: u16::from_be_bytes([h[2], h[3]]), ..Icmp::default() };
    let is_error = (1..=PARAMETER_PROBLEM).contains(&kind);
    let mut header_len = SHORT_HEADER_LEN;
    let mut wants_flow = true;
    if !code_is_known(kind, code) {
        packet.event(DecodeEvent::Icmpv6UnknownCode);
    } else if is_error {
        icmp.embedded = embedded(packet, data, at + HEADER_LEN);
        wants_flow = icmp.embedded.is_some();
    }
    if is_error || matches!(kind, ECHO_REQUEST | ECHO_REPLY) {
        header_len = HEADER_LEN;
    }
    match kind {
        PACKET_TOO_BIG => icmp.mtu = Some(u32::from_be_bytes([h[4], h[5], h[6], h[7]])),
        ECHO_REQUEST | ECHO_REPLY => {
            icmp.id = Some(u16::from_be_bytes([h[4], h[5]]));
            icmp.seq = Some(u16::from_be_bytes([h[6], h[7]]));
        }
        _ => check_type(packet, kind),
    }
    packet.flags.wants_flow = wants_flow;
    packet.transport = Transport::Icmp6(icmp);
    packet.set_transport(at, header_len, data.len());
    Ok(())
}

/// Sets the events that a type alone gives.
fn check_type(packet: &mut Packet<'_>, kind: u8) {
    match kind {
        // Multicast listener discovery never leaves the link (RFC 2710, 3).
        130..=132 => {
            if packet.ttl != 1 {
                packet.event(DecodeEvent::Icmpv6MldMessageWithInvalidHl);
            }
        }
        1..=PARAMETER_PROBLEM | 133..=159 => {}
        100 | 101 | 200 | 201 => packet.event(DecodeEvent::Icmpv6ExperimentationType),
        5..=99 | 102..=126 | 160..=199 | 202..=255 => {
            packet.event(DecodeEvent::Icmpv6UnassignedType);
        }
        _ => packet.event(DecodeEvent::Icmpv6UnknownType),
    }
}

/// Whether `code` is assigned for `kind`.
const fn code_is_known(kind: u8, code: u8) -> bool {
    match kind {
        1 => code <= 6,
        3 => code <= 1,
        4 | 139 | 140 => code <= 2,
        138 => code <= 2 || code == 255,
        155 => matches!(code, 0..=3 | 128..=132),
        2 | 128..=137 | 141..=145 | 147..=149 | 152..=154 | 156..=159 => code == 0,
        _ => true,
    }
}

/// The packet embedded in an error message at `at`.
fn embedded(packet: &mut Packet<'_>, data: &[u8], at: usize) -> Option<Embedded> {
    let Some(h) = header::<IPV6_HEADER_LEN>(data, at) else {
        packet.invalid(DecodeEvent::Icmpv6Ipv6TruncPkt);
        return None;
    };
    if h[0] >> 4 != 6 {
        packet.invalid(DecodeEvent::Icmpv6Ipv6UnknownVersion);
        return None;
    }
    let address = |from| header::<16>(h, from).map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes)));
    Some(Embedded {
        src: address(8)?,
        dst: address(24)?,
        proto: h[6],
        ports: embedded_ports(h[6], data, at + IPV6_HEADER_LEN),
    })
}
