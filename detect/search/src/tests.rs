//! Tests of whole sets: every engine must find what the naive search finds.

use proptest::prelude::*;

use crate::{EngineKind, Hits, Pattern, Set, SetBuilder, naive};

fn engines() -> impl Iterator<Item = EngineKind> {
    EngineKind::ALL.into_iter().filter(|kind| kind.is_available())
}

fn pattern(bytes: &[u8], id: u32) -> Pattern<'_> {
    Pattern { bytes, nocase: false, offset: 0, depth: 0, id }
}

fn nocase(bytes: &[u8], id: u32) -> Pattern<'_> {
    Pattern { nocase: true, ..pattern(bytes, id) }
}

fn between(bytes: &[u8], offset: u32, depth: u32, id: u32) -> Pattern<'_> {
    Pattern { offset, depth, ..pattern(bytes, id) }
}

fn ids(set: &Set, haystack: &[u8]) -> Vec<u32> {
    let mut hits = Hits::new();
    set.search_into(haystack, &mut hits);
    hits.sort();
    hits.ids().to_vec()
}

fn check(name: &str, patterns: &[Pattern<'_>], haystack: &[u8], expected: &[u32]) {
    assert_eq!(naive::search(patterns, haystack), expected, "{name}: the table itself");
    for kind in engines() {
        let set = Set::build_with(patterns.iter().copied(), kind);
        assert_eq!(set.engine(), kind);
        assert_eq!(ids(&set, haystack), expected, "{name} with {kind:?}");
    }
}

/// Name, patterns, haystack, ids found.
type Row<'a> = (&'a str, &'a [Pattern<'a>], &'a [u8], &'a [u32]);

#[test]
fn table_of_searches() {
    let long = [b'x'; 200];
    #[rustfmt::skip]
    let table: &[Row<'_>] = &[
        ("no pattern", &[], b"anything", &[]),
        ("no haystack", &[pattern(b"a", 1), pattern(b"abcd", 2)], b"", &[]),
        ("empty pattern", &[pattern(b"", 1), pattern(b"any", 2)], b"anything", &[2]),
        ("whole haystack", &[pattern(b"evil", 7)], b"evil", &[7]),
        ("at the start", &[pattern(b"evil", 7)], b"evil.example", &[7]),
        ("at the end", &[pattern(b"evil", 7)], b"do no evil", &[7]),
        ("cut off", &[pattern(b"evil", 7)], b"do no evi", &[]),
        ("case matters", &[pattern(b"Evil", 1)], b"evil EVIL", &[]),
        ("case does not matter", &[nocase(b"Evil", 1)], b"EVIL", &[1]),
        ("both rules share letters", &[nocase(b"Evil", 1), pattern(b"EVIL", 2)], b"evil", &[1]),
        ("only letters fold", &[nocase(b"a[b{", 1)], b"A{B[ a[b[", &[]),
        ("duplicates", &[pattern(b"same", 3), pattern(b"same", 4), nocase(b"SAME", 5)],
            b"the same", &[3, 4, 5]),
        ("one id, two patterns", &[pattern(b"left", 3), pattern(b"right", 3)], b"right", &[3]),
        ("overlapping", &[pattern(b"abcde", 1), pattern(b"cdefg", 2), pattern(b"bcd", 3)],
            b"abcdefg", &[1, 2, 3]),
        ("prefixes of each other", &[pattern(b"a", 1), pattern(b"ab", 2), pattern(b"abc", 3),
            pattern(b"abcd", 4)], b"abcabcd", &[1, 2, 3, 4]),
        ("two bytes at the end", &[pattern(b"yz", 1)], b"xyz", &[1]),
        ("one byte, either case", &[nocase(b"q", 1), pattern(b"q", 2)], b"Q", &[1]),
        ("zeros", &[pattern(b"\0\0\0\0", 1), pattern(b"\0\0", 2)], b"\0\0\0\0", &[1, 2]),
        ("padding is no text", &[pattern(b"a\0", 1), pattern(b"a\0\0\0", 2)], b"bba", &[]),
        ("high bytes", &[pattern(b"\xff\xfe\xfd\xfc", 1)], b"\x7f\xff\xfe\xfd\xfc", &[1]),
        ("offset reached", &[between(b"evil", 3, 0, 1)], b"no evil", &[1]),
        ("offset missed", &[between(b"evil", 4, 0, 1)], b"no evil", &[]),
        ("offset met by a later match", &[between(b"evil", 4, 0, 1)], b"no evil evil", &[1]),
        ("depth reached", &[between(b"evil", 0, 7, 1)], b"no evil", &[1]),
        ("depth missed", &[between(b"evil", 0, 6, 1)], b"no evil", &[]),
        ("depth of a byte", &[between(b"e", 0, 3, 1), between(b"e", 3, 4, 2)], b"no evil", &[2]),
        ("depth too small for the pattern", &[between(b"evil", 0, 3, 1)], b"evil", &[]),
        ("one literal, many places", &[between(b"evil", 0, 4, 1), between(b"evil", 5, 0, 2),
            pattern(b"evil", 3)], b"evil evil", &[1, 2, 3]),
        ("offset past everything", &[between(b"evil", u32::MAX, 0, 1)], b"evil", &[]),
        ("longer than the haystack", &[pattern(&long, 1)], &[b'x'; 199], &[]),
        ("as long as the haystack", &[pattern(&long, 1)], &[b'x'; 200], &[1]),
    ];
    for (name, patterns, haystack, expected) in table {
        check(name, patterns, haystack, expected);
    }
}

#[test]
fn every_alignment_and_tail() {
    let patterns = [
        pattern(b"\x93needle\x8e", 0),
        nocase(b"PiNs", 1),
        pattern(b"abc", 2),
        nocase(b"xY", 3),
        pattern(b"!", 4),
    ];
    for kind in engines() {
        let set = Set::build_with(patterns, kind);
        for pattern in &patterns {
            for len in pattern.bytes.len()..200 {
                for start in [0, len / 3, len - pattern.bytes.len()] {
                    let mut buffer = vec![b'-'; len];
                    let Some(place) = buffer.get_mut(start..start + pattern.bytes.len()) else {
                        continue;
                    };
                    place.copy_from_slice(pattern.bytes);
                    assert_eq!(ids(&set, &buffer), [pattern.id], "{kind:?} {len} {start}");
                }
            }
        }
    }
}

#[test]
fn matches_far_into_a_large_haystack() {
    let patterns = [pattern(b"needle", 0), between(b"needle", 40_000, 50_000, 1)];
    for kind in engines() {
        let set = Set::build_with(patterns, kind);
        for (position, expected) in
            [(0, &[0][..]), (2046, &[0]), (2047, &[0]), (40_000, &[0, 1]), (49_995, &[0])]
        {
            let mut buffer = vec![0; 65_536];
            buffer[position..position + 6].copy_from_slice(b"needle");
            assert_eq!(ids(&set, &buffer), expected, "{kind:?} {position}");
        }
    }
}

#[test]
fn sets_tell_their_size() {
    let mut builder = SetBuilder::new();
    builder.add(pattern(b"abc", 1)).add(pattern(b"abc", 2)).add(pattern(b"abcdef", 3));
    let set = builder.build();
    assert_eq!((set.len(), set.min_len(), set.is_empty()), (3, 3, false));
    assert!(set.memory() > 1_000 && set.memory() < 8_192, "{}", set.memory());
    let empty = SetBuilder::new().build();
    assert_eq!((empty.len(), empty.min_len(), empty.is_empty()), (0, 0, true));
}

#[test]
fn hits_keep_each_id_once() {
    let mut hits = Hits::with_capacity(4);
    assert!(hits.insert(3) && hits.insert(900) && !hits.insert(3));
    assert_eq!(hits.ids(), [3, 900]);
    assert!(hits.contains(900) && !hits.contains(4));
    hits.clear();
    assert!(hits.is_empty() && !hits.contains(3) && !hits.contains(900));
    assert!(hits.insert(3));
}

#[derive(Clone, Debug)]
struct Owned {
    bytes: Vec<u8>,
    nocase: bool,
    offset: u32,
    depth: u32,
}

fn letter() -> impl Strategy<Value = u8> {
    prop_oneof![
        6 => prop::sample::select(&b"aAbB"[..]),
        2 => prop::sample::select(&b"\0 [{@"[..]),
        1 => prop::sample::select(&b"\x80\xc1\xe1\xff"[..]),
    ]
}

fn owned() -> impl Strategy<Value = Owned> {
    let place = prop_oneof![3 => Just((0, 0)), 1 => (0..70u32, 0..140u32)];
    (prop::collection::vec(letter(), 0..9), any::<bool>(), place)
        .prop_map(|(bytes, nocase, (offset, depth))| Owned { bytes, nocase, offset, depth })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn engines_agree_with_the_naive_search(
        owned in prop::collection::vec(owned(), 0..40),
        haystack in prop::collection::vec(letter(), 0..300),
    ) {
        let patterns: Vec<Pattern<'_>> = owned
            .iter()
            .enumerate()
            .map(|(id, o)| Pattern {
                bytes: &o.bytes,
                nocase: o.nocase,
                offset: o.offset,
                depth: o.depth,
                id: id as u32,
            })
            .collect();
        let expected = naive::search(&patterns, &haystack);
        for kind in engines() {
            let set = Set::build_with(patterns.iter().copied(), kind);
            prop_assert_eq!(&ids(&set, &haystack), &expected, "{:?}", kind);
        }
    }

    #[test]
    fn engines_agree_on_bytes_of_all_values(
        cuts in prop::collection::vec((0usize..4000, 1usize..12, any::<bool>()), 1..700),
        seed in prop::collection::vec(any::<u8>(), 1..4000),
        len in 0usize..4000,
    ) {
        // Patterns are cut from the text, so that many of them occur; some with a case rule.
        let patterns: Vec<Pattern<'_>> = cuts
            .iter()
            .enumerate()
            .filter_map(|(id, &(at, len, nocase))| {
                let bytes = seed.get(at % seed.len()..)?.get(..len)?;
                Some(Pattern { nocase, ..pattern(bytes, id as u32) })
            })
            .collect();
        let mut haystack = seed.clone();
        haystack.make_ascii_uppercase();
        haystack.extend_from_slice(&seed);
        haystack.truncate(len);
        let expected = naive::search(&patterns, &haystack);
        for kind in engines() {
            let set = Set::build_with(patterns.iter().copied(), kind);
            prop_assert_eq!(&ids(&set, &haystack), &expected, "{:?}", kind);
        }
    }
}
