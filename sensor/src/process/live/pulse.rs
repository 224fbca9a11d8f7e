//! Whether workers move and interfaces are there, and when that changes.

use std::time::{Duration, Instant};

/// Watches a number that rises while its owner works.
#[derive(Debug)]
pub(super) struct Pulse {
    number: u64,
    since: Instant,
    limit: Duration,
    is_stalled: bool,
    stalls: u64,
}

/// What became of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It stands still for longer than it may.
    Stalled,
    /// It goes on after so long.
    GoesOn(Duration),
}

impl Pulse {
    /// May stand still as long as `limit`.
    pub(super) const fn new(limit: Duration, now: Instant) -> Self {
        Self { number: 0, since: now, limit, is_stalled: false, stalls: 0 }
    }

    /// Looks at the number; says what has changed, once.
    pub(super) fn look(&mut self, number: u64, now: Instant) -> Option<Change> {
        let still = now.saturating_duration_since(self.since);
        if number != self.number {
            (self.number, self.since) = (number, now);
            return std::mem::take(&mut self.is_stalled).then_some(Change::GoesOn(still));
        }
        if self.is_stalled || still <= self.limit {
            return None;
        }
        self.is_stalled = true;
        self.stalls += 1;
        Some(Change::Stalled)
    }

    /// It has moved at least once.
    pub(super) const fn has_begun(&self) -> bool {
        self.number > 0
    }

    /// It stands still.
    pub(super) const fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// How often it stood still so far.
    pub(super) const fn stalls(&self) -> u64 {
        self.stalls
    }
}

/// Which interfaces are down.
#[derive(Debug)]
pub(super) struct Links {
    names: Vec<String>,
    down: Vec<bool>,
    stranded: Vec<bool>,
}

impl Links {
    /// All are up, or will be told of.
    pub(super) fn new(names: Vec<String>) -> Self {
        let (down, stranded) = (vec![false; names.len()], vec![false; names.len()]);
        Self { names, down, stranded }
    }

    /// Looks at the numbers of the interfaces that are down, and of those that nobody can capture
    /// from any more; says what has changed.
    pub(super) fn look(&mut self, are_down: &[u32], are_stranded: &[u32]) -> Vec<String> {
        let mut said = Vec::new();
        for ((number, name), before) in (0..).zip(&self.names).zip(&mut self.down) {
            let is_down = are_down.contains(&number);
            if is_down != *before {
                *before = is_down;
                said.push(match is_down {
                    true => format!("{name} is down or gone; its frames are missing from now on"),
                    false => format!("{name} is back"),
                });
            }
        }
        for ((number, name), before) in (0..).zip(&self.names).zip(&mut self.stranded) {
            // It stays so.
            if are_stranded.contains(&number) && !std::mem::replace(before, true) {
                said.push(format!(
                    "{name} has no spare sockets left: if it comes back it is not captured from \
                     until the sensor is started anew"
                ));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_told_once_and_so_is_its_end() {
        let start = Instant::now();
        let mut pulse = Pulse::new(Duration::from_secs(2), start);
        let mut check = |number, after, expected| {
            let now = start + Duration::from_secs(after);
            assert_eq!(pulse.look(number, now), expected, "at {after} s");
        };
        check(0, 1, None);
        check(1, 2, None);
        check(1, 4, None);
        check(1, 5, Some(Change::Stalled));
        check(1, 9, None);
        check(2, 10, Some(Change::GoesOn(Duration::from_secs(8))));
        check(3, 11, None);
        check(3, 14, Some(Change::Stalled));
        assert!(pulse.is_stalled() && pulse.has_begun());
        assert_eq!(pulse.stalls(), 2);
    }

    #[test]
    fn changes_of_links_are_told_by_name() {
        let mut links = Links::new(vec!["east".into(), "west".into()]);
        let mut check = |are_down: &[u32], stranded: &[u32], expected: &[&str]| {
            let said = links.look(are_down, stranded);
            assert_eq!(said.len(), expected.len(), "{said:?}");
            for (said, expected) in said.iter().zip(expected) {
                assert!(said.starts_with(expected), "{said}");
            }
        };
        check(&[], &[], &[]);
        check(&[1, 1], &[], &["west is down"]);
        check(&[1], &[], &[]);
        check(&[0], &[], &["east is down", "west is back"]);
        check(&[], &[], &["east is back"]);
        check(&[0], &[0, 0], &["east is down", "east has no spare sockets left"]);
        check(&[0], &[0], &[]);
    }
}
