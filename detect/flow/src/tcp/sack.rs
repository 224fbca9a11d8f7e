//! Selective acknowledgements (RFC 2018): how much beyond the acknowledgement was received.

use smallvec::SmallVec;

use crate::tcp::sequence::{geq, gt, leq, lt};

/// Ranges remembered for a direction; further ones are ignored.
const MAX: usize = 32;

/// Ranges that the receiver reported, ascending and apart from each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sack {
    ranges: SmallVec<[(u32, u32); 1]>,
}

impl Sack {
    /// Bytes acknowledged selectively.
    pub(crate) fn size(&self) -> u32 {
        self.ranges.iter().fold(0, |sum, (left, right)| sum.wrapping_add(right.wrapping_sub(*left)))
    }

    /// True if `left..right` was reported before.
    pub(crate) fn contains(&self, left: u32, right: u32) -> bool {
        self.ranges.iter().any(|&(known, end)| leq(known, left) && geq(end, right))
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, mut left: u32, mut right: u32) {
        if !lt(left, right) {
            return;
        }
        self.ranges.retain(|&mut (known, end)| {
            let apart = gt(known, right) || lt(end, left);
            if !apart {
                left = if lt(known, left) { known } else { left };
                right = if gt(end, right) { end } else { right };
            }
            apart
        });
        if self.ranges.len() < MAX {
            let at = self.ranges.partition_point(|&(known, _)| lt(known, left));
            self.ranges.insert(at, (left, right));
        }
    }

    /// Forgets what is now acknowledged anyway.
    #[inline]
    pub(crate) fn prune(&mut self, ack: u32) {
        if self.ranges.is_empty() {
            return;
        }
        self.ranges.retain(|(left, right)| {
            if lt(*left, ack) {
                *left = ack;
            }
            lt(*left, *right)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_go_with_the_acknowledgement() {
        let mut sack = Sack::default();
        sack.add(100, 200);
        sack.add(300, 400);
        assert_eq!(sack.size(), 200);
        sack.add(150, 310);
        assert_eq!(sack.size(), 300);
        assert!(sack.contains(120, 390) && !sack.contains(90, 110));
        sack.prune(250);
        assert_eq!(sack.size(), 150);
        sack.add(10, 5);
        assert_eq!(sack.size(), 150);
    }
}
