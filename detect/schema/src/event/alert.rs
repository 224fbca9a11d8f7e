//! Alerts: a rule matched.

use super::envelope::{
    APP_PROTO, COMMON, DIRECTION, FOLDED, ON_PACKET, ORIGIN, PACKET, TX_ID, VERDICT, XFF,
};
use super::{Event, dns, fileinfo, http, mdns, ssh, tls};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "alert",
    doc: "a rule matched",
    groups: &[
        COMMON,
        ORIGIN,
        ON_PACKET,
        TX_ID,
        OWN,
        HTTP,
        tls::OBJECT,
        dns::OBJECT,
        mdns::OBJECT,
        ssh::OBJECT,
        APP_PROTO,
        DIRECTION,
        PACKET,
        VERDICT,
        XFF,
        FOLDED,
    ],
};

/// The rule.
pub(super) const RULE: &[Field] = &[
    word("action", "allowed or blocked").always(),
    u32("gid", "group of the rule").always(),
    u32("signature_id", "number of the rule").always().ecs("rule.id"),
    u32("rev", "revision of the rule").always().ecs("rule.version"),
    keyword("signature", "message of the rule").always().ecs("rule.name"),
    word("category", "class of the rule in words").always().ecs("rule.category"),
    u32("severity", "priority of the rule, 1 the most urgent").always().ecs("event.severity"),
    object("source", PLACE, "attacker, where the rule says who is attacked"),
    object("target", PLACE, "attacked, where the rule says who is"),
    keywords("references", "addresses of texts about it").ecs("rule.reference"),
    field(
        "metadata",
        Kind::Map(&Kind::List(&Kind::Keyword)),
        "metadata of the rule: values by key, the last one first",
    ),
    field("context", Kind::Map(&Kind::Any), "what the rule captured, and contexts of data sets"),
    text("rule", "text of the rule"),
];

const PLACE: &[Field] = &[ip("ip", "address").always(), u16("port", "port")];

const OWN: &[Field] = &[
    boolean("tx_guessed", "the transaction was chosen among several"),
    object("alert", RULE, "the rule and its verdict").always(),
    object("tunnel", TUNNEL, "the packet around the one that matched"),
    word("ts_progress", "state of the transaction's request"),
    word("tc_progress", "state of the transaction's response"),
    field("files", Kind::List(&Kind::Object(fileinfo::FILE)), "files of the transaction"),
    object("flow", FLOW, "the flow so far"),
    base64("payload", "data that matched"),
    text("payload_printable", "the same as text, with dots for what can't be printed"),
    u64("payload_length", "bytes of it"),
    u8("stream", "1 if the data is of the reassembled stream, otherwise 0"),
];

const HTTP: &[Field] = &[object("http", http::WITH_BODIES, "the HTTP transaction")];

const TUNNEL: &[Field] = &[
    ip("src_ip", "source address").always(),
    u16("src_port", "source port; 0 if there is none").always(),
    ip("dest_ip", "destination address").always(),
    u16("dest_port", "destination port; 0 if there is none").always(),
    word("proto", "IP protocol").always(),
    u8("depth", "how many tunnels are around the packet").always(),
    u64("pcap_cnt", "number of the packet in the capture"),
    word("pkt_src", "where the packet was had").always(),
];

const FLOW: &[Field] = &[
    u64("pkts_toserver", "packets of the client").always().ecs("source.packets"),
    u64("pkts_toclient", "packets of the server").always().ecs("destination.packets"),
    u64("bytes_toserver", "bytes of the client, with all headers").always().ecs("source.bytes"),
    u64("bytes_toclient", "bytes of the server, with all headers")
        .always()
        .ecs("destination.bytes"),
    time("start", "time of the first packet").always().ecs("event.start"),
    ip("src_ip", "address of the client").always().ecs("client.ip"),
    ip("dest_ip", "address of the server").always().ecs("server.ip"),
    u16("src_port", "port of the client").ecs("client.port"),
    u16("dest_port", "port of the server").ecs("server.port"),
];
