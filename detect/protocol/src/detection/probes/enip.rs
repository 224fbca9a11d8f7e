//! EtherNet/IP: encapsulation header of 24 bytes.

use super::decide;
use crate::detection::{Question, Verdict};

pub(super) fn probe(question: &Question<'_>) -> Verdict {
    let Some(header) = question.bytes.first_chunk::<24>() else {
        return Verdict::Unsure;
    };
    let little16 = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (command, len, status) = (little16(0), usize::from(little16(2)), little16(8));
    let known = matches!(command, 0x00 | 0x04 | 0x63..=0x66 | 0x6f | 0x70 | 0x72 | 0x73);
    let status_known = matches!(status, 0x00..=0x03 | 0x64 | 0x65 | 0x69 | 0x6a);
    let options = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
    let fits = match command {
        // NOP has any length; the list commands carry nothing in requests.
        0x00 => options == 0,
        0x65 => len == 4,
        0x66 | 0x04 | 0x63 | 0x64 => len < 512,
        _ => len > 0 || status != 0,
    };
    decide(known && status_known && options == 0 && fits)
}
