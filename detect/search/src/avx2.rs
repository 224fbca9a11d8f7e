//! The filter with AVX2: 32 positions at once, looked up by the low and the high half of each byte.

use core::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_andnot_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

use crate::engine::{Engine, EngineKind, Marks};
use crate::filter::{Filter, Tables};
use crate::scalar::Scalar;

/// Looks up 32 bytes at once in pairs of tables of 16 entries held in registers.
pub(crate) struct Avx2;

impl Engine for Avx2 {
    #[inline(always)]
    fn mark<const W: usize>(
        filter: &Filter<W>,
        haystack: &[u8],
        start: usize,
        marks: &mut [Marks],
    ) {
        debug_assert!(EngineKind::Avx2.is_available());
        let Tables::Nibbles(tables) = &filter.tables else {
            return Scalar::mark(filter, haystack, start, marks);
        };
        // SAFETY: a set takes this engine only if the processor has all the features.
        unsafe { mark(tables, filter.short_buckets, haystack, start, marks) }
    }

    #[inline(always)]
    fn run(work: impl FnOnce()) {
        debug_assert!(EngineKind::Avx2.is_available());
        // SAFETY: as above.
        unsafe { run(work) }
    }
}

/// What 64 positions read: the widest window starts at the last of them.
const SPAN: usize = 64 + 3;

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn run(work: impl FnOnce()) {
    work();
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn mark<const W: usize>(
    tables: &[[[u8; 16]; 2]; W],
    short_buckets: u8,
    haystack: &[u8],
    start: usize,
    marks: &mut [Marks],
) {
    const { assert!(64 + W - 1 <= SPAN) };
    let tables: [Table; W] =
        std::array::from_fn(|j| [load_table(&tables[j][0]), load_table(&tables[j][1])]);
    let short = _mm256_set1_epi8(short_buckets as i8);
    let mut base = start;
    for marks in marks {
        let rest = haystack.get(base..).unwrap_or_default();
        *marks = if let Some(text) = rest.first_chunk() {
            mark_block(&tables, short, text)
        } else {
            let mut padded = [0; SPAN];
            padded[..rest.len()].copy_from_slice(rest);
            mark_block(&tables, short, &padded)
        };
        base = base.saturating_add(64);
    }
}

/// The tables of the low and of the high half, each repeated in both lanes.
type Table = [__m256i; 2];

#[target_feature(enable = "avx2")]
fn load_table(entries: &[u8; 16]) -> __m256i {
    // SAFETY: there are 16 readable bytes; the load asks for no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn mark_block<const W: usize>(tables: &[Table; W], short: __m256i, text: &[u8; SPAN]) -> Marks {
    let mut marks = Marks::default();
    for half in 0..2 {
        let mut buckets = _mm256_set1_epi8(-1);
        for (j, table) in tables.iter().enumerate() {
            let Some(bytes) = text[half * 32 + j..].first_chunk() else {
                continue;
            };
            buckets = _mm256_and_si256(buckets, look_up(table, load(bytes)));
        }
        marks.long |= u64::from(some(_mm256_andnot_si256(short, buckets))) << (half * 32);
        marks.short |= u64::from(some(_mm256_and_si256(short, buckets))) << (half * 32);
    }
    marks
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: there are 32 readable bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The lanes that are not zero.
#[inline]
#[target_feature(enable = "avx2")]
fn some(lanes: __m256i) -> u32 {
    !_mm256_movemask_epi8(_mm256_cmpeq_epi8(lanes, _mm256_setzero_si256())) as u32
}

#[inline]
#[target_feature(enable = "avx2")]
fn look_up(table: &Table, bytes: __m256i) -> __m256i {
    let half = _mm256_set1_epi8(15);
    let low = _mm256_shuffle_epi8(table[0], _mm256_and_si256(bytes, half));
    let high = _mm256_shuffle_epi8(table[1], _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half));
    _mm256_and_si256(low, high)
}
