//! PPP over Ethernet (RFC 2516): discovery and session.

use crate::context::{Context, Decoded, be16, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::ppp;

const HEADER_LEN: usize = 6;

/// Codes of discovery: PADI, PADO, PADR, PADS, PADT.
const DISCOVERY_CODES: [u8; 5] = [0x09, 0x07, 0x19, 0x65, 0xa7];

/// Decodes a discovery packet at `at`.
pub(crate) fn decode_discovery(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.pppoe += 1;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::PppoePktTooSmall));
    };
    if !DISCOVERY_CODES.contains(&h[1]) {
        return Err(packet.invalid(DecodeEvent::PppoeWrongCode));
    }
    let tags_len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if tags_len > data.len() - at - HEADER_LEN {
        return Err(packet.invalid(DecodeEvent::PppoeMalformedTags));
    }
    Ok(())
}

/// Decodes a session packet at `at` and the PPP packet in it.
pub(crate) fn decode_session(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.pppoe += 1;
    let protocol_at = at + HEADER_LEN;
    let Some(&first) = data.get(protocol_at) else {
        return Err(packet.invalid(DecodeEvent::PppoePktTooSmall));
    };
    if ppp::is_compressed(first) {
        return ppp::decode_compressed(context, packet, first, data, protocol_at + 1);
    }
    match be16(data, protocol_at) {
        Some(protocol) => ppp::decode_protocol(context, packet, protocol, data, protocol_at + 2),
        None => Err(packet.invalid(DecodeEvent::PppoePktTooSmall)),
    }
}
