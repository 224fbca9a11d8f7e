//! Telnet: starts with option negotiation (RFC 854).

use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    match question.bytes {
        [] | [0xff] => Verdict::Unsure,
        [0xff, command, ..] => decide((0xf0..=0xfe).contains(command)),
        // Text may come before the first option: not enough to tell.
        _ => Verdict::Unsure,
    }
}
