//! SNMP: a sequence that starts with version 1, 2c, 2 or 3 (RFC 3416, RFC 3412).

use super::ber::{element, small_integer};
use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    if question.bytes.len() < 4 {
        return Verdict::Unsure;
    }
    let version = element(question.bytes).filter(|outer| outer.tag == 0x30).and_then(|outer| {
        let (version, rest) = small_integer(outer.content)?;
        // After the version: a community, or the sequence of version 3.
        let next = if version == 3 { 0x30 } else { 0x04 };
        (rest.first() == Some(&next)).then_some(version)
    });
    decide(version.is_some_and(|version| version <= 3))
}
