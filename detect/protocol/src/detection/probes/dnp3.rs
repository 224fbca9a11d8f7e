//! DNP3: start bytes and length of the link header (IEEE 1815).

use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    match question.bytes {
        [0x05, 0x64, len, ..] => decide(*len >= 5),
        // A server may greet with a line of text before the protocol starts.
        bytes if bytes.len() > 2 && banner(bytes) => Verdict::Yes,
        bytes if bytes.len() < 3 => Verdict::Unsure,
        _ => Verdict::No,
    }
}

fn banner(bytes: &[u8]) -> bool {
    bytes.len() > 4 && bytes.windows(4).take(64).any(|w| w == b"DNP3")
}
