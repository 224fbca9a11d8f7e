//! MQTT: fixed header (version 5.0, 2.1).

use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some((&first, rest)) = question.bytes.split_first() else { return Verdict::Unsure };
    // Packet type 0 is forbidden, quality of service 3 too.
    if first >> 4 == 0 || (first >> 1) & 3 == 3 {
        return Verdict::No;
    }
    match rest.iter().take(4).position(|byte| byte & 0x80 == 0) {
        Some(_) => Verdict::Yes,
        None if rest.len() < 4 => Verdict::Unsure,
        None => Verdict::No,
    }
}
