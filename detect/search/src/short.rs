//! Patterns of one to three bytes.
//!
//! Two and three bytes have a filter of width three, in which the third position of two bytes
//! accepts everything; a single byte is looked for by itself until its first match.

use memchr::{memchr, memchr2};

use crate::pattern::Literals;

/// The most heads of the index of short patterns: a bigger table costs more in cache misses than
/// it saves in comparisons.
pub(crate) const HEADS: usize = 1024;

/// The widest short pattern.
pub(crate) const WIDTH: usize = 3;

/// The shortest pattern that the filter handles.
pub(crate) const SHORTEST: usize = 2;

/// The word under which a pattern of three bytes is found.
#[inline(always)]
pub(crate) fn three_bytes(a: u8, b: u8, c: u8) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// The word under which a pattern of two bytes is found, never that of three bytes.
#[inline(always)]
pub(crate) fn two_bytes(a: u8, b: u8) -> u32 {
    u32::from_le_bytes([a, b, 0, 1])
}

/// Reports the single bytes that occur.
pub(crate) fn search_bytes(singles: &Literals, haystack: &[u8], found: &mut impl FnMut(u32)) {
    for literal in singles.as_slice() {
        let &[byte] = singles.bytes(literal) else {
            continue;
        };
        let mut range = 0..0;
        let mut occurs = false;
        for target in singles.targets(literal) {
            let end = (target.last as usize).min(haystack.len());
            let wanted = target.first as usize..end;
            if wanted != range {
                let text = haystack.get(wanted.clone()).unwrap_or_default();
                occurs = if literal.nocase {
                    memchr2(byte, byte.to_ascii_uppercase(), text).is_some()
                } else {
                    memchr(byte, text).is_some()
                };
                range = wanted;
            }
            if occurs {
                found(target.id);
            }
        }
    }
}
