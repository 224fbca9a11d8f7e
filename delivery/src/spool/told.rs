//! Trouble that lasts is told now and then, not each time that it is met.

use std::time::{Duration, Instant};

/// It is told no more often than this.
const EVERY: Duration = Duration::from_secs(60);

/// When one kind of trouble was last told.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<Instant>);

impl Told {
    /// True when it is to be told now; it counts as told then.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}
