//! Flows that have ended.

use super::Event;
use super::envelope::{APP_PROTO, COMMON, FOLDED, ORIGIN};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "flow",
    doc: "a flow has ended",
    groups: &[COMMON, ORIGIN, RESPONSE, APP_PROTO, OWN, FOLDED],
};

/// What the other side said.
pub(super) const RESPONSE: &[Field] = &[
    u8("response_icmp_type", "type of the ICMP message of the other side"),
    u8("response_icmp_code", "code of the ICMP message of the other side"),
];

const OWN: &[Field] = &[
    object("flow", FLOW, "counts, times and end of the flow").always(),
    object("tcp", TCP, "the TCP session"),
];

const FLOW: &[Field] = &[
    u64("pkts_toserver", "packets of the client").always().ecs("source.packets"),
    u64("pkts_toclient", "packets of the server").always().ecs("destination.packets"),
    u64("bytes_toserver", "bytes of the client, with all headers").always().ecs("source.bytes"),
    u64("bytes_toclient", "bytes of the server, with all headers")
        .always()
        .ecs("destination.bytes"),
    object(
        "bypassed",
        &[
            u64("pkts_toserver", "packets of the client").always(),
            u64("pkts_toclient", "packets of the server").always(),
            u64("bytes_toserver", "bytes of the client").always(),
            u64("bytes_toclient", "bytes of the server").always(),
        ],
        "what of that was only counted",
    ),
    time("start", "time of the first packet").always().ecs("event.start"),
    time("end", "time of the last packet").always().ecs("event.end"),
    u64("age", "seconds between the two").always(),
    boolean("emergency", "it was ended early, for want of memory"),
    word("state", "new, established, closed or bypassed").always(),
    word("bypass", "who only counted it: local or capture"),
    word("reason", "why it ended: timeout, forced, shutdown or tcp_reuse").always(),
    boolean("alerted", "a rule alerted on it").always(),
    boolean("elephant", "it moved more than a rule or the configuration calls much"),
    word("action", "what became of it as a whole: drop, pass or accept"),
    field(
        "exception_policy",
        Kind::List(&Kind::Object(&[
            word("target", "what had failed").always(),
            word("policy", "what was done").always(),
        ])),
        "policies that were applied to it",
    ),
    u64("tx_cnt", "transactions on it"),
];

macro_rules! flags {
    ($($more:expr,)*) => {
        &[
            word("tcp_flags", "all flags seen, hexadecimal").always(),
            boolean("syn", "SYN was seen"),
            boolean("fin", "FIN was seen"),
            boolean("rst", "RST was seen"),
            boolean("psh", "PSH was seen"),
            boolean("ack", "ACK was seen"),
            boolean("urg", "URG was seen"),
            boolean("ecn", "ECE was seen"),
            boolean("cwr", "CWR was seen"),
            $($more,)*
        ]
    };
}

const TCP: &[Field] = flags! {
    word("tcp_flags_ts", "those of the client").always(),
    word("tcp_flags_tc", "those of the server").always(),
    word("state", "state of the session at the end"),
    boolean("ts_gap", "data of the client is missing"),
    boolean("tc_gap", "data of the server is missing"),
    u32("ts_max_regions", "most pieces of the client's data that waited for others"),
    u32("tc_max_regions", "most pieces of the server's data that waited for others"),
    u32("ts_urgent_oob_data", "bytes of urgent data of the client"),
    u32("tc_urgent_oob_data", "bytes of urgent data of the server"),
};

/// Flags of one direction.
pub(super) const TCP_HALF: &[Field] = flags! {};
