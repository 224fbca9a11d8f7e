//! Kerberos: application tag, sequence, protocol version 5 (RFC 4120, appendix A).

use super::ber::{element, small_integer};
use super::{be32, decide};
use crate::detection::{Question, Verdict};

/// Over TCP: a length of four bytes first.
pub(super) fn tcp(question: &Question<'_>) -> Verdict {
    let Some(len) = be32(question.bytes, 0) else { return Verdict::Unsure };
    if !(14..0x0100_0000).contains(&len) {
        return Verdict::No;
    }
    message(question.bytes.get(4..).unwrap_or(&[]))
}

/// Over UDP.
pub(super) fn udp(question: &Question<'_>) -> Verdict {
    message(question.bytes)
}

fn message(bytes: &[u8]) -> Verdict {
    if bytes.len() <= 14 {
        return Verdict::Unsure;
    }
    let version = element(bytes).and_then(|outer| {
        // AS-REQ to AP-REP and KRB-ERROR: class application, constructed.
        let known = matches!(outer.tag, 0x6a..=0x6f | 0x7e);
        let sequence = element(outer.content).filter(|inner| known && inner.tag == 0x30)?;
        // pvno is [1] in KDC requests, [0] elsewhere.
        let field = element(sequence.content).filter(|field| matches!(field.tag, 0xa0 | 0xa1))?;
        small_integer(field.content).map(|(version, _)| version)
    });
    decide(version == Some(5))
}
