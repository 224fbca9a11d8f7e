//! Modbus over TCP: protocol number 0 and a length that fits (MBAP header).

use super::{be16, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let (Some(protocol), Some(len)) = (be16(question.bytes, 2), be16(question.bytes, 4)) else {
        return Verdict::Unsure;
    };
    decide(protocol == 0 && (2..=254).contains(&len))
}
