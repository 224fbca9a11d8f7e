//! What a set of rules has other than the one before it, by the rules' ids.

use std::collections::HashMap;

use crate::rule_line::{RuleLine, lines};

/// Numbers of rules, of those that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rules that were not there.
    pub added: u64,
    /// Rules that are no longer there.
    pub removed: u64,
    /// Rules with another text.
    pub modified: u64,
}

impl Difference {
    /// Between the texts of two sets.
    pub fn between(before: &str, after: &str) -> Self {
        let (before, after) = (by_id(before), by_id(after));
        let mut found = Self::default();
        for (id, text) in &after {
            match before.get(id) {
                None => found.added += 1,
                Some(old) if old != text => found.modified += 1,
                Some(_) => {}
            }
        }
        found.removed = before.keys().filter(|id| !after.contains_key(*id)).count() as u64;
        found
    }
}

/// Texts of the rules that are on by generator and signature.
fn by_id(text: &str) -> HashMap<(u32, u32), String> {
    let rules = lines(text).filter_map(|(_, line)| RuleLine::parse(&line)?.ok());
    let on = rules.filter(|rule| rule.enabled);
    on.map(|rule| ((rule.gid, rule.sid), rule.text().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_compared_by_their_ids() {
        let rule = |sid: u32, rev: u32| {
            format!("alert ip any any -> any any (msg:\"x\"; sid:{sid}; rev:{rev};)\n")
        };
        let check = |before: &str, after: &str, expected: [u64; 3]| {
            let found = Difference::between(before, after);
            assert_eq!([found.added, found.removed, found.modified], expected);
        };
        let before = rule(1, 1) + &rule(2, 1) + &rule(3, 1);
        check(&before, &before, [0; 3]);
        check(&before, &(rule(3, 1) + &rule(2, 1) + &rule(1, 1)), [0; 3]);
        check(&before, &(rule(1, 1) + &rule(2, 2) + &rule(4, 1) + &rule(5, 1)), [2, 1, 1]);
        check(&before, &(rule(1, 1) + "# " + &rule(2, 1) + "nonsense\n"), [0, 2, 0]);
        check("", &before, [3, 0, 0]);
    }
}
