//! Packets within packets: IP in IP, GRE, VXLAN, Geneve.

use crate::header::{self, Packet, Start, be16, ether_type, protocol};
use crate::tags::Tags;

/// How many tunnels within one another are entered.
pub(crate) const DEPTH: usize = 4;
/// The port of VXLAN (RFC 7348).
pub(crate) const VXLAN_PORT: u16 = 4789;
/// The port of Geneve (RFC 8926).
pub(crate) const GENEVE_PORT: u16 = 6081;
const UDP_LEN: usize = 8;
/// Of both VXLAN and Geneve, the latter without options.
const HEADER_LEN: usize = 8;

/// Whether a packet carries another one, as protocol and port tell.
pub(crate) fn is_tunnel(bytes: &[u8], packet: &Packet) -> bool {
    match packet.protocol {
        protocol::IPV4 | protocol::IPV6 | protocol::GRE => true,
        protocol::UDP => header::ports(bytes, packet)
            .is_some_and(|(_, port)| matches!(port, VXLAN_PORT | GENEVE_PORT)),
        _ => false,
    }
}

/// The header of the packet within a packet; none if there is none that can be found.
pub(crate) fn inner(bytes: &[u8], packet: &Packet, tags: &mut Tags) -> Option<Start> {
    if packet.fragment {
        return None;
    }
    let at = packet.transport;
    match packet.protocol {
        protocol::IPV4 => Some(Start { at, version: 4 }),
        protocol::IPV6 => Some(Start { at, version: 6 }),
        protocol::GRE => gre(bytes, at, tags),
        protocol::UDP => match be16(bytes, at + 2)? {
            VXLAN_PORT => vxlan(bytes, at + UDP_LEN, tags),
            GENEVE_PORT => geneve(bytes, at + UDP_LEN, tags),
            _ => None,
        },
        _ => None,
    }
}

/// GRE version 0 (RFC 2784, RFC 2890) without source routes; IP, Ethernet or ERSPAN in it.
fn gre(bytes: &[u8], at: usize, tags: &mut Tags) -> Option<Start> {
    let flags = be16(bytes, at)?;
    // Source routes, recursion, reserved flags, version: as the decoder, or not at all.
    if flags & 0x477f != 0 {
        return None;
    }
    let fields = [0x8000, 0x2000, 0x1000].iter().filter(|&&bit| flags & bit != 0).count();
    let payload = at + 4 + fields * 4;
    match be16(bytes, at + 2)? {
        ether_type::BRIDGE => header::ethernet(bytes, payload, tags),
        // Type I has no header of its own and no sequence number, type II has both.
        ether_type::ERSPAN if flags & 0x1000 == 0 => header::ethernet(bytes, payload, tags),
        ether_type::ERSPAN => header::ethernet(bytes, payload + 8, tags),
        next => header::behind(bytes, next, payload, tags),
    }
}

fn vxlan(bytes: &[u8], at: usize, tags: &mut Tags) -> Option<Start> {
    let has_identifier = bytes.get(at)? & 0x08 != 0;
    has_identifier.then(|| header::ethernet(bytes, at + HEADER_LEN, tags))?
}

fn geneve(bytes: &[u8], at: usize, tags: &mut Tags) -> Option<Start> {
    let first = *bytes.get(at)?;
    if first >> 6 != 0 {
        return None;
    }
    let payload = at + HEADER_LEN + usize::from(first & 0x3f) * 4;
    match be16(bytes, at + 2)? {
        ether_type::BRIDGE => header::ethernet(bytes, payload, tags),
        next => header::behind(bytes, next, payload, tags),
    }
}
