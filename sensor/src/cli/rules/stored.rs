//! Rules of the store among those that are loaded: what is current there at each load.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use supply::manifest::RULES;
use supply::store::Store;

use crate::config::native::{CLASSIFICATION, REFERENCE};
use crate::config::process::{RuleSources, RuleStore};

/// Files of rules with those of the store, and the folder of its set.
pub(in crate::cli) fn with_current(
    sources: &RuleSources,
) -> Result<(RuleSources, Option<PathBuf>)> {
    let mut all = sources.clone();
    let folder = match &sources.store {
        None => None,
        Some(RuleStore::Set(folder)) => Some(folder.clone()),
        Some(RuleStore::Current(directory)) => {
            let current = Store::look(directory).context("rules.store")?;
            if current.is_none() {
                tracing::warn!("{}", nothing_yet(directory, sources.is_followed));
            }
            current.map(|current| current.folder)
        }
    };
    if let Some(folder) = &folder {
        all.patterns.push(folder.join(RULES).display().to_string());
    }
    Ok((all, folder))
}

/// What is said of a store without a set, with the command that brings one.
fn nothing_yet(directory: &Path, is_followed: bool) -> String {
    let directory = directory.display();
    match is_followed {
        true => format!("{directory}: there are no rules yet; `bateleur rules follow` brings them"),
        false => {
            format!("{directory}: there are no rules yet; `bateleur rules update` fetches them")
        }
    }
}

/// The text of classes: the configured one, then the store's, then what is built in; none if what
/// is known already holds.
pub(in crate::cli) fn classes(configured: Option<String>, set: Option<&PathBuf>) -> Option<String> {
    joined(configured, set, "classification.config", CLASSIFICATION)
}

/// The same of references.
pub(in crate::cli) fn references(
    configured: Option<String>,
    set: Option<&PathBuf>,
) -> Option<String> {
    joined(configured, set, "reference.config", REFERENCE)
}

/// The first of several lines for one name holds.
fn joined(
    configured: Option<String>,
    set: Option<&PathBuf>,
    name: &str,
    built_in: &str,
) -> Option<String> {
    let stored = set.and_then(|folder| fs::read(folder.join(name)).ok());
    let Some(stored) = stored else { return configured };
    let stored = String::from_utf8_lossy(&stored);
    Some(match configured {
        Some(configured) => format!("{configured}\n{stored}"),
        None => format!("{stored}\n{built_in}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_store_names_what_fills_it() {
        let check = |is_followed, command: &str| {
            let said = nothing_yet(Path::new("/s"), is_followed);
            assert!(
                said.starts_with("/s: there are no rules yet") && said.contains(command),
                "{said}"
            );
        };
        check(false, "`bateleur rules update`");
        check(true, "`bateleur rules follow`");
    }
}
