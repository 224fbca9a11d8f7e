//! ICMP for IPv4 (RFC 792, 950, 1256).

use std::net::{IpAddr, Ipv4Addr};

use crate::context::{Context, Decoded, be16, header};
use crate::event::DecodeEvent;
use crate::ip_protocol;
use crate::packet::{Embedded, Icmp, Packet, Transport};

const HEADER_LEN: usize = 8;
const TIMESTAMP_LEN: usize = 20;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const ROUTER_ADVERTISEMENT: u8 = 9;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
const MASK_REPLY: u8 = 18;
/// Code of `UNREACHABLE` that brings the next hop's MTU (RFC 1191).
const FRAGMENTATION_NEEDED: u8 = 4;

/// Decodes the message at `at`.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.icmpv4 += 1;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::Icmpv4PktTooSmall));
    };
    let (kind, code) = (h[0], h[1]);
    let second_word = [u16::from_be_bytes([h[4], h[5]]), u16::from_be_bytes([h[6], h[7]])];
    let mut icmp =
        Icmp { kind, code, checksum: u16::from_be_bytes([h[2], h[3]]), ..Icmp::default() };
    let mut header_len = HEADER_LEN;
    match kind {
        UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM => {
            if kind == UNREACHABLE && code == FRAGMENTATION_NEEDED {
                icmp.mtu = Some(u32::from(second_word[1]));
            }
            icmp.embedded = error_message(packet, kind, code, data, at + HEADER_LEN);
        }
        ECHO | ECHO_REPLY | TIMESTAMP..=MASK_REPLY => {
            if code != 0 {
                packet.event(DecodeEvent::Icmpv4UnknownCode);
            }
            icmp.id = Some(second_word[0]);
            icmp.seq = Some(second_word[1]);
            if matches!(kind, TIMESTAMP | TIMESTAMP_REPLY) {
                if data.len() - at < TIMESTAMP_LEN {
                    packet.event(DecodeEvent::Icmpv4Ipv4TruncPkt);
                } else {
                    header_len = TIMESTAMP_LEN;
                }
            }
        }
        ROUTER_ADVERTISEMENT => {
            let announced = usize::from(h[4]) * usize::from(h[5]) * 4;
            if data.len() - at < HEADER_LEN + announced {
                packet.event(DecodeEvent::Icmpv4Ipv4TruncPkt);
            }
        }
        _ => packet.event(DecodeEvent::Icmpv4UnknownType),
    }
    packet.flags.wants_flow = wants_flow(&icmp);
    packet.transport = Transport::Icmp4(icmp);
    packet.set_transport(at, header_len, data.len());
    Ok(())
}

/// Errors have no flow of their own; an unreachable joins the flow it is about.
fn wants_flow(icmp: &Icmp) -> bool {
    match icmp.kind {
        UNREACHABLE => icmp.embedded.is_some_and(|inner| {
            inner.ports.is_some() && matches!(inner.proto, ip_protocol::TCP | ip_protocol::UDP)
        }),
        SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM => false,
        _ => true,
    }
}

/// Checks the code of an error message and reads the packet embedded at `at`.
fn error_message(
    packet: &mut Packet<'_>,
    kind: u8,
    code: u8,
    data: &[u8],
    at: usize,
) -> Option<Embedded> {
    let highest = match kind {
        UNREACHABLE => 15,
        REDIRECT => 3,
        TIME_EXCEEDED => 1,
        _ => 0,
    };
    if code > highest {
        packet.event(DecodeEvent::Icmpv4UnknownCode);
        return None;
    }
    // Nothing embedded is fine, except in a source quench (Suricata 8).
    if data.len() <= at && kind != SOURCE_QUENCH {
        return None;
    }
    let Some(h) = header::<20>(data, at) else {
        packet.invalid(DecodeEvent::Icmpv4Ipv4TruncPkt);
        return None;
    };
    if h[0] >> 4 != 4 {
        packet.invalid(DecodeEvent::Icmpv4Ipv4UnknownVer);
        return None;
    }
    let header_len = usize::from(h[0] & 0x0f).max(5) * 4;
    Some(Embedded {
        src: IpAddr::V4(Ipv4Addr::new(h[12], h[13], h[14], h[15])),
        dst: IpAddr::V4(Ipv4Addr::new(h[16], h[17], h[18], h[19])),
        proto: h[9],
        ports: embedded_ports(h[9], data, at + header_len),
    })
}

/// The ports of an embedded transport header, of which errors carry at least 8 bytes.
pub(crate) fn embedded_ports(proto: u8, data: &[u8], at: usize) -> Option<(u16, u16)> {
    let least = match proto {
        ip_protocol::TCP | ip_protocol::SCTP => 4,
        ip_protocol::UDP => 8,
        _ => return None,
    };
    data.get(at..at + least)?;
    be16(data, at).zip(be16(data, at + 2))
}
