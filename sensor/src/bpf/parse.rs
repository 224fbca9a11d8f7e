//! From the text of a filter to its tree.

use std::net::{IpAddr, Ipv4Addr};

use super::{End, Expression, Test};

/// Parentheses and negations may nest so deep.
const MAX_DEPTH: usize = 200;

/// Why a filter cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParseError(String);

type Result<T> = std::result::Result<T, ParseError>;

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(ParseError(text.into()))
}

/// Parses a whole expression; an empty one passes everything.
pub(super) fn parse(text: &str) -> Result<Expression> {
    let words = words(text);
    if words.is_empty() {
        return Ok(Expression::Test(Test::Length(false, 0)));
    }
    let mut parser = Parser { words: &words, at: 0, kind: Kind::default() };
    let root = parser.either(0)?;
    match parser.peek() {
        None => Ok(root),
        Some(word) => refuse(format!("syntax error in filter expression at \"{word}\"")),
    }
}

fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '(' | ')' => spaced.extend([' ', c, ' ']),
            '!' => spaced.push_str(" not "),
            _ => spaced.push(c),
        }
    }
    let spaced = spaced.replace("&&", " and ").replace("||", " or ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// What stands before a value, and holds for values that follow without any.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
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

#[derive(Debug)]
struct Protocol {
    name: &'static str,
    test: Test,
}

macro_rules! protocol {
    ($name:literal, types $types:expr) => {
        Protocol { name: $name, test: Test::EtherTypes($types) }
    };
    ($name:literal, number $number:literal) => {
        Protocol { name: $name, test: Test::Protocol($number, None) }
    };
    ($name:literal, number $number:literal, version $version:literal) => {
        Protocol { name: $name, test: Test::Protocol($number, Some($version)) }
    };
}

static PROTOCOLS: &[Protocol] = &[
    protocol!("ip", types & [0x0800]),
    protocol!("ip6", types & [0x86dd]),
    protocol!("arp", types & [0x0806]),
    protocol!("rarp", types & [0x8035]),
    protocol!("tcp", number 6),
    protocol!("udp", number 17),
    protocol!("sctp", number 132),
    protocol!("icmp", number 1, version 4),
    protocol!("icmp6", number 58, version 6),
    protocol!("igmp", number 2, version 4),
    protocol!("ah", number 51),
    protocol!("esp", number 50),
    protocol!("gre", number 47),
    protocol!("mpls", types & [0x8847, 0x8848]),
    protocol!("pppoes", types & [0x8864]),
    protocol!("pppoed", types & [0x8863]),
    protocol!("ether", types & []),
];

struct Parser<'w> {
    words: &'w [String],
    at: usize,
    kind: Kind,
}

impl<'w> Parser<'w> {
    fn peek(&self) -> Option<&'w str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn accept(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        self.at += usize::from(there);
        there
    }

    fn take(&mut self, what: &str) -> Result<&'w str> {
        match self.peek() {
            Some(word) if !matches!(word, "and" | "or" | "not" | "(" | ")") => {
                self.at += 1;
                Ok(word)
            }
            _ => refuse(format!("filter expression: {what} is missing")),
        }
    }

    /// `and` and `or` bind equally and to the left, as in libpcap.
    fn either(&mut self, depth: usize) -> Result<Expression> {
        let mut left = self.negation(depth)?;
        loop {
            if self.accept("and") {
                let right = self.negation(depth)?;
                left = Expression::And(Box::new(left), Box::new(right));
            } else if self.accept("or") {
                let right = self.negation(depth)?;
                left = Expression::Or(Box::new(left), Box::new(right));
            } else {
                return Ok(left);
            }
        }
    }

    fn negation(&mut self, depth: usize) -> Result<Expression> {
        if depth > MAX_DEPTH {
            return refuse("filter expression is nested too deeply");
        }
        if self.accept("not") {
            return Ok(Expression::Not(Box::new(self.negation(depth + 1)?)));
        }
        if self.accept("(") {
            let inner = self.either(depth + 1)?;
            return match self.accept(")") {
                true => Ok(inner),
                false => refuse("filter expression: a closing parenthesis is missing"),
            };
        }
        self.primitive()
    }

    fn primitive(&mut self) -> Result<Expression> {
        match self.peek() {
            Some("vlan") => {
                self.at += 1;
                let id = self.peek().and_then(|word| word.parse().ok());
                self.at += usize::from(id.is_some());
                return Ok(Expression::Vlan(id));
            }
            Some(word @ ("less" | "greater")) => {
                self.at += 1;
                let length = self.take("a length")?.parse();
                let length = length.or_else(|_| refuse("filter expression: bad length"))?;
                return Ok(Expression::Test(Test::Length(word == "less", length)));
            }
            Some(word @ ("broadcast" | "multicast")) => {
                self.at += 1;
                let test = if word == "broadcast" { Test::Broadcast } else { Test::Multicast };
                return Ok(Expression::Test(test));
            }
            _ => {}
        }
        let start = self.at;
        let kind = self.qualifiers();
        let bare = self.peek().is_none_or(|word| matches!(word, "and" | "or" | ")"));
        if let (true, Some(protocol), None, None) = (bare, kind.protocol, kind.end, kind.what) {
            return Ok(Expression::Test(protocol.test.clone()));
        }
        // A value by itself is of the kind of the one before it.
        self.kind = if self.at == start { self.kind } else { kind };
        if self.at == start && self.kind.what.is_none() && self.kind.end.is_none() {
            self.kind.what = Some(What::Host);
        }
        self.value(self.kind)
    }

    fn qualifiers(&mut self) -> Kind {
        let mut kind = Kind::default();
        loop {
            let Some(word) = self.peek() else { return kind };
            let known = match word {
                "src" => self.end(End::Source),
                "dst" => self.end(End::Destination),
                _ => None,
            };
            if let Some(end) = known {
                kind.end = Some(end);
                continue;
            }
            match word {
                "host" => kind.what = Some(What::Host),
                "net" => kind.what = Some(What::Net),
                "port" => kind.what = Some(What::Port),
                "portrange" => kind.what = Some(What::PortRange),
                "proto" => kind.what = Some(What::Proto),
                _ => match PROTOCOLS.iter().find(|protocol| protocol.name == word) {
                    Some(protocol) if kind.protocol.is_none() => kind.protocol = Some(protocol),
                    _ => return kind,
                },
            }
            self.at += 1;
            if kind.what.is_some() {
                return kind;
            }
        }
    }

    /// `src`, `dst`, `src or dst`, `src and dst`.
    fn end(&mut self, first: End) -> Option<End> {
        let other = if first == End::Source { "dst" } else { "src" };
        let word = |at: usize| self.words.get(self.at + at).map(String::as_str);
        let (end, length) = match (word(1), word(2)) {
            (Some("or"), Some(second)) if second == other => (End::Either, 3),
            (Some("and"), Some(second)) if second == other => (End::Both, 3),
            _ => (first, 1),
        };
        self.at += length;
        Some(end)
    }

    fn value(&mut self, kind: Kind) -> Result<Expression> {
        let end = kind.end.unwrap_or(End::Either);
        let test = match kind.what.unwrap_or(What::Host) {
            What::Proto => return self.protocol_value(kind),
            What::Port => {
                let port = port(self.take("a port")?)?;
                Test::Ports(end, port, port, transport(kind)?)
            }
            What::PortRange => {
                let text = self.take("a range of ports")?;
                let Some((first, last)) = text.split_once('-') else {
                    return refuse(format!("filter expression: \"{text}\" is no range of ports"));
                };
                Test::Ports(end, port(first)?, port(last)?, transport(kind)?)
            }
            What::Host if kind.protocol.is_some_and(|protocol| protocol.name == "ether") => {
                let text = self.take("a hardware address")?;
                match hardware(text) {
                    Some(address) => Test::Hardware(end, address),
                    None => return refuse(format!("\"{text}\" is no hardware address")),
                }
            }
            What::Host => {
                let text = self.take("an address")?;
                match text.parse::<IpAddr>() {
                    Ok(address) => Test::Network(end, address, full(address)),
                    Err(_) if kind.what.is_none() => self.network(end, text)?,
                    Err(_) => return refuse(format!("unknown host '{text}'")),
                }
            }
            What::Net => {
                let text = self.take("a network")?;
                self.network(end, text)?
            }
        };
        let test = Expression::Test(test);
        Ok(match kind.protocol {
            Some(protocol)
                if !matches!(kind.what, Some(What::Port | What::PortRange))
                    && protocol.name != "ether" =>
            {
                let protocol = Expression::Test(protocol.test.clone());
                Expression::And(Box::new(protocol), Box::new(test))
            }
            _ => test,
        })
    }

    /// `10`, `10.1`, `10.1.0.0/16`, `10.1.0.0 mask 255.255.0.0`, `2001:db8::/32`.
    fn network(&mut self, end: End, text: &str) -> Result<Test> {
        let bad = || refuse(format!("\"{text}\" is no host, network or known word"));
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => match length.parse::<u8>() {
                Ok(length) => (address, Some(length)),
                Err(_) => return bad(),
            },
            None => (text, None),
        };
        let (address, natural) = match address.parse::<IpAddr>() {
            Ok(address) => (address, full(address)),
            Err(_) => {
                let parts: Option<Vec<u8>> =
                    address.split('.').map(|part| part.parse().ok()).collect();
                let Some(parts) = parts.filter(|parts| parts.len() < 4) else { return bad() };
                let mut octets = [0; 4];
                octets.iter_mut().zip(&parts).for_each(|(octet, part)| *octet = *part);
                (IpAddr::from(octets), parts.len() as u8 * 8)
            }
        };
        let mut length = length.unwrap_or(natural);
        if self.accept("mask") {
            let mask = self.take("a mask")?.parse::<Ipv4Addr>();
            let mask = mask.or_else(|_| refuse("filter expression: bad mask"))?;
            length = mask.to_bits().leading_ones() as u8;
        }
        if length > full(address) {
            return refuse(format!("filter expression: prefix of \"{text}\" is too long"));
        }
        Ok(Test::Network(end, address, length))
    }

    fn protocol_value(&mut self, kind: Kind) -> Result<Expression> {
        let text = self.take("a protocol")?;
        let name = text.trim_start_matches('\\');
        let version = match kind.protocol.map(|protocol| protocol.name) {
            Some("ip") => Some(4),
            Some("ip6") => Some(6),
            _ => None,
        };
        if let Some(protocol) = PROTOCOLS.iter().find(|protocol| protocol.name == name) {
            let test = match (&protocol.test, version) {
                (Test::Protocol(number, _), Some(version)) => {
                    Test::Protocol(*number, Some(version))
                }
                (test, _) => test.clone(),
            };
            return Ok(Expression::Test(test));
        }
        match name.parse() {
            Ok(number) => Ok(Expression::Test(Test::Protocol(number, version))),
            Err(_) => refuse(format!("unknown protocol '{name}'")),
        }
    }
}

fn transport(kind: Kind) -> Result<Option<u8>> {
    match kind.protocol.map(|protocol| &protocol.test) {
        None | Some(Test::EtherTypes([0x0800 | 0x86dd])) => Ok(None),
        Some(Test::Protocol(number @ (6 | 17 | 132), _)) => Ok(Some(*number)),
        _ => refuse("filter expression: only tcp, udp and sctp have ports"),
    }
}

fn full(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn hardware(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut address {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(address)
}

fn port(text: &str) -> Result<u16> {
    if let Ok(port) = text.parse() {
        return Ok(port);
    }
    let known = [
        ("ftp", 21),
        ("ssh", 22),
        ("telnet", 23),
        ("smtp", 25),
        ("domain", 53),
        ("http", 80),
        ("pop3", 110),
        ("ntp", 123),
        ("imap", 143),
        ("snmp", 161),
        ("ldap", 389),
        ("https", 443),
    ];
    match known.iter().find(|(name, _)| *name == text) {
        Some((_, port)) => Ok(*port),
        None => refuse(format!("unknown port '{text}'")),
    }
}
