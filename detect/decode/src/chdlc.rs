//! Cisco HDLC.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 4;

/// Decodes a frame: address, control, ethertype.
pub(crate) fn decode(context: &mut Context, packet: &mut Packet<'_>, data: &[u8]) -> Decoded {
    context.counters.layers.chdlc += 1;
    let Some(fields) = header::<HEADER_LEN>(data, 0) else {
        return Err(packet.invalid(DecodeEvent::ChdlcPktTooSmall));
    };
    context.enter_layer(packet)?;
    let ethertype = u16::from_be_bytes([fields[2], fields[3]]);
    network::decode(context, packet, ethertype, data, HEADER_LEN);
    Ok(())
}
