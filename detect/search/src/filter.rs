//! The filter of byte classes: which positions of a haystack may be the start of a window.
//!
//! Windows of `W` bytes are dealt into eight buckets. Table `j` tells for each byte value in which
//! buckets some window has this byte at position `j`; a position survives if the `W` bytes from
//! there on have a bucket in common.

use std::ops::Range;

use crate::engine::EngineKind;
use crate::statistics::share;

/// What one position of a window accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// This byte only.
    Byte(u8),
    /// This lower-case letter and its capital.
    Letter(u8),
    /// Every byte: the window is shorter than the filter is wide.
    Any,
}

impl Class {
    /// The class of a byte of a literal.
    pub(crate) fn new(byte: u8, nocase: bool) -> Self {
        if nocase && byte.is_ascii_alphabetic() {
            Self::Letter(byte.to_ascii_lowercase())
        } else {
            Self::Byte(byte)
        }
    }

    /// The low and the high halves of its bytes, as sets of bits.
    fn halves(self) -> [u16; 2] {
        match self {
            Self::Byte(byte) => [1 << (byte & 15), 1 << (byte >> 4)],
            // The cases of a letter differ in the high half only.
            Self::Letter(byte) => [1 << (byte & 15), 1 << (byte >> 4) | 1 << (byte >> 4 & !2)],
            Self::Any => [u16::MAX; 2],
        }
    }

    fn share(self) -> f32 {
        match self {
            Self::Byte(byte) => share(byte),
            Self::Letter(byte) => share(byte) + share(byte.to_ascii_uppercase()),
            Self::Any => 1.0,
        }
    }
}

/// The bytes of a window, as classes.
pub(crate) type Window<const W: usize> = [Class; W];

/// How many buckets there are: the bits of a table entry.
const BUCKETS: usize = 8;

/// Above this many windows the halves of bytes let too much pass: AVX2 then works as the scalar
/// engine does.
const MAX_NIBBLES: usize = 200;

/// The tables, in the form that the engine wants.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) enum Tables<const W: usize> {
    /// For each position of a window and each byte value the set of buckets.
    Bytes([[u8; 256]; W]),
    /// The same for the low and the high half of a byte, each by itself: a bucket survives if it
    /// does by both.
    Nibbles([[[u8; 16]; 2]; W]),
    /// For each byte value its sets at all positions, the first in the lowest byte.
    Chain(Box<[u32; 256]>),
}

/// The filter of a set of windows.
#[derive(Clone, Debug)]
pub(crate) struct Filter<const W: usize> {
    /// The tables.
    pub(crate) tables: Tables<W>,
    /// The buckets of the short literals.
    pub(crate) short_buckets: u8,
}

impl<const W: usize> Filter<W> {
    /// Deals the windows of long and short literals into buckets of their own, most frequent
    /// first, so that the chance of a random position to survive grows least.
    pub(crate) fn new(long: &[Window<W>], short: &[Window<W>], kind: EngineKind) -> Self {
        let for_short = match (long.len(), short.len()) {
            (_, 0) => 0,
            (0, _) => BUCKETS,
            (long, short) => (short * BUCKETS / (long + short)).clamp(1, BUCKETS / 2),
        };
        let by_halves = kind == EngineKind::Avx2 && long.len() + short.len() <= MAX_NIBBLES;
        let mut deal = Deal::<W> {
            bytes: [[0; 256]; W],
            halves: by_halves.then_some([[[0; 2]; BUCKETS]; W]),
            shares: [[0.0; BUCKETS]; W],
            products: [0.0; BUCKETS],
        };
        deal.place_all(long, for_short..BUCKETS);
        deal.place_all(short, 0..for_short);
        let tables = match kind {
            EngineKind::Vbmi => Tables::Bytes(deal.bytes),
            EngineKind::Avx2 if by_halves => Tables::Nibbles(nibbles(&deal.bytes)),
            EngineKind::Avx2 | EngineKind::Scalar => Tables::Chain(Box::new(chain(&deal.bytes))),
        };
        Self { tables, short_buckets: ((1u32 << for_short) - 1) as u8 }
    }

    /// The bytes of heap memory in use.
    pub(crate) fn memory(&self) -> usize {
        match &self.tables {
            Tables::Chain(table) => size_of_val(&**table),
            Tables::Bytes(_) | Tables::Nibbles(_) => 0,
        }
    }
}

fn nibbles<const W: usize>(bytes: &[[u8; 256]; W]) -> [[[u8; 16]; 2]; W] {
    let mut nibbles = [[[0; 16]; 2]; W];
    for (halves, table) in nibbles.iter_mut().zip(bytes) {
        for (byte, &buckets) in table.iter().enumerate() {
            halves[0][byte & 15] |= buckets;
            halves[1][byte >> 4] |= buckets;
        }
    }
    nibbles
}

fn chain<const W: usize>(bytes: &[[u8; 256]; W]) -> [u32; 256] {
    const { assert!(W <= 4) };
    let mut chain = [0; 256];
    for (byte, entry) in chain.iter_mut().enumerate() {
        for (j, table) in bytes.iter().enumerate() {
            *entry |= u32::from(table[byte]) << (8 * j);
        }
    }
    chain
}

/// The state of dealing windows into buckets.
struct Deal<const W: usize> {
    bytes: [[u8; 256]; W],
    /// By position and bucket, if the engine sees no whole bytes: which low and which high halves
    /// the class holds, as sets of bits.
    halves: Option<[[[u16; 2]; BUCKETS]; W]>,
    /// By position and bucket: the share of traffic bytes that the class lets pass.
    shares: [[f32; BUCKETS]; W],
    /// By bucket: the product of its shares.
    products: [f32; BUCKETS],
}

impl<const W: usize> Deal<W> {
    fn place_all(&mut self, windows: &[Window<W>], buckets: Range<usize>) {
        let mut order: Vec<(f32, Window<W>)> = windows
            .iter()
            .map(|window| (window.iter().map(|class| class.share()).product(), *window))
            .collect();
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.dedup_by(|a, b| a.1 == b.1);
        for (_, window) in &order {
            self.place(window, buckets.clone());
        }
    }

    fn place(&mut self, window: &Window<W>, buckets: Range<usize>) {
        let mut shares = [[0.0; BUCKETS]; W];
        let mut products = [1.0; BUCKETS];
        for (j, class) in window.iter().enumerate() {
            shares[j] = self.shares_with(j, *class);
            for (product, share) in products.iter_mut().zip(&shares[j]) {
                *product *= share;
            }
        }
        let mut best = buckets.start;
        let mut least = f32::INFINITY;
        for (bucket, (new, old)) in products.iter().zip(&self.products).enumerate() {
            if buckets.contains(&bucket) && new - old < least {
                (best, least) = (bucket, new - old);
            }
        }
        self.products[best] = products[best];
        for (j, class) in window.iter().enumerate() {
            self.shares[j][best] = shares[j][best];
            self.join(j, best, *class);
        }
    }

    /// Puts a class into a bucket.
    fn join(&mut self, j: usize, bucket: usize, class: Class) {
        let [low, high] = class.halves();
        if let Some(halves) = &mut self.halves {
            halves[j][bucket][0] |= low;
            halves[j][bucket][1] |= high;
        }
        let bit = 1 << bucket;
        match class {
            Class::Byte(byte) => self.bytes[j][byte as usize] |= bit,
            Class::Letter(byte) => {
                self.bytes[j][byte as usize] |= bit;
                self.bytes[j][byte.to_ascii_uppercase() as usize] |= bit;
            }
            Class::Any => self.bytes[j].iter_mut().for_each(|buckets| *buckets |= bit),
        }
    }

    /// The shares of all buckets at position `j` if `class` joined each of them.
    fn shares_with(&self, j: usize, class: Class) -> [f32; BUCKETS] {
        let mut shares = self.shares[j];
        if let Some(halves) = &self.halves {
            let [more_low, more_high] = class.halves();
            for (share, &[low, high]) in shares.iter_mut().zip(&halves[j]) {
                if (low | more_low, high | more_high) != (low, high) {
                    *share = share_of_halves(low | more_low, high | more_high);
                }
            }
            return shares;
        }
        let mut join = |byte: u8| {
            let buckets = self.bytes[j][byte as usize];
            let more = share(byte);
            for (bucket, share) in shares.iter_mut().enumerate() {
                *share += if buckets >> bucket & 1 == 0 { more } else { 0.0 };
            }
        };
        match class {
            Class::Byte(byte) => join(byte),
            Class::Letter(byte) => {
                join(byte);
                join(byte.to_ascii_uppercase());
            }
            Class::Any => shares = [1.0; BUCKETS],
        }
        shares
    }
}

/// The share of the bytes whose halves are in two sets.
fn share_of_halves(low: u16, high: u16) -> f32 {
    if low == u16::MAX && high == u16::MAX {
        return 1.0;
    }
    let mut sums = [0.0; 16];
    for high in (0..16u8).filter(|half| high >> half & 1 != 0) {
        for (low, sum) in (0..16u8).zip(&mut sums) {
            *sum += share(high << 4 | low);
        }
    }
    (0..16).zip(sums).map(|(half, sum)| if low >> half & 1 != 0 { sum } else { 0.0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The buckets that survive at the start of `text`.
    fn buckets_at(filter: &Filter<4>, text: &[u8; 4]) -> u8 {
        let places = text.iter().enumerate();
        places.fold(0xff, |buckets, (j, &byte)| {
            let (low, high) = (byte as usize & 15, byte as usize >> 4);
            buckets
                & match &filter.tables {
                    Tables::Bytes(tables) => tables[j][byte as usize],
                    Tables::Nibbles(tables) => tables[j][0][low] & tables[j][1][high],
                    Tables::Chain(table) => (table[byte as usize] >> (8 * j)) as u8,
                }
        })
    }

    #[test]
    fn every_window_survives_its_own_filter() {
        for (kind, count) in
            [(EngineKind::Vbmi, 3000), (EngineKind::Avx2, 3000), (EngineKind::Avx2, 100)]
        {
            let words: Vec<[u8; 4]> = (0..count)
                .map(|n: u32| n.wrapping_mul(0x9e37_79b9).rotate_left(7).to_be_bytes())
                .collect();
            let windows: Vec<Window<4>> = words
                .iter()
                .enumerate()
                .map(|(n, word)| word.map(|byte| Class::new(byte, n % 2 == 0)))
                .collect();
            let filter = Filter::new(&windows, &windows[..9], kind);
            for (n, word) in words.iter().enumerate() {
                assert_ne!(buckets_at(&filter, word), 0, "{word:?}");
                if n % 2 == 0 {
                    assert_ne!(buckets_at(&filter, &word.map(|b| b.to_ascii_uppercase())), 0);
                    assert_ne!(buckets_at(&filter, &word.map(|b| b.to_ascii_lowercase())), 0);
                }
                if n < 9 {
                    assert_ne!(buckets_at(&filter, word) & filter.short_buckets, 0);
                    assert_ne!(buckets_at(&filter, word) & !filter.short_buckets, 0);
                }
            }
        }
    }

    #[test]
    fn few_windows_have_a_bucket_each() {
        let words = [b"abcd", b"abce", b"xbcd", b"0123"];
        let windows: Vec<Window<4>> = words.iter().map(|w| w.map(Class::Byte)).collect();
        for kind in EngineKind::ALL {
            let filter = Filter::new(&windows, &[], kind);
            assert_eq!(buckets_at(&filter, b"xbce"), 0);
            assert_eq!(buckets_at(&filter, b"0bcd"), 0);
            assert_eq!(buckets_at(&filter, b"ABCD"), 0);
            assert_eq!(buckets_at(&filter, b"abcd").count_ones(), 1);
        }
    }

    #[test]
    fn shares_of_halves_are_those_of_their_bytes() {
        assert!(
            (share_of_halves(u16::MAX, 0x00ff) + share_of_halves(u16::MAX, 0xff00) - 1.0).abs()
                < 1e-3
        );
        let letter = Class::Letter(b'k');
        let [low, high] = letter.halves();
        assert!((share_of_halves(low, high) - letter.share()).abs() < 1e-6);
    }
}
