//! How long to wait before trying again: longer each time, and never the same for two sensors.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits between attempts.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    /// `seed` keeps sensors that lost the same receiver from coming back all at once.
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: FIRST, random: seed | 1 }
    }

    /// The next attempt may wait for a short time again.
    pub(crate) fn succeeded(&mut self) {
        self.next = FIRST;
    }

    /// How long to wait now: between half and all of a time that doubles up to 30 s.
    pub(crate) fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        // xorshift64: no secret hangs on it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 40) as u32 % 1000;
        whole / 2 + whole / 2 * part / 1000
    }

    /// The longest wait at once: trying sooner will not help.
    pub(crate) fn longest(&mut self) -> Duration {
        self.next = LONGEST;
        self.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        let (mut one, mut two) = (Backoff::new(2), Backoff::new(77));
        let mut differ = false;
        for at in 0..20 {
            let full = (FIRST * 2_u32.pow(at.min(10))).min(LONGEST);
            let (a, b) = (one.wait(), two.wait());
            assert!(a >= full / 2 && a <= full, "{at}: {a:?} of {full:?}");
            differ |= a != b;
        }
        assert!(differ);
        one.succeeded();
        assert!(one.wait() <= FIRST);
        assert!(one.longest() >= LONGEST / 2);
    }
}
