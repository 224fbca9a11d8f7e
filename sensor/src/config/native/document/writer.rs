//! Trees as YAML: one value a line, or all of it on one.

use std::fmt;

use super::{Kind, Value, below};

/// What stands on a line that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config::native) struct Line {
    /// Counted from 1.
    pub(in crate::config::native) line: usize,
    pub(in crate::config::native) column: usize,
    pub(in crate::config::native) path: String,
}

/// Writes values, one a line.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) lines: Vec<Line>,
    /// Lines that have ended.
    ended: usize,
    column: usize,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn end(&mut self, said: Option<String>) {
        if let Some(said) = said {
            self.text.push_str("  # ");
            self.text.push_str(&said);
        }
        self.text.push('\n');
        self.ended += 1;
        self.column = 0;
    }

    fn note(&mut self, path: &str) {
        let (line, column) = (self.ended + 1, self.column + 1);
        self.lines.push(Line { line, column, path: path.to_owned() });
    }

    /// Writes a value; the line's beginning may be there, as wide as `indent`.
    pub(super) fn value(
        &mut self,
        value: &Value,
        path: &str,
        indent: usize,
        say: &mut dyn FnMut(&str, &Value) -> Option<String>,
    ) {
        match &value.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                for (key, value) in pairs {
                    let path = below(path, key);
                    self.indent(indent);
                    self.note(&path);
                    self.put(&word(key));
                    self.put(":");
                    self.member(value, &path, indent, say);
                }
            }
            Kind::List(items) if !items.is_empty() => {
                for (at, value) in items.iter().enumerate() {
                    let path = below(path, &at.to_string());
                    self.indent(indent);
                    self.note(&path);
                    self.put("- ");
                    self.value(value, &path, indent + 2, say);
                }
            }
            _ => {
                self.put(&value.to_string());
                self.end(say(path, value));
            }
        }
    }

    /// Behind a key.
    fn member(
        &mut self,
        value: &Value,
        path: &str,
        indent: usize,
        say: &mut dyn FnMut(&str, &Value) -> Option<String>,
    ) {
        match &value.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                self.end(None);
                self.value(value, path, indent + 2, say);
            }
            Kind::List(items) if !items.is_empty() => {
                self.end(None);
                self.value(value, path, indent + 2, say);
            }
            _ => {
                self.put(" ");
                self.value(value, path, indent, say);
            }
        }
    }

    fn indent(&mut self, indent: usize) {
        let missing = indent.saturating_sub(self.column);
        self.put(&" ".repeat(missing));
    }
}

/// A key.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A word as a value; one that was plain stays so where that can be.
fn scalar(text: &str, is_plain: bool) -> String {
    let is_safe = !text.is_empty()
        && text.trim() == text
        && !text.starts_with(|c: char| "!&*{}[],#|>@`\"'%?:-".contains(c))
        && !text.contains([',', '[', ']', '{', '}', '\n', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && text.chars().all(|c| !c.is_control());
    // Of words that were in quotes those are as good without which nobody can take for another kind.
    let is_word = || {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
            && !["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"]
                .contains(&text.to_ascii_lowercase().as_str())
    };
    let is_number = || is_plain && text.parse::<f64>().is_ok();
    match is_safe && (is_plain || is_word()) || is_number() || (is_plain && text.is_empty()) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl fmt::Display for Value {
    /// On one line, as in a flow of YAML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Scalar { text, is_plain } => f.write_str(&scalar(text, *is_plain)),
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Kind::Map(pairs) => {
                let pair = |(key, value): &(String, Self)| format!("{}: {value}", word(key));
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                write!(f, "{{{}}}", pairs.join(", "))
            }
        }
    }
}
