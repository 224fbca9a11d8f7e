//! PostgreSQL: start-up packet of the client, first messages of the server.

use decode::Direction;

use super::{be16, be32, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let bytes = question.bytes;
    if question.direction == Direction::ToClient {
        return match bytes {
            [] => Verdict::Unsure,
            [b'S' | b'N' | b'G'] => Verdict::Yes,
            [b'R' | b'E' | b'v', ..] => match be32(bytes, 1) {
                Some(len) => decide((4..0x0001_0000).contains(&len)),
                None => Verdict::Unsure,
            },
            _ => Verdict::No,
        };
    }
    match (be32(bytes, 0), be32(bytes, 4)) {
        // SSL request, GSS encryption request, cancel request.
        (Some(8), Some(80_877_103 | 80_877_104)) | (Some(16), Some(80_877_102)) => Verdict::Yes,
        (Some(len), Some(_)) => {
            decide((9..=10_000).contains(&len) && be16(bytes, 4).is_some_and(|v| v == 3 || v == 2))
        }
        _ => Verdict::Unsure,
    }
}
