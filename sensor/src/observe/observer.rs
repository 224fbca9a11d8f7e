//! What is known of the sensor from outside: put together from live capture and delivery.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use delivery::Figures;
use detect::counters::Snapshot;

use crate::clock::now_us;

/// Counters that are older are asked for anew.
const FRESH: Duration = Duration::from_secs(1);

/// The counters of all workers at a moment, as statistics have them.
#[derive(Debug)]
pub(crate) struct Counted {
    /// When they were counted.
    pub(crate) at: Instant,
    /// Of each worker, by its name.
    pub(crate) threads: Vec<(String, Snapshot)>,
    /// Those that are counted once for all.
    pub(crate) extra: Vec<(&'static str, u64)>,
}

/// An interface at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// How frames are had from it.
    pub(crate) method: String,
    /// It is there and up.
    pub(crate) is_up: bool,
    /// Counters by the names of their metrics.
    pub(crate) counters: Vec<(&'static str, u64)>,
}

/// What one worker has of one interface.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// The worker's number, from 1.
    pub(crate) worker: usize,
    /// The interface's name.
    pub(crate) interface: String,
    /// Counters by the names of their metrics.
    pub(crate) counters: Vec<(&'static str, u64)>,
}

/// Rules at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// When they were loaded, microseconds since 1970.
    pub(crate) loaded_at: u64,
    /// Rules in force.
    pub(crate) loaded: u64,
    /// Rules that were refused.
    pub(crate) failed: u64,
    /// Rules for other sensors.
    pub(crate) skipped: u64,
    /// The set of a store that they are of: its sum and version.
    pub(crate) set: Option<(String, u64)>,
}

/// Live capture, for those who look at it. Nothing here waits.
pub(crate) trait Observed: Send + Sync {
    /// Asks for new counters, which come when they come. False: none will come any more.
    fn ask(&self) -> bool;
    /// The latest counters; none were counted before somebody asked.
    fn counted(&self) -> Option<Arc<Counted>>;
    /// All interfaces.
    fn interfaces(&self) -> Vec<Interface>;
    /// Workers with their interfaces.
    fn lanes(&self) -> Vec<Lane>;
    /// How many workers there are.
    fn workers(&self) -> usize;
    /// The rules in force.
    fn rules(&self) -> Rules;
    /// What is wrong; nothing, if all is well.
    fn troubles(&self) -> Vec<String>;
    /// Why it does not inspect what comes in; nothing, if it does.
    fn obstacles(&self) -> Vec<String>;
}

/// All that is known.
#[derive(Default)]
pub(crate) struct Observer {
    pub(super) started: Started,
    /// Counters of workers have the worker as label.
    pub(super) by_worker: bool,
    live: OnceLock<Arc<dyn Observed>>,
    delivery: OnceLock<Arc<Figures>>,
    pub(super) http: HttpFigures,
}

/// When the sensor was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    pub(super) at: Instant,
    /// Microseconds since 1970.
    pub(super) us: u64,
}

impl Default for Started {
    fn default() -> Self {
        Self { at: Instant::now(), us: now_us() }
    }
}

/// What the endpoint counts of itself.
#[derive(Debug, Default)]
pub(super) struct HttpFigures {
    /// By path and status.
    requests: Mutex<Vec<((&'static str, u16), u64)>>,
    pub(super) evicted: AtomicU64,
    pub(super) late: AtomicU64,
}

impl Observer {
    /// From now on.
    pub(crate) fn new(by_worker: bool) -> Arc<Self> {
        Arc::new(Self { by_worker, ..Self::default() })
    }

    /// Live capture is there.
    pub(crate) fn attach(&self, live: Arc<dyn Observed>) {
        // There is one in a process.
        let _ = self.live.set(live);
    }

    /// Delivery is at work.
    pub(crate) fn attach_delivery(&self, figures: Arc<Figures>) {
        let _ = self.delivery.set(figures);
    }

    /// Live capture, once it is there.
    pub(super) fn live(&self) -> Option<&Arc<dyn Observed>> {
        self.live.get()
    }

    /// Delivery, once it is there.
    pub(super) fn delivery(&self) -> Option<&Arc<Figures>> {
        self.delivery.get()
    }

    /// True when the counters are as new as they can be; else new ones were asked for.
    pub(super) fn is_fresh(&self) -> bool {
        let Some(live) = self.live() else { return true };
        let counted = live.counted();
        counted.is_some_and(|counted| counted.at.elapsed() < FRESH) || !live.ask()
    }

    /// What is wrong with the sensor; nothing, if all is well.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.live().map(|live| live.troubles()).unwrap_or_default()
    }

    /// Why it does not inspect; nothing, if it does.
    pub(super) fn obstacles(&self) -> Vec<String> {
        match self.live() {
            Some(live) => live.obstacles(),
            None => vec!["capture has not begun".to_owned()],
        }
    }
}

impl HttpFigures {
    /// Counts an answer.
    pub(super) fn answered(&self, path: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        match requests.iter_mut().find(|(known, _)| *known == (path, status)) {
            Some((_, count)) => *count += 1,
            None => requests.push(((path, status), 1)),
        }
    }

    /// Answers by path and status.
    pub(super) fn requests(&self) -> Vec<((&'static str, u16), u64)> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a client.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
