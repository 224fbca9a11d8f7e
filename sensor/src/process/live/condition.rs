//! How the supervisor and its workers are, for those who look from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::observe::Counted;

/// A supervisor that has not looked around for longer hangs: at a disk, most likely.
const LATE: Duration = Duration::from_secs(5);

/// Written by the supervisor.
#[derive(Debug)]
pub(super) struct Condition {
    since: Instant,
    /// When it last looked around, milliseconds after `since`.
    beat: AtomicU64,
    /// All workers have begun.
    runs: AtomicBool,
    /// What is wrong with workers.
    troubles: Mutex<Vec<String>>,
    /// Somebody outside wants counters and has none yet.
    wanted: AtomicBool,
    counted: Mutex<Option<Arc<Counted>>>,
}

impl Condition {
    /// Nothing has begun.
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            beat: AtomicU64::new(0),
            runs: AtomicBool::new(false),
            troubles: Mutex::default(),
            wanted: AtomicBool::new(false),
            counted: Mutex::default(),
        }
    }

    /// The supervisor looks around, and finds this wrong.
    pub(super) fn beat(&self, now: Instant, troubles: Vec<String>) {
        let after = now.saturating_duration_since(self.since).as_millis();
        self.beat.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }

    /// All workers have begun.
    pub(super) fn set_runs(&self) {
        self.runs.store(true, Ordering::Relaxed);
    }

    /// Whether all workers have begun.
    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// What is wrong at a moment.
    pub(super) fn troubles(&self, now: Instant) -> Vec<String> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let beat = self.since + Duration::from_millis(self.beat.load(Ordering::Relaxed));
        let late = now.saturating_duration_since(beat);
        if late > LATE {
            troubles.push(format!("the supervisor stands still since {} s", late.as_secs()));
        }
        troubles
    }

    /// Somebody wants counters; true for the first.
    pub(super) fn want(&self) -> bool {
        !self.wanted.swap(true, Ordering::AcqRel)
    }

    /// Whether somebody wants counters.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Here they are.
    pub(super) fn publish(&self, counted: Counted) {
        let counted = Some(Arc::new(counted));
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = counted;
        self.wanted.store(false, Ordering::Release);
    }

    /// The latest.
    pub(super) fn counted(&self) -> Option<Arc<Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_hangs_is_told_of() {
        let start = Instant::now();
        let condition = Condition::new(start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(condition.troubles(after(4)).is_empty());
        assert_eq!(condition.troubles(after(7)), ["the supervisor stands still since 7 s"]);
        condition.beat(after(7), vec!["worker 1 stands still".to_owned()]);
        assert_eq!(condition.troubles(after(8)), ["worker 1 stands still"]);
        condition.beat(after(9), Vec::new());
        assert!(condition.troubles(after(9)).is_empty());
    }

    #[test]
    fn counters_are_asked_for_once() {
        let condition = Condition::new(Instant::now());
        assert!(condition.want() && !condition.want() && condition.is_wanted());
        assert!(condition.counted().is_none());
        let counted = Counted { at: Instant::now(), threads: Vec::new(), extra: Vec::new() };
        condition.publish(counted);
        assert!(condition.counted().is_some() && !condition.is_wanted() && condition.want());
    }
}
