//! Settings of delivery: the network, the queue, the spool and the sinks.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Delay, Size};
use crate::network::Network;
use crate::sinks::SinkSettings;
use crate::spool::{Full, SpoolSettings, Sync};
use crate::volume::VolumeSettings;

/// Everything about delivery.
#[derive(Clone, Debug, Default)]
pub struct DeliverySettings {
    /// Where event traffic goes out.
    pub network: Network,
    /// Bytes of records that may wait between workers and the spool.
    pub queue: usize,
    /// What is done about records that are too many, before they are spooled.
    pub volume: VolumeSettings,
    /// The spool.
    pub spool: SpoolSettings,
    /// The sinks.
    pub sinks: Vec<SinkSettings>,
    /// What waits in the spool for sinks that are not among these goes on waiting.
    pub keeps_others: bool,
}

/// The output whose records one sink alone gets, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Each of its records is an alert, also those that are no JSON.
    pub alerts: bool,
    /// What its receiver is known by, whatever the order of outputs is.
    pub place: String,
}

/// Bytes of records that wait between workers and the spool, unless settings say otherwise.
pub const QUEUE: usize = 64 << 20;

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/bateleur/spool"),
            limit: 4 << 30,
            segment: 16 << 20,
            age: None,
            sync: Sync::Every(Duration::from_secs(1)),
            full: Full::default(),
        }
    }
}

/// The spool as a configuration gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SpoolSection {
    /// The folder.
    directory: Option<PathBuf>,
    /// Bytes that it may take.
    limit: Option<Size>,
    /// Bytes of a file in it.
    segment: Option<Size>,
    /// Older records are dropped.
    age: Option<Delay>,
    /// When what was written is forced to the disk.
    sync: Option<Sync>,
    /// What goes when it is full.
    full: Full,
}

impl SpoolSection {
    /// True when a folder is given.
    pub const fn has_directory(&self) -> bool {
        self.directory.is_some()
    }

    /// With defaults for what is not given; a relative folder lies below `base`.
    ///
    /// # Errors
    /// With what does not fit together.
    pub fn settings(&self, base: &std::path::Path) -> Result<SpoolSettings, String> {
        let default = SpoolSettings::default();
        let settings = SpoolSettings {
            directory: base.join(self.directory.as_ref().unwrap_or(&default.directory)),
            limit: self.limit.map_or(default.limit, |size| size.0),
            segment: self.segment.map_or(default.segment, |size| size.0),
            age: self.age.map(|age| age.0),
            sync: self.sync.unwrap_or(default.sync),
            full: self.full,
        };
        if settings.segment < 64 << 10 {
            return Err("spool: segment has to be 64 KiB or more".to_owned());
        }
        if settings.limit / 4 < settings.segment {
            return Err("spool: limit has to be four times segment or more".to_owned());
        }
        Ok(settings)
    }
}

impl DeliverySettings {
    /// Checks what no single part can see.
    ///
    /// # Errors
    /// With what is wrong, and what to write.
    pub fn check(&self) -> Result<(), String> {
        let mut names = Vec::new();
        for sink in &self.sinks {
            match sink.kinds().as_slice() {
                [_] => {}
                [] => {
                    return Err(format!("a sink needs one of {}", SinkSettings::KINDS.join(", ")));
                }
                [one, other, ..] => {
                    return Err(format!("a sink is either {one} or {other}; make two of them"));
                }
            }
            let name = sink.name();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                return Err(format!("{name:?}: names of sinks are letters, digits, - and _"));
            }
            if names.contains(&name) {
                return Err(format!("two sinks are called {name}; give one another `name`"));
            }
            names.push(name);
        }
        let files: Vec<&str> = self.sinks.iter().filter_map(SinkSettings::file_path).collect();
        for (at, file) in files.iter().enumerate() {
            if files.iter().take(at).any(|other| other == file) {
                return Err(format!("two sinks write to {file}; give one of them another path"));
            }
        }
        Ok(())
    }
}
