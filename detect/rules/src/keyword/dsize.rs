//! `dsize`: length of the payload of a packet.

use crate::builder::Builder;
use crate::error::{Result, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Check, Subject, integer};
use crate::rule::Compare;

/// Comparison of the payload's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsize(pub Compare);

impl Dsize {
    /// Whether the payload's length satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let len = subject.packet.payload_len;
        // Suricata 8: a packet without payload is not of another size, it has none.
        let absent = len == 0 && matches!(self.0, Compare::NotEqual(_));
        !absent && self.0.matches(u64::from(len))
    }

    /// The largest length that satisfies it, as far as Suricata 8 looks at it for its check of
    /// contents against `dsize`.
    pub const fn bound(&self) -> Option<u64> {
        match self.0 {
            Compare::Equal(n) | Compare::NotEqual(n) | Compare::Less(n) | Compare::Range(_, n) => {
                Some(n)
            }
            _ => None,
        }
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("dsize", "detect-dsize", setup)
    .doc("length of the packet's payload")
    .features(Features::PACKET_PREFILTER.firewall());

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if builder.rule.checks.iter().any(|check| matches!(check, Check::Dsize(_))) {
        return refuse("Can't use 2 or more dsizes in the same sig.  Invalidating signature.");
    }
    let compare = integer::compare(option.value, 16, &[])?;
    builder.push_check(Dsize(compare));
    Ok(())
}
