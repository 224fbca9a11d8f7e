//! QUIC: long header with a known version (RFC 9000, 17.2), or Google's older header.

use super::{be32, decide};
use crate::app::AppProto;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some(&first) = question.bytes.first() else { return Verdict::Unsure };
    if question.other == AppProto::Quic {
        return Verdict::Yes;
    }
    if first & 0x80 != 0 {
        let version = be32(question.bytes, 1).unwrap_or(1);
        let id_len = question.bytes.get(5).map_or(21, |len| usize::from(*len));
        return decide(known(version) && id_len <= 20 && question.bytes.len() > 7 + id_len);
    }
    // Google QUIC up to version 43: flags, connection number, version.
    let google = first & 0x01 != 0 && first & 0x08 != 0;
    decide(google && be32(question.bytes, 9).is_some_and(|version| version >> 24 == 0x51))
}

const fn known(version: u32) -> bool {
    // Negotiation, versions 1 and 2, drafts, Google's Q0xx and T05x, Facebook's mvfst.
    matches!(version, 0 | 1 | 0x6b33_43cf | 0xff00_0000..=0xff00_00ff | 0xface_b001 | 0xface_b002)
        || matches!(version >> 16, 0x5130 | 0x5430)
        || version & 0x0f0f_0f0f == 0x0a0a_0a0a
}
