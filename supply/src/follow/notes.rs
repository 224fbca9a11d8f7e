//! What a follower has to know after it was killed: `follow.json` in the store.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{LONGEST_RETRY, RETRY};
use crate::layout::{Channel, LayoutError, read_some, replace};
use crate::manifest::Hash;
use crate::store::{NOTES, moment};

const MOST: u64 = 1 << 20;

/// The notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    /// The channel that `newest` is about.
    channel: String,
    /// The version that was in force last.
    newest: Option<u64>,
    /// How far a change is.
    pub(super) stage: Stage,
    /// The last one that was refused.
    refused: Option<Refused>,
}

/// How far a change is. It is written down before what it names is done, so that whoever comes
/// after a kill does it again, which changes nothing where it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(super) enum Stage {
    /// What is current in the store was in force, or nothing was yet.
    #[default]
    Settled,
    /// A set becomes current, and the sensor loads it.
    Trying {
        /// This one.
        wanted: Hash,
        /// What was current before.
        back: Option<Hash>,
    },
    /// The sensor has refused a set: the one before becomes current, and the sensor loads that.
    Returning {
        /// What was refused.
        refused: Hash,
        /// See [`Channel::attempt`].
        attempt: u32,
        /// What was current before.
        back: Hash,
        /// Why.
        reason: String,
    },
}

/// A refused bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    bundle: Hash,
    attempt: u32,
    pub(super) reason: String,
    times: u32,
    /// Not before: seconds since 1970.
    retry: u64,
}

impl Notes {
    /// Those of a store; none are as good as damaged ones.
    pub(super) fn read(store: &Path) -> Self {
        let path = store.join(NOTES);
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
        let path = store.join(NOTES);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        replace(&path, |file| {
            file.write_all(&bytes).map_err(|error| LayoutError::File(path.clone(), error))
        })?;
        moment();
        Ok(())
    }

    /// The version that was in force last, of this channel.
    pub(super) fn newest(&self, channel: &str) -> Option<u64> {
        self.newest.filter(|_| self.channel == channel)
    }

    /// A set is in force.
    pub(super) fn settled(&mut self, channel: &Channel, version: u64) {
        self.channel.clone_from(&channel.channel);
        self.newest = Some(version);
        self.stage = Stage::Settled;
        if self.refused.as_ref().is_some_and(|refused| refused.bundle == channel.bundle) {
            self.refused = None;
        }
    }

    /// A bundle that was refused, if it was, and nobody has ordered to try again.
    pub(super) fn refused_now(&self, bundle: &Hash, attempt: u32) -> Option<&Refused> {
        let is_it = |refused: &&Refused| refused.bundle == *bundle && refused.attempt == attempt;
        self.refused.as_ref().filter(is_it)
    }

    /// Whether it is too early to try it once more. A time that lies too far ahead was noted while
    /// the clock was wrong.
    pub(super) fn waits(&self, bundle: &Hash, attempt: u32, now: u64) -> bool {
        self.refused_now(bundle, attempt).is_some_and(|refused| {
            now < refused.retry && refused.retry.saturating_sub(now) <= LONGEST_RETRY
        })
    }

    /// A bundle is refused, and what was before it is current.
    pub(super) fn refuse(&mut self, bundle: Hash, attempt: u32, reason: &str, now: u64) {
        let before = self.refused_now(&bundle, attempt);
        let times = before.map_or(0, |refused| refused.times).saturating_add(1);
        let wait = RETRY.saturating_mul(1 << (times - 1).min(10)).min(LONGEST_RETRY);
        self.stage = Stage::Settled;
        self.refused = Some(Refused {
            bundle,
            attempt,
            reason: reason.to_owned(),
            times,
            retry: now.saturating_add(wait),
        });
    }
}
