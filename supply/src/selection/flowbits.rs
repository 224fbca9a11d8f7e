//! Rules that others depend on: whoever sets a flowbit that an enabled rule looks at is needed.

use std::collections::HashSet;

use super::Candidate;

/// Enables rules, without an alert of their own, that set what enabled rules look at, and those
/// that these need in turn; says how many.
pub(super) fn enable_needed(candidates: &mut [Candidate]) -> u64 {
    let mut needed: HashSet<String> = HashSet::new();
    let mut fresh: Vec<String> = candidates
        .iter()
        .filter(|candidate| candidate.rule.enabled)
        .flat_map(|candidate| candidate.rule.checks.iter().cloned())
        .collect();
    let mut enabled = 0;
    // Each round adds a name at least, or it is the last one.
    while !fresh.is_empty() {
        let before = needed.len();
        needed.extend(fresh.drain(..));
        if needed.len() == before {
            break;
        }
        for candidate in candidates.iter_mut().filter(|candidate| !candidate.rule.enabled) {
            if candidate.rule.sets.iter().any(|name| needed.contains(name)) {
                candidate.rule.enabled = true;
                candidate.rule.silence();
                enabled += 1;
                fresh.extend(candidate.rule.checks.iter().cloned());
            }
        }
    }
    enabled
}
