//! ARP packets.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event =
    Event { name: "arp", doc: "an ARP packet", groups: &[COMMON, ORIGIN, ON_PACKET, OWN] };

const OWN: &[Field] = &[object(
    "arp",
    &[
        word("hw_type", "kind of hardware addresses").always(),
        word("proto_type", "kind of network addresses").always(),
        word("opcode", "request, reply, or their reverse").always(),
        keyword("src_mac", "hardware address of the sender").always().ecs("source.mac"),
        ip("src_ip", "network address of the sender").always().ecs("source.ip"),
        keyword("dest_mac", "hardware address of the target").always().ecs("destination.mac"),
        ip("dest_ip", "network address of the target").always().ecs("destination.ip"),
    ],
    "the packet's contents",
)
.always()];
