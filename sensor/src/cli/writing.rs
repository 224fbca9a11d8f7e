//! What a run of the native face writes to: records, statistics, stored files.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use detect::settings::OutputSettings;

use crate::config::suricata::Everything;
use crate::output::{Engine, FileStore, Outputs, Statistics};
use crate::process::load::Loaded;

/// Everything that is open for writing.
pub(super) struct Writing {
    pub(super) outputs: Outputs,
    pub(super) statistics: Statistics,
    /// One for each worker; none when files are not stored.
    pub(super) stores: Vec<FileStore>,
    /// The file of EVE records, if there is one.
    pub(super) events: Option<PathBuf>,
}

impl Writing {
    /// Opens everything that the settings ask for, below `directory`.
    pub(super) fn open(
        all: &Everything,
        loaded: &Loaded,
        directory: &Path,
        workers: usize,
    ) -> Result<Self> {
        let opened = |(file, error): (String, io::Error)| anyhow::anyhow!("{file}: {error}");
        let outputs = Outputs::open(&all.process.files, directory).map_err(opened)?;
        let engine = Engine::of(loaded);
        let settings = &all.process.statistics;
        let mut statistics = Statistics::open(settings, directory, Some(engine)).map_err(opened)?;
        let first = settings.eve.first().and_then(|(at, _)| all.detector.outputs.get(*at));
        if let Some(OutputSettings::Eve(eve)) = first {
            statistics.envelope(&eve.prefix, eve.host.as_deref());
        }
        let mut stores = Vec::new();
        if let Some(output) = &all.process.file_store {
            for worker in 0..workers {
                let store = FileStore::open(output, directory, worker);
                stores.push(
                    store
                        .map_err(|(path, error)| anyhow::anyhow!("{}: {error}", path.display()))?,
                );
            }
        }
        let eve = all.detector.outputs.iter().position(|o| matches!(o, OutputSettings::Eve(_)));
        let events =
            eve.and_then(|at| all.process.files.get(at)).map(|file| directory.join(&file.filename));
        Ok(Self { outputs, statistics, stores, events })
    }

    /// Names of all open files but stored ones.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.outputs.paths().chain(self.statistics.paths()).map(Path::to_path_buf).collect()
    }
}
