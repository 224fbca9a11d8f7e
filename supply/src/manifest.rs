//! What a set of rules consists of: its files with their sums, where they came from, and the hash
//! by which all of it is known.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of the manifest's file in a generation and in a bundle.
pub const FILE: &str = "manifest.json";
/// The file with all rules, one a line.
pub const RULES: &str = "bateleur.rules";
/// The size that a manifest has at most, in bytes.
pub const MOST: u64 = 16 << 20;
/// The layout that this program writes and reads.
pub const FORMAT: u32 = 1;

/// What a set of rules consists of. Its bytes as written are what [`Manifest::hash`] is made of and
/// what a signature covers; they name every file with its sum, so that they stand for all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Rises with each set that one maker makes; says nothing across makers.
    pub version: u64,
    /// When it was made: seconds since 1970, UTC.
    pub created: u64,
    /// The program that made it.
    pub made_by: String,
    /// Where its rules came from.
    pub sources: Vec<SourceRecord>,
    /// What the test before use said.
    pub counts: Counts,
    /// Its files in the order of their paths, without the manifest.
    pub files: Vec<FileRecord>,
}

/// A source as it was when rules were taken from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// Its name in the configuration.
    pub name: String,
    /// Its address, without credentials.
    pub from: String,
    /// SHA-256 of what was fetched, as hexadecimal digits.
    pub sha256: String,
    /// Rules that came from it.
    pub rules: u64,
}

/// How many rules there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    /// Rules that load.
    pub loaded: u64,
    /// Rules that do not.
    pub refused: u64,
    /// Rules that were left out by choice.
    pub disabled: u64,
}

/// A file of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Relative, with `/`, below the set's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 as hexadecimal digits.
    pub sha256: String,
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON, or has other fields.
    #[error("manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// A later program wrote it.
    #[error("manifest: format {0}, this program reads {FORMAT}")]
    Format(u32),
    /// A file's path would leave the folder.
    #[error("manifest: path {0:?} is not below the folder")]
    Path(String),
}

/// The hash of a manifest: what a set of rules is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of the bytes of a manifest.
    pub fn of(manifest: &[u8]) -> Self {
        Self(Sha256::digest(manifest).into())
    }

    /// From 64 hexadecimal digits; none if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        // No signs: `+f` would be a number as well.
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(Self(bytes))
    }

    /// The first twelve digits, for people and names of folders.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("64 hexadecimal digits expected"))
    }
}

impl Manifest {
    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// From its file.
    ///
    /// # Errors
    /// When it is none, of another format, or names files outside its folder.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format != FORMAT {
            return Err(ManifestError::Format(manifest.format));
        }
        for file in &manifest.files {
            if below(&file.path).is_none() || file.path == FILE {
                return Err(ManifestError::Path(file.path.clone()));
            }
        }
        Ok(manifest)
    }

    /// By what it is known.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }

    /// The same files, whenever and by whom they were put together.
    pub fn same_content(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

/// Bytes as hexadecimal digits, the way sums are written.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path that stays below the folder it is relative to; none for others.
pub fn below(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !path.as_os_str().is_empty()).then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str) -> Manifest {
        let file = FileRecord { path: path.to_owned(), bytes: 3, sha256: "00".repeat(32) };
        Manifest {
            format: FORMAT,
            version: 7,
            created: 1_763_800_000,
            made_by: "bateleur 0.1.0".to_owned(),
            sources: Vec::new(),
            counts: Counts::default(),
            files: vec![file],
        }
    }

    #[test]
    fn what_was_written_is_read_and_has_the_same_hash() {
        let made = manifest("datasets/bad.lst");
        let bytes = made.to_bytes();
        let read = Manifest::parse(&bytes).unwrap();
        assert_eq!((&read, read.hash()), (&made, Hash::of(&bytes)));
        assert_eq!(Hash::parse(&made.hash().to_string()), Some(made.hash()));
        assert_eq!(made.hash().short().len(), 12);
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in ["", "/etc/passwd", "../a", "a/../../b", "./a", FILE] {
            let error = Manifest::parse(&manifest(path).to_bytes()).unwrap_err();
            assert!(matches!(error, ManifestError::Path(_)), "{path}: {error}");
        }
    }

    #[test]
    fn what_is_no_hash_is_none() {
        let plus = format!("+{}", "f".repeat(63));
        for text in ["", "ab", &"g".repeat(64), &plus, &"ä".repeat(32)] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }
}
