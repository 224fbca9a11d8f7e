//! One pass over a haystack: filter, candidates, comparison.

use crate::engine::{Engine, Marks};
use crate::filter::Filter;
use crate::group::{Done, Group};
use crate::short;

/// Positions are marked and looked up in chunks of this many blocks of 64.
const CHUNK: usize = 16;

/// Literals that are looked for together.
#[derive(Clone, Debug)]
pub(crate) struct Pass<const W: usize> {
    filter: Filter<W>,
    /// Literals of four bytes and more.
    long: Option<Group>,
    /// Literals of two and three bytes.
    short: Option<Group>,
}

impl<const W: usize> Pass<W> {
    /// A pass with the tables for its groups.
    pub(crate) fn new(filter: Filter<W>, long: Option<Group>, short: Option<Group>) -> Box<Self> {
        Box::new(Self { filter, long, short })
    }

    /// The bytes of memory in use, with this structure itself.
    pub(crate) fn memory(&self) -> usize {
        let groups = [&self.long, &self.short];
        let groups: usize = groups.into_iter().flatten().map(Group::memory).sum();
        size_of::<Self>() + self.filter.memory() + groups
    }

    /// Reports the ids of the literals that occur.
    #[inline(always)]
    pub(crate) fn search<E: Engine>(&self, haystack: &[u8], found: &mut impl FnMut(u32)) {
        let groups = [&self.long, &self.short];
        let last = groups.into_iter().flatten().map(Group::last).max().unwrap_or(0);
        let haystack = haystack.get(..last).unwrap_or(haystack);
        let shortest = if self.short.is_some() { short::SHORTEST } else { 4 };
        let Some(last_start) = haystack.len().checked_sub(shortest) else {
            return;
        };
        let positions = last_start + 1;
        let mut marks = [Marks::default(); CHUNK];
        let (mut long_done, mut short_done) = (Done::new(), Done::new());
        let mut start = 0;
        while start < positions {
            let blocks = (positions - start).div_ceil(64).min(CHUNK);
            let marks = &mut marks[..blocks];
            E::mark(&self.filter, haystack, start, marks);
            if let Some(spare) = (blocks * 64).checked_sub(positions - start)
                && let Some(last) = marks.last_mut()
            {
                last.long &= u64::MAX >> spare;
                last.short &= u64::MAX >> spare;
            }
            if let Some(group) = &self.long {
                look_up_long(group, haystack, start, marks, &mut long_done, found);
            }
            if let Some(group) = &self.short {
                look_up_short(group, haystack, start, marks, &mut short_done, found);
            }
            start += blocks * 64;
        }
    }
}

/// Looks up the long literals at the marked positions.
#[inline(always)]
fn look_up_long(
    group: &Group,
    haystack: &[u8],
    start: usize,
    marks: &[Marks],
    done: &mut Done,
    found: &mut impl FnMut(u32),
) {
    for (block, marks) in marks.iter().enumerate() {
        for bit in bits(marks.long) {
            let position = start + block * 64 + bit;
            let Some(word) = long_word(haystack, position) else {
                continue;
            };
            if group.may_have(word) {
                group.compare(haystack, position, word, done, found);
            }
        }
    }
}

/// Looks up the short literals at the marked positions.
#[inline(always)]
fn look_up_short(
    group: &Group,
    haystack: &[u8],
    start: usize,
    marks: &[Marks],
    done: &mut Done,
    found: &mut impl FnMut(u32),
) {
    for (block, marks) in marks.iter().enumerate() {
        for bit in bits(marks.short) {
            let position = start + block * 64 + bit;
            for word in short_words(haystack, position) {
                if group.may_have(word) {
                    group.compare(haystack, position, word, done, found);
                }
            }
        }
    }
}

/// The set bits of a mask.
#[inline(always)]
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        bit
    })
}

/// The word at a position, if there are four bytes.
#[inline(always)]
fn long_word(haystack: &[u8], position: usize) -> Option<u32> {
    haystack.get(position..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The words of the three and of the two bytes at a position; the third byte counts as zero past
/// the end, which the comparison sorts out.
#[inline(always)]
fn short_words(haystack: &[u8], position: usize) -> [u32; 2] {
    let byte = |n| haystack.get(position + n).copied().unwrap_or(0);
    let (a, b, c) = (byte(0), byte(1), byte(2));
    [short::three_bytes(a, b, c), short::two_bytes(a, b)]
}
