//! Linux cooked captures, versions 1 and 2.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 16;
const HEADER_2_LEN: usize = 20;

/// Decodes a frame with a version 1 header: the ethertype closes it.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Decoded {
    context.counters.layers.sll += 1;
    let Some(fields) = header::<HEADER_LEN>(data, 0) else {
        return Err(packet.invalid(DecodeEvent::SllPktTooSmall));
    };
    context.enter_layer(packet)?;
    let ethertype = u16::from_be_bytes([fields[14], fields[15]]);
    network::decode(context, packet, ethertype, data, HEADER_LEN);
    Ok(())
}

/// Decodes a frame with a version 2 header: the ethertype opens it.
pub(crate) fn decode_version_2(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
) -> Decoded {
    context.counters.layers.sll2 += 1;
    let Some(fields) = header::<HEADER_2_LEN>(data, 0) else {
        return Err(packet.invalid(DecodeEvent::Sll2PktTooSmall));
    };
    context.enter_layer(packet)?;
    let ethertype = u16::from_be_bytes([fields[0], fields[1]]);
    network::decode(context, packet, ethertype, data, HEADER_2_LEN);
    Ok(())
}
