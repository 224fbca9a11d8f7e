//! Which segments were received: their borders decide who wins where they overlap.

use std::collections::VecDeque;

use crate::reassembly::buffer::InsertError;

/// Segments of a direction after which ones in sequence are joined and others refused, so that
/// a flood of tiny ones costs neither memory nor time.
const MAX: usize = 16_384;

/// A stored segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) len: u32,
}

impl Segment {
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.len)
    }
}

/// The segments of one direction, by start, then length.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    list: VecDeque<Segment>,
    /// End of the one that reaches farthest.
    reach: u64,
    /// Longest one there ever was.
    longest: u32,
}

impl Segments {
    /// True if nothing that is stored reaches beyond `start`.
    pub(crate) fn is_beyond(&self, start: u64) -> bool {
        self.list.is_empty() || start >= self.reach
    }

    /// Adds a segment that lies beyond all others.
    pub(crate) fn append(&mut self, segment: Segment) {
        if self.list.len() >= MAX
            && let Some(last) = self.list.back_mut()
            && last.end() == segment.start
            && let Some(len) = last.len.checked_add(segment.len)
        {
            last.len = len;
            self.longest = self.longest.max(len);
            self.reach = segment.end();
            return;
        }
        self.reach = self.reach.max(segment.end());
        self.longest = self.longest.max(segment.len);
        self.list.push_back(segment);
    }

    /// Adds a segment where it belongs; one with the same borders is not added again.
    pub(crate) fn insert(&mut self, segment: Segment) -> Result<(), InsertError> {
        let key = |known: &Segment| (known.start, known.len);
        let at = self.list.partition_point(|known| key(known) < key(&segment));
        if self.list.get(at) == Some(&segment) {
            return Ok(());
        }
        if self.list.len() >= MAX {
            return Err(InsertError::Limit);
        }
        self.reach = self.reach.max(segment.end());
        self.longest = self.longest.max(segment.len);
        self.list.insert(at, segment);
        Ok(())
    }

    /// The stored segments that share bytes with `start..end`.
    pub(crate) fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = Segment> {
        let longest = u64::from(self.longest);
        let first = self.list.partition_point(|known| known.start + longest <= start);
        let after = self.list.partition_point(|known| known.start < end);
        self.list.range(first..after.max(first)).copied().filter(move |known| known.end() > start)
    }

    /// Forgets segments that end at or before `offset`.
    pub(crate) fn discard(&mut self, offset: u64) {
        while self.list.front().is_some_and(|first| first.end() <= offset) {
            self.list.pop_front();
        }
    }

    /// Forgets all; a list that grew large is freed.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.list.shrink_to(64);
        self.reach = 0;
        self.longest = 0;
    }

    /// Bytes that the list takes.
    pub(crate) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Segment>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn overlaps_are_found_however_segments_nest(
            segments in prop::collection::vec((0u64..100, 1u32..40), 1..30),
            start in 0u64..120, len in 1u64..30, gone in 0u64..60,
        ) {
            let mut list = Segments::default();
            let mut model: Vec<Segment> = Vec::new();
            for (start, len) in segments {
                let segment = Segment { start, len };
                if list.is_beyond(start) {
                    list.append(segment);
                } else {
                    list.insert(segment).unwrap();
                }
                if !model.contains(&segment) { model.push(segment) }
            }
            list.discard(gone);
            let wanted = |known: &Segment| known.start < start + len && known.end() > start;
            let mut expected: Vec<_> = model.into_iter().filter(wanted).collect();
            expected.sort_by_key(|known| (known.start, known.len));
            let found: Vec<_> = list.overlapping(start, start + len).collect();
            for segment in &expected {
                prop_assert!(found.contains(segment) || segment.end() <= gone);
            }
            prop_assert!(found.iter().all(|segment| expected.contains(segment)));
        }
    }

    #[test]
    fn a_flood_of_tiny_segments_is_joined_or_refused() {
        let mut list = Segments::default();
        for start in 0..3 * MAX as u64 {
            list.append(Segment { start, len: 1 });
        }
        assert_eq!(list.list.len(), MAX);
        assert_eq!(list.insert(Segment { start: 5, len: 9 }), Err(InsertError::Limit));
        assert_eq!(list.overlapping(2 * MAX as u64, 2 * MAX as u64 + 1).count(), 1);
    }
}
