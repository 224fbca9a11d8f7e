//! Names of record types, return codes, events, buffers and numbers of DNS.

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec};

/// Family of the buffers.
pub const FAMILY: u8 = 2;

/// Record types by number, ascending.
#[rustfmt::skip]
const RRTYPES: &[(u16, &str)] = &[
    (1, "A"), (2, "NS"), (3, "MD"), (4, "MF"), (5, "CNAME"), (6, "SOA"), (7, "MB"), (8, "MG"),
    (9, "MR"), (10, "NULL"), (11, "WKS"), (12, "PTR"), (13, "HINFO"), (14, "MINFO"), (15, "MX"),
    (16, "TXT"), (17, "RP"), (18, "AFSDB"), (19, "X25"), (20, "ISDN"), (21, "RT"), (22, "NSAP"),
    (23, "NSAPPTR"), (24, "SIG"), (25, "KEY"), (26, "PX"), (27, "GPOS"), (28, "AAAA"), (29, "LOC"),
    (30, "NXT"), (33, "SRV"), (34, "ATMA"), (35, "NAPTR"), (36, "KX"), (37, "CERT"), (38, "A6"),
    (39, "DNAME"), (41, "OPT"), (42, "APL"), (43, "DS"), (44, "SSHFP"), (45, "IPSECKEY"),
    (46, "RRSIG"), (47, "NSEC"), (48, "DNSKEY"), (49, "DHCID"), (50, "NSEC3"), (51, "NSEC3PARAM"),
    (52, "TLSA"), (55, "HIP"), (59, "CDS"), (60, "CDNSKEY"), (65, "HTTPS"), (99, "SPF"),
    (249, "TKEY"), (250, "TSIG"), (254, "MAILA"), (255, "ANY"), (256, "URI"),
];

/// Name of a record type; none for those that are written as numbers.
pub(crate) fn rrtype_name(rrtype: u16) -> Option<&'static str> {
    let at = RRTYPES.binary_search_by_key(&rrtype, |(number, _)| *number).ok()?;
    RRTYPES.get(at).map(|(_, name)| *name)
}

const RCODES: &[&str] = &[
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

/// Name of a return code of the header.
pub(crate) fn rcode_name(rcode: u8) -> Option<&'static str> {
    RCODES.get(usize::from(rcode)).copied()
}

/// Protocol events; the place is the number.
pub const EVENTS: &[&str] = &[
    "malformed_data",
    "not_request",
    "not_response",
    "z_flag_set",
    "invalid_opcode",
    "name_too_long",
    "infinite_loop",
    "too_many_labels",
    "invalid_additionals",
    "invalid_authorities",
];

/// Numbers of the events.
pub(crate) mod event {
    pub(crate) const MALFORMED_DATA: u8 = 0;
    pub(crate) const NOT_REQUEST: u8 = 1;
    pub(crate) const NOT_RESPONSE: u8 = 2;
    pub(crate) const Z_FLAG_SET: u8 = 3;
    pub(crate) const INVALID_OPCODE: u8 = 4;
    pub(crate) const NAME_TOO_LONG: u8 = 5;
    pub(crate) const INFINITE_LOOP: u8 = 6;
    pub(crate) const TOO_MANY_LABELS: u8 = 7;
    pub(crate) const INVALID_ADDITIONALS: u8 = 8;
    pub(crate) const INVALID_AUTHORITIES: u8 = 9;
}

const PROTOCOLS: &[AppProto] = &[AppProto::Dns, AppProto::Doh2];

pub(crate) const QUERY: BufferId = BufferId::new(FAMILY, 0);
pub(crate) const QUERIES_RRNAME: BufferId = BufferId::new(FAMILY, 1);
pub(crate) const ANSWER_NAME: BufferId = BufferId::new(FAMILY, 2);
pub(crate) const ANSWERS_RRNAME: BufferId = BufferId::new(FAMILY, 3);
pub(crate) const AUTHORITIES_RRNAME: BufferId = BufferId::new(FAMILY, 4);
pub(crate) const ADDITIONALS_RRNAME: BufferId = BufferId::new(FAMILY, 5);
pub(crate) const RESPONSE_RRNAME: BufferId = BufferId::new(FAMILY, 6);

const fn names(
    id: BufferId,
    name: &'static str,
    aliases: &'static [&'static str],
    directions: (Option<u8>, Option<u8>),
    doc: &'static str,
) -> BufferSpec {
    BufferSpec {
        id,
        name,
        aliases,
        modifier: "",
        pcre_letter: '\0',
        protocols: PROTOCOLS,
        to_server: directions.0,
        to_client: directions.1,
        multi: true,
        streaming: false,
        priority: 2,
        doc,
    }
}

const BOTH: (Option<u8>, Option<u8>) = (Some(1), Some(1));
const SERVER: (Option<u8>, Option<u8>) = (Some(1), None);
const CLIENT: (Option<u8>, Option<u8>) = (None, Some(1));

/// Buffers.
pub const BUFFERS: &[BufferSpec] = &[
    names(QUERY, "dns.query", &["dns_query"], SERVER, "names asked for by requests"),
    names(QUERIES_RRNAME, "dns.queries.rrname", &["dns.query.name"], BOTH, "names in questions"),
    names(ANSWER_NAME, "dns.answer.name", &[], BOTH, "owner names of answers"),
    names(ANSWERS_RRNAME, "dns.answers.rrname", &[], BOTH, "owner names of answers"),
    names(AUTHORITIES_RRNAME, "dns.authorities.rrname", &[], BOTH, "owner names of authorities"),
    names(ADDITIONALS_RRNAME, "dns.additionals.rrname", &[], BOTH, "owner names of additionals"),
    names(RESPONSE_RRNAME, "dns.response.rrname", &[], CLIENT, "all names in a response"),
];

pub(crate) const OPCODE: NumberId = NumberId::new(FAMILY, 0);
pub(crate) const RCODE: NumberId = NumberId::new(FAMILY, 1);
pub(crate) const RRTYPE: NumberId = NumberId::new(FAMILY, 2);

const fn number(
    id: NumberId,
    name: &'static str,
    multi: bool,
    bits: u8,
    names: &'static [(&'static str, u64)],
    doc: &'static str,
) -> NumberSpec {
    NumberSpec {
        id,
        name,
        aliases: &[],
        protocols: PROTOCOLS,
        to_server: Some(1),
        to_client: Some(1),
        multi,
        bits,
        names,
        doc,
    }
}

#[rustfmt::skip]
const RCODE_NAMES: &[(&str, u64)] = &[
    ("NOERROR", 0), ("FORMERR", 1), ("SERVFAIL", 2), ("NXDOMAIN", 3), ("NOTIMP", 4),
    ("REFUSED", 5), ("YXDOMAIN", 6), ("YXRRSET", 7), ("NXRRSET", 8), ("NOTAUTH", 9),
    ("NOTZONE", 10), ("BADVERS", 16), ("BADSIG", 16), ("BADKEY", 17), ("BADTIME", 18),
    ("BADMODE", 19), ("BADNAME", 20), ("BADALG", 21), ("BADTRUNC", 22),
];

const RRTYPE_NAMES: &[(&str, u64)] = &{
    let mut names = [("", 0); RRTYPES.len()];
    let mut at = 0;
    while at < RRTYPES.len() {
        names[at] = (RRTYPES[at].1, RRTYPES[at].0 as u64);
        at += 1;
    }
    names
};

/// Numbers.
pub const NUMBERS: &[NumberSpec] = &[
    number(OPCODE, "dns.opcode", false, 8, &[], "operation code of the header"),
    number(RCODE, "dns.rcode", false, 16, RCODE_NAMES, "return code of the header"),
    number(RRTYPE, "dns.rrtype", true, 16, RRTYPE_NAMES, "types of questions or answers"),
];
