//! Rules in force that a loader takes over: one whose text has not changed is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::header::Sets;
use crate::keyword::TxCheck;
use crate::names::Names;
use crate::rule::Rule;
use crate::text::RuleText;

/// The rules of a running sensor by their texts, and what new rules share with them.
///
/// They are good only for a loader whose settings read texts the same way
/// ([`Settings::reads_as`](crate::Settings::reads_as)).
#[derive(Debug, Default)]
pub struct Known {
    pub(crate) names: Names,
    pub(crate) sets: Sets,
    rules: HashMap<RuleText, Arc<Rule>>,
}

impl Known {
    /// Only the names, which keep their numbers: all rules are read.
    pub fn names(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    /// The rules and the names in them.
    pub fn new<'r>(names: Names, rules: impl IntoIterator<Item = &'r Arc<Rule>>) -> Self {
        let mut known = Self::names(names);
        for rule in rules {
            known.sets.addresses.remember(&rule.src);
            known.sets.addresses.remember(&rule.dst);
            known.sets.ports.remember(&rule.src_ports);
            known.sets.ports.remember(&rule.dst_ports);
            if is_whole(rule) {
                known.rules.insert(rule.text.clone(), Arc::clone(rule));
            }
        }
        known
    }

    /// The rule with this text, in whichever file.
    pub(crate) fn rule(&self, text: &str) -> Option<&Arc<Rule>> {
        self.rules.get(text)
    }

    /// Texts of new rules would keep whole files in memory beside those of the rules in force.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// Its text says all of it: there are no oddities to tell again and no files of its own, which may
/// have changed.
fn is_whole(rule: &Rule) -> bool {
    let has_list = rule.tx_checks.iter().any(|check| matches!(check, TxCheck::FileHash { .. }));
    !rule.is_odd && !has_list && rule.datasets.is_empty()
}
