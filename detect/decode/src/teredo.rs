//! Teredo (RFC 4380): IPv6 in UDP.

use crate::context::{Context, Inner, header};
use crate::ip_protocol;
use crate::packet::{Origin, Packet};
use crate::udp;

const IPV6_HEADER_LEN: usize = 40;
const ORIGIN_INDICATION_LEN: usize = 8;

/// Notes an inner packet if the datagram looks like Teredo. Whether it is Teredo shows only
/// once the inner packet has decoded.
#[inline]
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> bool {
    let ports = &context.settings.teredo;
    if !ports.contains(packet.src_port) && !ports.contains(packet.dst_port) {
        return false;
    }
    let payload = udp::payload_range(packet);
    let Some(datagram) = data.get(payload.clone()) else { return false };
    let skip = match datagram {
        [0, 0, ..] => ORIGIN_INDICATION_LEN,
        _ => 0,
    };
    let Some(h) = header::<IPV6_HEADER_LEN>(datagram, skip) else { return false };
    let inner_len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let fills = skip + IPV6_HEADER_LEN + inner_len == datagram.len();
    let (next_header, hop_limit) = (h[6], h[7]);
    if h[0] >> 4 != 6
        || !fills
        || hop_limit == 0
        || (next_header == ip_protocol::HOP_BY_HOP && inner_len < 8)
    {
        return false;
    }
    let range = payload.start + skip..payload.end;
    context.open_tunnel(packet, Origin::Teredo, Inner::Ipv6, range)
}
