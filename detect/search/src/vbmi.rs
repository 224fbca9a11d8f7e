//! The filter with AVX-512 VBMI: 64 positions at once, each looked up exactly.

use core::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_andnot_si512, _mm512_loadu_si512, _mm512_mask_blend_epi8,
    _mm512_maskz_loadu_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_set1_epi8,
    _mm512_test_epi8_mask,
};

use crate::engine::{Engine, EngineKind, Marks, mark_all};
use crate::filter::{Filter, Tables};

/// Looks up 64 bytes at once in tables of 256 entries held in registers.
pub(crate) struct Vbmi;

impl Engine for Vbmi {
    #[inline(always)]
    fn mark<const W: usize>(
        filter: &Filter<W>,
        haystack: &[u8],
        start: usize,
        marks: &mut [Marks],
    ) {
        debug_assert!(EngineKind::Vbmi.is_available());
        let Tables::Bytes(tables) = &filter.tables else {
            return mark_all(marks);
        };
        // SAFETY: a set takes this engine only if the processor has all the features.
        unsafe { mark(tables, filter.short_buckets, haystack, start, marks) }
    }

    #[inline(always)]
    fn run(work: impl FnOnce()) {
        debug_assert!(EngineKind::Vbmi.is_available());
        // SAFETY: as above.
        unsafe { run(work) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi1,bmi2,popcnt")]
fn run(work: impl FnOnce()) {
    work();
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi1,bmi2,popcnt")]
fn mark<const W: usize>(
    tables: &[[u8; 256]; W],
    short_buckets: u8,
    haystack: &[u8],
    start: usize,
    marks: &mut [Marks],
) {
    let tables: [Table; W] = std::array::from_fn(|j| load_table(&tables[j]));
    let short = _mm512_set1_epi8(short_buckets as i8);
    let mut base = start;
    for marks in marks {
        let rest = haystack.get(base..).unwrap_or_default();
        let mut buckets = look_up(&tables[0], load(rest));
        for (j, table) in tables.iter().enumerate().skip(1) {
            let text = load(rest.get(j..).unwrap_or_default());
            buckets = _mm512_and_si512(buckets, look_up(table, text));
        }
        let long = _mm512_andnot_si512(short, buckets);
        marks.long = _mm512_test_epi8_mask(long, long);
        marks.short = _mm512_test_epi8_mask(short, buckets);
        base = base.saturating_add(64);
    }
}

/// A table of 256 bytes in four registers.
type Table = [__m512i; 4];

#[target_feature(enable = "avx512f")]
fn load_table(bytes: &[u8; 256]) -> Table {
    let (quarters, _) = bytes.as_chunks::<64>();
    debug_assert_eq!(quarters.len(), 4);
    // SAFETY: each quarter is 64 readable bytes; the load asks for no alignment.
    std::array::from_fn(|n| unsafe { _mm512_loadu_si512(quarters[n].as_ptr().cast()) })
}

/// The first 64 bytes of a text, zeros after its end.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(text: &[u8]) -> __m512i {
    if text.len() >= 64 {
        // SAFETY: the text has 64 readable bytes; the load asks for no alignment.
        unsafe { _mm512_loadu_si512(text.as_ptr().cast()) }
    } else {
        let lanes = (1 << text.len()) - 1;
        debug_assert!(lanes < u64::MAX);
        // SAFETY: only lanes inside the text are read, a masked lane touches no memory.
        unsafe { _mm512_maskz_loadu_epi8(lanes, text.as_ptr().cast()) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(table: &Table, text: __m512i) -> __m512i {
    // The permutation ignores the top bit of an index, which then chooses between the halves.
    let low = _mm512_permutex2var_epi8(table[0], text, table[1]);
    let high = _mm512_permutex2var_epi8(table[2], text, table[3]);
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(text), low, high)
}
