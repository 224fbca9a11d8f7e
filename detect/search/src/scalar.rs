//! The filter in plain Rust.

use crate::engine::{Engine, Marks, mark_all};
use crate::filter::{Filter, Tables};

/// Looks up one byte after the other.
pub(crate) struct Scalar;

impl Engine for Scalar {
    #[inline(always)]
    fn mark<const W: usize>(
        filter: &Filter<W>,
        haystack: &[u8],
        start: usize,
        marks: &mut [Marks],
    ) {
        let Tables::Chain(table) = &filter.tables else {
            return mark_all(marks);
        };
        for (block, marks) in marks.iter_mut().enumerate() {
            let base = start.saturating_add(block * 64);
            let rest = haystack.get(base..).unwrap_or_default();
            let survivors = if let Some(text) = rest.first_chunk() {
                survivors::<W>(table, text)
            } else {
                let mut padded = [0; SPAN];
                padded[..rest.len()].copy_from_slice(rest);
                survivors::<W>(table, &padded)
            };
            marks.long = some(&survivors, !filter.short_buckets);
            marks.short =
                if filter.short_buckets == 0 { 0 } else { some(&survivors, filter.short_buckets) };
        }
    }

    #[inline(always)]
    fn run(work: impl FnOnce()) {
        work();
    }
}

/// What 64 positions read: the widest window starts at the last of them.
const SPAN: usize = 64 + 3;

/// The buckets that survive at each of 64 positions.
#[inline(always)]
fn survivors<const W: usize>(table: &[u32; 256], text: &[u8; SPAN]) -> [u8; 64] {
    let mut survivors = [0; 64];
    // A byte of the state holds the buckets left after as many bytes as its place tells. The two
    // halves are independent, so that the processor can work on both at once.
    let (mut first, mut second) = (0, 0);
    let step = |state: u32, byte: u8| (state << 8 | 0xff) & table[byte as usize];
    for place in 0..W - 1 {
        first = step(first, text[place]);
        second = step(second, text[32 + place]);
    }
    for place in 0..32 {
        first = step(first, text[place + W - 1]);
        second = step(second, text[32 + place + W - 1]);
        survivors[place] = (first >> (8 * (W - 1))) as u8;
        survivors[32 + place] = (second >> (8 * (W - 1))) as u8;
    }
    survivors
}

/// The positions that have some of the given buckets, as bits.
#[inline(always)]
fn some(survivors: &[u8; 64], buckets: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    let (groups, _) = survivors.as_chunks::<8>();
    groups.iter().enumerate().fold(0, |mask, (group, bytes)| {
        let bytes = u64::from_le_bytes(*bytes) & (LOW * u64::from(buckets));
        // The top bit of each byte that is not zero, then gathered into eight bits.
        let tops = (((bytes & (LOW * 0x7f)) + LOW * 0x7f) | bytes) & (LOW * 0x80);
        let bits = (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask | bits << (group * 8)
    })
}
