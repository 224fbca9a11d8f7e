//! Ethernet II.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::Packet;

const HEADER_LEN: usize = 14;

/// Decodes the Ethernet header at `at` and what follows it.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.ethernet += 1;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::EthernetPktTooSmall));
    };
    context.enter_layer(packet)?;
    packet.ethernet = Some(at as u32);
    let ethertype = u16::from_be_bytes([fields[12], fields[13]]);
    network::decode(context, packet, ethertype, data, at + HEADER_LEN);
    Ok(())
}
