//! The workers as the supervisor sees them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use capture::live::{LiveSource, Shunts, WorkerFigures};
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use detect::counters::Snapshot;
use detect::output::Events;
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::output::{FileStore, StoreCounters, WorkerTap};
use crate::process::workers::share_of;
use crate::process::writer::Figures;

use super::backlog::empty;
use super::figures;
use super::ledger::Ledger;
use super::line::{Command, Line, Outbox, Report, boxes};
use super::pulse::{Change, Pulse};
use super::worker::Start;

/// Buffers of records of a worker that may wait for the writer.
const WAITING: usize = 16;
/// Empty buffers that are kept for each worker.
const SPARE: usize = 2;

/// What workers are hired with.
pub(super) struct Contract {
    pub(super) sources: Vec<LiveSource>,
    pub(super) settings: Arc<Settings>,
    pub(super) rules: Arc<Ruleset>,
    pub(super) filter: Option<Filter>,
    pub(super) stores: Vec<FileStore>,
    /// Of each worker, if records are delivered.
    pub(super) taps: Vec<Vec<WorkerTap>>,
    pub(super) shunts: Option<Arc<Shunts>>,
    /// The CPU of each worker; those beyond the list have none.
    pub(super) cpus: Vec<Option<usize>>,
    /// A worker may stand still this long.
    pub(super) stall: Duration,
}

/// All of them.
pub(super) struct Team {
    held: Vec<Held>,
    threads: Vec<JoinHandle<()>>,
    /// Buffers that were written out, for whoever needs one.
    spare: Sender<Events>,
}

/// What arrives from the workers. Reports say nothing of how far records are: who has finished has
/// sent all of its own.
pub(super) struct Arriving {
    pub(super) reports: Receiver<Report>,
    pub(super) records: Receiver<Events>,
}

/// One of them.
struct Held {
    commands: Outbox,
    ledger: Arc<Ledger>,
    capture: Arc<WorkerFigures>,
    /// The rules that it inspects by.
    rules: Arc<Ruleset>,
    /// The latest counters.
    figures: Option<Figures>,
    /// They are newer than the latest question.
    has_answered: bool,
    pulse: Pulse,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Working,
    Drained,
    Ended,
}

impl Team {
    /// Starts a thread for each source; records and reports arrive at the other end.
    pub(super) fn hire(contract: Contract) -> io::Result<(Self, Arriving)> {
        let count = contract.sources.len();
        let settings = Arc::new(share_of(&contract.settings, count));
        let common = Arc::new(detect::Shared::new(&contract.settings, &contract.rules));
        let filter = contract.filter.map(Arc::new);
        let (records, arriving) = bounded(count * WAITING);
        let (reports, received) = unbounded();
        let (spare, spares) = unbounded();
        let mut stores: Vec<Option<FileStore>> = contract.stores.into_iter().map(Some).collect();
        stores.resize_with(count, || None);
        let mut taps = contract.taps.into_iter();
        let mut team = Self { held: Vec::new(), threads: Vec::new(), spare };
        for (number, (source, store)) in contract.sources.into_iter().zip(stores).enumerate() {
            let (commands, taken) = boxes();
            let held = Held::new(commands, source.figures(), &contract.rules, contract.stall);
            let line = Line {
                commands: taken,
                reports: reports.clone(),
                records: records.clone(),
                spare: spares.clone(),
                ledger: Arc::clone(&held.ledger),
            };
            let start = Start {
                number,
                source,
                settings: Arc::clone(&settings),
                rules: Arc::clone(&contract.rules),
                common: Arc::clone(&common),
                filter: filter.clone(),
                store,
                taps: taps.next().unwrap_or_default(),
                shunts: contract.shunts.clone(),
                cpu: contract.cpus.get(number).copied().flatten(),
                line,
            };
            team.held.push(held);
            team.threads.push(spawn(start, reports.clone())?);
        }
        Ok((team, Arriving { reports: received, records: arriving }))
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.held.len()
    }

    /// Tells all of them.
    pub(super) fn tell(&self, command: &Command) {
        self.held.iter().for_each(|held| held.commands.tell(command.clone()));
    }

    /// Asks all of them for their counters.
    pub(super) fn ask(&mut self) {
        for held in &mut self.held {
            held.has_answered = held.state == State::Ended;
        }
        self.tell(&Command::Figures);
    }

    /// Notes the counters of one.
    pub(super) fn note(&mut self, worker: usize, figures: Figures) {
        if let Some(held) = self.held.get_mut(worker) {
            held.figures = Some(figures);
            held.has_answered = true;
        }
    }

    /// All have answered.
    pub(super) fn have_answered(&self) -> bool {
        self.held.iter().all(|held| held.has_answered)
    }

    /// One inspects by other rules now; returns those that it had.
    pub(super) fn change_rules(
        &mut self,
        worker: usize,
        rules: &Arc<Ruleset>,
    ) -> Option<Arc<Ruleset>> {
        let held = self.held.get_mut(worker)?;
        Some(std::mem::replace(&mut held.rules, Arc::clone(rules)))
    }

    /// The rules that one inspects by.
    pub(super) fn rules(&self, worker: usize) -> Option<Arc<Ruleset>> {
        self.held.get(worker).map(|held| Arc::clone(&held.rules))
    }

    /// One has taken all that had come in.
    pub(super) fn drained(&mut self, worker: usize) {
        self.reached(worker, State::Drained);
    }

    /// One has ended.
    pub(super) fn ended(&mut self, worker: usize) {
        self.reached(worker, State::Ended);
    }

    /// All have taken what had come in.
    pub(super) fn have_drained(&self) -> bool {
        self.held.iter().all(|held| held.state >= State::Drained)
    }

    /// All have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.held.iter().all(|held| held.state == State::Ended)
    }

    /// Those at work.
    pub(super) fn at_work(&self) -> usize {
        self.held.iter().filter(|held| held.state != State::Ended).count()
    }

    /// Looks who moves; says what has changed.
    pub(super) fn look(&mut self, now: Instant) -> Vec<(usize, Change)> {
        let mut changes = Vec::new();
        for (number, held) in self.held.iter_mut().enumerate() {
            let turns = held.capture.turns.load(Ordering::Relaxed);
            if held.state == State::Working
                && let Some(change) = held.pulse.look(turns, now)
            {
                changes.push((number, change));
            }
        }
        changes
    }

    /// Numbers of those that stand still, from 0.
    pub(super) fn standing(&self) -> impl Iterator<Item = usize> {
        let held = self.held.iter().enumerate();
        let still = |held: &Held| held.pulse.is_stalled() && held.state == State::Working;
        held.filter(move |(_, held)| still(held)).map(|(number, _)| number)
    }

    /// All have moved at least once.
    pub(super) fn have_begun(&self) -> bool {
        self.held.iter().all(|held| held.pulse.has_begun())
    }

    /// None stands still.
    pub(super) fn all_move(&self) -> bool {
        self.standing().next().is_none()
    }

    /// Gives a buffer back, without what a burst made of it.
    pub(super) fn recycle(&self, mut events: Events) {
        if self.spare.len() < self.held.len() * SPARE {
            empty(&mut events);
            // Workers that have ended need none.
            let _ = self.spare.send(events);
        }
    }

    /// Counters of each worker, those of capture first.
    pub(super) fn counters(&self) -> Vec<(String, Snapshot)> {
        let mut threads = Vec::with_capacity(self.held.len());
        for (number, held) in (1..).zip(&self.held) {
            let Some(figures) = &held.figures else { continue };
            let mut all = figures::of_capture(&held.capture);
            all.push("capture.stalls", held.pulse.stalls());
            all.entries.extend(figures.counters.entries.iter().cloned());
            all.push("events.made", held.ledger.made());
            all.push("events.delivered_only", held.ledger.delivered());
            all.push("events.shed", held.ledger.dropped());
            for (kind, count) in held.ledger.dropped_by_kind() {
                all.push(&format!("events.shed_by_type.{kind}"), count);
            }
            threads.push((format!("W#{number:02}"), all));
        }
        threads
    }

    /// Counters of stored files.
    pub(super) fn stored(&self) -> Vec<StoreCounters> {
        self.held.iter().filter_map(|held| Some(held.figures.as_ref()?.stored)).collect()
    }

    /// Records that were dropped because the writer did not keep up.
    pub(super) fn dropped(&self) -> u64 {
        self.held.iter().map(|held| held.ledger.dropped()).sum()
    }

    /// What each counts of its capture.
    pub(super) fn captures(&self) -> Vec<Arc<WorkerFigures>> {
        self.held.iter().map(|held| Arc::clone(&held.capture)).collect()
    }

    /// The accounts of records.
    pub(super) fn ledgers(&self) -> Vec<Arc<Ledger>> {
        self.held.iter().map(|held| Arc::clone(&held.ledger)).collect()
    }

    /// Waits for the threads, which were told to end.
    pub(super) fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // That one has panicked was reported.
            let _ = thread.join();
        }
    }

    fn reached(&mut self, worker: usize, state: State) {
        if let Some(held) = self.held.get_mut(worker) {
            held.state = held.state.max(state);
        }
    }
}

impl Held {
    fn new(
        commands: Outbox,
        capture: Arc<WorkerFigures>,
        rules: &Arc<Ruleset>,
        stall: Duration,
    ) -> Self {
        Self {
            commands,
            ledger: Arc::default(),
            capture,
            rules: Arc::clone(rules),
            figures: None,
            has_answered: true,
            pulse: Pulse::new(stall, Instant::now()),
            state: State::Working,
        }
    }
}

fn spawn(start: Start, reports: Sender<Report>) -> io::Result<JoinHandle<()>> {
    let worker = start.number;
    thread::Builder::new().name(format!("W#{:02}", worker + 1)).spawn(move || {
        // Nothing of it is used again.
        if catch_unwind(AssertUnwindSafe(|| start.run())).is_err() {
            let _ = reports.send(Report::Died { worker });
        }
    })
}
