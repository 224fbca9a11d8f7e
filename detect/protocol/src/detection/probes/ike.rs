//! IKE: ISAKMP header (RFC 2408, 3.1; RFC 7296, 3.1).

use super::{be32, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some(header) = question.bytes.first_chunk::<28>() else { return Verdict::No };
    let (major, minor, exchange) = (header[17] >> 4, header[17] & 15, header[18]);
    let no_responder = header[8..16].iter().all(|byte| *byte == 0);
    let message = be32(header, 20).unwrap_or(0);
    let len = be32(header, 24).and_then(|len| usize::try_from(len).ok());
    if no_responder && message != 0 {
        return Verdict::No;
    }
    match major {
        1 => Verdict::Yes,
        2 => {
            decide(minor == 0 && (34..=37).contains(&exchange) && len == Some(question.bytes.len()))
        }
        _ => Verdict::No,
    }
}
