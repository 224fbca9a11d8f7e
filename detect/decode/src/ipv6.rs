//! IPv6 (RFC 8200) with its extension headers.

use std::net::{IpAddr, Ipv6Addr};

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::ip_protocol as proto;
use crate::packet::{IpHeader, Packet};
use crate::{context, defrag};

mod options;

pub(crate) const HEADER_LEN: usize = 40;
const FRAGMENT_LEN: usize = 8;
/// Offset of the next header field in the fixed header.
const NEXT_HEADER_AT: usize = 6;

/// Decodes the header at `at` and the packet's data.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.ipv6 += 1;
    context.enter_layer(packet)?;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        // Suricata 8 sets no event here, nor the invalid mark.
        return Err(context::Failed);
    };
    if h[0] >> 4 != 6 {
        return Err(packet.invalid(DecodeEvent::Ipv6WrongIpVersion));
    }
    let payload_len = u16::from_be_bytes([h[4], h[5]]);
    let Some(data) = data.get(..at + HEADER_LEN + usize::from(payload_len)) else {
        return Err(packet.invalid(DecodeEvent::Ipv6TruncPkt));
    };
    packet.network = at as u32;
    packet.src = address(h, 8);
    packet.dst = address(h, 24);
    packet.flags.addresses = true;
    packet.ttl = h[7];
    packet.proto = h[NEXT_HEADER_AT];
    packet.ip = IpHeader::V6 {
        header_len: HEADER_LEN as u16,
        payload_len,
        traffic_class: (h[0] << 4) | (h[1] >> 4),
        flow_label: u32::from_be_bytes([0, h[1] & 0x0f, h[2], h[3]]),
    };
    if matches!(packet.proto, proto::TCP | proto::UDP | proto::ICMP6) {
        proto::decode_ipv6_data(context, packet, data, at + HEADER_LEN);
    } else {
        Chain::new(at).walk(context, packet, data);
    }
    Ok(())
}

#[inline]
fn address(h: &[u8; HEADER_LEN], at: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(header::<16>(h, at).copied().unwrap_or_default()))
}

/// A walk along the extension headers.
struct Chain {
    /// Where the IPv6 header begins.
    network: usize,
    /// Where the next header begins.
    at: usize,
    /// Where the number of the next header stands.
    next_header_at: usize,
    seen_hop_by_hop: bool,
    seen_routing: bool,
    seen_authentication: bool,
    seen_fragment: bool,
    destination_options: u8,
}

/// What comes after an extension header.
enum Step {
    /// The next header.
    Next,
    /// Nothing: the walk is over.
    Stop,
}

impl Chain {
    fn new(network: usize) -> Self {
        Self {
            network,
            at: network + HEADER_LEN,
            next_header_at: network + NEXT_HEADER_AT,
            seen_hop_by_hop: false,
            seen_routing: false,
            seen_authentication: false,
            seen_fragment: false,
            destination_options: 0,
        }
    }

    fn walk(&mut self, context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) {
        loop {
            let header = packet.proto;
            let step = match header {
                proto::HOP_BY_HOP => self.hop_by_hop(packet, data),
                proto::DESTINATION_OPTIONS => self.destination_options(packet, data),
                proto::ROUTING => self.routing(packet, data),
                proto::AUTHENTICATION => self.authentication(packet, data),
                proto::FRAGMENT => self.fragment(context, packet, data),
                proto::MOBILITY | proto::HIP | proto::SHIM6 => {
                    self.take(packet, data, 8).map_or(Step::Stop, |_| Step::Next)
                }
                _ => {
                    self.note_length(packet);
                    self.upper_layer(context, packet, data);
                    return;
                }
            };
            if matches!(step, Step::Stop) {
                self.note_length(packet);
                return;
            }
            // As in Suricata 8: behind an extension header come two bytes at least.
            if packet.proto != proto::NO_NEXT_HEADER && data.len() < self.at + 2 {
                packet.proto = header;
                packet.invalid(DecodeEvent::Ipv6TruncExthdr);
                self.note_length(packet);
                return;
            }
        }
    }

    /// The bytes of the extension header here, whose length field counts units of 8 bytes
    /// beyond the first `first` ones (of 4 in an authentication header); goes past it.
    fn take<'d>(
        &mut self,
        packet: &mut Packet<'_>,
        data: &'d [u8],
        first: usize,
    ) -> Option<&'d [u8]> {
        let unit = if packet.proto == proto::AUTHENTICATION { 4 } else { 8 };
        let bytes = header::<2>(data, self.at).and_then(|&[next, units]| {
            let len = first + usize::from(units) * unit;
            let bytes = data.get(self.at..self.at + len)?;
            Some((next, bytes))
        });
        let Some((next, bytes)) = bytes else {
            packet.invalid(DecodeEvent::Ipv6TruncExthdr);
            return None;
        };
        packet.proto = next;
        self.next_header_at = self.at;
        self.at += bytes.len();
        Some(bytes)
    }

    fn hop_by_hop(&mut self, packet: &mut Packet<'_>, data: &[u8]) -> Step {
        let Some(bytes) = self.take(packet, data, 8) else { return Step::Stop };
        if std::mem::replace(&mut self.seen_hop_by_hop, true) {
            packet.event(DecodeEvent::Ipv6ExthdrDuplHh);
        } else {
            options::check(packet, bytes, options::Place::HopByHop);
        }
        Step::Next
    }

    /// Two such headers are in order: one before a routing header and one at the end.
    fn destination_options(&mut self, packet: &mut Packet<'_>, data: &[u8]) -> Step {
        let Some(bytes) = self.take(packet, data, 8) else { return Step::Stop };
        if self.destination_options >= 2 {
            packet.event(DecodeEvent::Ipv6ExthdrDuplDh);
        } else {
            self.destination_options += 1;
            options::check(packet, bytes, options::Place::Destination);
        }
        Step::Next
    }

    fn routing(&mut self, packet: &mut Packet<'_>, data: &[u8]) -> Step {
        let Some(bytes) = self.take(packet, data, 8) else { return Step::Stop };
        if std::mem::replace(&mut self.seen_routing, true) {
            packet.event(DecodeEvent::Ipv6ExthdrDuplRh);
        } else if bytes.get(2) == Some(&0) {
            packet.event(DecodeEvent::Ipv6RhType0);
        }
        Step::Next
    }

    fn authentication(&mut self, packet: &mut Packet<'_>, data: &[u8]) -> Step {
        let Some(bytes) = self.take(packet, data, 8) else { return Step::Stop };
        if std::mem::replace(&mut self.seen_authentication, true) {
            packet.event(DecodeEvent::Ipv6ExthdrDuplAh);
        } else if context::be16(bytes, 2) != Some(0) {
            packet.event(DecodeEvent::Ipv6ExthdrAhResNotNull);
        }
        Step::Next
    }

    fn fragment(&mut self, context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Step {
        let at = self.at;
        let Some(&[next, reserved, high, low, id @ ..]) = header::<FRAGMENT_LEN>(data, at) else {
            packet.invalid(DecodeEvent::Ipv6TruncExthdr);
            return Step::Stop;
        };
        let field = u16::from_be_bytes([high, low]);
        let (offset, more) = (field & 0xfff8, field & 1 != 0);
        let start = at + FRAGMENT_LEN;
        if self.seen_fragment {
            packet.event(DecodeEvent::Ipv6ExthdrDuplFh);
            return self.past_fragment(packet, next);
        }
        self.seen_fragment = true;
        if reserved != 0 {
            packet.event(DecodeEvent::Ipv6FhNonZeroReservedField);
        }
        if more && !(FRAGMENT_LEN + data.len() - start).is_multiple_of(8) {
            packet.event(DecodeEvent::Ipv6FragInvalidLength);
        }
        if offset == 0 && !more {
            packet.event(DecodeEvent::Ipv6ExthdrUselessFh);
            return self.past_fragment(packet, next);
        }
        packet.flags.fragment = true;
        let fragment = defrag::Ipv6Fragment {
            network: self.network,
            fragment_at: at,
            next_header_at: self.next_header_at,
            next_header: next,
            offset,
            more,
            id: u32::from_be_bytes(id),
        };
        self.at = start;
        defrag::submit_ipv6(context, packet, data, &fragment);
        Step::Stop
    }

    fn past_fragment(&mut self, packet: &mut Packet<'_>, next: u8) -> Step {
        packet.proto = next;
        self.next_header_at = self.at;
        self.at += FRAGMENT_LEN;
        Step::Next
    }

    fn upper_layer(&self, context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) {
        match packet.proto {
            proto::NO_NEXT_HEADER => {
                if data.len() > self.at {
                    packet.event(DecodeEvent::Ipv6DataAfterNoneHeader);
                }
            }
            proto::ICMP4 => packet.event(DecodeEvent::Ipv6Icmpv4),
            _ => {
                if !proto::decode_ipv6_data(context, packet, data, self.at) {
                    packet.event(DecodeEvent::Ipv6UnknownNextHeader);
                }
            }
        }
    }

    /// Writes down how far the headers go.
    fn note_length(&self, packet: &mut Packet<'_>) {
        if let IpHeader::V6 { header_len, .. } = &mut packet.ip {
            *header_len = u16::try_from(self.at - self.network).unwrap_or(u16::MAX);
        }
    }
}
