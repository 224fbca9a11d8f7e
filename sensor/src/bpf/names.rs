//! The words of filters: protocols, services and named numbers.

use super::Test;

/// A protocol word.
#[derive(Debug)]
pub(super) struct Protocol {
    pub(super) name: &'static str,
    pub(super) test: Test,
}

const fn types(name: &'static str, types: &'static [u16]) -> Protocol {
    Protocol { name, test: Test::EtherTypes(types) }
}

const fn number(name: &'static str, number: u8, version: Option<u8>) -> Protocol {
    Protocol { name, test: Test::Protocol(number, version) }
}

static PROTOCOLS: &[Protocol] = &[
    types("ether", &[]),
    types("link", &[]),
    types("ip", &[0x0800]),
    types("ip6", &[0x86dd]),
    types("arp", &[0x0806]),
    types("rarp", &[0x8035]),
    types("atalk", &[0x809b]),
    types("aarp", &[0x80f3]),
    types("decnet", &[0x6003]),
    types("lat", &[0x6004]),
    types("sca", &[0x6007]),
    types("moprc", &[0x6002]),
    types("mopdl", &[0x6001]),
    types("loopback", &[0x9000]),
    types("pppoed", &[0x8863]),
    number("tcp", 6, None),
    number("udp", 17, None),
    number("sctp", 132, None),
    number("icmp", 1, Some(4)),
    number("icmp6", 58, Some(6)),
    number("igmp", 2, Some(4)),
    number("igrp", 9, Some(4)),
    number("ah", 51, None),
    number("esp", 50, None),
    number("gre", 47, None),
    number("pim", 103, None),
    number("vrrp", 112, Some(4)),
    number("carp", 112, Some(4)),
];

/// Names of IP protocols that are no words by themselves.
static IP_PROTOCOLS: &[(&str, u8)] = &[
    ("ipencap", 4),
    ("egp", 8),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("l2tp", 115),
    ("udplite", 136),
];

static SERVICES: &[(&str, u16)] = &[
    ("echo", 7),
    ("discard", 9),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("nntp", 119),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("submission", 587),
    ("syslog", 514),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("mysql", 3306),
    ("ms-wbt-server", 3389),
    ("sip", 5060),
    ("postgresql", 5432),
];

/// Named offsets and values of libpcap (pcap-filter(7)).
static NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-multicastlistenerreportv2", 143),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// The protocol that a word names.
pub(super) fn protocol(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}

/// The number of an IP protocol.
pub(super) fn ip_protocol(name: &str) -> Option<u8> {
    match protocol(name).map(|protocol| &protocol.test) {
        Some(Test::Protocol(number, _)) => Some(*number),
        _ => IP_PROTOCOLS.iter().find(|(own, _)| *own == name).map(|(_, number)| *number),
    }
}

/// The port of a service.
pub(super) fn service(name: &str) -> Option<u16> {
    SERVICES.iter().find(|(own, _)| *own == name).map(|(_, port)| *port)
}

/// A number: decimal, hexadecimal, octal or by its name.
pub(super) fn value(name: &str) -> Option<u32> {
    match plain(name) {
        Some(value) => Some(value),
        None => NUMBERS.iter().find(|(own, _)| *own == name).map(|(_, value)| *value),
    }
}

/// A number in digits.
pub(super) fn plain(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}
