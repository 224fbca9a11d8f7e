//! SCTP (RFC 9260): ports and verification tag; chunks are payload.

use crate::context::{Context, Decoded, header};
use crate::event::DecodeEvent;
use crate::packet::{Packet, Transport};

const HEADER_LEN: usize = 12;

/// Decodes the header at `at`.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.sctp += 1;
    let Some(fields) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::SctpPktTooSmall));
    };
    packet.src_port = u16::from_be_bytes([fields[0], fields[1]]);
    packet.dst_port = u16::from_be_bytes([fields[2], fields[3]]);
    let tag = u32::from_be_bytes([fields[4], fields[5], fields[6], fields[7]]);
    packet.transport = Transport::Sctp { tag };
    packet.set_transport(at, HEADER_LEN, data.len());
    packet.flags.wants_flow = true;
    Ok(())
}
