//! The searches: every engine of the matcher, and the search of one literal, find what a naive
//! search finds. The first pieces are patterns, as many as the first byte says.
#![no_main]

use engine::content::literal::Literal;
use libfuzzer_sys::fuzz_target;
use search::{EngineKind, Hits, Pattern, Set};

fn stands(pattern: &Pattern<'_>, text: &[u8]) -> bool {
    match pattern.nocase {
        true => text.eq_ignore_ascii_case(pattern.bytes),
        false => text == pattern.bytes,
    }
}

fn occurs(pattern: &Pattern<'_>, haystack: &[u8]) -> bool {
    let end = match pattern.depth {
        0 => haystack.len(),
        depth => haystack.len().min(depth as usize),
    };
    let within = haystack.get(..end).unwrap_or_default();
    !pattern.bytes.is_empty()
        && within
            .windows(pattern.bytes.len())
            .skip(pattern.offset as usize)
            .any(|text| stands(pattern, text))
}

/// A pattern of a piece: 0x10 in either case, 0x20 with offset and depth in its first bytes.
fn pattern(control: u8, piece: &[u8], id: u32) -> Pattern<'_> {
    let (place, bytes) = match piece {
        [offset, depth, bytes @ ..] if control & 0x20 != 0 => ((*offset, *depth), bytes),
        _ => ((0, 0), piece),
    };
    let (offset, depth) = (u32::from(place.0), u32::from(place.1));
    Pattern { bytes, nocase: control & 0x10 != 0, offset, depth, id }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let count = usize::from(first & 0x3f) + 1;
    let mut pieces = fuzz::pieces(rest);
    let mut patterns: Vec<Pattern<'_>> =
        (0..).zip(pieces.by_ref().take(count)).map(|(id, (c, p))| pattern(c, p, id)).collect();
    // Large sets are searched in other ways than small ones.
    let fill: Vec<[u8; 4]> = (0..if first & 0x80 != 0 { 400u32 } else { 0 })
        .map(|n| n.wrapping_mul(0x9e37_79b1).to_le_bytes())
        .collect();
    for (id, bytes) in (1000..).zip(&fill) {
        let bytes = &bytes[..if id % 3 == 0 { 3 } else { 4 }];
        patterns.push(Pattern { bytes, nocase: id % 2 == 0, offset: 0, depth: 0, id });
    }
    let engines = EngineKind::ALL.into_iter().filter(|kind| kind.is_available());
    let sets: Vec<Set> =
        engines.map(|kind| Set::build_with(patterns.iter().copied(), kind)).collect();
    let mut hits = Hits::new();
    for (_, haystack) in pieces {
        let expected: Vec<u32> =
            patterns.iter().filter(|p| occurs(p, haystack)).map(|p| p.id).collect();
        for set in &sets {
            hits.clear();
            set.search_into(haystack, &mut hits);
            hits.sort();
            assert_eq!(hits.ids(), expected, "{:?} {patterns:?} {haystack:02x?}", set.engine());
        }
        for pattern in patterns.iter().take(count).filter(|p| !p.bytes.is_empty()) {
            let found = Literal::new(pattern.bytes, pattern.nocase).find(haystack);
            let naive = haystack.windows(pattern.bytes.len()).position(|w| stands(pattern, w));
            assert_eq!(found, naive, "{pattern:?} {haystack:02x?}");
        }
    }
});
