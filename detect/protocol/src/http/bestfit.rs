//! Characters that stand for similar ASCII characters, and UTF-8 folded to single bytes with them.

/// Runs of characters: the first code point and what each of the run folds to.
const RUNS: &[(u32, &[u8])] = &[
    (0x0100, b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi"),
    (0x0134, b"JjKk"),
    (0x0139, b"LlLlLl"),
    (0x0141, b"LlNnNnNn"),
    (0x014c, b"OoOoOo"),
    (0x0154, b"RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzsb"),
    (0x0189, b"D"),
    (0x0191, b"Ff"),
    (0x0197, b"I"),
    (0x019a, b"l"),
    (0x019f, b"OOo"),
    (0x01ab, b"t"),
    (0x01ae, b"TUu"),
    (0x01b6, b"z"),
    (0x01c0, b"|"),
    (0x01c3, b"!"),
    (0x01cd, b"AaIiOoUuUuUuUuUu"),
    (0x01de, b"AaAa"),
    (0x01e4, b"GgGgKkOoOo"),
    (0x01f0, b"j"),
    (0x01f4, b"Gg"),
    (0x01f8, b"NnAa"),
    (0x0200, b"AaAaEeEeIiIiOoOoRrRrUuUuSsTt"),
    (0x021e, b"Hh"),
    (0x0226, b"AaEeOoOoOoOoYy"),
    (0x02b9, b"'\""),
    (0x02bc, b"'"),
    (0x02c4, b"^"),
    (0x02c6, b"^"),
    (0x02c8, b"'"),
    (0x02cb, b"`"),
    (0x02cd, b"_"),
    (0x02dc, b"~"),
    (0x0300, b"`"),
    (0x0302, b"^~"),
    (0x030e, b"\""),
    (0x0331, b"__"),
    (0x037e, b";"),
    (0x0393, b"G"),
    (0x0398, b"T"),
    (0x03a3, b"S"),
    (0x03a6, b"F"),
    (0x03a9, b"O"),
    (0x03b1, b"a"),
    (0x03b4, b"de"),
    (0x03c0, b"p"),
    (0x03c3, b"st"),
    (0x03c6, b"f"),
    (0x04bb, b"h"),
    (0x0589, b":"),
    (0x066a, b"%"),
    (0x1e00, b"AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwy"),
    (0x1e9b, b"s"),
    (0x1ea0, b"AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy"),
    (0x2000, b"       "),
    (0x2010, b"--"),
    (0x2017, b"="),
    (0x2032, b"'"),
    (0x2035, b"`"),
    (0x2044, b"/"),
    (0x2070, b"0"),
    (0x2074, b"456789"),
    (0x2080, b"0123456789"),
    (0x2102, b"C"),
    (0x2107, b"E"),
    (0x210a, b"gHHHh"),
    (0x2110, b"IILl"),
    (0x2115, b"N"),
    (0x2118, b"PPQRRR"),
    (0x2124, b"Z"),
    (0x2128, b"Z"),
    (0x212a, b"KABCeeEF"),
    (0x2133, b"Mo"),
    (0x2212, b"-"),
    (0x2215, b"/\\*"),
    (0x2223, b"|"),
    (0x2236, b":"),
    (0x223c, b"~"),
    (0x2264, b"=="),
    (0x2303, b"^"),
    (0x2329, b"<>"),
    (0x2500, b"-"),
    (0x2502, b"|"),
    (0x2758, b"|"),
    (0x3000, b" "),
    (0x3008, b"<>"),
    (0x301a, b"[]"),
];

/// The byte that a character folds to: itself below U+0100, the ASCII character of a full-width
/// form, else the best fit; none: there is no such byte.
pub(crate) fn lookup(code: u32) -> Option<u8> {
    match code {
        0..=0xff => Some(code as u8),
        0xff01..=0xff5e => Some((code - 0xff01) as u8 + b'!'),
        _ => {
            let at = RUNS.partition_point(|&(start, _)| start <= code).checked_sub(1)?;
            let &(start, run) = RUNS.get(at)?;
            run.get((code - start) as usize).copied()
        }
    }
}

/// Replaces UTF-8 sequences, overlong ones too, from `start` on by single bytes; what is no
/// sequence or has no fit becomes `replacement`.
pub(crate) fn fold_utf8(text: &mut Vec<u8>, start: usize, replacement: u8) {
    if text.get(start..).unwrap_or(&[]).is_ascii() {
        return;
    }
    let (mut read, mut write) = (start, start);
    while let Some(&first) = text.get(read) {
        let (len, high): (usize, u32) = match first {
            0x00..=0x7f => (1, u32::from(first)),
            0xc0..=0xdf => (2, u32::from(first & 0x1f)),
            0xe0..=0xef => (3, u32::from(first & 0x0f)),
            0xf0..=0xf7 => (4, u32::from(first & 0x07)),
            _ => (0, 0),
        };
        let rest = text.get(read + 1..).unwrap_or(&[]);
        let tail = rest.get(..len.saturating_sub(1)).unwrap_or(rest);
        if tail.len() + 1 < len && tail.iter().all(|b| (0x80..0xc0).contains(b)) {
            // What ends within a sequence yields nothing for it.
            break;
        }
        let valid =
            len > 0 && tail.len() + 1 == len && tail.iter().all(|b| (0x80..0xc0).contains(b));
        let byte = if valid {
            let code = tail.iter().fold(high, |code, &b| code << 6 | u32::from(b & 0x3f));
            lookup(code).unwrap_or(replacement)
        } else {
            replacement
        };
        read += if valid { len } else { 1 };
        if let Some(slot) = text.get_mut(write) {
            *slot = byte;
        }
        write += 1;
    }
    text.truncate(write);
}

#[cfg(test)]
mod tests {
    use super::{RUNS, fold_utf8, lookup};

    #[test]
    fn runs_are_sorted() {
        assert!(RUNS.windows(2).all(|w| w[0].0 + (w[0].1.len() as u32) <= w[1].0));
    }

    #[test]
    fn folds() {
        assert_eq!(lookup(0x0100), Some(b'A'));
        assert_eq!(lookup(0x2215), Some(b'/'));
        assert_eq!(lookup(0x20ac), None);
        let mut text = b"x\xff\xc0\xaf\xef\xbc\xa1\xc3".to_vec();
        fold_utf8(&mut text, 1, b'?');
        assert_eq!(text, b"x?/A");
    }
}
