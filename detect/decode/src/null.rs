//! BSD loopback: four bytes with the address family.

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ipv4, ipv6};

const HEADER_LEN: usize = 4;

/// Decodes a frame. The family is in the order of the host that captured it, taken for ours.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Decoded {
    context.counters.layers.null += 1;
    let Some(fields) = header::<HEADER_LEN>(data, 0) else {
        return Err(packet.invalid(DecodeEvent::LtnullPktTooSmall));
    };
    match u32::from_ne_bytes(*fields) {
        2 => ipv4::decode(context, packet, data, HEADER_LEN),
        // The systems disagree about the number of AF_INET6.
        10 | 23 | 24 | 26 | 28 | 30 => ipv6::decode(context, packet, data, HEADER_LEN),
        _ => {
            packet.event(DecodeEvent::LtnullUnsupportedType);
            Err(Failed)
        }
    }
}
