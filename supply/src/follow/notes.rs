//! What a follower has to know after it was killed: `follow.json` in the store.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{LONGEST_RETRY, RETRY};
use crate::layout::{Channel, LayoutError, read_some, replace};
use crate::manifest::Hash;

const FILE: &str = "follow.json";
const MOST: u64 = 1 << 20;

/// The notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    /// The channel that `newest` is about.
    channel: String,
    /// The version that was in force last.
    newest: Option<u64>,
    /// The set that was made current and that the sensor has not confirmed.
    pub(super) pending: Option<Hash>,
    /// The one before it.
    pub(super) back: Option<Hash>,
    /// The last one that was refused.
    refused: Option<Refused>,
}

/// A refused bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    bundle: Hash,
    attempt: u32,
    pub(super) reason: String,
    times: u32,
    /// Not before: seconds since 1970.
    pub(super) retry: u64,
}

impl Notes {
    /// Those of a store; none are as good as damaged ones.
    pub(super) fn read(store: &Path) -> Self {
        let path = store.join(FILE);
        match read_some(&path, MOST) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}; it is begun anew", path.display());
                Self::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                tracing::warn!("{}: {error}", path.display());
                Self::default()
            }
        }
    }

    pub(super) fn write(&self, store: &Path) -> Result<(), LayoutError> {
        if Self::read(store) == *self {
            return Ok(());
        }
        let path = store.join(FILE);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        replace(&path, |file| {
            file.write_all(&bytes).map_err(|error| LayoutError::File(path.clone(), error))
        })
    }

    /// The version that was in force last, of this channel.
    pub(super) fn newest(&self, channel: &str) -> Option<u64> {
        self.newest.filter(|_| self.channel == channel)
    }

    /// A set is in force.
    pub(super) fn settled(&mut self, channel: &Channel, version: u64) {
        self.channel.clone_from(&channel.channel);
        self.newest = Some(version);
        self.pending = None;
        self.back = None;
        if self.refused.as_ref().is_some_and(|refused| refused.bundle == channel.bundle) {
            self.refused = None;
        }
    }

    /// A bundle that was refused, if it was, and nobody has ordered to try again.
    pub(super) fn refused_now(&self, bundle: &Hash, attempt: u32) -> Option<&Refused> {
        let is_it = |refused: &&Refused| refused.bundle == *bundle && refused.attempt == attempt;
        self.refused.as_ref().filter(is_it)
    }

    /// A bundle is refused.
    pub(super) fn refuse(&mut self, channel: &Channel, reason: &str, now: u64) {
        let before = self.refused_now(&channel.bundle, channel.attempt);
        let times = before.map_or(0, |refused| refused.times).saturating_add(1);
        let wait = RETRY.saturating_mul(1 << (times - 1).min(10)).min(LONGEST_RETRY);
        self.refused = Some(Refused {
            bundle: channel.bundle,
            attempt: channel.attempt,
            reason: reason.to_owned(),
            times,
            retry: now.saturating_add(wait),
        });
    }
}
