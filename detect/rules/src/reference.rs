//! The file of reference schemes (`reference.config`).

use std::collections::HashMap;

/// Prefixes of references by scheme, compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    prefixes: HashMap<String, String>,
}

impl References {
    /// Reads the file's text; gives the lines (from 1) that could not be read as well.
    pub fn parse(text: &str) -> (Self, Vec<u32>) {
        let mut this = Self::default();
        let mut bad = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match scheme(line) {
                Some((name, prefix)) => {
                    this.prefixes.entry(name.to_ascii_lowercase()).or_insert(prefix.to_owned());
                }
                None => bad.push(number),
            }
        }
        (this, bad)
    }

    /// The prefix of a scheme.
    pub fn prefix(&self, scheme: &str) -> Option<&str> {
        let found = self.prefixes.get(scheme);
        found.or_else(|| self.prefixes.get(&scheme.to_ascii_lowercase())).map(String::as_str)
    }

    /// True without schemes.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }
}

/// `config reference: name prefix`.
fn scheme(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("config")?.trim_start();
    let rest = rest.strip_prefix("reference")?.trim_start().strip_prefix(':')?.trim_start();
    let (name, prefix) = rest.split_once(char::is_whitespace)?;
    let prefix = prefix.trim();
    (!prefix.is_empty()).then_some((name, prefix))
}
