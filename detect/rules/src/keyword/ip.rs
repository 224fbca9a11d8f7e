//! `ttl`, `tos`, `id`, `ipopts`, `fragbits`, `fragoffset`, `sameip`: fields of the IP header.

use decode::IpHeader;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Comparison of the time to live or hop limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl(pub Compare);

impl Ttl {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.is_ip() && self.0.matches(u64::from(subject.packet.ttl))
    }
}

/// The type of service or traffic class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tos {
    /// Its value.
    pub value: u8,
    /// Any other.
    pub negated: bool,
}

impl Tos {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let tos = match subject.packet.ip {
            IpHeader::None => return false,
            IpHeader::V4 { tos, .. } => tos,
            IpHeader::V6 { traffic_class, .. } => traffic_class,
        };
        (tos == self.value) != self.negated
    }
}

/// The identification of an IPv4 packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub u16);

impl Id {
    /// Whether the packet has it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        matches!(subject.packet.ip, IpHeader::V4 { id, .. } if id == self.0)
    }
}

/// An option of the IPv4 header, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpOptions {
    /// Any option at all.
    Any,
    /// The option of this type (RFC 791).
    Kind(u8),
}

impl IpOptions {
    /// Whether the packet's header has it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let IpHeader::V4 { header_len, .. } = subject.packet.ip else { return false };
        let bytes = subject.packet.network_bytes();
        let Some(mut rest) = bytes.get(20..usize::from(header_len)) else { return false };
        // RFC 791: type 0 ends the list, type 1 is one byte, others carry their length.
        while let [kind, tail @ ..] = rest {
            match self {
                Self::Any => return true,
                Self::Kind(wanted) if wanted == kind => return true,
                Self::Kind(_) => {}
            }
            rest = match (*kind, tail) {
                (0, _) => return false,
                (1, tail) => tail,
                (_, [len, ..]) if *len >= 2 => match rest.get(usize::from(*len)..) {
                    Some(behind) => behind,
                    None => return false,
                },
                _ => return false,
            };
        }
        false
    }
}

/// How the bits of a mask are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskMode {
    /// Exactly these.
    Exact,
    /// `+`: these, others may be set.
    All,
    /// `*`: any of these.
    Any,
    /// `!`: none of these together.
    Not,
}

impl MaskMode {
    /// Whether `bits` satisfy it.
    pub const fn matches(self, bits: u16, mask: u16) -> bool {
        match self {
            Self::Exact => bits == mask,
            Self::All => bits & mask == mask,
            Self::Any => bits & mask != 0,
            Self::Not => bits & mask != mask,
        }
    }
}

/// The three fragmentation bits of IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragBits {
    /// Bits as on the wire: 0x8000 reserved, 0x4000 don't fragment, 0x2000 more fragments.
    pub mask: u16,
    /// How they are compared.
    pub mode: MaskMode,
}

impl FragBits {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match subject.packet.ip {
            IpHeader::V4 { fragment, .. } => self.mode.matches(fragment & 0xe000, self.mask),
            _ => false,
        }
    }
}

/// The fragment offset, in units of 8 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragOffset(pub Compare);

impl FragOffset {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match subject.packet.ip {
            IpHeader::V4 { fragment, .. } => self.0.matches(u64::from(fragment & 0x1fff)),
            _ => false,
        }
    }
}

/// Source and destination address are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameIp;

impl SameIp {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.is_ip() && subject.packet.src == subject.packet.dst
    }
}

pub(crate) const TTL: Keyword = Keyword::new("ttl", "detect-ttl", ttl)
    .doc("time to live or hop limit")
    .features(Features::PACKET_PREFILTER);
pub(crate) const TOS: Keyword = Keyword::new("tos", "detect-tos", tos)
    .doc("type of service")
    .quotes_optional()
    .negatable()
    .features(Features::PACKET);
pub(crate) const ID: Keyword = Keyword::new("id", "detect-id", id)
    .doc("identification of the IPv4 header")
    .features(Features::PACKET_PREFILTER);
pub(crate) const IPOPTS: Keyword = Keyword::new("ipopts", "detect-ipopts", ipopts)
    .doc("option of the IPv4 header")
    .features(Features::PACKET);
pub(crate) const FRAGBITS: Keyword = Keyword::new("fragbits", "detect-fragbits", fragbits)
    .doc("fragmentation and reserved bits of the IPv4 header")
    .features(Features::PACKET_PREFILTER);
pub(crate) const FRAGOFFSET: Keyword = Keyword::new("fragoffset", "detect-fragoffset", fragoffset)
    .doc("fragment offset of the IPv4 header")
    .features(Features::PACKET_PREFILTER);
pub(crate) const SAMEIP: Keyword = Keyword::new("sameip", "detect-sameip", sameip)
    .doc("source and destination address are the same")
    .no_value()
    .features(Features::PACKET);

fn ttl(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 8, &[])?;
    builder.push_check(Ttl(compare));
    Ok(())
}

fn tos(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let text = option.value;
    // Suricata 8 takes `x10` for hexadecimal here.
    let value = match text.strip_prefix(['x', 'X']) {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => integer::decimal(text),
    };
    let value = value.ok_or_else(|| RuleError::new(format!("invalid tos value: '{text}'")))?;
    builder.push_check(Tos { value, negated: option.negated });
    Ok(())
}

fn id(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid id value: '{}'", option.value));
    builder.push_check(Id(integer::decimal(option.value).ok_or_else(bad)?));
    Ok(())
}

fn ipopts(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let check = match option.value.to_ascii_lowercase().as_str() {
        "any" => IpOptions::Any,
        "eol" => IpOptions::Kind(0),
        "nop" => IpOptions::Kind(1),
        "rr" => IpOptions::Kind(7),
        "qs" => IpOptions::Kind(25),
        "ts" => IpOptions::Kind(68),
        "sec" => IpOptions::Kind(130),
        "lsrr" => IpOptions::Kind(131),
        "esec" => IpOptions::Kind(133),
        "cipso" => IpOptions::Kind(134),
        "satid" => IpOptions::Kind(136),
        "ssrr" => IpOptions::Kind(137),
        "rtralt" => IpOptions::Kind(148),
        _ => {
            return refuse(format!("unknown IP option '{}'", option.value)).map_err(
                |e: RuleError| e.advice("one of any rr eol nop ts sec esec lsrr ssrr satid"),
            );
        }
    };
    builder.push_check(check);
    Ok(())
}

fn fragbits(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid fragbits: '{}'", option.value));
    let text = option.value;
    let (mode, mut letters) = match text.chars().next() {
        Some('+') => (MaskMode::All, text.get(1..).unwrap_or("")),
        Some('*') => (MaskMode::Any, text.get(1..).unwrap_or("")),
        Some('!') => (MaskMode::Not, text.get(1..).unwrap_or("")),
        _ => match text.chars().last() {
            // The operator may stand behind the letters as well.
            Some('+') => (MaskMode::All, text.trim_end_matches('+')),
            Some('*') => (MaskMode::Any, text.trim_end_matches('*')),
            Some('!') => (MaskMode::Not, text.trim_end_matches('!')),
            _ => (MaskMode::Exact, text),
        },
    };
    letters = letters.trim();
    let mut mask = 0;
    for letter in letters.chars() {
        mask |= match letter {
            'M' => 0x2000,
            'D' => 0x4000,
            'R' => 0x8000,
            _ => return Err(bad()),
        };
    }
    if mask == 0 {
        return Err(bad());
    }
    builder.push_check(FragBits { mask, mode });
    Ok(())
}

fn fragoffset(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid fragoffset: '{}'", option.value));
    let text = option.value;
    let (make, digits): (fn(u64) -> Compare, &str) = match text.chars().next() {
        Some('<') => (Compare::Less, text.get(1..).unwrap_or("")),
        Some('>') => (Compare::Greater, text.get(1..).unwrap_or("")),
        _ => (Compare::Equal, text),
    };
    let value: u16 = integer::decimal(digits).ok_or_else(bad)?;
    builder.push_check(FragOffset(make(u64::from(value))));
    Ok(())
}

fn sameip(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.push_check(SameIp);
    Ok(())
}
