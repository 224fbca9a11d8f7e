//! SMTP: the server's greeting (RFC 5321, 4.2).

use decode::Direction;

use crate::app::AppProto;
use crate::detection::{Question, Verdict};

/// A greeting `220` with a domain. Commands of the client are found by pattern.
pub(super) fn probe(question: &Question<'_>) -> Verdict {
    if question.direction == Direction::ToServer {
        return Verdict::Unsure;
    }
    let [b'2', b'2', b'0', b' ' | b'-', text @ ..] = question.bytes else {
        return if question.bytes.len() < 5 { Verdict::Unsure } else { Verdict::No };
    };
    if text.is_empty() {
        return Verdict::Unsure;
    }
    let whole = memchr::memchr(b'\n', text).is_some();
    if question.other == AppProto::Smtp {
        return if whole { Verdict::Yes } else { Verdict::Unsure };
    }
    let silent = matches!(question.other, AppProto::Unknown | AppProto::Tls);
    if question.other_bytes > 4 && silent {
        return Verdict::Yes;
    }
    let end = text.iter().position(|byte| !is_domain(*byte)).unwrap_or(text.len());
    match text.get(end) {
        Some(b' ' | b'\r' | b'\n') if end > 0 && whole => Verdict::Yes,
        Some(b' ' | b'\r' | b'\n') if end > 0 => Verdict::Unsure,
        None => Verdict::Unsure,
        _ => Verdict::No,
    }
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':')
}
