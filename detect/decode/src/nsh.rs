//! Network service header (RFC 8300).

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ethernet, ipv4, ipv6, mpls};

const HEADER_LEN: usize = 8;
/// Length of a header with fixed-length context (metadata type 1), words.
const FIXED_CONTEXT_WORDS: usize = 6;

/// Decodes the header at `at` and what follows it.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.nsh += 1;
    context.enter_layer(packet)?;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::NshHeaderTooSmall));
    };
    let (version, words, metadata) = (h[0] >> 6, usize::from(h[1] & 0x3f), h[2] & 0x0f);
    let header_len = words * 4;
    if version != 0 {
        return Err(refuse(packet, DecodeEvent::NshUnsupportedVersion));
    }
    if header_len < HEADER_LEN || header_len >= data.len() - at {
        return Err(packet.invalid(DecodeEvent::NshBadHeaderLength));
    }
    match metadata {
        0 | 15 => return Err(refuse(packet, DecodeEvent::NshReservedType)),
        1 if words != FIXED_CONTEXT_WORDS => {
            return Err(packet.invalid(DecodeEvent::NshBadHeaderLength));
        }
        1 | 2 => {}
        _ => return Err(refuse(packet, DecodeEvent::NshUnsupportedType)),
    }
    let at = at + header_len;
    match h[3] {
        1 => ipv4::decode(context, packet, data, at),
        2 => ipv6::decode(context, packet, data, at),
        3 => ethernet::decode(context, packet, data, at),
        5 => mpls::decode(context, packet, data, at),
        _ => Err(refuse(packet, DecodeEvent::NshUnknownPayload)),
    }
}

fn refuse(packet: &mut Packet<'_>, event: DecodeEvent) -> Failed {
    packet.event(event);
    Failed
}
