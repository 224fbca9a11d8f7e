//! Geneve (RFC 8926): Ethernet or IP in UDP, behind options.

use crate::context::{Context, Inner, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::{Origin, Packet};
use crate::udp;

const HEADER_LEN: usize = 8;
const OPTION_HEADER_LEN: usize = 4;

/// Notes the inner packet if the datagram is Geneve; false if it is not.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> bool {
    let payload = udp::payload_range(packet);
    let Some(datagram) = data.get(payload.clone()) else { return false };
    let Some(h) = header::<HEADER_LEN>(datagram, 0) else { return false };
    let (version, options_len) = (h[0] >> 6, usize::from(h[0] & 0x3f) * 4);
    let reserved = (h[1] & 0x3f) | h[7];
    let Some(options) = datagram.get(HEADER_LEN..HEADER_LEN + options_len) else { return false };
    if version != 0 || reserved != 0 || !options_add_up(options) {
        return false;
    }
    context.counters.layers.geneve += 1;
    if context.enter_layer(packet).is_err() {
        return false;
    }
    let inner = match u16::from_be_bytes([h[2], h[3]]) {
        network::IPV4 => Inner::Ipv4,
        network::IPV6 => Inner::Ipv6,
        network::ETHERNET_BRIDGE => Inner::Ethernet,
        _ => {
            packet.invalid(DecodeEvent::GeneveUnknownPayloadType);
            return true;
        }
    };
    let range = payload.start + HEADER_LEN + options_len..payload.end;
    context.open_tunnel(packet, Origin::Geneve, inner, range);
    true
}

/// True if the lengths of the options end exactly where the options do.
fn options_add_up(mut options: &[u8]) -> bool {
    while let Some(fields) = options.first_chunk::<OPTION_HEADER_LEN>() {
        let len = OPTION_HEADER_LEN + usize::from(fields[3] & 0x1f) * 4;
        match options.get(len..) {
            Some(rest) => options = rest,
            None => return false,
        }
    }
    options.is_empty()
}
