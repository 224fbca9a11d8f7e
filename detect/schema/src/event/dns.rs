//! DNS messages.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "dns",
    doc: "a DNS message; each request and each response is one",
    groups: &[COMMON, ORIGIN, ON_PACKET, OBJECT],
};

/// In other records as well.
pub(super) const OBJECT: &[Field] = &[object("dns", MESSAGE, "the DNS message")];

const MESSAGE: &[Field] = &[
    u8("version", "form of this object: 3, or 2 if asked for").always(),
    word("type", "request or response; in version 2 query or answer").always(),
    u64("tx_id", "number of the transaction in its flow"),
    u16("id", "number that the client gave the question").always().ecs("dns.id"),
    word("flags", "flags of the header, hexadecimal"),
    boolean("qr", "it is a response"),
    boolean("aa", "the server has authority"),
    boolean("tc", "it is cut off"),
    boolean("rd", "recursion is asked for"),
    boolean("ra", "recursion is to be had"),
    boolean("z", "the reserved bit is set"),
    u8("opcode", "kind of question").always(),
    word("rcode", "response code by name, or by number").ecs("dns.response_code"),
    keyword("rrname", "name asked for; version 2 only"),
    word("rrtype", "type asked for; version 2 only"),
    field("queries", Kind::List(&Kind::Object(QUESTION)), "questions"),
    field("answers", RECORDS, "answers, each as it stands"),
    object("grouped", GROUPED, "values of the answers by type"),
    field("authorities", RECORDS, "who has authority"),
    field("additionals", RECORDS, "what was added"),
];

const QUESTION: &[Field] = &[
    keyword("rrname", "name asked for").always().ecs("dns.question.name"),
    boolean("rrname_truncated", "the name was too long"),
    word("rrtype", "type asked for").always().ecs("dns.question.type"),
];

const RECORDS: Kind = Kind::List(&Kind::Object(&[
    keyword("rrname", "name that it is about").always().ecs("dns.answers.name"),
    boolean("rrname_truncated", "the name was too long"),
    word("rrtype", "type of the record").always().ecs("dns.answers.type"),
    u32("ttl", "seconds that it may be kept").always().ecs("dns.answers.ttl"),
    keyword("rdata", "value as text").ecs("dns.answers.data"),
    boolean("rdata_truncated", "the value was too long"),
    object("soa", SOA, "start of authority"),
    object("srv", SRV, "place of a service"),
    object("sshfp", SSHFP, "fingerprint of an SSH key"),
    field("opt", Kind::List(&Kind::Object(OPTION)), "options of EDNS"),
]));

pub(super) const SOA: &[Field] = &[
    keyword("mname", "primary server").always(),
    keyword("rname", "mailbox of who is responsible").always(),
    u32("serial", "version of the zone").always(),
    u32("refresh", "seconds until a secondary asks again").always(),
    u32("retry", "seconds until it asks again after a failure").always(),
    u32("expire", "seconds after which the zone is no longer valid").always(),
    u32("minimum", "seconds that a negative answer may be kept").always(),
];

pub(super) const SRV: &[Field] = &[
    u16("priority", "the least goes first").always(),
    u16("weight", "share among those of one priority").always(),
    u16("port", "port of the service").always(),
    keyword("name", "host of the service").always(),
];

pub(super) const SSHFP: &[Field] = &[
    keyword("fingerprint", "the digest, hexadecimal").always(),
    u8("algo", "algorithm of the key").always(),
    u8("type", "algorithm of the digest").always(),
];

pub(super) const OPTION: &[Field] =
    &[u16("code", "which option").always(), keyword("data", "its bytes, hexadecimal").always()];

const GROUPED: &[Field] = &[
    keywords("A", "addresses of IPv4").ecs("dns.resolved_ip"),
    keywords("AAAA", "addresses of IPv6").ecs("dns.resolved_ip"),
    keywords("CNAME", "true names"),
    keywords("MX", "mail servers"),
    keywords("NS", "name servers"),
    keywords("NULL", "bytes"),
    keywords("PTR", "names of addresses"),
    field("SOA", Kind::List(&Kind::Object(SOA)), "starts of authority"),
    field("SRV", Kind::List(&Kind::Object(SRV)), "places of services"),
    field("SSHFP", Kind::List(&Kind::Object(SSHFP)), "fingerprints of SSH keys"),
    keywords("TXT", "texts"),
];
