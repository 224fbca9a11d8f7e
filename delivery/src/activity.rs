//! What a sink waits for at the moment, where that may take as long as a time-out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Waits that are told of at a time; further ones are not, as they say nothing new.
const WAITS: usize = 64;

/// Shared by a sink, whatever connects for it, and its figures.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    next: u64,
    list: Vec<Wait>,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    what: String,
    since: Instant,
}

/// A wait; it is over when this goes.
#[derive(Debug)]
pub(crate) struct Waiting {
    activity: Activity,
    number: u64,
}

impl Activity {
    /// A wait begins: `connecting to a:1`.
    pub(crate) fn begin(&self, what: String) -> Waiting {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waits.next;
        waits.next += 1;
        if waits.list.len() < WAITS {
            waits.list.push(Wait { number, what, since: Instant::now() });
        }
        Waiting { activity: self.clone(), number }
    }

    /// The wait that has taken longest, and how long.
    pub fn longest(&self) -> Option<(String, Duration)> {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.list.first().map(|wait| (wait.what.clone(), wait.since.elapsed()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.activity.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.list.retain(|wait| wait.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_told_until_it_ends() {
        let activity = Activity::default();
        let what = || activity.longest().map(|(what, _)| what);
        assert_eq!(what(), None);
        let first = activity.begin("connecting to a:1".into());
        let second = activity.clone().begin("connecting to b:2".into());
        assert_eq!(what().as_deref(), Some("connecting to a:1"));
        drop(first);
        assert_eq!(what().as_deref(), Some("connecting to b:2"));
        drop(second);
        assert_eq!(what(), None);
        let many: Vec<_> = (0..1000).map(|_| activity.begin(String::new())).collect();
        assert_eq!(activity.0.lock().unwrap().list.len(), WAITS);
        drop(many);
        assert_eq!(what(), None);
    }
}
