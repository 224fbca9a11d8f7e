//! The board: what the supervisor shows to the threads beside it, and what they ask of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use capture::live::{Opened, WorkerFigures};
use crossbeam::channel::{Receiver, Sender, unbounded};
use detect::counters::Snapshot;
use detect::settings::Settings;

use crate::clock::now_us;
use crate::control::socket::{FailedRule, Memcap, ReloadRefusal, RuleFigures};
use crate::process::load::{Loaded, RuleSet};

use super::Lookup;
use super::balance::Balance;
use super::condition::Condition;
use super::ledger::Ledger;

/// Rules that failed, as many as somebody may ask for.
const MOST_FAILED: usize = 64;

/// The answer to the wish to load rules.
pub(super) type ReloadAnswer = Sender<Result<Vec<String>, ReloadRefusal>>;

/// What others ask of the supervisor.
#[derive(Debug)]
pub(super) enum Request {
    /// Close output files and open them by name again.
    Reopen,
    /// Load the rules anew. Who asks is answered when they are in force if it waits for that,
    /// else when it has begun.
    Reload { answer: Option<ReloadAnswer>, waits: bool },
    /// Count, and say it as a JSON object.
    Counters(Sender<String>),
    /// Count, for the endpoint of metrics.
    Metrics,
}

/// What is known of the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleFacts {
    /// When they were loaded, microseconds since 1970.
    pub(super) loaded_at: u64,
    pub(super) figures: RuleFigures,
    pub(super) failed: Vec<FailedRule>,
    pub(super) set: Option<RuleSet>,
}

/// The board.
pub(super) struct Board {
    pub(super) started: Instant,
    pub(super) condition: Condition,
    /// When somebody wanted the process to end.
    stop: OnceLock<Instant>,
    ended: AtomicBool,
    requests: Sender<Request>,
    pub(super) interfaces: Vec<Opened>,
    pub(super) balance: Balance,
    workers: Vec<Arc<WorkerFigures>>,
    ledgers: Vec<Arc<Ledger>>,
    written: AtomicU64,
    /// Rules can be loaded anew.
    pub(super) can_reload: bool,
    pub(super) memcaps: Vec<Memcap>,
    pub(super) lookup: Lookup,
    delivery: Option<Arc<delivery::Figures>>,
    rules: Mutex<RuleFacts>,
    totals: Mutex<Snapshot>,
}

/// What a board begins with.
pub(super) struct Facts {
    pub(super) interfaces: Vec<Opened>,
    pub(super) balance: Balance,
    pub(super) workers: Vec<Arc<WorkerFigures>>,
    pub(super) ledgers: Vec<Arc<Ledger>>,
    pub(super) can_reload: bool,
    pub(super) memcaps: Vec<Memcap>,
    pub(super) lookup: Lookup,
    pub(super) delivery: Option<Arc<delivery::Figures>>,
}

impl Board {
    /// With the end at which requests arrive.
    pub(super) fn new(facts: Facts, loaded: &Loaded) -> (Arc<Self>, Receiver<Request>) {
        let (requests, arriving) = unbounded();
        let started = Instant::now();
        let board = Self {
            started,
            condition: Condition::new(started),
            stop: OnceLock::new(),
            ended: AtomicBool::new(false),
            requests,
            interfaces: facts.interfaces,
            balance: facts.balance,
            workers: facts.workers,
            ledgers: facts.ledgers,
            written: AtomicU64::new(0),
            can_reload: facts.can_reload,
            memcaps: facts.memcaps,
            lookup: facts.lookup,
            delivery: facts.delivery,
            rules: Mutex::new(RuleFacts::of(loaded)),
            totals: Mutex::default(),
        };
        (Arc::new(board), arriving)
    }

    /// Asks something of the supervisor.
    pub(super) fn request(&self, request: Request) {
        // A supervisor that has ended takes no more.
        let _ = self.requests.send(request);
    }

    /// Somebody wants the process to end.
    pub(super) fn stop(&self) {
        let _ = self.stop.set(Instant::now());
    }

    /// Since when it has been ending.
    pub(super) fn stopping_for(&self) -> Option<Duration> {
        self.stop.get().map(Instant::elapsed)
    }

    /// All is written.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether all is written.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// So many more records are in their files.
    pub(super) fn add_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Records that are in their files.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Records that were made and are in memory alone: not in their files or in the spool, without
    /// those that were dropped.
    pub(super) fn unwritten(&self) -> u64 {
        let kept: u64 = self.ledgers.iter().map(|ledger| ledger.kept()).sum();
        let of_files = kept.saturating_sub(self.written.load(Ordering::Relaxed));
        of_files + self.delivery.as_ref().map_or(0, |figures| figures.in_memory())
    }

    /// What workers count of their capture.
    pub(super) fn figures_of_workers(&self) -> &[Arc<WorkerFigures>] {
        &self.workers
    }

    /// Numbers of the interfaces that are down or gone.
    pub(super) fn interfaces_down(&self) -> Vec<u32> {
        let lanes = self.workers.iter().flat_map(|worker| &worker.lanes);
        let down = lanes.filter(|lane| lane.down.load(Ordering::Relaxed));
        down.map(|lane| lane.interface).collect()
    }

    /// Numbers of those that would not be captured from if they came back.
    pub(super) fn interfaces_stranded(&self) -> Vec<u32> {
        let lanes = self.workers.iter().flat_map(|worker| &worker.lanes);
        let stranded = lanes.filter(|lane| lane.stranded.load(Ordering::Relaxed));
        stranded.map(|lane| lane.interface).collect()
    }

    /// Other rules are in force.
    pub(super) fn set_rules(&self, loaded: &Loaded) {
        *lock(&self.rules) = RuleFacts::of(loaded);
    }

    /// What is known of the rules.
    pub(super) fn rules(&self) -> MutexGuard<'_, RuleFacts> {
        lock(&self.rules)
    }

    /// The latest sums of all counters.
    pub(super) fn totals(&self) -> MutexGuard<'_, Snapshot> {
        lock(&self.totals)
    }
}

impl RuleFacts {
    fn of(loaded: &Loaded) -> Self {
        let failed = loaded.failures.iter().take(MOST_FAILED).map(|failure| FailedRule {
            rule: failure.text.clone(),
            file: failure.file.to_string(),
            line: failure.line.into(),
        });
        let figures = RuleFigures {
            loaded: loaded.accepted as u64,
            failed: loaded.failures.len() as u64,
            skipped: loaded.skipped.len() as u64,
        };
        let set = loaded.set.clone();
        Self { loaded_at: now_us(), figures, failed: failed.collect(), set }
    }
}

/// Limits under the names that Suricata has for them.
pub(super) fn memcaps(settings: &Settings) -> Vec<Memcap> {
    let limits = [
        ("stream", settings.stream.memcap),
        ("stream-reassembly", settings.stream.reassembly_memcap),
        ("flow", settings.flow.memcap),
        ("defrag", settings.decode.defrag.memcap),
    ];
    limits.map(|(name, bytes)| Memcap { name, bytes }).to_vec()
}

/// Whoever panicked with the lock left the value whole: it is replaced at once, never in pieces.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
