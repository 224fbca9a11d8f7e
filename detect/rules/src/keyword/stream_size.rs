//! `stream_size`: how many bytes the sides of a TCP session have sent.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Which side counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server.
    Server,
    /// The client.
    Client,
    /// Both must satisfy it.
    Both,
    /// One of them must.
    Either,
}

/// Comparison of the distance between next and initial sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSize {
    /// Which side.
    pub side: Side,
    /// Comparison.
    pub compare: Compare,
}

impl StreamSize {
    /// Whether the session of the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some([client, server]) = subject.flow.and_then(|flow| flow.tcp) else { return false };
        let sent = |side: super::subject::SideFacts| {
            self.compare.matches(u64::from(side.next_seq.wrapping_sub(side.isn)))
        };
        match self.side {
            Side::Server => sent(server),
            Side::Client => sent(client),
            Side::Both => sent(server) && sent(client),
            Side::Either => sent(server) || sent(client),
        }
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("stream_size", "detect-stream_size", setup)
    .doc("bytes sent by the sides of a TCP session")
    .features(Features { prefilter: true, ..Features::NONE });

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid stream_size: '{}'", option.value))
            .advice("stream_size:server|client|both|either,<op>,<bytes>")
    };
    let mut parts = option.value.splitn(3, ',').map(str::trim);
    let side = match parts.next() {
        Some("server") => Side::Server,
        Some("client") => Side::Client,
        Some("both") => Side::Both,
        Some("either") => Side::Either,
        _ => return Err(bad()),
    };
    let op = parts.next().ok_or_else(bad)?;
    let compare = match parts.next() {
        Some(number) => integer::compare(&format!("{op}{number}"), 32, &[])?,
        None => return Err(bad().silent()),
    };
    builder.facts.stream_size = true;
    builder.push_check(StreamSize { side, compare });
    Ok(())
}
