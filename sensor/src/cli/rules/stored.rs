//! Rules of the store among those that are loaded: what is current there at each load.

use std::fs;
use std::path::PathBuf;

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
                tracing::warn!(
                    "{}: there are no rules yet; `bateleur rules update` fetches them",
                    directory.display()
                );
            }
            current.map(|current| current.folder)
        }
    };
    if let Some(folder) = &folder {
        all.patterns.push(folder.join(RULES).display().to_string());
    }
    Ok((all, folder))
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
