//! Messages of multicast DNS.

use super::Event;
use super::dns::{OPTION, SOA, SRV, SSHFP};
use super::envelope::{COMMON, ON_PACKET, ORIGIN};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "mdns",
    doc: "a message of multicast DNS",
    groups: &[COMMON, ORIGIN, ON_PACKET, OBJECT],
};

/// In other records as well.
pub(super) const OBJECT: &[Field] = &[object("mdns", MESSAGE, "the message of multicast DNS")];

const MESSAGE: &[Field] = &[
    word("type", "request or response").always(),
    u16("id", "number of the message").always().ecs("dns.id"),
    words("flags", "names of the flags that are set"),
    u8("opcode", "kind of question").always(),
    u8("rcode", "response code").always(),
    field("queries", Kind::List(&Kind::Object(QUESTION)), "questions"),
    field("answers", RECORDS, "answers"),
    field("authorities", RECORDS, "who has authority"),
    field("additionals", RECORDS, "what was added"),
];

const QUESTION: &[Field] = &[
    keyword("rrname", "name asked for").always().ecs("dns.question.name"),
    boolean("rrname_truncated", "the name was too long"),
    word("rrtype", "type asked for, in small letters").always().ecs("dns.question.type"),
];

/// The value stands under the type's name or number.
const RECORDS: Kind = Kind::List(&Kind::Open(
    &[
        keyword("rrname", "name that it is about").always().ecs("dns.answers.name"),
        boolean("rrname_truncated", "the name was too long"),
        keyword("a", "address of IPv4"),
        keyword("aaaa", "address of IPv6"),
        keyword("cname", "true name"),
        keyword("mx", "mail server"),
        keyword("ns", "name server"),
        keyword("null", "bytes"),
        keyword("ptr", "name of an address or service"),
        keywords("txt", "texts"),
        object("soa", SOA, "start of authority"),
        object("srv", SRV, "place of a service"),
        object("sshfp", SSHFP, "fingerprint of an SSH key"),
        field("opt", Kind::List(&Kind::Object(OPTION)), "options of EDNS"),
    ],
    &Kind::Keyword,
));
