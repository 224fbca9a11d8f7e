//! Flows that have ended, one record for each direction.

use super::Event;
use super::envelope::{COMMON, FOLDED, ORIGIN};
use super::flow::{RESPONSE, TCP_HALF};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event = Event {
    name: "netflow",
    doc: "one direction of a flow that has ended",
    groups: &[COMMON, ORIGIN, RESPONSE, OWN, FOLDED],
};

const OWN: &[Field] = &[
    word("app_proto", "protocol of the application").ecs("network.protocol"),
    object(
        "netflow",
        &[
            u64("pkts", "packets").always().ecs("source.packets"),
            u64("bytes", "bytes, with all headers").always().ecs("source.bytes"),
            time("start", "time of the flow's first packet").always().ecs("event.start"),
            time("end", "time of the flow's last packet").always().ecs("event.end"),
            u64("age", "seconds between the two").always(),
            u8("min_ttl", "least time to live").always(),
            u8("max_ttl", "most time to live").always(),
            u64("tx_cnt", "transactions on the flow"),
        ],
        "counts and times",
    )
    .always(),
    object("tcp", TCP_HALF, "flags of the direction"),
];
