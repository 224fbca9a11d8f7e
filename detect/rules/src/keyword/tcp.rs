//! `tcp.seq`, `tcp.ack`, `tcp.window`, `tcp.mss`, `tcp.wscale`: fields of the TCP header.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// The sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSeq(pub u32);

/// The acknowledgement number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpAck(pub u32);

/// The window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpWindow {
    /// Its value.
    pub value: u16,
    /// Any other.
    pub negated: bool,
}

/// Comparison of the maximum segment size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpMss(pub Compare);

/// Comparison of the window scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpScale(pub Compare);

impl TcpSeq {
    /// Whether the packet has it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.tcp().is_some_and(|tcp| tcp.seq == self.0)
    }
}

impl TcpAck {
    /// Whether the packet has it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.tcp().is_some_and(|tcp| tcp.ack == self.0)
    }
}

impl TcpWindow {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.tcp().is_some_and(|tcp| (tcp.window == self.value) != self.negated)
    }
}

impl TcpMss {
    /// Whether the packet has the option and satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let mss = subject.packet.tcp().and_then(|tcp| tcp.options.mss);
        mss.is_some_and(|mss| self.0.matches(u64::from(mss)))
    }
}

impl TcpScale {
    /// Whether the packet has the option and satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let scale = subject.packet.tcp().and_then(|tcp| tcp.options.window_scale);
        scale.is_some_and(|scale| self.0.matches(u64::from(scale)))
    }
}

pub(crate) const SEQ: Keyword = Keyword::new("tcp.seq", "detect-seq", seq)
    .aliases(&["seq"])
    .doc("TCP sequence number")
    .features(Features::PACKET_PREFILTER);
pub(crate) const ACK: Keyword = Keyword::new("tcp.ack", "detect-ack", ack)
    .aliases(&["ack"])
    .doc("TCP acknowledgement number")
    .features(Features::PACKET_PREFILTER);
pub(crate) const WINDOW: Keyword = Keyword::new("tcp.window", "detect-window", window)
    .aliases(&["window"])
    .doc("TCP window")
    .negatable()
    .features(Features::PACKET);
pub(crate) const MSS: Keyword = Keyword::new("tcp.mss", "detect-tcpmss", mss)
    .doc("TCP maximum segment size option")
    .features(Features::PACKET_PREFILTER);
pub(crate) const WSCALE: Keyword = Keyword::new("tcp.wscale", "detect-tcp-wscale", wscale)
    .doc("TCP window scale option")
    .features(Features::PACKET_PREFILTER.firewall());

fn seq(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let value = number(option)?;
    builder.push_check(TcpSeq(value));
    Ok(())
}

fn ack(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let value = number(option)?;
    builder.push_check(TcpAck(value));
    Ok(())
}

fn window(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid window value: '{}'", option.value));
    let value = integer::decimal(option.value).ok_or_else(bad)?;
    builder.push_check(TcpWindow { value, negated: option.negated });
    Ok(())
}

fn mss(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 16, &[])?;
    builder.push_check(TcpMss(compare));
    Ok(())
}

fn wscale(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 8, &[])?;
    builder.push_check(TcpScale(compare));
    Ok(())
}

fn number(option: &OptionText<'_>) -> Result<u32> {
    let bad = || RuleError::new(format!("invalid {} value: '{}'", option.name, option.value));
    integer::decimal(option.value).ok_or_else(bad)
}
