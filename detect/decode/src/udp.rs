//! UDP (RFC 768) and the tunnels that go over it.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::packet::{Packet, Transport, Udp};
use crate::{geneve, teredo, vxlan};

pub(crate) const HEADER_LEN: usize = 8;

/// Decodes the header at `at`; bytes beyond the datagram's length field are no payload.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.udp += 1;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::UdpHlenTooSmall));
    };
    let len = u16::from_be_bytes([h[4], h[5]]);
    if usize::from(len) > data.len() - at {
        return Err(packet.invalid(DecodeEvent::UdpPktTooSmall));
    }
    if usize::from(len) < HEADER_LEN {
        return Err(packet.invalid(DecodeEvent::UdpLenInvalid));
    }
    packet.src_port = u16::from_be_bytes([h[0], h[1]]);
    packet.dst_port = u16::from_be_bytes([h[2], h[3]]);
    packet.transport = Transport::Udp(Udp { len, checksum: u16::from_be_bytes([h[6], h[7]]) });
    packet.set_transport(at, HEADER_LEN, at + usize::from(len));
    packet.flags.wants_flow = true;
    if !teredo::decode(context, packet, data) {
        decode_configured_tunnels(context, packet, data);
    }
    Ok(())
}

/// Tries the tunnels after Teredo, in the order of Suricata 8.
pub(crate) fn decode_configured_tunnels(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
) {
    let (src, dst) = (packet.src_port, packet.dst_port);
    let ports = &context.settings;
    let (is_geneve, is_vxlan) =
        (ports.geneve.contains(dst) || ports.geneve.contains(src), ports.vxlan.contains(dst));
    if (is_geneve && geneve::decode(context, packet, data))
        || (is_vxlan && vxlan::decode(context, packet, data))
    {
        packet.flags.tunnel_carrier = true;
    }
}

/// The datagram's payload as a range of the packet's bytes.
pub(crate) fn payload_range(packet: &Packet<'_>) -> std::ops::Range<usize> {
    let start = packet.payload_offset as usize;
    start..start + packet.payload_len as usize
}
