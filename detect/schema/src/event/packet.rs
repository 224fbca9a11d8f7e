//! Packets that a rule's tag asked for.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN, PACKET};

pub(super) const EVENT: Event = Event {
    name: "packet",
    doc: "a packet after an alert whose rule tags what follows",
    groups: &[COMMON, ORIGIN, ON_PACKET, PACKET],
};
