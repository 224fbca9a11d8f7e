//! The literals of one kind, four bytes and more or two and three, and how they are confirmed.

use crate::candidates::{Candidates, Key, hash};
use crate::filter::{Class, Window};
use crate::pattern::{Literal, Literals};
use crate::{short, statistics};

/// Literals with their index.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    candidates: Candidates,
    literals: Literals,
    /// Matches that end after this position interest nobody.
    last: usize,
}

impl Group {
    /// Chooses the windows of width `W` and indexes them.
    pub(crate) fn new<const W: usize>(
        mut literals: Literals,
        max_heads: usize,
    ) -> (Self, Vec<Window<W>>) {
        let mut windows = Vec::with_capacity(literals.as_slice().len());
        let mut keys = Vec::with_capacity(literals.as_slice().len());
        let mut positions = Vec::with_capacity(literals.as_slice().len());
        for literal in literals.as_slice() {
            let bytes = literals.bytes(literal);
            let position = statistics::rarest_window(bytes, literal.nocase);
            let window = bytes.get(position..).unwrap_or_default();
            let mut classes = [Class::Any; W];
            for (class, &byte) in classes.iter_mut().zip(window) {
                *class = Class::new(byte, literal.nocase);
            }
            windows.push(classes);
            keys.push(Key::new(word(window), literal.nocase));
            positions.push(position as u32);
        }
        for (literal, position) in literals.as_mut_slice().iter_mut().zip(positions) {
            literal.window = position;
        }
        let candidates = Candidates::new(&keys, max_heads);
        (Self { candidates, last: literals.last() as usize, literals }, windows)
    }

    /// The last position at which a match may end.
    pub(crate) fn last(&self) -> usize {
        self.last
    }

    /// The bytes of heap memory in use.
    pub(crate) fn memory(&self) -> usize {
        self.candidates.memory() + self.literals.memory()
    }

    /// Whether some literal may have this key.
    #[inline(always)]
    pub(crate) fn may_have(&self, word: u32) -> bool {
        self.candidates.may_have(word)
    }

    /// Compares the literals that have this word as their key with the haystack around
    /// `position` and reports those that match.
    #[inline]
    pub(crate) fn compare(
        &self,
        haystack: &[u8],
        position: usize,
        word: u32,
        done: &mut Done,
        found: &mut impl FnMut(u32),
    ) {
        if done.has_word(word) {
            return;
        }
        let mut all_done = true;
        for number in self.candidates.with_key(word) {
            if done.has_literal(number) {
                continue;
            }
            let Some(literal) = self.literals.as_slice().get(number as usize) else {
                continue;
            };
            if self.confirm(haystack, position, literal, found) {
                done.insert_literal(number);
            } else {
                all_done = false;
            }
        }
        if all_done {
            done.insert_word(word);
        }
    }

    /// Compares a literal and reports its targets; true if it need not be looked at again.
    fn confirm(
        &self,
        haystack: &[u8],
        position: usize,
        literal: &Literal,
        found: &mut impl FnMut(u32),
    ) -> bool {
        let Some(start) = position.checked_sub(literal.window as usize) else {
            return false;
        };
        let end = start.saturating_add(literal.len as usize);
        let Some(text) = haystack.get(start..end) else {
            return false;
        };
        if literal.last != u32::MAX && end > literal.last as usize {
            return true;
        }
        let bytes = self.literals.bytes(literal);
        let equal = if literal.nocase { text.eq_ignore_ascii_case(bytes) } else { text == bytes };
        if !equal {
            return false;
        }
        for target in self.literals.targets(literal) {
            if literal.anywhere || target.allows(start, end) {
                found(target.id);
            }
        }
        literal.anywhere
    }
}

/// The first four bytes of a window of a literal as the word under which it is found.
fn word(window: &[u8]) -> u32 {
    match *window {
        [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        [a, b, c] => short::three_bytes(a, b, c),
        [a, b] => short::two_bytes(a, b),
        _ => 0,
    }
}

/// What needs no further comparison in this search: a repeated match, say of zeros in a buffer
/// full of them, then costs next to nothing. It may forget, but never errs.
pub(crate) struct Done {
    literals: [u32; 16],
    /// Words all of whose literals are done, each at a place given by its hash.
    words: [u32; 16],
}

impl Done {
    /// Nothing is done.
    pub(crate) fn new() -> Self {
        // What belongs elsewhere marks a free place: 0 belongs to place 0 and 1 does not.
        let mut words = [0; 16];
        words[0] = 1;
        Self { literals: [u32::MAX; 16], words }
    }

    fn has_literal(&self, literal: u32) -> bool {
        self.literals[literal as usize % 16] == literal
    }

    fn insert_literal(&mut self, literal: u32) {
        self.literals[literal as usize % 16] = literal;
    }

    #[inline(always)]
    fn has_word(&self, word: u32) -> bool {
        self.words[place(word)] == word
    }

    fn insert_word(&mut self, word: u32) {
        self.words[place(word)] = word;
    }
}

#[inline(always)]
fn place(word: u32) -> usize {
    (hash(word) >> 28) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_places_hold_no_word() {
        let done = Done::new();
        for word in (0..100_000).chain([u32::MAX, 1 << 24, 1 << 31]) {
            assert!(!done.has_word(word), "{word}");
        }
        let mut done = done;
        done.insert_word(0);
        assert!(done.has_word(0) && !done.has_word(1));
    }
}
