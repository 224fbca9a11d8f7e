//! How often bytes and pairs of bytes occur in network traffic: the choice of windows rests on it.
//!
//! The table was learnt from the payloads of several hundred captures of mixed application
//! protocols, large ones counted as 60 kB, long runs of one byte cut short, plus three hundredths
//! of evenly spread bytes for what is compressed or encrypted. It is a text of 256 lines with 256
//! characters: line is the first byte, column the second, and the character code less 48 is a
//! level in steps of three eighths of a bit: a pair with level `l` makes up about 2^(3l/8 - 24) of
//! all pairs.

/// The levels as text; see above.
static TEXT: &[u8] = include_bytes!("byte_pairs.txt");

/// How often each byte occurs: the sums of the lines.
const WEIGHTS: [u64; 256] = weights();

/// The same as a level.
static LEVELS: [u8; 256] = levels();

/// The same as a share of all bytes.
static SHARES: [f32; 256] = shares();

/// The share of a byte among all bytes.
pub(crate) fn share(byte: u8) -> f32 {
    SHARES[byte as usize]
}

/// The level of a byte.
fn level(byte: u8) -> i32 {
    i32::from(LEVELS[byte as usize])
}

/// The level of a pair of bytes.
fn pair_level(first: u8, second: u8) -> i32 {
    i32::from(TEXT[first as usize * 257 + second as usize]) - 48
}

/// The rarest window of four bytes: its position in the literal, 0 in a shorter one. Lower case
/// stands for both cases in a literal that ignores case.
pub(crate) fn rarest_window(bytes: &[u8], nocase: bool) -> usize {
    let mut best = (i32::MAX, 0);
    for (position, window) in bytes.array_windows::<4>().enumerate() {
        let [a, b, c, d] = *window;
        // A first-order chain: the pairs of the window over the bytes that two of them share.
        let pairs = either_case_pair(a, b, nocase)
            + either_case_pair(b, c, nocase)
            + either_case_pair(c, d, nocase);
        let chain = pairs - either_case(b, nocase) - either_case(c, nocase);
        if chain < best.0 {
            best = (chain, position);
        }
    }
    best.1
}

fn either_case(byte: u8, nocase: bool) -> i32 {
    let lower = level(byte);
    if nocase { lower.max(level(byte.to_ascii_uppercase())) } else { lower }
}

fn either_case_pair(first: u8, second: u8, nocase: bool) -> i32 {
    let same = pair_level(first, second);
    if !nocase {
        return same;
    }
    let (upper_first, upper_second) = (first.to_ascii_uppercase(), second.to_ascii_uppercase());
    same.max(pair_level(upper_first, second))
        .max(pair_level(first, upper_second))
        .max(pair_level(upper_first, upper_second))
}

/// 2^(3l/8) in units of 1/65,536.
const fn weight(level: u32) -> u64 {
    /// 65,536 times 2^(n/8).
    const FRACTIONS: [u64; 8] = [65_536, 71_468, 77_936, 84_990, 92_682, 101_070, 110_218, 120_194];
    FRACTIONS[(level * 3 % 8) as usize] << (level * 3 / 8)
}

const fn weights() -> [u64; 256] {
    assert!(TEXT.len() == 256 * 257);
    let mut sums = [0; 256];
    let mut line = 0;
    while line < 256 {
        let mut column = 0;
        while column < 256 {
            sums[line] += weight((TEXT[line * 257 + column] - 48) as u32);
            column += 1;
        }
        line += 1;
    }
    sums
}

const fn levels() -> [u8; 256] {
    let mut levels = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        while levels[byte] < 63 && weight(levels[byte] as u32 + 1) <= WEIGHTS[byte] {
            levels[byte] += 1;
        }
        byte += 1;
    }
    levels
}

const fn shares() -> [f32; 256] {
    let mut total = 0;
    let mut byte = 0;
    while byte < 256 {
        total += WEIGHTS[byte];
        byte += 1;
    }
    let mut shares = [0.0; 256];
    byte = 0;
    while byte < 256 {
        shares[byte] = WEIGHTS[byte] as f32 / total as f32;
        byte += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_order_bytes() {
        let sum: f32 = (0..=255).map(share).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        assert!(share(b'e') > share(b'q'));
        assert!(share(0) > share(0x93));
    }

    #[test]
    fn the_rarest_window_is_chosen() {
        // name, literal, nocase, position
        let table: &[(&str, &[u8], bool, usize)] = &[
            ("zeros in front", b"\0\0\0\0\x93\xd7\x8e\xb1", false, 4),
            ("rare bytes after a common header", b"\r\nHost: \x93\xd7\x8e\xb1", false, 7),
            ("exact fit", b"abcd", false, 0),
        ];
        for &(name, literal, nocase, position) in table {
            assert_eq!(rarest_window(literal, nocase), position, "{name}");
        }
    }
}
