//! LDAP: a sequence of message number and operation (RFC 4511, 4.1.1).

use super::ber::{element, small_integer};
use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let bytes = question.bytes;
    if bytes.first().is_some_and(|tag| *tag != 0x30) {
        return Verdict::No;
    }
    if bytes.len() < 7 {
        return Verdict::Unsure;
    }
    let operation = element(bytes).and_then(|outer| small_integer(outer.content));
    let known = operation.and_then(|(_, rest)| rest.first()).is_some_and(|tag| {
        // Application class, numbers 0 to 25.
        tag & 0xc0 == 0x40 && tag & 0x1f <= 25
    });
    decide(known)
}
