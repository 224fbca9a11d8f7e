//! Traffic of a flow over the last seconds, to tell elephants.

use decode::{Direction, Timestamp};

use crate::settings::RateTracking;

/// Longest interval that is tracked second by second.
const MAX_INTERVAL: u32 = 3600;

/// A ring of one-second buckets per direction.
#[derive(Debug)]
pub(crate) struct Rate {
    rings: [Ring; 2],
}

#[derive(Debug, Default)]
struct Ring {
    /// Bytes by second, modulo the ring's length.
    buckets: Vec<u32>,
    /// Sum of the buckets.
    sum: u64,
    /// The newest second that has a bucket.
    newest: u64,
}

impl Rate {
    /// Empty rings for `tracking`.
    pub(crate) fn new(tracking: RateTracking, now: Timestamp) -> Self {
        let length = tracking.interval.clamp(1, MAX_INTERVAL) as usize;
        let ring = || Ring { buckets: vec![0; length], sum: 0, newest: now.seconds() };
        Self { rings: [ring(), ring()] }
    }

    /// Adds a packet; true once the direction's sum reaches the threshold.
    pub(crate) fn add(
        &mut self,
        tracking: RateTracking,
        direction: Direction,
        now: Timestamp,
        bytes: u64,
    ) -> bool {
        self.rings[direction.index()].add(now.seconds(), bytes) >= tracking.bytes
    }

    /// Swaps the directions.
    pub(crate) fn reverse(&mut self) {
        self.rings.swap(0, 1);
    }
}

impl Ring {
    fn add(&mut self, second: u64, bytes: u64) -> u64 {
        let length = self.buckets.len() as u64;
        if second > self.newest {
            let passed = (second - self.newest).min(length);
            for step in 1..=passed {
                let at = ((self.newest + step) % length) as usize;
                self.sum -= u64::from(std::mem::take(&mut self.buckets[at]));
            }
            // A jump beyond the ring emptied it, wherever it started.
            self.newest = second;
        }
        let at = (second.max(self.newest) % length) as usize;
        let room = u32::MAX - self.buckets[at];
        let added = u32::try_from(bytes).unwrap_or(u32::MAX).min(room);
        self.buckets[at] += added;
        self.sum += u64::from(added);
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_interval_counts_and_directions_apart() {
        let tracking = RateTracking { bytes: 100, interval: 3 };
        let at = Timestamp::from_seconds;
        let mut rate = Rate::new(tracking, at(10));
        let mut add = |second, direction, bytes| rate.add(tracking, direction, at(second), bytes);
        assert!(!add(10, Direction::ToServer, 60));
        assert!(!add(11, Direction::ToClient, 60));
        assert!(add(12, Direction::ToServer, 40));
        assert!(!add(13, Direction::ToServer, 40));
        assert!(!add(1000, Direction::ToServer, 99));
        assert!(add(1000, Direction::ToServer, 1));
    }
}
