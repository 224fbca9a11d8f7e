//! What a run of the native face writes to: records, statistics, stored files.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use delivery::marker::Marker;
use delivery::reach::Paths;
use delivery::settings::DeliverySettings;
use delivery::{Delivery, Prepared};
use detect::settings::OutputSettings;

use crate::config::process::FileOutput;
use crate::config::suricata::Everything;
use crate::log::reason;
use crate::output::{Engine, FileStore, Outputs, Pace, Statistics, Tap};
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

/// Delivery before it begins: while the process has all its rights.
pub(super) struct Delivering {
    prepared: Option<Prepared>,
    /// The outputs whose records are delivered, in the order of their sinks.
    outputs: Vec<usize>,
    pace: Pace,
}

impl Delivering {
    /// Of a live run, whose sockets are marked by another process if they are.
    pub(super) fn live(all: &Everything, marker: Option<Marker>) -> Result<Self> {
        let mut settings = all.process.delivery.clone();
        if let Some(settings) = &mut settings {
            settings.network.marker = marker;
        }
        Self::of(all, settings, Pace::NeverWaits)
    }

    /// Of a replay, of which nothing is lost.
    pub(super) fn replay(all: &Everything) -> Result<Self> {
        Self::of(all, all.process.delivery.clone(), Pace::Waits)
    }

    fn of(all: &Everything, settings: Option<DeliverySettings>, pace: Pace) -> Result<Self> {
        let outputs = delivered(all);
        let prepared = match settings.filter(|_| !outputs.is_empty()) {
            Some(settings) => Some(Delivery::prepare(&settings, &sensor_name(all))?),
            None => None,
        };
        Ok(Self { prepared, outputs, pace })
    }

    /// What sinks open later.
    pub(super) fn reach(&self) -> Paths {
        self.prepared.as_ref().map(Prepared::reach).unwrap_or_default()
    }
}

impl Writing {
    /// Opens everything that the settings ask for, below `directory`.
    pub(super) fn open(
        all: &Everything,
        loaded: &Loaded,
        directory: &Path,
        workers: usize,
    ) -> Result<Self> {
        let opened = |(file, error): (String, io::Error)| {
            anyhow::anyhow!("{}: {}", directory.join(file).display(), reason(&error))
        };
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
        let file = eve.and_then(|at| all.process.files.get(at)).filter(|file| !file.is_off);
        let events = file.map(|file| directory.join(&file.filename));
        Ok(Self { outputs, statistics, stores, events })
    }

    /// Starts delivery if there is where to, and says what an earlier run left behind. From here
    /// on there are other threads.
    /// Its threads stay on some CPUs, if any are named.
    pub(super) fn deliver(
        &mut self,
        delivering: Delivering,
        workers: usize,
        cpus: &[usize],
    ) -> Result<Option<Delivery>> {
        let Delivering { prepared, outputs, pace } = delivering;
        let Some(prepared) = prepared else { return Ok(None) };
        let cpus = cpus.to_vec();
        let place = move || {
            // Where that cannot be, they run where the system puts them.
            let _ = crate::process::live::settle(&cpus);
        };
        let count = u16::try_from(workers.max(1)).unwrap_or(u16::MAX - 1);
        let delivery = prepared.start(count, place)?;
        for line in delivery.left_behind() {
            tracing::warn!("{line}");
        }
        for (output, channel) in outputs.iter().zip(delivery.channels()) {
            self.outputs.add_tap(Tap::new(&delivery, *output, *channel, workers, pace));
        }
        Ok(Some(delivery))
    }

    /// Names of all open files but stored ones.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.outputs.paths().chain(self.statistics.paths()).map(Path::to_path_buf).collect()
    }
}

/// The outputs whose records are delivered: those that have no file, else the first of EVE.
fn delivered(all: &Everything) -> Vec<usize> {
    let is_off = |(_, file): &(usize, &FileOutput)| file.is_off;
    let off: Vec<usize> =
        all.process.files.iter().enumerate().filter(is_off).map(|(at, _)| at).collect();
    if !off.is_empty() {
        return off;
    }
    let is_eve = |output: &OutputSettings| matches!(output, OutputSettings::Eve(_));
    all.detector.outputs.iter().position(is_eve).into_iter().collect()
}

/// The name that records go by: the configured one, else the host's.
fn sensor_name(all: &Everything) -> String {
    let configured = all.detector.outputs.iter().find_map(|output| match output {
        OutputSettings::Eve(eve) => eve.host.clone(),
        OutputSettings::Fast | OutputSettings::Syslog => None,
    });
    configured.unwrap_or_else(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        host.trim().to_owned()
    })
}
