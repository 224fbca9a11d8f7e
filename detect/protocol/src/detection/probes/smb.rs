//! SMB over NetBIOS session service or directly over TCP (MS-SMB, MS-SMB2).

use decode::Direction;

use crate::detection::{Question, Verdict};

/// The message starts with SMB's magic: which side sends such?
pub(crate) fn begins(question: &Question<'_>) -> Verdict {
    let message = question.bytes.get(4..).unwrap_or(&[]);
    match message {
        // SMB1: bit 7 of the flags marks replies.
        [0xff, b'S', b'M', b'B', ..] => match message.get(9) {
            Some(flags) => Verdict::From(side(flags & 0x80 != 0)),
            None => Verdict::Yes,
        },
        // SMB2: bit 0 of the flags.
        [0xfe, b'S', b'M', b'B', ..] => match message.get(16) {
            Some(flags) => Verdict::From(side(flags & 0x01 != 0)),
            None => Verdict::Yes,
        },
        [0xfd | 0xfc, b'S', b'M', b'B', ..] => Verdict::Yes,
        _ => Verdict::No,
    }
}

const fn side(reply: bool) -> Direction {
    if reply { Direction::ToClient } else { Direction::ToServer }
}

/// On SMB's ports: also behind session set-up messages of NetBIOS (RFC 1002, 4.3).
pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let mut bytes = question.bytes;
    for _ in 0..4 {
        let Some(&[kind, len0, len1, len2]) = bytes.first_chunk() else { return Verdict::Unsure };
        let len = usize::from(len0 & 1) << 16 | usize::from(len1) << 8 | usize::from(len2);
        match kind {
            0x00 => {
                let question = Question { bytes, ..*question };
                return if bytes.len() < 8 { Verdict::Unsure } else { begins(&question) };
            }
            0x81..=0x85 => match bytes.get(4 + len..) {
                Some(rest) => bytes = rest,
                None => return Verdict::Unsure,
            },
            _ => return Verdict::No,
        }
    }
    Verdict::No
}
