//! `ip_proto` and `l3_proto`: protocol of the transport layer, version of the network layer.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Check, Subject, integer};
use crate::rule::Compare;

/// Comparison of the IP protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpProto(pub Compare);

impl IpProto {
    /// Whether the packet's IP protocol satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.is_ip() && self.0.matches(u64::from(subject.packet.proto))
    }
}

/// The version of IP: 4 or 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer3(pub u8);

impl Layer3 {
    /// Whether the packet has that version.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.ip_version() == self.0
    }
}

pub(crate) const IP_PROTO: Keyword = Keyword::new("ip_proto", "detect-ipproto", ip_proto)
    .doc("protocol of the IP header")
    .quotes_optional()
    .features(Features { ip_only: true, ..Features::PACKET });
pub(crate) const L3_PROTO: Keyword = Keyword::new("l3_proto", "detect-l3proto", l3_proto)
    .doc("version of IP")
    .features(Features { ip_only: true, ..Features::PACKET });

/// Names of IP protocols (IANA registry) that rules use.
const NAMES: &[(&str, u8)] = &[
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("ipip", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("udplite", 136),
];

fn ip_proto(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let header = &builder.rule.protocol;
    if header.ip_protocols != [0; 4] && !restricted(builder) || !header.app.is_empty() {
        return refuse("Signature can use ip_proto keyword only when we use alert ip")
            .map_err(|e: RuleError| e.advice("write `ip` in the header"));
    }
    let text = option.value;
    let (op, name) = match text.chars().next() {
        Some(op @ ('!' | '<' | '>' | '=')) => (op, text.get(1..).unwrap_or("").trim_start()),
        _ => ('=', text),
    };
    let named = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let number = named
        .map(|(_, number)| *number)
        .or_else(|| integer::decimal(name))
        .ok_or_else(|| RuleError::new(format!("unknown protocol in ip_proto: '{name}'")))?;
    let value = u64::from(number);
    let compare = match op {
        '!' => Compare::NotEqual(value),
        '<' => Compare::Less(value),
        '>' => Compare::Greater(value),
        _ => Compare::Equal(value),
    };
    let before: Vec<Compare> = builder
        .rule
        .checks
        .iter()
        .filter_map(|check| match check {
            Check::IpProto(proto) => Some(proto.0),
            _ => None,
        })
        .collect();
    let clash = before.iter().any(|other| {
        use Compare::{Equal, Greater, Less};
        matches!(
            (other, compare),
            (Equal(_), _) | (_, Equal(_)) | (Less(_), Less(_)) | (Greater(_), Greater(_))
        )
    });
    if clash {
        return refuse("can't use more than one ip_proto with these operators");
    }
    restrict(&mut builder.rule.protocol.ip_protocols, compare);
    builder.push_check(IpProto(compare));
    Ok(())
}

/// Whether the header's protocols come from an `ip_proto` before.
fn restricted(builder: &Builder<'_>) -> bool {
    builder.rule.checks.iter().any(|check| matches!(check, Check::IpProto(_)))
}

/// Takes from the header's protocols those that the comparison excludes.
fn restrict(set: &mut [u64; 4], compare: Compare) {
    let any = *set == [0; 4];
    let mut left = [0u64; 4];
    for proto in 0..256u64 {
        let at = (proto / 64) as usize;
        let bit = 1u64 << (proto % 64);
        if (any || set[at] & bit != 0) && compare.matches(proto) {
            left[at] |= bit;
        }
    }
    // Nothing left would read as "any"; the check itself then never holds.
    if left != [0; 4] {
        *set = left;
    }
}

fn l3_proto(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let version = match option.value.to_ascii_lowercase().as_str() {
        "ipv4" | "ip4" => 4,
        "ipv6" | "ip6" => 6,
        _ => return refuse(format!("unknown l3_proto '{}'", option.value)),
    };
    if builder.rule.protocol.ip_version.is_some_and(|known| known != version) {
        return refuse("conflicting l3 proto specified");
    }
    builder.rule.protocol.ip_version = Some(version);
    builder.push_check(Layer3(version));
    Ok(())
}
