//! Anomalies: something is not as its protocol has it.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN, PACKET, TX_ID};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event = Event {
    name: "anomaly",
    doc: "something is not as its protocol has it",
    groups: &[COMMON, ORIGIN, ON_PACKET, TX_ID, OWN, PACKET],
};

const OWN: &[Field] = &[object(
    "anomaly",
    &[
        word("app_proto", "protocol of the application").ecs("network.protocol"),
        word("type", "decode, stream or applayer").always(),
        word("event", "name of the event").always(),
        word("layer", "who found it: proto_parser or proto_detect"),
    ],
    "what is odd",
)
.always()];
