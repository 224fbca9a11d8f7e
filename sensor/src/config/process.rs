//! Settings of the process around the detector; both faces of the program build this.

use std::collections::BTreeMap;
use std::path::PathBuf;

use delivery::settings::DeliverySettings;
use engine::EngineSettings;
use engine::content::dataset::DatasetLimits;

use crate::log::LogSettings;

use super::duration::Rotation;

/// Everything that is not the detector's.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessSettings {
    /// Where outputs lie.
    pub(crate) log_dir: PathBuf,
    /// The engine log.
    pub(crate) log: LogSettings,
    /// Files of the detector's outputs, in the order of its settings.
    pub(crate) files: Vec<FileOutput>,
    /// Statistics.
    pub(crate) statistics: StatisticsSettings,
    /// `file-store`.
    pub(crate) file_store: Option<FileStoreOutput>,
    /// Rules.
    pub(crate) rules: RuleSources,
    /// The rule engine.
    pub(crate) engine: EngineSettings,
    /// How rules are read.
    pub(crate) loader: rules::settings::Settings,
    /// Limits of data sets.
    pub(crate) datasets: DatasetLimits,
    /// Where records go besides files.
    pub(crate) delivery: Option<DeliverySettings>,
    /// One worker, named as Suricata 8 does with `runmode: single`.
    pub(crate) single: bool,
}

/// A file that records are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileOutput {
    /// Name of the output, e.g. `eve-log`.
    pub(crate) kind: &'static str,
    /// Below the log directory, unless absolute.
    pub(crate) filename: String,
    /// Go on with a file that is there.
    pub(crate) append: bool,
    /// Permissions.
    pub(crate) mode: Option<u32>,
    /// When the file is begun anew.
    pub(crate) rotation: Option<Rotation>,
    /// There is no such file: the records are only delivered.
    pub(crate) is_off: bool,
}

impl FileOutput {
    /// An appended file.
    pub(crate) fn new(kind: &'static str, filename: impl Into<String>) -> Self {
        let filename = filename.into();
        Self { kind, filename, append: true, mode: None, rotation: None, is_off: false }
    }
}

/// `stats` and the outputs of statistics.
#[derive(Clone, Debug)]
pub(crate) struct StatisticsSettings {
    /// Seconds between records, by the wall clock.
    pub(crate) interval: u64,
    /// `decoder-events`
    pub(crate) decoder_events: bool,
    /// `decoder-events-prefix`
    pub(crate) decoder_events_prefix: String,
    /// `stream-events`
    pub(crate) stream_events: bool,
    /// Records in EVE outputs: the output's place, and what they hold.
    pub(crate) eve: Vec<(usize, StatisticsForm)>,
    /// Tables.
    pub(crate) tables: Vec<(FileOutput, StatisticsForm)>,
}

impl Default for StatisticsSettings {
    fn default() -> Self {
        Self {
            interval: 8,
            decoder_events: true,
            decoder_events_prefix: "decoder.event".to_owned(),
            stream_events: false,
            eve: Vec::new(),
            tables: Vec::new(),
        }
    }
}

/// What a statistics record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatisticsForm {
    /// Sums over all threads.
    pub(crate) totals: bool,
    /// Each thread's.
    pub(crate) threads: bool,
    /// Changes since the last record.
    pub(crate) deltas: bool,
    /// Counters that are 0.
    pub(crate) null_values: bool,
}

/// `file-store` as the process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileStoreOutput {
    /// Below the log directory, unless absolute.
    pub(crate) directory: String,
    /// Files held open at a time; 0: as many as it takes.
    pub(crate) max_open_files: usize,
}

/// Rules that are kept with what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleStore {
    /// What is current in a store when rules are loaded.
    Current(PathBuf),
    /// A set in this folder.
    Set(PathBuf),
}

/// Where rules and what belongs to them come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleSources {
    /// Files or patterns, in order.
    pub(crate) patterns: Vec<String>,
    /// Where further rules are kept.
    pub(crate) store: Option<RuleStore>,
    /// `classification-file`
    pub(crate) classification: Option<PathBuf>,
    /// `reference-config-file`
    pub(crate) reference: Option<PathBuf>,
    /// `threshold-file`
    pub(crate) threshold: Option<PathBuf>,
    /// `reputation-categories-file`
    pub(crate) reputation_categories: Option<PathBuf>,
    /// `reputation-files`
    pub(crate) reputations: Vec<PathBuf>,
    /// Where the configuration names a file or pattern of these, for messages.
    pub(crate) places: BTreeMap<String, String>,
    /// `rules follow` brings what is kept there, not `rules update`.
    pub(crate) is_followed: bool,
    /// A file of which every rule is refused is taken all the same.
    pub(crate) allow_refused: bool,
}
