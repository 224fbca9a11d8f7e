//! What records of several types share: time, origin, endpoints, options of the output.

use crate::field::make::*;
use crate::field::{Field, Kind};

/// In every record.
pub(super) const COMMON: &[Field] = &[
    time("timestamp", "when it happened, by the clock of the capture").always().ecs("@timestamp"),
    word("event_type", "type of the record").always(),
    word("host", "name of the sensor, if it has one").ecs("observer.name"),
    u64("sample_weight", "for so many records it stands, since others were left out at random"),
];

/// In records that may be folded into one.
pub(super) const FOLDED: &[Field] = &[object(
    "folded",
    &[
        u64("count", "how many records it was made of").always(),
        time("first", "time of the earliest of them").always(),
        time("last", "time of the latest of them").always(),
    ],
    "it stands for several records that say the same; by delivery to sinks",
)];

/// In records of packets and flows.
pub(super) const ORIGIN: &[Field] = &[
    u64("flow_id", "number of the flow, the same in all its records; 51 bits"),
    u64("sensor_id", "number of the sensor, if it has one"),
    word("in_iface", "interface that the packet came in on").ecs("observer.ingress.interface.name"),
    word("pcap_filename", "capture file that the packet is from"),
    field("vlan", Kind::List(&Kind::Unsigned(16)), "VLAN identifiers, outermost first")
        .ecs("network.vlan.id"),
    ip("src_ip", "source address").ecs("source.ip"),
    u16("src_port", "source port; TCP, UDP and SCTP").ecs("source.port"),
    ip("dest_ip", "destination address").ecs("destination.ip"),
    u16("dest_port", "destination port; TCP, UDP and SCTP").ecs("destination.port"),
    word("proto", "IP protocol by name, or by number").ecs("network.transport"),
    u8("ip_v", "version of IP: 4 or 6"),
    u8("icmp_type", "type of the ICMP message"),
    u8("icmp_code", "code of the ICMP message"),
    u32("spi", "security parameter index of ESP"),
    word("suricata_version", "version whose records these are, if asked for"),
    keyword("community_id", "hash of the endpoints that other tools compute alike")
        .ecs("network.community_id"),
    METADATA,
    object("traffic", TRAFFIC, "labels that rules put on the flow by name"),
    object("ether", ETHER, "hardware addresses"),
];

/// In records that a packet gave rise to.
pub(super) const ON_PACKET: &[Field] = &[
    u64("pcap_cnt", "number of the packet in the capture, from 1 on"),
    word("pkt_src", "where the packet was had: wire, tunnel, defragmentation, stream"),
];

/// Variables of flow and packet.
const METADATA: Field = object(
    "metadata",
    &[
        keywords("flowbits", "names of the bits set on the flow"),
        field("flowints", Kind::Map(&Kind::Unsigned(32)), "integers of the flow by name"),
        field("flowvars", VARIABLES, "variables of the flow, each an object with its name as key"),
        field("pktvars", VARIABLES, "variables of the packet, in the same form"),
        field("entropy", Kind::Map(&Kind::Float), "entropies that rules measured, by buffer"),
    ],
    "variables that rules set",
);

const VARIABLES: Kind = Kind::List(&Kind::Map(&Kind::Keyword));

const TRAFFIC: &[Field] = &[
    keywords("id", "from flow bits called traffic/id/..."),
    keywords("label", "from flow bits called traffic/label/..."),
];

const ETHER: &[Field] = &[
    u16("ether_type", "type of the frame's payload"),
    keyword("src_mac", "source of the packet's frame").ecs("source.mac"),
    keyword("dest_mac", "destination of the packet's frame").ecs("destination.mac"),
    keywords("src_macs", "sources of the flow's frames").ecs("source.mac"),
    keywords("dest_macs", "destinations of the flow's frames").ecs("destination.mac"),
];

/// Number of the transaction.
pub(super) const TX_ID: &[Field] =
    &[u64("tx_id", "number of the transaction in its flow, from 0 on")];

/// Direction.
pub(super) const DIRECTION: &[Field] = &[word("direction", "to_server or to_client")];

/// Protocol of the application and what it was before.
pub(super) const APP_PROTO: &[Field] = &[
    word("app_proto", "protocol of the application; failed if it could not be told")
        .ecs("network.protocol"),
    word("app_proto_ts", "that of the client's data, where it differs"),
    word("app_proto_tc", "that of the server's data, where it differs"),
    word("app_proto_orig", "that before the flow changed over"),
    word("app_proto_expected", "that which the flow was to change to"),
];

/// The client behind a proxy.
pub(super) const XFF: &[Field] =
    &[ip("xff", "address that a header of a proxy names").ecs("network.forwarded_ip")];

/// The packet's bytes.
pub(super) const PACKET: &[Field] = &[
    base64("packet", "the packet's bytes"),
    object(
        "packet_info",
        &[
            u16("linktype", "link type by libpcap's number").always(),
            word("linktype_name", "link type by libpcap's name").always(),
        ],
        "what the bytes are",
    ),
];

/// What became of the packet.
pub(super) const VERDICT: &[Field] = &[object(
    "verdict",
    &[
        word("action", "alert, pass or drop").always(),
        word("reject-target", "to whom a reject goes: to_client, to_server or both"),
        words("reject", "how it is rejected: tcp-reset or icmp-prohib"),
    ],
    "what became of the packet",
)];
