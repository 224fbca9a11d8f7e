//! Records made, dropped and written: what is missing when the sensor has to end at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// The account of one worker, which alone writes it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: AtomicU64,
    shed: AtomicU64,
}

impl Ledger {
    /// So many records were made since the start.
    pub(super) fn set_made(&self, records: u64) {
        self.made.store(records, Ordering::Relaxed);
    }

    /// So many more were dropped because the writer did not keep up.
    pub(super) fn shed(&self, records: u64) {
        self.shed.fetch_add(records, Ordering::Relaxed);
    }

    /// Records that were made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Records that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Records that were made and not dropped.
    pub(super) fn kept(&self) -> u64 {
        self.made.load(Ordering::Relaxed).saturating_sub(self.dropped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_records_are_not_kept() {
        let ledger = Ledger::default();
        ledger.set_made(10);
        ledger.shed(3);
        ledger.shed(1);
        assert_eq!((ledger.kept(), ledger.dropped()), (6, 4));
        // The two are not written at the same moment.
        ledger.shed(20);
        assert_eq!(ledger.kept(), 0);
    }
}
