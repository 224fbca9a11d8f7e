//! WebSocket, expected after an upgrade: a frame header that RFC 6455 allows.

use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some(&[first, _]) = question.bytes.first_chunk() else { return Verdict::Unsure };
    decide(matches!(first & 0x0f, 0..=2 | 8..=10))
}
