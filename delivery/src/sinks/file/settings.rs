//! How a sink of files is configured.

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Delay, Size};
use crate::sink::Sink;
use crate::sinks::Surroundings;
use crate::sinks::folder::Mode;
use crate::spool::Sync;
use crate::template::Template;

use super::Files;
use super::encoder::Encoder;

/// Files that may be open, at most.
const MOST_OPEN: usize = 4096;
/// Bytes that are gathered for a write, unless settings say otherwise.
const BATCH: u64 = 256 << 10;
/// The same for a compressed frame: smaller ones compress worse.
const FRAME: u64 = 1 << 20;

/// `file: {path: /var/log/bateleur/eve.json}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where, with `{event_type}`, `{sensor}`, `{worker}` and dates.
    path: String,
    /// Files that are open at a time.
    open_files: usize,
    /// When a file is begun anew, and how many are kept.
    rotate: Rotate,
    /// How files are compressed.
    compression: Compression,
    /// How hard it compresses.
    level: Option<i32>,
    /// Bytes of records that are gathered for a write, or for a compressed frame.
    batch_size: Option<Size>,
    /// How long a record may wait for others.
    linger: Option<Delay>,
    /// Rights of files.
    mode: Mode,
    /// Rights of folders.
    directory_mode: Mode,
    /// When what was written is forced to the disk.
    sync: Sync,
}

/// When a file is finished and another one begins, and how many are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Rotate {
    /// After so many bytes.
    pub(super) size: Option<Size>,
    /// After this time.
    pub(super) every: Option<Delay>,
    /// So many files are kept.
    pub(super) keep: Option<usize>,
    /// So many bytes are kept.
    pub(super) keep_bytes: Option<Size>,
}

/// What becomes of records on their way into a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

/// The settings as the sink works with them.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) open_files: usize,
    pub(super) rotate: Rotate,
    /// Seconds after which files are rotated; 0: not by time.
    pub(super) period: u64,
    pub(super) compression: Compression,
    pub(super) batch: usize,
    pub(super) linger: Duration,
    pub(super) mode: Mode,
    pub(super) directory_mode: Mode,
    pub(super) sync: Sync,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: String::new(),
            open_files: 64,
            rotate: Rotate::default(),
            compression: Compression::None,
            level: None,
            batch_size: None,
            linger: None,
            mode: Mode(0o640),
            directory_mode: Mode(0o750),
            sync: Sync::Never,
        }
    }
}

impl Settings {
    /// Where, as it is written in the settings.
    pub(in crate::sinks) fn path(&self) -> &str {
        &self.path
    }

    pub(in crate::sinks) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        let files = self.files(&around.sensor)?;
        // Folders that records choose are made below it later.
        let fixed = self.path.split('{').next().unwrap_or_default();
        let folder = match fixed.rfind('/') {
            Some(slash) => Path::new(fixed.get(..=slash).unwrap_or_default()),
            None => Path::new("."),
        };
        super::folder::claim(folder, self.directory_mode, &around.reach)?;
        Ok(Box::new(files))
    }

    pub(super) fn files(&self, sensor: &str) -> Result<Files, String> {
        let mut name = String::new();
        super::folder::put_name(sensor, &mut name);
        let template = Template::new(&self.path, &name).map_err(|why| format!("path: {why}"))?;
        let file = Path::new(&self.path).file_name().and_then(|name| name.to_str());
        if file.is_none() || self.path.ends_with('/') || self.path.contains('\0') {
            return Err(format!("path: {:?} names no file", self.path));
        }
        if !(1..=MOST_OPEN).contains(&self.open_files) {
            return Err(format!("open-files is from 1 to {MOST_OPEN}"));
        }
        let period = match self.rotate.every {
            Some(every) if every.0.as_secs() == 0 || every.0.subsec_nanos() > 0 => {
                return Err("rotate: every is in whole seconds, and 1 s or more".to_owned());
            }
            Some(every) => every.0.as_secs(),
            // A compressed file has its name only when it is finished.
            None if self.compression != Compression::None => 3600,
            None => 0,
        };
        if self.rotate.size.is_some_and(|size| size.0 == 0) {
            return Err("rotate: size has to be more than nothing".to_owned());
        }
        let is_plain = self.compression == Compression::None;
        let batch = self.batch_size.map_or(if is_plain { BATCH } else { FRAME }, |size| size.0);
        if !(1..=64 << 20).contains(&batch) {
            return Err("batch-size is from 1 B to 64 MiB".to_owned());
        }
        let linger = if is_plain { Duration::ZERO } else { Duration::from_secs(1) };
        let plan = Plan {
            open_files: self.open_files,
            rotate: self.rotate,
            period,
            compression: self.compression,
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
            linger: self.linger.map_or(linger, |linger| linger.0),
            mode: self.mode,
            directory_mode: self.directory_mode,
            sync: self.sync,
        };
        Ok(Files::new(plan, template, Encoder::new(self.compression, self.level)?))
    }
}
