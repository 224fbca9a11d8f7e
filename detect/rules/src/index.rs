//! Who reads an option: keywords, buffers, old modifiers and numbers by name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use protocol::{BufferSpec, NumberSpec};

use crate::catalogue::Catalogue;
use crate::keyword::Keyword;
use crate::keyword::registry::KEYWORDS;

/// What reads an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// A keyword with a member of its own.
    Member(&'static Keyword),
    /// The name of a buffer.
    Sticky(&'static BufferSpec),
    /// An old content modifier.
    Modifier(&'static BufferSpec),
    /// A number of a protocol.
    Number(&'static NumberSpec),
}

/// Readers by name.
#[derive(Debug)]
pub(crate) struct Index(HashMap<&'static str, Reader, BuildHasherDefault<NameHasher>>);

impl Index {
    /// Of all keywords and of what protocols offer. Keywords with a member go before names of
    /// protocols: some numbers are only reached through a syntax of their own.
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let mut readers = HashMap::default();
        for &spec in catalogue.numbers() {
            for &name in std::iter::once(&spec.name).chain(spec.aliases) {
                readers.insert(name, Reader::Number(spec));
            }
        }
        for &spec in catalogue.buffers() {
            if !spec.modifier.is_empty() {
                readers.insert(spec.modifier, Reader::Modifier(spec));
            }
        }
        for &spec in catalogue.buffers() {
            for &name in std::iter::once(&spec.name).chain(spec.aliases) {
                readers.insert(name, Reader::Sticky(spec));
            }
        }
        for keyword in KEYWORDS {
            for &name in std::iter::once(&keyword.name).chain(keyword.aliases) {
                readers.insert(name, Reader::Member(keyword));
            }
        }
        Self(readers)
    }

    /// The reader of a name; case does not matter.
    pub(crate) fn get(&self, name: &str) -> Option<Reader> {
        let found = self.0.get(name).copied();
        found.or_else(|| self.0.get(name.to_ascii_lowercase().as_str()).copied())
    }
}

/// FNV-1a: names of options are short, and there are half a million in a large set of rules.
/// The table holds only our own names, so that nobody can choose colliding ones.
#[derive(Debug)]
pub(crate) struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
