//! What rules captured on a packet.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN};

pub(super) const EVENT: Event = Event {
    name: "metadata",
    doc: "rules captured variables on a packet",
    groups: &[COMMON, ORIGIN, ON_PACKET],
};
