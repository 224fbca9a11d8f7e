//! VN-tag (Cisco, 802.1Qbh).

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 6;

/// Decodes the tag at `at` and what follows it.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.vntag += 1;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::VntagHeaderTooSmall));
    };
    context.enter_layer(packet)?;
    let ethertype = u16::from_be_bytes([fields[4], fields[5]]);
    if network::decode(context, packet, ethertype, data, at + HEADER_LEN) {
        Ok(())
    } else {
        Err(packet.invalid(DecodeEvent::VntagUnknownType))
    }
}
