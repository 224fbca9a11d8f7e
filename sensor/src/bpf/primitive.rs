//! The tests of a filter: `host`, `net`, `port`, `proto` with what stands before them, and others.

use std::net::{IpAddr, Ipv4Addr};

use super::lexer::Token;
use super::names::{self, Protocol};
use super::parse::{Parser, Result, refuse};
use super::{End, Expression, Test};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
const RARP: u16 = 0x8035;

/// What stands before a value, and holds for values that follow without any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    end: Option<End>,
    protocol: Option<&'static Protocol>,
    what: Option<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

impl<'t> Parser<'t> {
    /// One test, or several values of one kind.
    pub(super) fn primitive(&mut self, depth: usize) -> Result<Expression> {
        if let Some(test) = self.special()? {
            return Ok(test);
        }
        let start = self.at;
        let kind = self.qualifiers();
        if let (Some(protocol), None, None) = (kind.protocol, kind.end, kind.what) {
            return self.bare(protocol);
        }
        if self.at > start {
            self.kind = kind;
        }
        if self.at > start && self.accept("(") {
            let inner = self.chain(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.at > start && self.accept("!") {
            let inner = self.value()?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        self.value()
    }

    /// Words that take no qualifiers.
    fn special(&mut self) -> Result<Option<Expression>> {
        let Some(Token::Word(word)) = self.peek() else { return Ok(None) };
        let layers = self.layers;
        let test = match word {
            "vlan" | "mpls" | "pppoes" => {
                self.at += 1;
                self.encapsulation(word)?
            }
            "less" | "greater" => {
                self.at += 1;
                let text = self.take("a length")?;
                match names::plain(text) {
                    Some(length) => Test::Length(word == "less", length),
                    None => return refuse(format!("filter expression: bad length \"{text}\"")),
                }
            }
            "broadcast" => {
                self.at += 1;
                Test::LinkBroadcast
            }
            "multicast" => {
                self.at += 1;
                Test::LinkMulticast
            }
            _ => return Ok(None),
        };
        Ok(Some(Expression::Test(layers, test)))
    }

    /// What follows looks behind the header that is tested here, as in libpcap.
    fn encapsulation(&mut self, word: &str) -> Result<Test> {
        let number = match self.peek() {
            Some(Token::Word(text)) => names::plain(text),
            _ => None,
        };
        self.at += usize::from(number.is_some());
        let most = match word {
            "vlan" => 0x0fff,
            "mpls" => 0x000f_ffff,
            _ => 0xffff,
        };
        if number.is_some_and(|number| number > most) {
            return refuse(format!("filter expression: number of \"{word}\" is above {most}"));
        }
        let layers = &mut self.layers;
        if word != "mpls" && (layers.labels > 0 || layers.pppoe) {
            return refuse(format!("filter expression: no \"{word}\" after mpls or pppoes"));
        }
        let short = number.and_then(|number| u16::try_from(number).ok());
        let (count, test) = match word {
            "vlan" => (&mut layers.vlans, Test::Vlan(short)),
            "mpls" => (&mut layers.labels, Test::Label(number)),
            _ => {
                layers.pppoe = true;
                return Ok(Test::Session(short));
            }
        };
        match count.checked_add(1) {
            Some(more) => *count = more,
            None => return refuse(format!("filter expression: too many \"{word}\"")),
        }
        Ok(test)
    }

    /// A protocol by itself, or `broadcast` and `multicast` of it.
    fn bare(&mut self, protocol: &'static Protocol) -> Result<Expression> {
        let name = protocol.name;
        let word = match self.peek() {
            Some(Token::Word(word @ ("broadcast" | "multicast"))) => Some(word),
            Some(token @ (Token::Word(_) | Token::Escaped(_))) => {
                return refuse(format!(
                    "syntax error in filter expression at \"{}\" after \"{name}\"",
                    token.text()
                ));
            }
            _ => None,
        };
        self.at += usize::from(word.is_some());
        let test = match (name, word) {
            ("ether" | "link", None) => return self.unexpected(&format!("a test of \"{name}\"")),
            (_, None) => protocol.test.clone(),
            ("ether" | "link", Some("broadcast")) => Test::LinkBroadcast,
            ("ether" | "link", Some(_)) => Test::LinkMulticast,
            ("ip", Some("broadcast")) => Test::Ip4Broadcast,
            ("ip", Some(_)) => Test::Ip4Multicast,
            ("ip6", Some("multicast")) => Test::Ip6Multicast,
            (_, Some(word)) => {
                return refuse(format!("filter expression: no \"{word}\" for \"{name}\""));
            }
        };
        self.test(test)
    }

    fn qualifiers(&mut self) -> Kind {
        let mut kind = Kind::default();
        if let Some(Token::Word(word)) = self.peek() {
            kind.protocol = names::protocol(word);
            self.at += usize::from(kind.protocol.is_some());
        }
        kind.end = self.end();
        if let Some(Token::Word(word)) = self.peek() {
            kind.what = match word {
                "host" => Some(What::Host),
                "net" => Some(What::Net),
                "port" => Some(What::Port),
                "portrange" => Some(What::PortRange),
                "proto" if kind.end.is_none() => Some(What::Proto),
                _ => None,
            };
            self.at += usize::from(kind.what.is_some());
        }
        kind
    }

    /// `src`, `dst`, `src or dst`, `src and dst`.
    fn end(&mut self) -> Option<End> {
        let (first, other) = match self.peek() {
            Some(Token::Word("src")) => (End::Source, "dst"),
            Some(Token::Word("dst")) => (End::Destination, "src"),
            _ => return None,
        };
        let second = self.peek_at(2) == Some(Token::Word(other));
        // `src and dst host x` is one qualifier, but `src a and dst b` never comes here so.
        let (end, length) = match self.peek_at(1) {
            Some(Token::Operator("||")) if second => (End::Either, 3),
            Some(Token::Operator("&&")) if second => (End::Both, 3),
            _ => (first, 1),
        };
        self.at += length;
        Some(end)
    }

    /// A value of the current kind.
    fn value(&mut self) -> Result<Expression> {
        let kind = self.kind;
        let end = kind.end.unwrap_or(End::Either);
        let test = match kind.what {
            Some(What::Proto) => return self.protocol_value(kind),
            Some(What::Port) => {
                let port = port(self.take("a port")?)?;
                Test::Ports(end, port, port, transport(kind)?)
            }
            Some(What::PortRange) => {
                let text = self.take("a range of ports")?;
                let (first, last) = range(text)?;
                Test::Ports(end, first.min(last), first.max(last), transport(kind)?)
            }
            Some(What::Host | What::Net) | None => self.address(kind, end)?,
        };
        self.test(test)
    }

    fn address(&mut self, kind: Kind, end: End) -> Result<Test> {
        let text = self.take("an address")?;
        let protocol = kind.protocol.map(|protocol| protocol.name);
        if let Some("ether" | "link") = protocol {
            if kind.what == Some(What::Net) {
                return refuse(format!("filter expression: no \"net\" for \"ether\" (\"{text}\")"));
            }
            return match hardware(text) {
                Some(address) => Ok(Test::Hardware(end, address)),
                None => refuse(format!("\"{text}\" is no hardware address")),
            };
        }
        let types: &'static [u16] = match protocol {
            None => &[IPV4, ARP, RARP],
            Some("ip") => &[IPV4],
            Some("arp") => &[ARP],
            Some("rarp") => &[RARP],
            Some("ip6") => &[],
            Some(name) => {
                return refuse(format!("'{name}' modifier applied to host or net \"{text}\""));
            }
        };
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) if matches!(protocol, None | Some("ip6")) => {
                self.network6(kind, end, text, address.to_bits())
            }
            Ok(IpAddr::V6(_)) => refuse(format!("\"{text}\" is no IPv4 address")),
            _ => self.network4(kind, end, text, types),
        }
    }

    /// `10.1.2.3`, `10.1`, `10.1.0.0/16`, `10.1.0.0 mask 255.255.0.0`.
    fn network4(
        &mut self,
        kind: Kind,
        end: End,
        text: &str,
        types: &'static [u16],
    ) -> Result<Test> {
        let Some((address, natural)) = partial(text) else {
            return match (kind.what, hardware(text)) {
                (_, Some(_)) => {
                    refuse(format!("hardware address \"{text}\" needs \"ether\" before it"))
                }
                (Some(What::Net), _) => refuse(format!("unknown network '{text}'")),
                (Some(_), _) => refuse(format!("unknown host '{text}'")),
                (None, _) => refuse(format!("\"{text}\" is not supported in filter expressions")),
            };
        };
        if types.is_empty() {
            return refuse(format!("\"{text}\" is no IPv6 address"));
        }
        let given = match self.prefix(kind, text, 32)? {
            Some(length) => Some(prefix_mask(length)),
            None if self.accept_word("mask") => {
                let mask = self.take("a mask")?;
                match mask.parse::<Ipv4Addr>() {
                    Ok(address) if kind.what == Some(What::Net) => Some(address.to_bits()),
                    Ok(_) => return refuse(format!("mask syntax for networks only ({mask})")),
                    Err(_) => return refuse(format!("filter expression: bad mask \"{mask}\"")),
                }
            }
            None => None,
        };
        let mask = given.unwrap_or_else(|| prefix_mask(natural));
        if address & !mask != 0 {
            return refuse(format!("non-network bits set in \"{text}\""));
        }
        Ok(Test::Network4(end, address, mask, types))
    }

    fn network6(&mut self, kind: Kind, end: End, text: &str, address: u128) -> Result<Test> {
        let length = self.prefix(kind, text, 128)?.unwrap_or(128);
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
        if address & !mask != 0 {
            return refuse(format!("non-network bits set in \"{text}/{length}\""));
        }
        Ok(Test::Network6(end, address, mask))
    }

    fn prefix(&mut self, kind: Kind, text: &str, most: u32) -> Result<Option<u32>> {
        if !self.accept("/") {
            return Ok(None);
        }
        let length = self.take("a prefix length")?;
        if kind.what != Some(What::Net) {
            return refuse(format!("mask syntax for networks only (\"{text}/{length}\")"));
        }
        match length.parse() {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => refuse(format!("bad prefix length in \"{text}/{length}\"")),
        }
    }

    fn protocol_value(&mut self, kind: Kind) -> Result<Expression> {
        let name = self.take("a protocol")?;
        let number = names::plain(name);
        let version = match kind.protocol.map(|protocol| protocol.name) {
            None => None,
            Some("ip") => Some(4),
            Some("ip6") => Some(6),
            Some("ether" | "link") => {
                let test = match (number, names::protocol(name).map(|known| &known.test)) {
                    (Some(number @ 0..=0xff), _) => Test::AccessPoint(number as u8),
                    (Some(number @ 1501..=0xffff), _) => Test::EtherType(number as u16),
                    (None, Some(test @ Test::EtherTypes([_]))) => test.clone(),
                    _ => return refuse(format!("unknown ether proto '{name}'")),
                };
                return self.test(test);
            }
            Some(other) => return refuse(format!("'{other}' modifier applied to proto '{name}'")),
        };
        let number = match number {
            Some(number) => u8::try_from(number).ok(),
            None => names::ip_protocol(name),
        };
        match (number, names::protocol(name).map(|known| &known.test)) {
            (Some(number), _) => self.test(Test::Protocol(number, version)),
            (None, Some(test @ Test::EtherTypes([_]))) if version.is_none() => {
                self.test(test.clone())
            }
            _ => refuse(format!("unknown protocol '{name}'")),
        }
    }

    fn test(&self, test: Test) -> Result<Expression> {
        let over_labels = match &test {
            Test::EtherTypes(types) => types.iter().all(|kind| matches!(*kind, IPV4 | IPV6)),
            Test::Network4(_, _, _, types) => types.contains(&IPV4),
            Test::EtherType(_) | Test::AccessPoint(_) => false,
            _ => true,
        };
        match self.layers.labels > 0 && !over_labels {
            true => refuse("filter expression: unsupported protocol over mpls"),
            false => Ok(Expression::Test(self.layers, test)),
        }
    }
}

fn transport(kind: Kind) -> Result<Option<u8>> {
    match kind.protocol.map(|protocol| (&protocol.test, protocol.name)) {
        None => Ok(None),
        Some((Test::Protocol(number @ (6 | 17 | 132), _), _)) => Ok(Some(*number)),
        Some((_, name)) => refuse(format!("illegal qualifier of 'port': \"{name}\"")),
    }
}

/// An address of up to four numbers, and how many bits of it were given.
fn partial(text: &str) -> Option<(u32, u32)> {
    let mut octets = [0; 4];
    let mut given = 0;
    for part in text.split('.') {
        *octets.get_mut(given)? = part.parse::<u8>().ok()?;
        given += 1;
    }
    Some((u32::from_be_bytes(octets), given as u32 * 8))
}

fn prefix_mask(length: u32) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0)
}

/// `02:00:00:00:00:01`, also with hyphens or dots, `0200.0000.0001` or without any.
fn hardware(text: &str) -> Option<[u8; 6]> {
    let groups = text.split([':', '-', '.']).count();
    let digits = match groups {
        6 => 2,
        3 => 4,
        1 => 12,
        _ => return None,
    };
    let mut address = 0_u64;
    for part in text.split([':', '-', '.']) {
        let fits = part.len() == digits || (groups == 6 && part.len() == 1);
        if !fits || part.starts_with('+') {
            return None;
        }
        address = address << (4 * digits) | u64::from_str_radix(part, 16).ok()?;
    }
    address.to_be_bytes().get(2..)?.first_chunk().copied()
}

fn range(text: &str) -> Result<(u16, u16)> {
    if let Ok(port) = port(text) {
        return Ok((port, port));
    }
    // Names of services may have hyphens themselves.
    let split = text.match_indices('-').find_map(|(at, _)| {
        let (first, last) = (text.get(..at)?, text.get(at + 1..)?);
        Some((port(first).ok()?, port(last).ok()?))
    });
    match split {
        Some(range) => Ok(range),
        None => refuse(format!("filter expression: \"{text}\" is no range of ports")),
    }
}

fn port(text: &str) -> Result<u16> {
    let number = match names::plain(text) {
        Some(number) => u16::try_from(number).ok(),
        None => names::service(text),
    };
    match number {
        Some(port) => Ok(port),
        None => refuse(format!("unknown port '{text}'")),
    }
}
