//! The file of rule classes (`classification.config`).

use std::collections::HashMap;

/// A class of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Text in alerts.
    pub description: String,
    /// Priority, 1 highest.
    pub priority: u32,
}

/// Classes by name, compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classifications {
    classes: HashMap<String, Classification>,
}

impl Classifications {
    /// Reads the file's text; gives the lines (from 1) that could not be read as well.
    pub fn parse(text: &str) -> (Self, Vec<u32>) {
        let mut this = Self::default();
        let mut bad = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match class(line) {
                // The first of several lines for one name holds, as in Suricata 8.
                Some((name, class)) => {
                    this.classes.entry(name.to_ascii_lowercase()).or_insert(class);
                }
                None => bad.push(number),
            }
        }
        (this, bad)
    }

    /// The class of a name.
    pub fn get(&self, name: &str) -> Option<&Classification> {
        self.classes.get(name).or_else(|| self.classes.get(&name.to_ascii_lowercase()))
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// True without classes.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// `config classification: name,description,priority`.
fn class(line: &str) -> Option<(&str, Classification)> {
    let rest = line.strip_prefix("config")?.trim_start();
    let rest = rest.strip_prefix("classification")?.trim_start().strip_prefix(':')?;
    let (name, rest) = rest.split_once(',')?;
    let (description, priority) = rest.rsplit_once(',')?;
    let name = name.trim();
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(usable) {
        return None;
    }
    let priority = priority.trim().parse().ok()?;
    Some((name, Classification { description: description.trim().to_owned(), priority }))
}
