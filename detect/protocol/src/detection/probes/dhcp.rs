//! DHCP: fixed header and magic cookie (RFC 2131).

use super::{be32, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let operation = question.bytes.first().copied().unwrap_or(0);
    decide((1..=2).contains(&operation) && be32(question.bytes, 236) == Some(0x6382_5363))
}
