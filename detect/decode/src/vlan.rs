//! VLAN tags (IEEE 802.1Q and 802.1ad), up to three of them.

use crate::context::{Context, Decoded, Failed, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 4;
const ID_MASK: u16 = 0x0fff;

/// Decodes the tag at `at` and what follows it.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    let counters = &mut context.counters.layers;
    match packet.vlan.count {
        0 => counters.vlan += 1,
        1 => counters.vlan_qinq += 1,
        2 => counters.vlan_qinqinq += 1,
        _ => {}
    }
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::VlanHeaderTooSmall));
    };
    context.enter_layer(packet)?;
    let tag = u16::from_be_bytes([fields[0], fields[1]]);
    if !push_id(packet, tag & ID_MASK) {
        packet.event(DecodeEvent::VlanTooManyLayers);
        return Err(Failed);
    }
    let ethertype = u16::from_be_bytes([fields[2], fields[3]]);
    if network::decode(context, packet, ethertype, data, at + HEADER_LEN) {
        Ok(())
    } else {
        Err(packet.invalid(DecodeEvent::VlanUnknownType))
    }
}

/// Adds an identifier; false if there are three already.
pub(crate) fn push_id(packet: &mut Packet<'_>, id: u16) -> bool {
    match packet.vlan.ids.get_mut(usize::from(packet.vlan.count)) {
        Some(slot) => {
            *slot = id;
            packet.vlan.count += 1;
            true
        }
        None => false,
    }
}
