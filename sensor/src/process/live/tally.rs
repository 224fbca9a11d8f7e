//! Alerts by rule over several generations of rules, whose indices mean different rules.

use std::collections::HashMap;

use engine::Ruleset;

use crate::process::summary::Alerts;

/// Alerts by generator, number and message of the rule.
#[derive(Debug, Default)]
pub(super) struct Tally(HashMap<(u32, u32, String), u64>);

impl Tally {
    /// Adds what a worker counted by the indices of a generation.
    pub(super) fn add(&mut self, rules: &Ruleset, alerts: &HashMap<u32, u64>) {
        for (index, count) in alerts {
            if let Some(compiled) = rules.get(*index) {
                let rule = &compiled.rule;
                self.count(rule.gid, rule.sid, &rule.msg, *count);
            }
        }
    }

    /// All of it.
    pub(super) fn into_alerts(self) -> Vec<Alerts> {
        let alerts = self.0.into_iter();
        alerts.map(|((_, sid, msg), count)| Alerts { count, sid, msg }).collect()
    }

    fn count(&mut self, gid: u32, sid: u32, msg: &str, count: u64) {
        *self.0.entry((gid, sid, msg.to_owned())).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_the_same_by_number_and_message() {
        let mut tally = Tally::default();
        for (gid, sid, msg, count) in
            [(1, 7, "a", 2), (1, 8, "b", 1), (1, 7, "a", 3), (3, 7, "a", 4), (1, 7, "new", 5)]
        {
            tally.count(gid, sid, msg, count);
        }
        let mut alerts: Vec<_> =
            tally.into_alerts().into_iter().map(|one| (one.count, one.sid, one.msg)).collect();
        alerts.sort();
        let expected = [(1, 8, "b"), (4, 7, "a"), (5, 7, "a"), (5, 7, "new")];
        assert_eq!(alerts, expected.map(|(count, sid, msg)| (count, sid, msg.to_owned())));
    }
}
