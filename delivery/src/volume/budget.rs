//! A token bucket for the records of a type; what is over goes, or one of two stays, of four …

use super::settings::{Budget, Over};

/// Halvings at most: one of about a million.
const LEVELS: u32 = 20;

/// How much of a budget is left.
#[derive(Debug)]
pub(super) struct Bucket {
    over: Over,
    /// Tokens a microsecond.
    rate: f64,
    burst: f64,
    tokens: f64,
    /// When tokens came last, by the records' time.
    filled: Option<u64>,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(budget: &Budget) -> Self {
        let burst = budget.burst() as f64;
        let rate = budget.rate.count as f64 / budget.rate.per.as_micros() as f64;
        let mut bucket = Self { over: budget.over, rate, burst, tokens: 0.0, filled: None };
        bucket.tokens = bucket.room();
        bucket
    }

    /// Takes what a record costs. None: it is over the budget; else it stays if it is one of so
    /// many.
    ///
    /// When what is over is sampled, the bucket holds two bursts. The first passes whole. Of the
    /// second, one of two stays while more than half is left, one of four while more than a quarter
    /// is, and so on: the share halves with each further burst that comes. A record costs its share
    /// whether it stays or not, so the share depends on nothing but when records came, and
    /// `sample_weight` makes estimates without bias.
    pub(super) fn take(&mut self, now: Option<u64>) -> Option<u64> {
        self.fill(now);
        match self.over {
            Over::Drop if self.tokens >= 1.0 => {
                self.tokens -= 1.0;
                Some(1)
            }
            Over::Drop => None,
            Over::Sample => {
                let (mut level, mut mark) = (0, self.burst);
                while self.tokens <= mark && level < LEVELS {
                    level += 1;
                    mark /= 2.0;
                }
                let weight = 1_u64 << level;
                self.tokens = (self.tokens - 1.0 / weight as f64).max(0.0);
                Some(weight)
            }
        }
    }

    fn fill(&mut self, now: Option<u64>) {
        let Some(now) = now else { return };
        // Time that was set back brings nothing, but goes on from there.
        let passed = now.saturating_sub(self.filled.replace(now).unwrap_or(now));
        self.tokens = (self.tokens + passed as f64 * self.rate).min(self.room());
    }

    fn room(&self) -> f64 {
        match self.over {
            Over::Drop => self.burst,
            Over::Sample => 2.0 * self.burst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(rate: u64, burst: u64, over: &str) -> Bucket {
        let text = format!("{{rate: {rate}/s, burst: {burst}, over: {over}}}");
        Bucket::new(&serde_saphyr::from_str(&text).unwrap())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = bucket(10, 5, "drop");
        let passed = |bucket: &mut Bucket, now, count: u32| {
            (0..count).filter(|_| bucket.take(Some(now)).is_some()).count()
        };
        assert_eq!(passed(&mut bucket, 1_000_000, 20), 5);
        assert_eq!(passed(&mut bucket, 1_300_000, 20), 3);
        // Time that goes back brings nothing, time that goes on from there does.
        assert_eq!(passed(&mut bucket, 1_000_000, 20), 0);
        assert_eq!(passed(&mut bucket, 1_100_000, 20), 1);
        assert_eq!(passed(&mut bucket, 9_000_000, 20), 5);
        assert!(bucket.take(None).is_none());
    }

    #[test]
    fn shares_halve_with_each_burst() {
        let mut bucket = bucket(1, 100, "sample");
        for weight in [1, 2, 4, 8, 16] {
            for number in 0..100 {
                assert_eq!(bucket.take(Some(0)), Some(weight), "record {number}");
            }
        }
        // Three times what a second brings: a third has to stay, so weights are 2 and 4.
        let weights: Vec<u64> =
            (0..3000).filter_map(|number| bucket.take(Some(number * 1_000_000 / 3))).collect();
        assert!(weights[2000..].iter().all(|weight| matches!(weight, 2 | 4)));
        assert_eq!(bucket.take(Some(5_000_000_000)), Some(1));
    }

    proptest! {
        #[test]
        fn no_more_than_burst_and_rate_passes(
            rate in 1u64..50,
            burst in 1u64..50,
            steps in proptest::collection::vec(0u64..300_000, 1..400),
        ) {
            let (mut drop, mut sample) = (bucket(rate, burst, "drop"), bucket(rate, burst, "sample"));
            let (mut now, mut dropping, mut sampling) = (0, 0.0, 0.0);
            for step in steps {
                now += step;
                dropping += drop.take(Some(now)).map_or(0.0, |_| 1.0);
                sampling += 1.0 / sample.take(Some(now)).unwrap() as f64;
                let earned = rate as f64 * now as f64 / 1e6;
                prop_assert!(dropping <= burst as f64 + earned + 1e-6);
                // What is expected to stay.
                prop_assert!(sampling <= 2.0 * burst as f64 + earned + 1.0);
            }
        }
    }
}
