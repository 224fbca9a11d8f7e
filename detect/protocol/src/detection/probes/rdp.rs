//! RDP: TPKT with an X.224 connection request or confirm (MS-RDPBCGR, 2.2.1).

use decode::Direction;

use super::{be16, decide};
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let bytes = question.bytes;
    if bytes.first().is_some_and(|version| *version != 3) {
        return Verdict::No;
    }
    let (Some(len), Some(&kind)) = (be16(bytes, 2), bytes.get(5)) else { return Verdict::Unsure };
    let wanted = match question.direction {
        Direction::ToServer => 0xe0,
        Direction::ToClient => 0xd0,
    };
    decide(bytes[1] == 0 && len >= 11 && kind & 0xf0 == wanted)
}
