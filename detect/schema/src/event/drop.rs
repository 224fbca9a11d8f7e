//! Drops: inline mode stopped a packet.

use super::Event;
use super::alert::RULE;
use super::envelope::{COMMON, DIRECTION, ON_PACKET, ORIGIN, VERDICT};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event = Event {
    name: "drop",
    doc: "inline mode stopped a packet",
    groups: &[COMMON, ORIGIN, ON_PACKET, DIRECTION, OWN, VERDICT],
};

const OWN: &[Field] = &[
    object("drop", DROP, "the packet's headers and why it was dropped").always(),
    object("alert", RULE, "the rule that dropped it"),
];

macro_rules! headers {
    ($($more:expr,)*) => {
        &[
            u32("len", "length that the IP header says"),
            u8("tos", "type of service, IPv4"),
            u8("ttl", "time to live, IPv4"),
            u32("ipid", "identification, IPv4"),
            u8("tc", "traffic class, IPv6"),
            u8("hoplimit", "hop limit, IPv6"),
            u32("flowlbl", "flow label, IPv6"),
            u32("tcpseq", "sequence number"),
            u32("tcpack", "acknowledgement number"),
            u16("tcpwin", "window, not scaled"),
            boolean("syn", "SYN is set"),
            boolean("ack", "ACK is set"),
            boolean("psh", "PSH is set"),
            boolean("rst", "RST is set"),
            boolean("urg", "URG is set"),
            boolean("fin", "FIN is set"),
            u8("tcpres", "reserved bits"),
            u16("tcpurgp", "urgent pointer"),
            u16("udplen", "length that the UDP header says"),
            u16("icmp_id", "identifier of an echo"),
            u16("icmp_seq", "sequence number of an echo"),
            $($more,)*
        ]
    };
}

const DROP: &[Field] = headers! {
    word("reason", "why it was dropped").always(),
};

/// Headers of a TCP packet and what it did to its session.
pub(super) const STREAM_PACKET: &[Field] = headers! {
    words("flags", "why there is a record: event_set, state_update, spurious_retransmission")
        .always(),
};
