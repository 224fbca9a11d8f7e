//! From a surviving position to the literals it may be: a Bloom filter and a hash index by key.

/// The Bloom filter has at most this many bits (16 KiB, half of a level 1 cache).
const MAX_BLOOM_BITS: usize = 1 << 17;

/// Bits of the Bloom filter per key, before rounding up to a power of two.
const BLOOM_BITS_PER_KEY: usize = 32;

/// Four bytes of a literal under which it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The bytes, letters in small if either case will do.
    pub(crate) word: u32,
    /// The case bits of letters of which either case will do.
    pub(crate) loose: u32,
}

impl Key {
    /// The key of a word of a literal; letters in small if the case does not matter.
    pub(crate) fn new(word: u32, nocase: bool) -> Self {
        if nocase {
            let capital = unfold(word);
            Self { word: word | capital, loose: word ^ capital }
        } else {
            Self { word, loose: 0 }
        }
    }

    fn fits(self, word: u32) -> bool {
        word | self.loose == self.word
    }
}

/// A literal to compare where `key` was met.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    literal: u32,
}

/// Finds the literals with a given key. Case is folded for the Bloom filter and for the hash.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    bloom: Box<[u64]>,
    bloom_shift: u32,
    /// The entries of hash `h` are those from `heads[h]` to `heads[h + 1]`.
    heads: Box<[u32]>,
    heads_shift: u32,
    entries: Box<[Entry]>,
}

impl Candidates {
    /// Indexes the keys of the literals from number 0 on.
    pub(crate) fn new(keys: &[Key], max_heads: usize) -> Self {
        let bits = (keys.len() * BLOOM_BITS_PER_KEY).next_power_of_two();
        let bits = bits.clamp(512, MAX_BLOOM_BITS);
        let head_count = keys.len().next_power_of_two().clamp(16, max_heads);
        let free = Entry { key: Key { word: 0, loose: 0 }, literal: 0 };
        let mut candidates = Self {
            bloom: vec![0; bits / 64].into(),
            bloom_shift: 32 - bits.trailing_zeros(),
            heads: vec![0; head_count + 1].into(),
            heads_shift: 32 - head_count.trailing_zeros(),
            entries: vec![free; keys.len()].into(),
        };
        candidates.fill(keys);
        candidates
    }

    /// Counting sort by hash, with the Bloom filter on the way.
    fn fill(&mut self, keys: &[Key]) {
        for key in keys {
            let hash = hash(fold(key.word));
            let bit = (hash >> self.bloom_shift) as usize;
            self.bloom[bit / 64] |= 1 << (bit % 64);
            self.heads[(hash >> self.heads_shift) as usize] += 1;
        }
        let mut sum = 0;
        for head in &mut self.heads {
            sum += *head;
            *head = sum;
        }
        // Each head now is the end of its range; filling from the back leaves it at the start.
        for (literal, &key) in keys.iter().enumerate().rev() {
            let head = &mut self.heads[(hash(fold(key.word)) >> self.heads_shift) as usize];
            *head -= 1;
            self.entries[*head as usize] = Entry { key, literal: literal as u32 };
        }
    }

    /// Whether some literal may have this word as its key.
    #[inline(always)]
    pub(crate) fn may_have(&self, word: u32) -> bool {
        let bit = hash(fold(word)) >> self.bloom_shift;
        self.bloom.get((bit / 64) as usize).is_some_and(|set| set >> (bit % 64) & 1 != 0)
    }

    /// The literals whose key fits a word.
    #[inline(always)]
    pub(crate) fn with_key(&self, word: u32) -> impl Iterator<Item = u32> {
        let head = (hash(fold(word)) >> self.heads_shift) as usize;
        let range = match (self.heads.get(head), self.heads.get(head + 1)) {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        };
        let entries = self.entries.get(range).unwrap_or_default();
        entries.iter().filter(move |entry| entry.key.fits(word)).map(|entry| entry.literal)
    }

    /// The bytes of heap memory in use.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.bloom) + size_of_val(&*self.heads) + size_of_val(&*self.entries)
    }
}

/// A hash whose upper bits are good.
#[inline(always)]
pub(crate) fn hash(word: u32) -> u32 {
    // The multiplication alone leaves the upper bits of words of small numbers too regular.
    (word ^ word >> 15).wrapping_mul(0x9e37_79b1)
}

/// Changes ASCII capitals among the four bytes of a word into small letters.
#[inline(always)]
fn fold(word: u32) -> u32 {
    word | capitals(word)
}

/// Changes small ASCII letters among the four bytes of a word into capitals.
fn unfold(word: u32) -> u32 {
    // Without the case bit letters look like capitals, whichever they were.
    word & !(capitals(word & 0xdfdf_dfdf) & word)
}

/// The case bits of the bytes that are ASCII capitals.
#[inline(always)]
fn capitals(word: u32) -> u32 {
    let low = word & 0x7f7f_7f7f;
    let from_a = low + 0x3f3f_3f3f;
    let past_z = low + 0x2525_2525;
    ((from_a ^ past_z) & !word & 0x8080_8080) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_agrees_with_the_standard_library() {
        for byte in 0..=255u8 {
            for other in [0, b'A', b'z', 0x80, 0xff, byte] {
                let word = [byte, other, byte, byte];
                let lower = word.map(|b| b.to_ascii_lowercase());
                assert_eq!(fold(u32::from_le_bytes(word)).to_le_bytes(), lower);
                let upper = word.map(|b| b.to_ascii_uppercase());
                assert_eq!(unfold(u32::from_le_bytes(word)).to_le_bytes(), upper);
            }
        }
    }

    #[test]
    fn keys_fit_words_by_their_case_rule() {
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        // key, nocase, word, fits
        let table: &[(&[u8; 4], bool, &[u8; 4], bool)] = &[
            (b"ab[\0", false, b"ab[\0", true),
            (b"ab[\0", false, b"aB[\0", false),
            (b"ab[\0", true, b"aB[\0", true),
            (b"ab[\0", true, b"ab{\0", false),
            (b"ab[\0", true, b"ab[ ", false),
        ];
        for &(key, nocase, text, fits) in table {
            assert_eq!(Key::new(word(key), nocase).fits(word(text)), fits, "{key:?} {text:?}");
        }
    }

    #[test]
    fn keys_are_found_with_all_their_literals() {
        let words: Vec<u32> =
            (0..5000u32).map(|n| (n / 3).wrapping_mul(0x0101_0101) ^ (n / 3) << 7).collect();
        let keys: Vec<Key> = words.iter().map(|&word| Key::new(word, false)).collect();
        let candidates = Candidates::new(&keys, 1 << 16);
        for (literal, &word) in words.iter().enumerate() {
            assert!(candidates.may_have(word));
            assert!(candidates.with_key(word).any(|found| found as usize == literal));
        }
        let absent = (0..100_000u32).map(|n| n.wrapping_mul(0x85eb_ca6b) | 1 << 31);
        let passed = absent.filter(|&word| candidates.may_have(word)).count();
        assert!(passed < 10_000, "{passed}");
    }
}
