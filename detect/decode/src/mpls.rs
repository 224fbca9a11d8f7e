//! MPLS (RFC 3032, 4385): a stack of labels before a packet of the same frame.

use crate::context::{Context, Decoded, Failed, be32, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ethernet, ipv4, ipv6};

const LABEL_LEN: usize = 4;
const BOTTOM: u32 = 0x100;
const LABEL_SHIFT: u32 = 12;
/// What must follow the stack so that the payload can be told.
const LEAST_PAYLOAD: usize = 4;
/// Control word of a pseudowire (RFC 4385).
const CONTROL_WORD_LEN: usize = 4;

/// Decodes the label stack at `at` and what follows it.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    mut at: usize,
) -> Decoded {
    context.counters.layers.mpls += 1;
    context.enter_layer(packet)?;
    let label = loop {
        let Some(word) = be32(data, at) else {
            return Err(packet.invalid(DecodeEvent::MplsHeaderTooSmall));
        };
        at += LABEL_LEN;
        if word & BOTTOM != 0 {
            break word >> LABEL_SHIFT;
        }
    };
    let Some(payload) = header::<LEAST_PAYLOAD>(data, at) else {
        return Err(packet.invalid(DecodeEvent::MplsPktTooSmall));
    };
    let bad_label = match label {
        0 => return ipv4::decode(context, packet, data, at),
        2 => return ipv6::decode(context, packet, data, at),
        1 => DecodeEvent::MplsBadLabelRouterAlert,
        3 => DecodeEvent::MplsBadLabelImplicitNull,
        4..=14 => DecodeEvent::MplsBadLabelReserved,
        _ => return guess(context, packet, payload[0] >> 4, data, at),
    };
    packet.event(bad_label);
    Err(Failed)
}

/// An ordinary label says nothing of its payload; the first nibble tells.
fn guess(
    context: &mut Context,
    packet: &mut Packet<'_>,
    nibble: u8,
    data: &[u8],
    at: usize,
) -> Decoded {
    match nibble {
        4 => ipv4::decode(context, packet, data, at),
        6 => ipv6::decode(context, packet, data, at),
        0 => ethernet::decode(context, packet, data, at + CONTROL_WORD_LEN),
        _ => Err(packet.invalid(DecodeEvent::MplsUnknownPayloadType)),
    }
}
