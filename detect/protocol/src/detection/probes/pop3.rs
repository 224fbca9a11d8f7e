//! POP3: commands and replies (RFC 1939).

use decode::Direction;

use super::decide;
use crate::detection::{Question, Verdict};

const COMMANDS: &[&[u8]] = &[
    b"USER", b"PASS", b"APOP", b"AUTH", b"CAPA", b"STLS", b"STAT", b"LIST", b"RETR", b"DELE",
    b"NOOP", b"RSET", b"QUIT", b"TOP", b"UIDL", b"UTF8", b"LANG",
];

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let line = question.bytes.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let whole = line.len() < question.bytes.len();
    let word = line.split(|byte| *byte == b' ').next().unwrap_or(&[]);
    let known = match question.direction {
        Direction::ToClient => word == b"+OK" || word == b"-ERR",
        Direction::ToServer => COMMANDS.iter().any(|name| name.eq_ignore_ascii_case(word)),
    };
    if !whole && question.bytes.len() < 4 {
        return Verdict::Unsure;
    }
    decide(known)
}
