//! Frames without a link layer: IPv4 or IPv6 by the first nibble.

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ipv4, ipv6};

/// Decodes a frame.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Decoded {
    context.counters.layers.raw += 1;
    let Some(fields) = header::<20>(data, 0) else {
        return Err(packet.invalid(DecodeEvent::Ipv4PktTooSmall));
    };
    match fields[0] >> 4 {
        4 => ipv4::decode(context, packet, data, 0),
        6 => ipv6::decode(context, packet, data, 0),
        _ => {
            packet.event(DecodeEvent::IprawInvalidIpVersion);
            Err(Failed)
        }
    }
}
