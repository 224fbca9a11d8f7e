//! Live capture: workers on the interfaces, and the supervisor that writes and looks after them.

mod figures;
mod supervisor;
mod worker;

use std::io;
use std::sync::Arc;

use capture::live::{Live, LiveError, LiveSettings};
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::output::{FileStore, Outputs, Statistics};

use super::replay::Outcome;
use super::stop::Stop;

/// Everything that live capture needs.
pub(crate) struct LiveRun<'a> {
    /// The interfaces, open.
    pub(crate) live: Live,
    /// Settings of the detectors.
    pub(crate) settings: Arc<Settings>,
    /// Rules.
    pub(crate) rules: Arc<Ruleset>,
    /// Only frames that pass are looked at.
    pub(crate) filter: Option<Filter>,
    /// Files of records.
    pub(crate) outputs: &'a mut Outputs,
    /// Statistics.
    pub(crate) statistics: &'a mut Statistics,
    /// Stored files, one for each worker; empty: files are not stored.
    pub(crate) stores: Vec<FileStore>,
    /// Ends it.
    pub(crate) stop: Stop,
    /// Told once everything runs.
    pub(crate) on_ready: &'a mut dyn FnMut(),
}

impl LiveRun<'_> {
    /// Opens the interfaces.
    ///
    /// # Errors
    /// With the interface and the step that failed.
    pub(crate) fn open(settings: &LiveSettings) -> Result<Live, LiveError> {
        Live::open(settings)
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// When an output cannot be written or a thread cannot be started.
    pub(crate) fn run(self) -> io::Result<Outcome> {
        supervisor::run(self)
    }
}
