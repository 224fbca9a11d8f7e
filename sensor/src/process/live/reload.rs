//! New rules for a running sensor: a thread of low priority loads them, then each worker changes
//! over at its next batch.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::Ruleset;

use crate::control::socket::ReloadRefusal;
use crate::process::load::Loaded;

use super::Load;
use super::board::ReloadAnswer;

/// Loading gives way to the workers.
const NICE: i32 = 19;

/// The rules in force, and those that are to come.
pub(super) struct Reloader {
    load: Option<Load>,
    loaded: Arc<Loaded>,
    phase: Phase,
    /// Somebody wanted it once more while it was being done: files may have changed again.
    again: bool,
    waiting: Vec<ReloadAnswer>,
    /// How often it was done, how often it failed, and how long the last one took.
    figures: Figures,
}

/// What reloads came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) last_ms: u64,
}

enum Phase {
    Idle,
    Loading {
        thread: JoinHandle<Result<Loaded, String>>,
        since: Instant,
    },
    /// So many workers have not changed over.
    Spreading {
        next: Arc<Loaded>,
        rules: Arc<Ruleset>,
        missing: usize,
        since: Instant,
    },
}

/// What there is to do for the supervisor.
pub(super) enum Step {
    /// Nothing.
    None,
    /// Tell the workers of these rules.
    Spread(Arc<Ruleset>),
    /// The old rules stay, for this reason.
    Failed(String),
}

/// New rules are in force.
pub(super) struct Done {
    /// These.
    pub(super) loaded: Arc<Loaded>,
    /// From the wish to the last worker.
    pub(super) took: Duration,
}

impl Reloader {
    pub(super) const fn new(load: Option<Load>, loaded: Arc<Loaded>) -> Self {
        let figures = Figures { done: 0, failed: 0, last_ms: 0 };
        Self { load, loaded, phase: Phase::Idle, again: false, waiting: Vec::new(), figures }
    }

    /// Begins to load. False: nothing was begun, and whoever asked knows.
    pub(super) fn begin(&mut self, answer: Option<ReloadAnswer>, waits: bool) -> bool {
        let refuse = |answer: Option<ReloadAnswer>, why| {
            // A client may have left meanwhile; so below.
            let _ = answer.map(|answer| answer.send(Err(why)));
            false
        };
        let Some(load) = &self.load else { return refuse(answer, ReloadRefusal::CommandLine) };
        if !matches!(self.phase, Phase::Idle) {
            // A signal cannot be refused: it is taken up later.
            self.again |= answer.is_none();
            return refuse(answer, ReloadRefusal::Busy);
        }
        match start(Arc::clone(load), Arc::clone(&self.loaded)) {
            Ok(thread) => self.phase = Phase::Loading { thread, since: Instant::now() },
            Err(error) => {
                self.figures.failed += 1;
                return refuse(answer, ReloadRefusal::Failed(error.to_string()));
            }
        }
        match answer {
            Some(answer) if waits => self.waiting.push(answer),
            Some(answer) => drop(answer.send(Ok(Vec::new()))),
            None => {}
        }
        true
    }

    /// Looks how far loading is; `workers` would have to change over.
    pub(super) fn poll(&mut self, workers: usize) -> Step {
        let is_loaded =
            matches!(&self.phase, Phase::Loading { thread, .. } if thread.is_finished());
        if !is_loaded {
            return Step::None;
        }
        let Phase::Loading { thread, since } = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            return Step::None;
        };
        let panicked = |_| "the loader has panicked".to_owned();
        match thread.join().map_err(panicked).and_then(|loaded| loaded) {
            Ok(next) => {
                let rules = Arc::clone(&next.ruleset);
                let spread = Arc::clone(&rules);
                let next = Arc::new(next);
                self.phase = Phase::Spreading { next, rules, missing: workers, since };
                Step::Spread(spread)
            }
            Err(why) => {
                self.figures.failed += 1;
                self.answer(&Err(ReloadRefusal::Failed(why.clone())));
                Step::Failed(why)
            }
        }
    }

    /// One worker more has changed over, or has ended.
    pub(super) fn changed_over(&mut self) -> Option<Done> {
        let Phase::Spreading { next, missing, since, .. } = &mut self.phase else { return None };
        *missing = missing.saturating_sub(1);
        if *missing > 0 {
            return None;
        }
        let (loaded, took) = (Arc::clone(next), since.elapsed());
        self.phase = Phase::Idle;
        self.figures.done += 1;
        self.figures.last_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let before = std::mem::replace(&mut self.loaded, Arc::clone(&loaded));
        // Many rules take a while to free.
        let _ = thread::Builder::new().name("loader".to_owned()).spawn(move || {
            yield_to_workers();
            drop(before);
        });
        Some(Done { loaded, took })
    }

    /// Tells those who wait that new rules are in force; everybody else knows by now.
    pub(super) fn tell_done(&mut self) {
        let pending = self.loaded.pending.clone();
        self.answer(&Ok(pending));
    }

    /// The rules that workers change over to.
    pub(super) const fn next(&self) -> Option<&Arc<Ruleset>> {
        match &self.phase {
            Phase::Spreading { rules, .. } => Some(rules),
            _ => None,
        }
    }

    /// Whether it is wanted once more; then it is for the caller to begin it.
    pub(super) fn is_wanted_again(&mut self) -> bool {
        matches!(self.phase, Phase::Idle) && std::mem::take(&mut self.again)
    }

    /// The rules in force.
    pub(super) const fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// What it came to so far.
    pub(super) const fn figures(&self) -> Figures {
        self.figures
    }

    fn answer(&mut self, result: &Result<Vec<String>, ReloadRefusal>) {
        for answer in self.waiting.drain(..) {
            let _ = answer.send(result.clone());
        }
    }
}

fn start(load: Load, before: Arc<Loaded>) -> io::Result<JoinHandle<Result<Loaded, String>>> {
    thread::Builder::new().name("loader".to_owned()).spawn(move || {
        yield_to_workers();
        load(&before)
    })
}

/// On Linux the priority is that of the calling thread.
fn yield_to_workers() {
    // Without it, loading takes its share of the CPUs, which does no harm.
    let _ = rustix::process::setpriority_process(None, NICE);
}
