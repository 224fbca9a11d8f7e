//! TFTP: operation codes (RFC 1350, RFC 2347).

use super::{be16, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    match (question.bytes.len() >= 4, be16(question.bytes, 0)) {
        (true, Some(operation)) => decide((1..=6).contains(&operation)),
        _ => Verdict::Unsure,
    }
}
