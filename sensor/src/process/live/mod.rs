//! Live capture: workers on the interfaces, and the supervisor that writes and looks after them.

mod backlog;
mod balance;
mod board;
mod condition;
mod console;
mod display;
mod figures;
mod guard;
mod ledger;
mod line;
mod losses;
mod observed;
mod pulse;
mod question;
mod reload;
mod shunt;
mod supervisor;
mod tally;
mod team;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use capture::live::{Live, LiveError, LiveSettings};
use delivery::Delivery;
use detect::settings::Settings;

use crate::bpf::Filter;
use crate::control::notify::Notify;
use crate::control::signals::Signals;
use crate::control::socket::{InterfaceFigures, Listener};
use crate::observe::Observer;
use crate::output::{FileStore, Outputs, Statistics};

use super::load::Loaded;
use super::replay::Outcome;
use super::summary::Alerts;

/// Loads rules that take the place of others, or says why they do not.
pub(crate) type Load = Arc<dyn Fn(&Loaded) -> Result<Loaded, String> + Send + Sync>;
/// Finds the text of the configuration's node at a dotted path.
pub(crate) type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Everything that live capture needs.
pub(crate) struct LiveRun<'a> {
    /// The interfaces, open.
    pub(crate) live: Live,
    /// Settings of the detectors.
    pub(crate) settings: Arc<Settings>,
    /// Rules.
    pub(crate) rules: Loaded,
    /// Loads them anew; none: they stay as they are.
    pub(crate) load: Option<Load>,
    /// Only frames that pass are looked at.
    pub(crate) filter: Option<Filter>,
    /// Files of records.
    pub(crate) outputs: &'a mut Outputs,
    /// Statistics.
    pub(crate) statistics: &'a mut Statistics,
    /// Stored files, one for each worker; empty: files are not stored.
    pub(crate) stores: Vec<FileStore>,
    /// Delivery, if records are delivered.
    pub(crate) delivery: Option<Delivery>,
    /// The CPU of each worker; those beyond the list run where the system puts them.
    pub(crate) cpus: Vec<Option<usize>>,
    /// The CPUs of all other threads; empty: they run where the system puts them.
    pub(crate) management: Vec<usize>,
    /// What is asked of the process.
    pub(crate) signals: Signals,
    /// The service manager.
    pub(crate) notify: Notify,
    /// The control socket, bound.
    pub(crate) control: Option<Listener>,
    /// What the configuration says, for those who ask over the socket.
    pub(crate) lookup: Lookup,
    /// From the wish to stop to the end of the process passes no more time than this.
    pub(crate) drain: Duration,
    /// A worker that stands still for longer is told of.
    pub(crate) stall: Duration,
    /// No figures on the terminal.
    pub(crate) quiet: bool,
    /// Somebody who looks from outside.
    pub(crate) observer: Option<Arc<Observer>>,
    /// Hears what there is to say.
    pub(crate) voice: &'a dyn Voice,
    /// Told once all workers run.
    pub(crate) on_ready: &'a mut dyn FnMut(),
}

/// Hears what a run has to say.
pub(crate) trait Voice {
    /// A message.
    fn say(&self, text: &str);

    /// A message that somebody should act on.
    fn warn(&self, text: &str) {
        self.say(text);
    }

    /// Files of messages may have been moved away.
    fn reopen(&self) {}
}

/// What came of it.
pub(crate) struct Ended {
    /// Figures, and what failed.
    pub(crate) outcome: Outcome,
    /// The rules that were in force at the end.
    pub(crate) loaded: Arc<Loaded>,
    /// Alerts by rule, also by rules that are no longer there.
    pub(crate) alerts: Vec<Alerts>,
    /// What came of each interface.
    pub(crate) interfaces: Vec<(String, InterfaceFigures)>,
    /// How many workers have panicked.
    pub(crate) deaths: usize,
    /// Frames that were lost, in words; none if none were.
    pub(crate) lost: Option<String>,
    /// Nothing waits in the spool.
    pub(crate) is_delivered: bool,
}

/// Keeps the calling thread on some CPUs; on any, if none are named.
///
/// # Errors
/// When the system refuses, in words.
pub(crate) fn settle(cpus: &[usize]) -> Result<(), String> {
    supervisor::settle(cpus)
}

impl LiveRun<'_> {
    /// Opens the interfaces.
    ///
    /// # Errors
    /// With the interface and the step that failed.
    pub(crate) fn open(settings: &LiveSettings) -> Result<Live, LiveError> {
        Live::open(settings)
    }

    /// Runs until it is told to stop. When that takes longer than it may, the process ends here.
    ///
    /// # Errors
    /// When an output cannot be written or a thread cannot be started.
    pub(crate) fn run(self) -> io::Result<Ended> {
        supervisor::run(self)
    }
}
