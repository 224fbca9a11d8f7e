//! Cisco FabricPath/DCE: two bytes before another Ethernet header.

use crate::context::{Context, Decoded, header};
use crate::ethernet;
use crate::event::DecodeEvent;
use crate::packet::Packet;

const TAG_LEN: usize = 2;
const MIN_LEN: usize = TAG_LEN + 14;

/// Decodes the header at `at`; it counts as no layer of its own.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    if header::<MIN_LEN>(data, at).is_none() {
        return Err(packet.invalid(DecodeEvent::DcePktTooSmall));
    }
    ethernet::decode(context, packet, data, at + TAG_LEN)
}
