//! Provider backbone bridging (IEEE 802.1ah): customer frame behind an I-tag.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

/// Flags and service identifier, customer addresses, ethertype.
const HEADER_LEN: usize = 18;

/// Decodes the header at `at` and what follows it.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.ieee8021ah += 1;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::Ieee8021ahHeaderTooSmall));
    };
    context.enter_layer(packet)?;
    let ethertype = u16::from_be_bytes([fields[16], fields[17]]);
    network::decode(context, packet, ethertype, data, at + HEADER_LEN);
    Ok(())
}
