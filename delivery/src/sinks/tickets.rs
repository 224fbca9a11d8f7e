//! Tickets of records that wait in a sink together, as ranges.

use std::collections::VecDeque;

use crate::sink::Settled;

/// Tickets in the order in which they were put in.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    /// Ranges `first..end`.
    ranges: VecDeque<(u64, u64)>,
}

impl Tickets {
    /// Puts one in.
    pub(super) fn push(&mut self, ticket: u64) {
        self.push_range(ticket, ticket + 1);
    }

    /// Puts all of another in, which is empty then.
    pub(super) fn append(&mut self, other: &mut Self) {
        for (first, end) in other.ranges.drain(..) {
            self.push_range(first, end);
        }
    }

    /// Takes so many out, those first that went in first.
    pub(super) fn take(&mut self, count: u64) -> Self {
        let (mut taken, mut left) = (Self::default(), count);
        while left > 0
            && let Some((first, end)) = self.ranges.pop_front()
        {
            let middle = end.min(first.saturating_add(left));
            taken.push_range(first, middle);
            left -= middle - first;
            if middle < end {
                self.ranges.push_front((middle, end));
            }
        }
        taken
    }

    /// Tells that the receiver has all of them; none is left.
    pub(super) fn settle(&mut self, settled: &mut Settled) {
        for (first, end) in self.ranges.drain(..) {
            settled.deliver(first, end);
        }
    }

    /// True when there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.ranges.clear();
    }

    fn push_range(&mut self, first: u64, end: u64) {
        match self.ranges.back_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ => self.ranges.push_back((first, end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tickets_come_out_as_they_went_in(
            all in prop::collection::vec(0u64..20, 0..40),
            cuts in prop::collection::vec(0u64..10, 0..10),
        ) {
            let (mut tickets, mut out) = (Tickets::default(), Tickets::default());
            for ticket in &all {
                tickets.push(*ticket);
            }
            for cut in cuts {
                out.append(&mut tickets.take(cut));
            }
            out.append(&mut tickets.take(u64::MAX));
            prop_assert!(tickets.is_empty());
            let mut settled = Settled::default();
            out.settle(&mut settled);
            let flat: Vec<u64> =
                settled.delivered.iter().flat_map(|(first, end)| *first..*end).collect();
            prop_assert_eq!(flat, all);
        }
    }
}
