//! The decoder: a frame in, its packets out.

use std::borrow::Cow;

use crate::context::{Child, Context, Decoded, Inner};
use crate::counters::DecodeCounters;
use crate::event::DecodeEvent;
use crate::packet::{Origin, Packet};
use crate::settings::DecodeSettings;
use crate::time::Timestamp;
use crate::{arp, chdlc, erspan, ethernet, ipv4, ipv6, null, ppp, raw, sll, udp, vlan};

/// Link types that are decoded, by their LINKTYPE number (or platform's own, where captures
/// hold it).
pub mod link_type {
    /// BSD loopback.
    pub const NULL: u16 = 0;
    /// Ethernet.
    pub const ETHERNET: u16 = 1;
    /// PPP.
    pub const PPP: u16 = 9;
    /// Raw IP, number of most platforms.
    pub const RAW_PLATFORM: u16 = 12;
    /// Raw IP.
    pub const RAW: u16 = 101;
    /// Cisco HDLC.
    pub const CHDLC: u16 = 104;
    /// Linux cooked.
    pub const LINUX_SLL: u16 = 113;
    /// Raw IPv4.
    pub const IPV4: u16 = 228;
    /// Raw IPv6.
    pub const IPV6: u16 = 229;
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: u16 = 276;
    /// IP as a Linux GRE device shows it.
    pub const GRE_OVER_IP: u16 = 778;

    /// True if frames of this type are decoded.
    pub const fn is_supported(link_type: u16) -> bool {
        matches!(
            link_type,
            NULL | ETHERNET
                | PPP
                | RAW_PLATFORM
                | RAW
                | CHDLC
                | LINUX_SLL
                | IPV4
                | IPV6
                | LINUX_SLL2
                | GRE_OVER_IP
        )
    }
}

/// A frame as a capture delivers it.
#[derive(Clone, Copy, Debug)]
pub struct RawFrame<'a> {
    /// The bytes captured.
    pub bytes: &'a [u8],
    /// Time of capture.
    pub timestamp: Timestamp,
    /// Number in the capture, from 1.
    pub number: u64,
    /// LINKTYPE number.
    pub link_type: u16,
    /// Index of the input.
    pub input: u32,
    /// Length on the wire.
    pub wire_len: u32,
    /// Its transport checksum is not computed yet: this host sent it, and leaves that to a NIC.
    pub no_checksum: bool,
}

/// Turns frames into packets; holds what outlives a frame: fragments and counters.
#[derive(Debug)]
pub struct Decoder {
    context: Context,
}

impl Decoder {
    /// A decoder with nothing seen yet.
    pub fn new(settings: DecodeSettings) -> Self {
        Self { context: Context::new(settings) }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &DecodeCounters {
        &self.context.counters
    }

    /// The settings.
    pub fn settings(&self) -> &DecodeSettings {
        &self.context.settings
    }

    /// Appends the frame's packets in the order in which they are to be processed: a tunnelled
    /// or defragmented packet before its carrier, the wire packet last.
    pub fn decode<'a>(&mut self, frame: RawFrame<'a>, packets: &mut Vec<Packet<'a>>) {
        let first = packets.len();
        self.count_frame(frame.bytes.len());
        self.context.defrag.sweep(frame.timestamp, &mut self.context.counters.defrag);
        // Unlike `push`, this makes the packet in its place instead of moving it there.
        packets.resize_with(first + 1, || {
            let bytes = Cow::Borrowed(frame.bytes);
            Packet::new(bytes, frame.timestamp, frame.number, frame.link_type)
        });
        let Some(packet) = packets.last_mut() else { return };
        packet.input = frame.input;
        packet.flags.ignore_checksum = frame.no_checksum;
        if self.context.settings.live && (frame.wire_len as usize) > frame.bytes.len() {
            packet.event(DecodeEvent::AfpacketTruncPkt);
        }
        // A frame that fails stays a packet, with the event that says why.
        let _outcome = decode_link(&mut self.context, packet, frame.bytes);
        if self.context.child.is_some() {
            self.decode_inside(first, packets);
        }
        if let Some(packet) = packets.last()
            && !packet.events.is_empty()
        {
            self.context.counters.layers.invalid += u64::from(packet.flags.invalid);
            self.context.counters.count_events(packet);
        }
    }

    fn count_frame(&mut self, len: usize) {
        let counters = &mut self.context.counters.layers;
        counters.pkts += 1;
        counters.bytes += len as u64;
        counters.max_pkt_size = counters.max_pkt_size.max(len as u64);
    }

    /// Decodes what the last packet carries and puts it before that one.
    fn decode_inside<'a>(&mut self, first: usize, packets: &mut Vec<Packet<'a>>) {
        let Some(mut wire) = packets.pop() else { return };
        if let Some(child) = self.context.child.take() {
            self.decode_child(&mut wire, child, packets);
        }
        let root = u32::try_from(packets.len()).ok();
        packets.push(wire);
        for packet in packets.iter_mut().skip(first).rev().skip(1) {
            packet.root = root;
        }
    }

    /// Decodes the packet within `carrier` and appends it, innermost first, unless it proves
    /// to be none; then its carrier goes on alone.
    fn decode_child<'a>(
        &mut self,
        carrier: &mut Packet<'a>,
        child: Child,
        packets: &mut Vec<Packet<'a>>,
    ) {
        let (mut packet, origin, inner) = inner_packet(carrier, child);
        let outcome = self.decode_inner(&mut packet, inner);
        let grandchild = self.context.child.take();
        // A Teredo packet must be valid throughout to be taken for one (Suricata 8).
        if outcome.is_err() || (origin == Origin::Teredo && packet.flags.invalid) {
            if origin == Origin::Teredo {
                self.retry_without_teredo(carrier, packets);
            }
            return;
        }
        if let Some(grandchild) = grandchild {
            self.decode_child(&mut packet, grandchild, packets);
        }
        carrier.flags.no_payload_inspection = true;
        self.count_inner(carrier, origin, inner);
        self.context.counters.count_events(&packet);
        packets.push(packet);
    }

    fn decode_inner(&mut self, packet: &mut Packet<'_>, inner: Inner) -> Decoded {
        let context = &mut self.context;
        with_bytes(packet, |packet, data| match inner {
            Inner::Ipv4 => ipv4::decode(context, packet, data, 0),
            Inner::Ipv6 => ipv6::decode(context, packet, data, 0),
            Inner::Ethernet => ethernet::decode(context, packet, data, 0),
            Inner::Vlan => vlan::decode(context, packet, data, 0),
            Inner::Arp => arp::decode(context, packet, data, 0),
            Inner::Ppp => ppp::decode(context, packet, data, 0),
            Inner::ErspanI => erspan::decode_type_1(context, packet, data, 0),
            Inner::ErspanII => erspan::decode_type_2(context, packet, data, 0),
        })
    }

    /// Tries the tunnels that come after Teredo on a datagram that was none of it.
    fn retry_without_teredo<'a>(
        &mut self,
        carrier: &mut Packet<'a>,
        packets: &mut Vec<Packet<'a>>,
    ) {
        let context = &mut self.context;
        with_bytes(carrier, |carrier, data| {
            udp::decode_configured_tunnels(context, carrier, data);
        });
        if let Some(child) = self.context.child.take() {
            self.decode_child(carrier, child, packets);
        }
    }

    fn count_inner(&mut self, carrier: &mut Packet<'_>, origin: Origin, inner: Inner) {
        let counters = &mut self.context.counters;
        match (origin, inner) {
            (Origin::Ipv4Tunnel, Inner::Ipv4) => counters.layers.ipv4_in_ipv4 += 1,
            (Origin::Ipv4Tunnel, _) => counters.layers.ipv6_in_ipv4 += 1,
            (Origin::Ipv6Tunnel, Inner::Ipv4) => counters.layers.ipv4_in_ipv6 += 1,
            (Origin::Ipv6Tunnel, _) => counters.layers.ipv6_in_ipv6 += 1,
            (Origin::Teredo, _) => {
                counters.layers.teredo += 1;
                carrier.flags.tunnel_carrier = true;
            }
            _ => {}
        }
    }
}

/// The undecoded packet for `child`, its origin and its first layer.
fn inner_packet<'a>(carrier: &Packet<'a>, child: Child) -> (Packet<'a>, Origin, Inner) {
    let (bytes, origin, inner) = match child {
        Child::Tunnel { origin, inner, start, end } => {
            let bytes = match &carrier.bytes {
                Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(start..end).unwrap_or(&[])),
                Cow::Owned(bytes) => Cow::Owned(bytes.get(start..end).unwrap_or(&[]).to_vec()),
            };
            (bytes, origin, inner)
        }
        Child::Reassembled { bytes, inner } => (Cow::Owned(bytes), Origin::Defrag, inner),
    };
    let mut packet = Packet::new(bytes, carrier.timestamp, 0, link_type::RAW);
    packet.input = carrier.input;
    packet.origin = origin;
    packet.flags.ignore_checksum = carrier.flags.ignore_checksum;
    if origin == Origin::Defrag {
        packet.recursion_level = carrier.recursion_level;
        packet.vlan = carrier.vlan;
        packet.layers = carrier.layers;
    } else {
        packet.recursion_level = carrier.recursion_level.saturating_add(1);
        packet.layers = carrier.layers.saturating_add(1);
    }
    (packet, origin, inner)
}

/// Lends the packet's bytes to `work` beside the packet itself.
fn with_bytes<'a, T>(packet: &mut Packet<'a>, work: impl FnOnce(&mut Packet<'a>, &[u8]) -> T) -> T {
    let bytes = std::mem::replace(&mut packet.bytes, Cow::Borrowed(&[]));
    let outcome = work(packet, &bytes);
    packet.bytes = bytes;
    outcome
}

fn decode_link(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Decoded {
    match packet.link_type {
        link_type::ETHERNET => ethernet::decode(context, packet, data, 0),
        link_type::LINUX_SLL => sll::decode(context, packet, data),
        link_type::LINUX_SLL2 => sll::decode_version_2(context, packet, data),
        link_type::RAW
        | link_type::RAW_PLATFORM
        | link_type::IPV4
        | link_type::IPV6
        | link_type::GRE_OVER_IP => raw::decode(context, packet, data),
        link_type::NULL => null::decode(context, packet, data),
        link_type::PPP => ppp::decode(context, packet, data, 0),
        link_type::CHDLC => chdlc::decode(context, packet, data),
        _ => Ok(()),
    }
}
