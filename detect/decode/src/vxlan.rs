//! VXLAN (RFC 7348): Ethernet in UDP.

use crate::context::{Context, Inner, be16, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::{Origin, Packet};
use crate::udp;

const HEADER_LEN: usize = 8;
const ETHERNET_LEN: usize = 14;
const VALID_ID: u8 = 0x08;

/// Notes the inner packet if the datagram is VXLAN; false if it is not.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> bool {
    let payload = udp::payload_range(packet);
    let Some(datagram) = data.get(payload.clone()) else { return false };
    let Some(h) = header::<{ HEADER_LEN + ETHERNET_LEN }>(datagram, 0) else { return false };
    if h[0] & VALID_ID == 0 || h[7] != 0 {
        return false;
    }
    context.counters.layers.vxlan += 1;
    if context.enter_layer(packet).is_err() {
        return false;
    }
    // The inner packet begins behind the inner Ethernet header (Suricata 8).
    let inner = match be16(h, HEADER_LEN + 12).unwrap_or(0) {
        network::IPV4 => Inner::Ipv4,
        network::IPV6 => Inner::Ipv6,
        network::VLAN | network::VLAN_88A8 | network::VLAN_9100 => Inner::Vlan,
        network::ARP => return true,
        _ => {
            packet.invalid(DecodeEvent::VxlanUnknownPayloadType);
            return true;
        }
    };
    let range = payload.start + HEADER_LEN + ETHERNET_LEN..payload.end;
    context.open_tunnel(packet, Origin::Vxlan, inner, range);
    true
}
