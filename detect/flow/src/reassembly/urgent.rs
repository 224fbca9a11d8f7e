//! Urgent bytes taken out of a stream, and how offsets shift because of them.

/// Urgent bytes of a direction after which the limit policy applies.
pub(crate) const LIMIT: u32 = 65_535;

/// The urgent bytes of one direction. Raw offsets count every byte that was sent, data offsets
/// those that the application reads.
#[derive(Debug, Default)]
pub(crate) struct Urgent {
    /// Raw offsets of bytes taken out, ascending; those long past are only counted.
    positions: Vec<u64>,
    past: u64,
    total: u32,
}

impl Urgent {
    /// Bytes taken out so far.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// True if the limit is reached.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.total >= LIMIT
    }

    /// Takes the byte at raw offset `raw` out; false if it was out already.
    pub(crate) fn take_out(&mut self, raw: u64) -> bool {
        match self.positions.binary_search(&raw) {
            Ok(_) => false,
            Err(at) => {
                self.positions.insert(at, raw);
                self.total += 1;
                true
            }
        }
    }

    /// The data offset that raw offset `raw` has.
    #[inline]
    pub(crate) fn data_offset(&self, raw: u64) -> u64 {
        if self.total == 0 {
            return raw;
        }
        let before = self.positions.partition_point(|&position| position < raw) as u64;
        raw.saturating_sub(before + self.past)
    }

    /// The pieces of the raw range `start..end` that remain, each as a raw start and a length.
    pub(crate) fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.positions.partition_point(|&position| position < start);
        let after = self.positions.partition_point(|&position| position < end);
        let holes = self.positions[first..after.max(first)].iter().copied();
        let mut at = start;
        holes.chain(std::iter::once(end)).filter_map(move |hole| {
            let piece = (at, hole.saturating_sub(at));
            at = hole + 1;
            (piece.1 > 0).then_some(piece)
        })
    }

    /// Only counts those before raw offset `raw` from now on.
    pub(crate) fn forget_before(&mut self, raw: u64) {
        if self.total > 0 {
            let gone = self.positions.partition_point(|&position| position < raw);
            self.positions.drain(..gone);
            self.past += gone as u64;
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.positions.clear();
        self.positions.shrink_to(16);
        self.past = 0;
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_shift_after_each_byte_taken_out() {
        let mut urgent = Urgent::default();
        assert!(urgent.take_out(3) && urgent.take_out(10) && !urgent.take_out(3));
        let pieces: Vec<_> = urgent.pieces(0, 12).collect();
        assert_eq!(pieces, [(0, 3), (4, 6), (11, 1)]);
        let check = |raw, data| assert_eq!(urgent.data_offset(raw), data);
        check(2, 2);
        check(4, 3);
        check(11, 9);
        urgent.forget_before(5);
        assert_eq!(urgent.data_offset(11), 9);
        assert_eq!(urgent.total(), 2);
    }
}
