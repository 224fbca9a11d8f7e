//! HTTP/2: the client's preface, the server's first SETTINGS frame (RFC 9113, 3.4).

use decode::Direction;

use super::decide;
use crate::detection::{Question, Verdict};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let bytes = question.bytes;
    if question.direction == Direction::ToServer {
        return match bytes.get(..PREFACE.len()) {
            Some(start) => decide(start == PREFACE),
            None if PREFACE.starts_with(bytes) => Verdict::Unsure,
            None => Verdict::No,
        };
    }
    let Some(&[len0, len1, len2, kind, flags, stream, ..]) = bytes.first_chunk::<9>() else {
        return Verdict::Unsure;
    };
    let len = u32::from_be_bytes([0, len0, len1, len2]);
    decide(kind == 4 && flags & 0xfe == 0 && stream & 0x80 == 0 && len <= 16384)
}
