//! What the last change of a store came to, for whoever looks later.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{StoreError, disk};

const FILE: &str = "outcome.json";
const MOST: u64 = 1 << 20;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Other rules are current than before.
    Changed,
    /// There was nothing new.
    Unchanged,
    /// The rules that were current are it still.
    Failed,
}

/// What the last update, follow or roll-back came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When: seconds since 1970, UTC.
    pub time: u64,
    /// Which command it was: `update`, `follow`, `rollback`.
    pub action: String,
    /// How it ended.
    pub result: Came,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The hash of what is current now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// What went otherwise than it should without being a reason to fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What else the command tells: counts by name.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

impl Outcome {
    /// Of a command that ends now.
    pub fn now(action: &str, result: Came) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            time: now.as_secs(),
            action: action.to_owned(),
            result,
            reason: None,
            current: None,
            warnings: Vec::new(),
            details: serde_json::Map::new(),
        }
    }

    /// The last one of a store; none if there is none yet.
    ///
    /// # Errors
    /// When its file can't be read or is something else.
    pub fn read(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        let bytes = match disk::read_at_most(&path, MOST) {
            Err(StoreError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            bytes => bytes?,
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StoreError::Damaged { path, why: error.to_string() })
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        disk::replace(&directory.join(FILE), &bytes)
    }
}
