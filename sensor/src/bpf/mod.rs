//! Filter expressions as for libpcap, evaluated on frames of a replay.
//!
//! `parse` makes a tree from words, `frame` takes a frame apart, this file asks one of the other.

mod frame;
mod parse;

pub(crate) use parse::ParseError;

use std::net::IpAddr;

use frame::Facts;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    root: Expression,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// The expressions after it look behind one VLAN tag more.
    Vlan(Option<u16>),
    Test(Test),
}

/// Which end a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Any of these EtherTypes.
    EtherTypes(&'static [u16]),
    /// The IP protocol, with the IP version if one is asked for.
    Protocol(u8, Option<u8>),
    /// An address, or a network by the length of its prefix.
    Network(End, IpAddr, u8),
    /// A range of ports, with the transport if one is asked for.
    Ports(End, u16, u16, Option<u8>),
    /// A hardware address.
    Hardware(End, [u8; 6]),
    /// Length in bytes: no more (true) or no less than.
    Length(bool, u32),
    Broadcast,
    Multicast,
}

impl Filter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text).map(|root| Self { root })
    }

    /// Whether a frame passes.
    pub(crate) fn passes(&self, link_type: u16, bytes: &[u8], wire_len: u32) -> bool {
        let mut facts = Facts::of(link_type, bytes);
        facts.wire_len = wire_len;
        self.root.holds(&mut facts)
    }
}

impl Expression {
    fn holds(&self, facts: &mut Facts<'_>) -> bool {
        match self {
            Self::Not(inner) => !inner.holds(facts),
            Self::And(left, right) => left.holds(facts) && right.holds(facts),
            Self::Or(left, right) => left.holds(facts) || right.holds(facts),
            Self::Vlan(wanted) => facts.enter_vlan(*wanted),
            Self::Test(test) => test.holds(facts),
        }
    }
}

impl Test {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match *self {
            Self::EtherTypes(types) => types.contains(&facts.ether_type),
            Self::Protocol(protocol, version) => {
                facts.protocol == Some(protocol)
                    && version.is_none_or(|version| facts.version == version)
            }
            Self::Network(end, address, length) => {
                let fits =
                    |own: Option<IpAddr>| own.is_some_and(|own| within(own, address, length));
                end.of(fits(facts.source), fits(facts.destination))
            }
            Self::Ports(end, first, last, transport) => {
                let right = match transport {
                    Some(transport) => facts.protocol == Some(transport),
                    None => matches!(facts.protocol, Some(6 | 17 | 132)),
                };
                let fits = |port: u16| (first..=last).contains(&port);
                right
                    && facts.ports.is_some_and(|(source, destination)| {
                        end.of(fits(source), fits(destination))
                    })
            }
            Self::Hardware(end, address) => {
                let fits = |own: Option<&[u8; 6]>| own == Some(&address);
                end.of(fits(facts.source_mac), fits(facts.destination_mac))
            }
            Self::Length(at_most, length) => match at_most {
                true => facts.wire_len <= length,
                false => facts.wire_len >= length,
            },
            Self::Broadcast => facts.destination_mac == Some(&[0xff; 6]),
            Self::Multicast => facts.destination_mac.is_some_and(|mac| mac[0] & 1 != 0),
        }
    }
}

impl End {
    const fn of(self, source: bool, destination: bool) -> bool {
        match self {
            Self::Source => source,
            Self::Destination => destination,
            Self::Either => source || destination,
            Self::Both => source && destination,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let bits = |difference: u128, width: u32| {
        let kept = width.saturating_sub(u32::from(length));
        difference.checked_shr(kept).unwrap_or(0) == 0
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => bits(u128::from(a.to_bits() ^ n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => bits(a.to_bits() ^ n.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, with or without VLAN tag 5, IPv4 10.0.0.1 to 192.0.2.7, protocol and ports.
    fn frame(vlan: bool, protocol: u8, ports: (u16, u16)) -> Vec<u8> {
        let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
        if vlan {
            frame.extend([0x81, 0, 0, 5]);
        }
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([10, 0, 0, 1, 192, 0, 2, 7]);
        frame.extend(ports.0.to_be_bytes());
        frame.extend(ports.1.to_be_bytes());
        frame.extend([0; 16]);
        frame
    }

    #[test]
    fn filters_pass_what_they_say() {
        #[track_caller]
        fn check(text: &str, bytes: &[u8], expected: bool) {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.passes(1, bytes, bytes.len() as u32), expected, "{text}");
        }
        let tcp = frame(false, 6, (40_000, 80));
        let udp = frame(false, 17, (53, 5353));
        let tagged = frame(true, 6, (40_000, 80));
        for text in [
            "",
            "tcp",
            "ip",
            "ip and tcp",
            "ip6 or tcp",
            "not udp",
            "!udp",
            "tcp port 80",
            "port 80",
            "dst port 80",
            "tcp dst port http",
            "portrange 70-90",
            "host 10.0.0.1",
            "src host 10.0.0.1",
            "src 10.0.0.1 and dst 192.0.2.7",
            "net 10.0.0.0/8",
            "src net 10",
            "net 192.0.2",
            "dst net 192.0.2.0 mask 255.255.255.0",
            "ip proto 6",
            "proto \\tcp",
            "(udp or tcp) and not port 53",
            "host 10.0.0.9 or 10.0.0.1",
            "port 1 or 80",
            "ether host 02:00:00:00:00:01",
            "ether proto \\ip",
            "less 100 && greater 20",
            "not (vlan or arp)",
        ] {
            check(text, &tcp, true);
        }
        for text in [
            "udp",
            "ip6",
            "src port 80",
            "host 10.0.0.2",
            "port 81",
            "net 11.0.0.0/8",
            "vlan",
            "arp",
            "icmp",
            "src and dst port 80",
            "broadcast",
            "greater 1000",
            "udp port 80",
        ] {
            check(text, &tcp, false);
        }
        check("udp and port 53", &udp, true);
        check("port domain", &udp, true);
        check("vlan", &tagged, true);
        check("vlan 5 and tcp port 80", &tagged, true);
        check("vlan 6", &tagged, false);
        check("tcp", &tagged, false);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in [
            "tcp and",
            "(tcp",
            "tcp)",
            "port",
            "port 70000",
            "frobnicate",
            "host nosuch.invalid",
            "net 1.2.3.4/40",
            "tcp[13] & 2 != 0",
            "and tcp",
            "not",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        let deep = format!("{}tcp{}", "(".repeat(5000), ")".repeat(5000));
        assert!(Filter::parse(&deep).is_err());
    }

    #[test]
    fn broken_frames_do_no_harm() {
        let filter = Filter::parse("tcp port 80 or vlan and host 10.0.0.1").unwrap();
        let whole = frame(true, 6, (1, 2));
        for length in 0..whole.len() {
            for link in [0, 1, 9, 101, 104, 113, 228, 229, 276, 9999] {
                filter.passes(link, &whole[..length], 60);
            }
        }
    }
}
