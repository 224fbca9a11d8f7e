//! ESP (RFC 4303): the security parameters index; the rest is encrypted.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::packet::{Packet, Transport};

const HEADER_LEN: usize = 8;

/// Decodes the header at `at`.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.esp += 1;
    context.enter_layer(packet)?;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::EspPktTooSmall));
    };
    let spi = u32::from_be_bytes([fields[0], fields[1], fields[2], fields[3]]);
    packet.transport = Transport::Esp { spi };
    packet.set_transport(at, HEADER_LEN, data.len());
    packet.flags.wants_flow = true;
    Ok(())
}
