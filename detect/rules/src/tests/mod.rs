//! Tests over whole rules.

mod addresses;
mod checks;
mod fast_patterns;
mod files;
mod known;
mod loading;
mod messages;
mod properties;
mod requirements;
mod verdicts;

use crate::{Failure, LoadedRules, Loader, Rule, Settings, Variables};

/// Settings with the variables of the sample configuration.
fn settings() -> Settings {
    Settings { variables: Variables::sample(), ..Settings::default() }
}

/// Loads a text.
fn load(text: &str) -> LoadedRules {
    let mut loader = Loader::new(settings());
    loader.load("test.rules", text.as_bytes());
    loader.finish()
}

/// The one rule in a text.
fn rule(text: &str) -> Rule {
    let mut loaded = load(text);
    assert!(loaded.failures.is_empty(), "{text}: {:?}", loaded.failures);
    *loaded.rules.pop().unwrap()
}

/// Why the one rule in a text was refused.
fn failure(text: &str) -> Failure {
    load(text).failures.pop().unwrap_or_else(|| panic!("accepted: {text}"))
}
