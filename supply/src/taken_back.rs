//! Sets that were taken back, by hand or since the sensor refused them: an update that comes to one
//! of them again does not put it in force. They are known by their content, as each update makes a
//! manifest of its own.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::layout::{LayoutError, read_some, replace};
use crate::manifest::{FileRecord, Hash};
use crate::store::Generation;

const FILE: &str = "taken-back.json";
const MOST_BYTES: u64 = 64 << 10;
/// So many are kept in mind; the oldest goes.
const MOST: usize = 16;

/// Who took a set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Somebody, by a rollback.
    #[default]
    Hand,
    /// The sensor, which did not load it but did load the one before.
    Sensor,
}

impl By {
    /// What became of the set.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hand => "taken back",
            Self::Sensor => "refused by the sensor",
        }
    }
}

/// A set that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// As it was known.
    pub set: Hash,
    /// Its generation's number.
    pub number: u64,
    /// When: seconds since 1970.
    pub time: u64,
    /// Who took it back.
    #[serde(default)]
    pub by: By,
    /// Of what it consists.
    content: Hash,
}

/// Those of a store, oldest first.
///
/// A damaged list is begun anew, with a warning: an update has to be possible.
pub fn read(directory: &Path) -> Vec<TakenBack> {
    let path = directory.join(FILE);
    let read = read_some(&path, MOST_BYTES)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
    match read {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!("{}: {error}; it is begun anew", path.display());
            Vec::new()
        }
    }
}

/// The one that consists of these files, if it was taken back.
pub(crate) fn find(directory: &Path, files: &[FileRecord]) -> Option<TakenBack> {
    let content = content(files);
    read(directory).into_iter().find(|one| one.content == content)
}

/// Keeps in mind that a set was taken back.
pub(crate) fn add(directory: &Path, set: &Generation, by: By) -> Result<(), LayoutError> {
    let content = content(&set.manifest.files);
    let mut all = read(directory);
    all.retain(|one| one.content != content);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    all.push(TakenBack { set: set.hash, number: set.number, time, by, content });
    let spare = all.len().saturating_sub(MOST);
    all.drain(..spare);
    write(directory, &all)
}

/// A set that consists of these files may be in force again.
pub(crate) fn forget(directory: &Path, files: &[FileRecord]) -> Result<(), LayoutError> {
    let content = content(files);
    let mut all = read(directory);
    let before = all.len();
    all.retain(|one| one.content != content);
    if all.len() == before { Ok(()) } else { write(directory, &all) }
}

fn write(directory: &Path, all: &[TakenBack]) -> Result<(), LayoutError> {
    let path = directory.join(FILE);
    let bytes = serde_json::to_vec_pretty(all).unwrap_or_default();
    replace(&path, |file| {
        file.write_all(&bytes).map_err(|error| LayoutError::File(path.clone(), error))
    })
}

fn content(files: &[FileRecord]) -> Hash {
    Hash::of(&serde_json::to_vec(files).unwrap_or_default())
}
