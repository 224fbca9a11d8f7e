//! NFS: ONC RPC calls of program 100003 and their replies (RFC 5531).

use decode::Direction;

use super::{be32, decide};
use crate::detection::{Question, Verdict};

/// Over TCP: record mark first.
pub(super) fn tcp(question: &Question<'_>) -> Verdict {
    let Some(mark) = be32(question.bytes, 0) else { return Verdict::Unsure };
    let len = mark & 0x7fff_ffff;
    if !(24..=0x0200_0000).contains(&len) {
        return Verdict::No;
    }
    message(question.bytes.get(4..).unwrap_or(&[]))
}

/// Over UDP. Shorter datagrams (calls that do nothing, and their replies) tell too little.
pub(super) fn udp(question: &Question<'_>) -> Verdict {
    let least = if question.direction == Direction::ToServer { 48 } else { 32 };
    if question.bytes.len() < least {
        return Verdict::No;
    }
    message(question.bytes)
}

fn message(bytes: &[u8]) -> Verdict {
    match be32(bytes, 4) {
        None => Verdict::Unsure,
        Some(0) => call(bytes),
        Some(1) => match (be32(bytes, 8), be32(bytes, 12)) {
            (Some(state @ 0..=1), Some(detail)) if state == 0 || detail <= 1 => {
                Verdict::From(Direction::ToClient)
            }
            (Some(0..=1), None) | (None, _) => Verdict::Unsure,
            _ => Verdict::No,
        },
        Some(_) => Verdict::No,
    }
}

fn call(bytes: &[u8]) -> Verdict {
    let (version, program, level) = (be32(bytes, 8), be32(bytes, 12), be32(bytes, 16));
    match (version, program, level) {
        (Some(2), Some(100_003), Some(level)) if level <= 4 => Verdict::From(Direction::ToServer),
        (Some(2) | None, Some(100_003) | None, None) => Verdict::Unsure,
        _ => decide(false),
    }
}
