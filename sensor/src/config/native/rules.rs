//! `rules.store` and `rules.update` of sensor.yaml.

use std::path::Path;

use crate::config::process::RuleStore;

use super::{NativeError, Rules, Sensor};

impl Sensor {
    /// Paths are relative to the configuration, and what `rules.update` says can be.
    pub(super) fn place_rules(&mut self, base: &Path) -> Result<(), NativeError> {
        if let Some(store) = &mut self.rules.store {
            store.relative_to(base);
        }
        self.rules.update.relative_to(base);
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
