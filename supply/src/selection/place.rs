//! Where something stands in a selection file, and what is wrong with it.

/// What is wrong in a selection file, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}; {instead}")]
pub struct SelectionError {
    /// The file as it was named.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// What to write.
    pub instead: String,
}

/// A line of a selection file, and a place in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) text: &'a str,
}

impl Place<'_> {
    /// An error at a part of the line.
    pub(super) fn wrong(
        &self,
        at: usize,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> SelectionError {
        let before = self.text.char_indices().take_while(|(place, _)| *place < at).count();
        SelectionError {
            file: self.file.to_owned(),
            line: self.line,
            column: u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1),
            what: what.into(),
            instead: instead.into(),
        }
    }
}

/// The lines of a file that say something.
pub(super) fn telling<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = Place<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1_u32..)
        .zip(text.lines())
        .map(move |(line, text)| Place { file, line, text })
        .filter(|place| !place.text.trim().is_empty() && !place.text.trim_start().starts_with('#'))
}
