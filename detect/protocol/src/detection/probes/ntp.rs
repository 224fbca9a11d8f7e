//! NTP: version 3 or 4, whole header (RFC 5905, 7.3); control messages are 12 bytes and more.

use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some(&first) = question.bytes.first() else { return Verdict::Unsure };
    let (version, mode) = ((first >> 3) & 7, first & 7);
    let least = if mode == 6 { 12 } else { 48 };
    let extra = question.bytes.len().saturating_sub(48);
    // After the header come extension fields or a key and a digest: words of four bytes.
    decide((3..=4).contains(&version) && question.bytes.len() >= least && extra.is_multiple_of(4))
}
