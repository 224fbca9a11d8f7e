//! SIP: a request line with its version, or at least a SIP URI (RFC 3261, 7.1).

use super::decide;
use crate::detection::{Question, Verdict};

const SCHEMES: &[&[u8]] = &[b"sip:", b"sips:", b"tel:", b"urn:"];

pub(crate) fn probe(question: &Question<'_>) -> Verdict {
    let bytes = question.bytes;
    if let Some(end) = memchr::memchr(b'\n', bytes) {
        let line = bytes[..end].trim_ascii_end();
        return decide(line.split(|byte| *byte == b' ').any(|word| word == b"SIP/2.0"));
    }
    let uri = memchr::memchr(b' ', bytes).and_then(|at| bytes.get(at + 1..)).unwrap_or(&[]);
    let named = SCHEMES.iter().any(|scheme| {
        uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if named { Verdict::Yes } else { Verdict::Unsure }
}
