//! DCE RPC: version, data representation, packet type (C706, chapter 12).

use decode::Direction;

use crate::detection::{Question, Verdict};

/// Connection-oriented: version 5.0 or 5.1.
pub(crate) fn tcp(question: &Question<'_>) -> Verdict {
    let Some(&[5, minor, kind, _, order, float, _, _, len0, len1]) = question.bytes.first_chunk()
    else {
        return if question.bytes.len() < 10 { Verdict::Unsure } else { Verdict::No };
    };
    let len = if order & 0x10 != 0 { [len1, len0] } else { [len0, len1] };
    let sane = minor <= 1 && order & 0xee == 0 && float <= 3 && kind <= 19;
    if !sane || u16::from_be_bytes(len) < 16 {
        return Verdict::No;
    }
    match kind {
        // request, bind, alter_context, auth3, cancel, orphaned
        0 | 11 | 14 | 16 | 18 | 19 => Verdict::From(Direction::ToServer),
        // response, fault, bind_ack, bind_nak, alter_context_resp
        2 | 3 | 12 | 13 | 15 => Verdict::From(Direction::ToClient),
        _ => Verdict::Yes,
    }
}

/// Connectionless: version 4, header of 80 bytes.
pub(crate) fn udp(question: &Question<'_>) -> Verdict {
    let Some(&[4, kind, _, flags2, order, float, _, ..]) = question.bytes.first_chunk::<80>()
    else {
        return Verdict::No;
    };
    let sane = kind <= 10 && flags2 & 0xfc == 0 && order & 0xee == 0 && float <= 3;
    if !sane {
        return Verdict::No;
    }
    match kind {
        0 | 1 | 7 | 8 => Verdict::From(Direction::ToServer),
        2 | 3 | 4 | 6 | 9 | 10 => Verdict::From(Direction::ToClient),
        _ => Verdict::Yes,
    }
}
