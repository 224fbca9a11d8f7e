//! `rules.store`, `rules.update` and `rules.follow` of sensor.yaml.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use supply::glob;

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

impl Sensor {
    /// What would keep `rules update` and `rules follow` from working, or would not be so: keys with
    /// reasons. The sensor starts all the same.
    pub(super) fn supply_warnings(&self) -> Vec<(String, String)> {
        let rules = &self.rules;
        let mut found = Vec::new();
        if rules.store.as_ref().is_some_and(|store| store.keep < 2) {
            let said = "rules.store.keep: two sets are kept at least: write 2 or more".to_owned();
            found.push(("rules.store.keep".to_owned(), said));
        }
        let mut look = |key: String, path: &Path, command: &str| {
            if let Err(error) = File::open(path) {
                let path = path.display();
                let said = format!("{key}: {path}: cannot be read, so `{command}` fails: {error}");
                found.push((key, said));
            }
        };
        let update = &rules.update;
        for (name, file) in [
            ("disable", &update.disable),
            ("enable", &update.enable),
            ("drop", &update.drop),
            ("modify", &update.modify),
        ] {
            if let Some(file) = file {
                look(format!("rules.update.{name}"), file, "rules update");
            }
        }
        for (at, source) in update.sources.iter().enumerate() {
            let key = format!("rules.update.sources.{at}");
            if let Some(file) = &source.key {
                look(format!("{key}.key"), file, "rules update");
            }
            for (name, file) in &source.secrets {
                look(format!("{key}.secrets.{name}"), file, "rules update");
            }
        }
        if let Some(follow) = &rules.follow {
            for (name, file) in [("key", &follow.key), ("token", &follow.token)] {
                if let Some(file) = file {
                    look(format!("rules.follow.{name}"), file, "rules follow");
                }
            }
        }
        for (at, source) in update.sources.iter().enumerate() {
            let Some(path) = &source.path else { continue };
            if glob::expand(&path.to_string_lossy()).is_empty() {
                let key = format!("rules.update.sources.{at}.path");
                let path = path.display();
                let said = format!("{key}: {path}: there is nothing, so `rules update` fails");
                found.push((key, said));
            }
        }
        found
    }
}

impl Rules {
    /// The store whose current rules are loaded.
    pub(super) fn stored(&self) -> Option<RuleStore> {
        self.store.as_ref().map(|store| RuleStore::Current(store.directory.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_keep_an_update_from_working_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        let check = |text: &str, expected: &[&str]| {
            std::fs::write(&path, text).unwrap();
            let said = Sensor::with(Some(&path), &[]).unwrap().warnings();
            let said: Vec<String> = said.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), expected.len(), "{text}{said:#?}");
            for (line, part) in said.iter().zip(expected) {
                assert!(line.contains(part), "{part} in {line}");
            }
        };
        check(
            "rules: {store: {keep: 1}}\n",
            &["gate.yaml:1:17: warning: rules.store.keep: two sets are kept at least"],
        );
        check("rules: {store: {keep: 2}}\n", &[]);
        check(
            "rules:\n  update:\n    disable: d.conf\n    modify: m.conf\n    sources:\n      \
             - {name: a, path: 'local/*.rules'}\n      - {name: b, url: 'https://h/a', key: k.pub}\n",
            &[
                "gate.yaml:3:5: warning: rules.update.disable: ",
                "gate.yaml:4:5: warning: rules.update.modify: ",
                "gate.yaml:7:39: warning: rules.update.sources.1.key: ",
                "gate.yaml:6:19: warning: rules.update.sources.0.path: ",
            ],
        );
        std::fs::write(folder.path().join("d.conf"), "").unwrap();
        std::fs::create_dir(folder.path().join("local")).unwrap();
        std::fs::write(folder.path().join("local/a.rules"), "").unwrap();
        check(
            "rules: {update: {disable: d.conf, sources: [{name: a, path: 'local/*.rules'}]}}\n",
            &[],
        );
        check("rules: {follow: {from: 'http://a', key: r.pub}}\n", &["rules.follow.key: "]);
    }
}
