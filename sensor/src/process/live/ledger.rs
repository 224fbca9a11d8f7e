//! Records made, dropped and written: what is missing when the sensor has to end at once.

use std::sync::atomic::{AtomicU64, Ordering};

use delivery::figures::ByKind;

/// The account of one worker, which alone writes it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: AtomicU64,
    shed: AtomicU64,
    /// Those that only delivery has.
    delivered: AtomicU64,
    /// Those that were dropped, by type. Nobody comes here while the writer keeps up.
    shed_by_kind: ByKind,
}

impl Ledger {
    /// So many records were made since the start.
    pub(super) fn set_made(&self, records: u64) {
        self.made.store(records, Ordering::Relaxed);
    }

    /// So many more of a type were dropped because the writer did not keep up.
    pub(super) fn shed(&self, kind: &str, records: u64) {
        self.shed.fetch_add(records, Ordering::Relaxed);
        self.shed_by_kind.add(kind, records);
    }

    /// So many more went to delivery and to no file.
    pub(super) fn delivers(&self, records: u64) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
    }

    /// How many went to delivery and to no file.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records that were made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Records that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// They by their type.
    pub(super) fn dropped_by_kind(&self) -> Vec<(String, u64)> {
        self.shed_by_kind.all().into_iter().collect()
    }

    /// Records that were made for files and not dropped.
    pub(super) fn kept(&self) -> u64 {
        let elsewhere = self.dropped() + self.delivered.load(Ordering::Relaxed);
        self.made.load(Ordering::Relaxed).saturating_sub(elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_records_are_not_kept() {
        let ledger = Ledger::default();
        ledger.set_made(10);
        ledger.shed("flow", 3);
        ledger.shed("alert", 1);
        assert_eq!((ledger.kept(), ledger.dropped()), (6, 4));
        ledger.delivers(1);
        assert_eq!((ledger.kept(), ledger.dropped()), (5, 4));
        // The two are not written at the same moment.
        ledger.shed("flow", 20);
        assert_eq!(ledger.kept(), 0);
        assert_eq!(ledger.dropped_by_kind(), [("alert".to_owned(), 1), ("flow".to_owned(), 23)]);
    }
}
