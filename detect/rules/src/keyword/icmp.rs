//! `itype`, `icode`, `icmp_id`, `icmp_seq`, `icmpv6.mtu`: fields of ICMP messages.

use decode::Transport;

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Comparison of the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpType(pub Compare);

/// Comparison of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpCode(pub Compare);

/// The identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpId(pub u16);

/// The sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpSeq(pub u16);

/// Comparison of the MTU of a packet-too-big message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp6Mtu(pub Compare);

impl IcmpType {
    /// Whether the packet's ICMP type satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.icmp().is_some_and(|icmp| self.0.matches(u64::from(icmp.kind)))
    }
}

impl IcmpCode {
    /// Whether the packet's ICMP code satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.icmp().is_some_and(|icmp| self.0.matches(u64::from(icmp.code)))
    }
}

impl IcmpId {
    /// Whether the message has the identifier.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.icmp().and_then(|icmp| icmp.id) == Some(self.0)
    }
}

impl IcmpSeq {
    /// Whether the message has the sequence number.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.icmp().and_then(|icmp| icmp.seq) == Some(self.0)
    }
}

impl Icmp6Mtu {
    /// Whether the MTU of the ICMPv6 message satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match &subject.packet.transport {
            Transport::Icmp6(icmp) => icmp.mtu.is_some_and(|mtu| self.0.matches(u64::from(mtu))),
            _ => false,
        }
    }
}

pub(crate) const ITYPE: Keyword = Keyword::new("itype", "detect-itype", itype)
    .doc("ICMP type")
    .features(Features::PACKET_PREFILTER.firewall());
pub(crate) const ICODE: Keyword = Keyword::new("icode", "detect-icode", icode)
    .doc("ICMP code")
    .features(Features::PACKET_PREFILTER.firewall());
pub(crate) const ICMP_ID: Keyword = Keyword::new("icmp_id", "detect-icmp-id", icmp_id)
    .doc("identifier of an ICMP message")
    .features(Features::PACKET_PREFILTER);
pub(crate) const ICMP_SEQ: Keyword = Keyword::new("icmp_seq", "detect-icmp-seq", icmp_seq)
    .doc("sequence number of an ICMP message")
    .features(Features::PACKET_PREFILTER);
pub(crate) const ICMPV6_MTU: Keyword = Keyword::new("icmpv6.mtu", "detect-icmpv6-mtu", mtu)
    .doc("MTU of an ICMPv6 packet-too-big message")
    .features(Features::PACKET_PREFILTER);

fn itype(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 8, &[])?;
    builder.push_check(IcmpType(compare));
    Ok(())
}

fn icode(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 8, &[])?;
    builder.push_check(IcmpCode(compare));
    Ok(())
}

fn icmp_id(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let id = field(option)?;
    builder.push_check(IcmpId(id));
    Ok(())
}

fn icmp_seq(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let seq = field(option)?;
    builder.push_check(IcmpSeq(seq));
    Ok(())
}

fn mtu(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 32, &[])?;
    builder.push_check(Icmp6Mtu(compare));
    Ok(())
}

fn field(option: &OptionText<'_>) -> Result<u16> {
    let bad = || RuleError::new(format!("invalid {}: '{}'", option.name, option.value));
    integer::decimal(option.value).ok_or_else(bad)
}
