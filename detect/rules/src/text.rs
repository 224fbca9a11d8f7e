//! The text of a rule: a place in the file it came from, which the rules of the file share.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Text of a rule; cheap to clone.
#[derive(Clone, Default)]
pub struct RuleText {
    source: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl RuleText {
    /// The bytes of `source` from `start` to `end`, where that is UTF-8; otherwise nothing.
    pub(crate) fn of_file(source: &Arc<Vec<u8>>, start: usize, end: usize) -> Self {
        Self { source: Arc::clone(source), start, end }
    }

    /// A text of its own: for joined lines, which are no piece of their file, and for single rules
    /// that are to keep no file.
    pub(crate) fn owned(text: &str) -> Self {
        Self { source: Arc::new(text.as_bytes().to_vec()), start: 0, end: text.len() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.source.get(self.start..self.end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl PartialEq for RuleText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RuleText {}

impl Hash for RuleText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for RuleText {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
