//! TCP packets and what they did to their session.

use super::Event;
use super::drop::STREAM_PACKET;
use super::envelope::{COMMON, DIRECTION, ON_PACKET, ORIGIN};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event = Event {
    name: "stream_tcp",
    doc: "a TCP packet and what it did to its session",
    groups: &[COMMON, ORIGIN, ON_PACKET, DIRECTION, OWN],
};

const OWN: &[Field] = &[object(
    "stream_tcp",
    &[
        object("packet", STREAM_PACKET, "the packet's headers").always(),
        object("session", SESSION, "the session after it").always(),
        words("events", "what was odd"),
        word("reason", "why it was dropped"),
    ],
    "the packet and its session",
)
.always()];

const SESSION: &[Field] = &[
    word("state", "state of the session").always(),
    word("pstate", "state before the packet, if that was another"),
    object("flags", FLAGS, "facts about the session").always(),
    object("client", SIDE, "the client's data").always(),
    object("server", SIDE, "the server's data").always(),
];

const FLAGS: &[Field] = &[words("flags", "their names").always()];

const SIDE: &[Field] = &[
    u32("isn", "first sequence number").always(),
    u32("next_seq", "next sequence number expected").always(),
    u32("last_ack", "last acknowledgement").always(),
    u32("next_win", "end of the window").always(),
    u32("base_seq", "first sequence number that is still held").always(),
    u32("window", "window, scaled").always(),
    u8("wscale", "scale of the window").always(),
    words("flags", "facts about the side's data").always(),
];
