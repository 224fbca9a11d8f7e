//! ERSPAN types I and II (Cisco): mirrored Ethernet frames in GRE.

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{ethernet, vlan};

const HEADER_LEN: usize = 8;
const VERSION_TYPE_2: u16 = 1;
const VLAN_MASK: u16 = 0x0fff;

/// Decodes type I, which has no header of its own.
pub(crate) fn decode_type_1(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.erspan += 1;
    context.enter_layer(packet)?;
    ethernet::decode(context, packet, data, at)
}

/// Decodes type II; the identifier of the VLAN that was mirrored becomes the frame's.
pub(crate) fn decode_type_2(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.erspan += 1;
    context.enter_layer(packet)?;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(refuse(packet, DecodeEvent::ErspanHeaderTooSmall));
    };
    let word = u16::from_be_bytes([h[0], h[1]]);
    if word >> 12 != VERSION_TYPE_2 {
        return Err(refuse(packet, DecodeEvent::ErspanUnsupportedVersion));
    }
    let id = word & VLAN_MASK;
    if id > 0 && !vlan::push_id(packet, id) {
        return Err(refuse(packet, DecodeEvent::ErspanTooManyVlanLayers));
    }
    ethernet::decode(context, packet, data, at + HEADER_LEN)
}

fn refuse(packet: &mut Packet<'_>, event: DecodeEvent) -> Failed {
    packet.event(event);
    Failed
}
