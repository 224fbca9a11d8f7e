//! What is selected of all rules, by files in the words of suricata-update: disable.conf, then
//! enable.conf, drop.conf, modify.conf, and at last what enabled rules need of others.

mod filter;
mod flowbits;
mod matcher;
mod modify;
mod place;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::rule_line::RuleLine;

use self::filter::Filter;
use self::modify::Modify;

pub use self::place::SelectionError;

/// A rule with the place that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The rule.
    pub rule: RuleLine,
    /// The number of its source.
    pub source: usize,
    /// Its file's path in the source.
    pub file: Arc<str>,
    /// Its line there, from 1.
    pub line: u32,
}

/// A selection file: its name for messages, and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// For messages.
    pub file: String,
    /// What it says; empty: nothing.
    pub text: String,
}

/// The four files, read.
#[derive(Debug, Default)]
pub struct Selection {
    disable: Filter,
    enable: Filter,
    drop: Filter,
    modify: Modify,
}

/// What selection did: numbers of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Disabled by disable.conf.
    pub disabled: u64,
    /// Enabled by enable.conf.
    pub enabled: u64,
    /// Made to drop by drop.conf.
    pub dropping: u64,
    /// Changed by modify.conf.
    pub modified: u64,
    /// Enabled without an alert because others look at their flowbits.
    pub needed: u64,
    /// Lines of the files that met no rule.
    pub idle: Vec<String>,
}

impl Selection {
    /// Reads the files' texts.
    ///
    /// # Errors
    /// With the first line that can't be understood.
    pub fn parse(
        disable: &Text,
        enable: &Text,
        drop: &Text,
        modify: &Text,
    ) -> Result<Self, SelectionError> {
        Ok(Self {
            disable: Filter::parse(&disable.file, &disable.text)?,
            enable: Filter::parse(&enable.file, &enable.text)?,
            drop: Filter::parse(&drop.file, &drop.text)?,
            modify: Modify::parse(&modify.file, &modify.text)?,
        })
    }

    /// Applies them.
    ///
    /// # Errors
    /// When a modification makes something else of a rule.
    pub fn apply(mut self, candidates: &mut [Candidate]) -> Result<Selected, SelectionError> {
        let mut selected = Selected::default();
        for candidate in candidates.iter_mut() {
            if self.disable.fits(candidate) && candidate.rule.enabled {
                candidate.rule.enabled = false;
                selected.disabled += 1;
            }
            if self.enable.fits(candidate) && !candidate.rule.enabled {
                candidate.rule.enabled = true;
                selected.enabled += 1;
            }
            // A rule that alerts nobody would drop without a word.
            if self.drop.fits(candidate)
                && candidate.rule.action() == "alert"
                && !candidate.rule.noalert
            {
                candidate.rule.set_action("drop");
                selected.dropping += 1;
            }
            selected.modified += u64::from(self.modify.apply(candidate)?);
        }
        selected.needed = flowbits::enable_needed(candidates);
        let idle = self.disable.idle().chain(self.enable.idle()).chain(self.drop.idle());
        selected.idle = idle.chain(self.modify.idle()).collect();
        Ok(selected)
    }
}
