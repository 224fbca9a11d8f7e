//! TLS on its own ports: hello of SSL version 2, which has no pattern of its own.

use super::decide;
use crate::detection::{Question, Verdict};
use decode::Direction;

pub(crate) fn probe(question: &Question<'_>) -> Verdict {
    if question.direction == Direction::ToClient {
        return Verdict::Unsure;
    }
    match question.bytes {
        [first, _, kind, ..] => decide(*first >= 0x80 && *kind == 1),
        _ => Verdict::Unsure,
    }
}
