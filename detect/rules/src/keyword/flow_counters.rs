//! `flow.age`, `flow.pkts`, `flow.bytes` and their directed forms.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Comparison of the age of the flow in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowAge(pub Compare);

impl FlowAge {
    /// Whether the flow of the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(flow) = subject.flow else { return false };
        self.0.matches(flow.last.seconds().saturating_sub(flow.start.seconds()))
    }
}

/// Which direction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To the server.
    ToServer,
    /// To the client.
    ToClient,
    /// Their sum.
    Both,
    /// One of them.
    Either,
}

/// Comparison of packets or bytes of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowCount {
    /// Bytes instead of packets.
    pub bytes: bool,
    /// Of which direction.
    pub side: Side,
    /// Comparison.
    pub compare: Compare,
}

impl FlowCount {
    /// Whether the flow of the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(flow) = subject.flow else { return false };
        let [to_server, to_client] = if self.bytes { flow.bytes } else { flow.packets };
        match self.side {
            Side::ToServer => self.compare.matches(to_server),
            Side::ToClient => self.compare.matches(to_client),
            Side::Both => self.compare.matches(to_server.saturating_add(to_client)),
            Side::Either => self.compare.matches(to_server) || self.compare.matches(to_client),
        }
    }
}

pub(crate) const AGE: Keyword = Keyword::new("flow.age", "detect-flow-age", age)
    .doc("age of the flow in seconds")
    .features(Features::PACKET_PREFILTER);
pub(crate) const PACKETS: Keyword = Keyword::new("flow.pkts", "detect-flow-pkts", packets)
    .doc("packets of the flow")
    .features(Features::PACKET_PREFILTER);
pub(crate) const PACKETS_TO_SERVER: Keyword =
    Keyword::new("flow.pkts_toserver", "detect-flow-pkts", packets_to_server)
        .doc("packets of the flow to the server")
        .features(Features::PACKET_PREFILTER);
pub(crate) const PACKETS_TO_CLIENT: Keyword =
    Keyword::new("flow.pkts_toclient", "detect-flow-pkts", packets_to_client)
        .doc("packets of the flow to the client")
        .features(Features::PACKET_PREFILTER);
pub(crate) const BYTES: Keyword = Keyword::new("flow.bytes", "detect-flow-pkts", bytes)
    .doc("bytes of the flow")
    .features(Features::PACKET);
pub(crate) const BYTES_TO_SERVER: Keyword =
    Keyword::new("flow.bytes_toserver", "detect-flow-pkts", bytes_to_server)
        .doc("bytes of the flow to the server")
        .features(Features::PACKET);
pub(crate) const BYTES_TO_CLIENT: Keyword =
    Keyword::new("flow.bytes_toclient", "detect-flow-pkts", bytes_to_client)
        .doc("bytes of the flow to the client")
        .features(Features::PACKET);

fn age(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 32, &[])?;
    builder.push_check(FlowAge(compare));
    Ok(())
}

fn packets(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    sided(builder, option, false)
}

fn bytes(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    sided(builder, option, true)
}

fn packets_to_server(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    count(builder, option.value, false, Side::ToServer)
}

fn packets_to_client(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    count(builder, option.value, false, Side::ToClient)
}

fn bytes_to_server(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    count(builder, option.value, true, Side::ToServer)
}

fn bytes_to_client(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    count(builder, option.value, true, Side::ToClient)
}

/// `flow.pkts:toserver,>3`.
fn sided(builder: &mut Builder<'_>, option: &OptionText<'_>, bytes: bool) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid {}: '{}'", option.name, option.value))
            .advice("name a direction: toserver, toclient, both or either, then the comparison")
    };
    let (side, value) = option.value.split_once(',').ok_or_else(bad)?;
    let side = match side.trim() {
        "toserver" => Side::ToServer,
        "toclient" => Side::ToClient,
        "both" => Side::Both,
        "either" => Side::Either,
        _ => return Err(bad()),
    };
    count(builder, value, bytes, side)
}

fn count(builder: &mut Builder<'_>, value: &str, bytes: bool, side: Side) -> Result<()> {
    let compare = integer::compare(value, if bytes { 64 } else { 32 }, &[])?;
    builder.push_check(FlowCount { bytes, side, compare });
    Ok(())
}
