//! `rules.store`, `rules.update` and `rules.follow` of sensor.yaml.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::process::RuleStore;

use super::words::Patience;
use super::{NativeError, Rules, Sensor};

/// `rules.follow`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Follow {
    /// A rule server's address, or a folder.
    pub(crate) from: Option<String>,
    /// The channel; `default` by default.
    pub(crate) channel: Option<String>,
    /// The file with the public keys.
    pub(crate) key: Option<PathBuf>,
    /// The file with the token of the server.
    pub(crate) token: Option<PathBuf>,
    /// How often to look; every minute by default.
    every: Option<Patience>,
    /// Nothing older than what was in force is taken, whatever the channel says.
    pub(crate) never_older: bool,
}

impl Follow {
    /// How often to look.
    pub(crate) fn every(&self) -> Duration {
        self.every.as_ref().map_or(Duration::from_secs(60), |span| span.0)
    }
}

impl Sensor {
    /// Paths are relative to the configuration, and what `rules.update` says can be.
    pub(super) fn place_rules(&mut self, base: &Path) -> Result<(), NativeError> {
        if let Some(store) = &mut self.rules.store {
            store.relative_to(base);
        }
        self.rules.update.relative_to(base);
        if let Some(follow) = &mut self.rules.follow {
            for file in [&mut follow.key, &mut follow.token] {
                *file = file.take().map(|name| base.join(name));
            }
            if let Some(from) = follow.from.take_if(|from| !from.contains("://")) {
                follow.from = Some(base.join(from).display().to_string());
            }
        }
        self.rules
            .update
            .check()
            .map_err(|wrong| self.wrong(&format!("rules.update.{}", wrong.key), &wrong.what))
    }
}

impl Rules {
    /// The store whose current rules are loaded.
    pub(super) fn stored(&self) -> Option<RuleStore> {
        self.store.as_ref().map(|store| RuleStore::Current(store.directory.clone()))
    }
}
