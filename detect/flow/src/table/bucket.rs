//! Buckets of eight tags, one cache line each: from a hash to the places of flows.

use crate::prefetch;

/// Flows of a bucket before it overflows.
const WIDTH: usize = 8;

/// Tags and places; those of the set bits of `used` are valid.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    flows: [u32; WIDTH],
    tags: [u16; WIDTH],
    /// Overflow bucket plus one; 0: none.
    next: u32,
    used: u8,
}

impl Bucket {
    /// Bits of the used slots with `tag`.
    #[inline]
    fn matching(&self, tag: u16) -> u8 {
        let mut bits = 0;
        for (at, &own) in self.tags.iter().enumerate() {
            bits |= u8::from(own == tag) << at;
        }
        bits & self.used
    }
}

/// The hash table proper. It knows hashes and places, not flows.
#[derive(Debug)]
pub(super) struct Buckets {
    rows: Vec<Bucket>,
    overflow: Vec<Bucket>,
    /// Overflow buckets not in use.
    free: Vec<u32>,
    mask: u32,
}

impl Buckets {
    /// A table for about `flows` flows, at least `rows` slots wide.
    pub(super) fn new(flows: usize, rows: usize) -> Self {
        let wanted = (flows / 5).max(rows / WIDTH).clamp(16, 1 << 24).next_power_of_two();
        Self {
            rows: vec![Bucket::default(); wanted],
            overflow: Vec::new(),
            free: Vec::new(),
            mask: (wanted - 1) as u32,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that the table takes.
    pub(super) fn bytes(&self) -> u64 {
        ((self.rows.capacity() + self.overflow.capacity()) * size_of::<Bucket>()) as u64
    }

    /// Starts fetching the bucket of `hash`.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch::first(&self.rows[self.row(hash)], size_of::<Bucket>());
    }

    /// The first place whose tag is that of `hash`; most likely the one that is looked for.
    #[inline]
    pub(super) fn likely(&self, hash: u32) -> Option<u32> {
        let bucket = &self.rows[self.row(hash)];
        let bits = bucket.matching(tag(hash));
        bucket.flows.get(bits.trailing_zeros() as usize).copied()
    }

    /// The first place with `hash` that `accept` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut accept: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut bucket = &self.rows[self.row(hash)];
        loop {
            let mut bits = bucket.matching(tag(hash));
            while bits != 0 {
                let place = bucket.flows[bits.trailing_zeros() as usize];
                if accept(place) {
                    return Some(place);
                }
                bits &= bits - 1;
            }
            bucket = self.overflow.get((bucket.next as usize).checked_sub(1)?)?;
        }
    }

    /// The places in row `row`, modulo the number of rows.
    pub(super) fn places(&self, row: u32) -> impl Iterator<Item = u32> {
        let mut bucket = Some(&self.rows[self.row(row)]);
        std::iter::from_fn(move || {
            let current = bucket?;
            bucket = (current.next as usize).checked_sub(1).and_then(|at| self.overflow.get(at));
            Some(current)
        })
        .flat_map(|bucket| {
            (0..WIDTH).filter(|at| bucket.used & (1 << at) != 0).map(|at| bucket.flows[at])
        })
    }

    /// Adds `place` under `hash`.
    pub(super) fn insert(&mut self, hash: u32, place: u32) {
        let row = self.row(hash);
        let mut at = None;
        loop {
            let bucket = self.bucket_mut(row, at);
            if bucket.used != u8::MAX {
                let slot = bucket.used.trailing_ones() as usize;
                bucket.used |= 1 << slot;
                bucket.tags[slot] = tag(hash);
                bucket.flows[slot] = place;
                return;
            }
            at = Some(match (bucket.next as usize).checked_sub(1) {
                Some(next) => next,
                None => self.chain(row, at),
            });
        }
    }

    /// Takes `place` out; true if it was there.
    pub(super) fn remove(&mut self, hash: u32, place: u32) -> bool {
        let row = self.row(hash);
        let (mut before, mut at) = (None, None);
        loop {
            let bucket = self.bucket_mut(row, at);
            let found = (0..WIDTH)
                .find(|&slot| bucket.used & (1 << slot) != 0 && bucket.flows[slot] == place);
            if let Some(slot) = found {
                bucket.used &= !(1 << slot);
                self.unchain_if_empty(row, before, at);
                return true;
            }
            let Some(next) = (bucket.next as usize).checked_sub(1) else { return false };
            (before, at) = (at, Some(next));
        }
    }

    fn row(&self, hash: u32) -> usize {
        (hash & self.mask) as usize
    }

    fn bucket_mut(&mut self, row: usize, overflow: Option<usize>) -> &mut Bucket {
        match overflow {
            None => &mut self.rows[row],
            Some(at) => &mut self.overflow[at],
        }
    }

    /// Hangs an empty overflow bucket behind a full bucket and says where it is.
    fn chain(&mut self, row: usize, behind: Option<usize>) -> usize {
        let new = match self.free.pop() {
            Some(at) => at as usize,
            None => {
                self.overflow.push(Bucket::default());
                self.overflow.len() - 1
            }
        };
        self.overflow[new] = Bucket::default();
        self.bucket_mut(row, behind).next = new as u32 + 1;
        new
    }

    fn unchain_if_empty(&mut self, row: usize, before: Option<usize>, at: Option<usize>) {
        let Some(empty) = at.filter(|&at| self.overflow[at].used == 0) else { return };
        let next = self.overflow[empty].next;
        self.bucket_mut(row, before).next = next;
        self.free.push(empty as u32);
    }
}

/// The part of the hash that the row does not use.
const fn tag(hash: u32) -> u16 {
    (hash >> 16) as u16 ^ (hash as u16).rotate_left(5)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
    }

    proptest! {
        /// Few hashes, so that rows overflow and shrink again.
        #[test]
        fn buckets_behave_as_a_set(
            work in prop::collection::vec((0u32..3, 0u32..64, any::<bool>()), 0..400),
        ) {
            let mut buckets = Buckets::new(1, 1);
            let mut model = HashSet::new();
            for (hash, place, insert) in work {
                let known = model.contains(&(hash, place));
                prop_assert_eq!(buckets.find(hash, |found| found == place).is_some(), known);
                if insert && !known {
                    buckets.insert(hash, place);
                    model.insert((hash, place));
                } else if !insert {
                    prop_assert_eq!(buckets.remove(hash, place), known);
                    model.remove(&(hash, place));
                }
            }
            for row in 0..3u32 {
                let places: HashSet<u32> = buckets.places(row).collect();
                let of_row = model.iter().filter(|(hash, _)| *hash == row);
                let expected: HashSet<u32> = of_row.map(|(_, place)| *place).collect();
                prop_assert_eq!(places, expected);
            }
        }
    }
}
