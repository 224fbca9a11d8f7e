//! The plainest possible search, which the tests compare the engines with.

use crate::Pattern;

/// The ids of all patterns that occur, sorted, each once.
pub(crate) fn search(patterns: &[Pattern<'_>], haystack: &[u8]) -> Vec<u32> {
    let mut ids: Vec<u32> = patterns
        .iter()
        .filter(|pattern| occurs(pattern, haystack))
        .map(|pattern| pattern.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn occurs(pattern: &Pattern<'_>, haystack: &[u8]) -> bool {
    let len = pattern.bytes.len();
    let end = match pattern.depth {
        0 => haystack.len(),
        depth => haystack.len().min(depth as usize),
    };
    len > 0
        && (pattern.offset as usize..).take_while(|start| start + len <= end).any(|start| {
            let text = &haystack[start..start + len];
            if pattern.nocase {
                text.eq_ignore_ascii_case(pattern.bytes)
            } else {
                text == pattern.bytes
            }
        })
}
