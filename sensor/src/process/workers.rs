//! Several detectors side by side: a reader deals out frames round by round, this thread writes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use capture::{ReadError, SourceStatistics};
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use decode::Timestamp;
use detect::Detector;
use detect::counters::{Snapshot, Summary};
use detect::output::Events;
use detect::settings::Settings;
use detect::shared::Turns;
use engine::Ruleset;

use crate::output::FileStore;

use super::memory::Memory;
use super::merge;
use super::reader::{Reader, Share};
use super::replay::{BATCH, ENDS, Outcome, Replay, raw};

/// Rounds that a worker may be behind the reader.
const AHEAD: usize = 8;

/// What the other threads tell this one.
pub(super) enum Report {
    /// A worker has done its share of a round.
    Done { worker: usize, round: u64, events: Events, counters: Option<Snapshot> },
    /// A worker has come to its end.
    Finished(Box<Finished>),
    /// An input is at fault.
    Fault(ReadError),
    /// The input has been read.
    Read { statistics: SourceStatistics, bytes: u64, end: bool },
}

pub(super) struct Finished {
    worker: usize,
    round: u64,
    events: Events,
    counters: Snapshot,
    summary: Summary,
    store: Option<FileStore>,
}

/// What is common to all workers.
struct Shared {
    settings: Arc<Settings>,
    rules: Arc<Ruleset>,
    /// What is kept beyond one flow.
    common: detect::Shared,
    /// The order in which it is looked at.
    turns: Arc<Turns>,
    /// Rises when statistics are asked for.
    asked: AtomicU64,
}

/// Runs a replay with several workers.
pub(super) fn run(mut replay: Replay<'_>) -> io::Result<Outcome> {
    let workers = replay.workers;
    let shared = Shared {
        settings: Arc::clone(&replay.settings),
        rules: Arc::clone(&replay.rules),
        common: detect::Shared::new(&replay.settings, &replay.rules),
        turns: Turns::new(workers),
        asked: AtomicU64::new(0),
    };
    let mut stores: Vec<Option<FileStore>> =
        std::mem::take(&mut replay.stores).into_iter().map(Some).collect();
    stores.resize_with(workers, || None);
    let source = std::mem::replace(&mut replay.source, crate::process::input::in_sequence(vec![]));
    let filter = replay.filter.take();
    let (reports, received) = unbounded();
    let (used, spare) = unbounded();
    thread::scope(|scope| {
        let mut shares = Vec::with_capacity(workers);
        for (worker, store) in stores.into_iter().enumerate() {
            let (sender, receiver) = bounded(AHEAD);
            shares.push(sender);
            let (reports, used, shared) = (reports.clone(), used.clone(), &shared);
            scope.spawn(move || work(worker, store, shared, &receiver, &reports, &used));
        }
        let to_main = reports.clone();
        let settings = &shared.settings;
        scope.spawn(move || {
            Reader::new(source, filter.as_ref(), settings, workers).run(&shares, &spare, &to_main);
        });
        drop(reports);
        Writer::new(workers, &shared, &mut replay).run(&received)
    })
    .and_then(|(counters, memory, outcome, stores)| {
        replay.stores = stores;
        replay.end(&counters, memory, outcome)
    })
}

/// A worker: its own detector, its own stored files.
fn work(
    worker: usize,
    mut store: Option<FileStore>,
    shared: &Shared,
    shares: &Receiver<Share>,
    reports: &Sender<Report>,
    used: &Sender<Share>,
) {
    let outputs = shared.settings.outputs.len();
    let mut detector = Detector::new(Arc::clone(&shared.settings), Arc::clone(&shared.rules));
    let place = shared.turns.place(worker);
    detector.share(&shared.common, Some(Arc::clone(&place)), worker == 0);
    let mut answered = 0;
    let mut last_round = 0;
    for share in shares {
        last_round = share.round;
        let mut events = Events::new(outputs);
        detector.learn(Timestamp::default(), share.checksums);
        inspect(&mut detector, &share, &mut events);
        detector.learn(Timestamp(share.time_us), share.checksums);
        place.at(share.number + 1);
        if let Some(store) = &mut store {
            store.take(&events.files);
        }
        events.files.clear();
        let asked = shared.asked.load(Ordering::Relaxed);
        let counters = (asked != answered).then(|| detector.counters());
        answered = asked;
        let round = share.round;
        let _ = reports.send(Report::Done { worker, round, events, counters });
        let _ = used.send(share);
    }
    let mut events = Events::new(outputs);
    while detector.finish(ENDS, &mut events) {
        // In order, records of ends come all at once.
        if !shared.settings.ordered {
            let events = std::mem::replace(&mut events, Events::new(outputs));
            let _ =
                reports.send(Report::Done { worker, round: last_round, events, counters: None });
        }
    }
    place.leave();
    if let Some(store) = &mut store {
        store.take(&events.files);
    }
    let _ = reports.send(Report::Finished(Box::new(Finished {
        worker,
        round: last_round + 1,
        events,
        counters: detector.counters(),
        summary: detector.summary().clone(),
        store,
    })));
}

fn inspect(detector: &mut Detector, share: &Share, events: &mut Events) {
    let batch = share.batch.batch();
    let mut frames = batch.frames().zip(&share.numbers).map(|(frame, n)| raw(&frame, *n));
    for _ in 0..batch.len().div_ceil(BATCH) {
        detector.inspect(frames.by_ref().take(BATCH), events);
    }
}

/// Takes the reports and writes, at once or in order.
struct Writer<'w, 'r> {
    replay: &'w mut Replay<'r>,
    shared: &'w Shared,
    workers: usize,
    /// With `ordered`: rounds that not all workers have done.
    rounds: BTreeMap<u64, Vec<Option<Events>>>,
    counters: Vec<Option<Snapshot>>,
    waiting: usize,
    memory: Memory,
}

type Ended = (Vec<(String, Snapshot)>, Memory, Outcome, Vec<FileStore>);

impl<'w, 'r> Writer<'w, 'r> {
    fn new(workers: usize, shared: &'w Shared, replay: &'w mut Replay<'r>) -> Self {
        let counters = vec![None; workers];
        let memory = Memory::new(&shared.settings);
        Self { replay, shared, workers, rounds: BTreeMap::new(), counters, waiting: 0, memory }
    }

    fn run(&mut self, reports: &Receiver<Report>) -> io::Result<Ended> {
        let mut finished: Vec<Finished> = Vec::new();
        let mut read = SourceStatistics::default();
        let mut faults = 0;
        for report in reports {
            match report {
                Report::Done { worker, round, events, counters } => {
                    self.take(worker, round, events)?;
                    self.statistics(worker, counters)?;
                }
                Report::Fault(error) => {
                    faults += 1;
                    (self.replay.on_fault)(&error);
                }
                Report::Read { statistics, bytes, end } => {
                    self.replay.progress.at(bytes);
                    if end {
                        read = statistics;
                    }
                }
                Report::Finished(last) => finished.push(*last),
            }
        }
        finished.sort_by_key(|last| last.worker);
        let mut summary = Summary::default();
        let mut counters = Vec::new();
        let mut stores = Vec::new();
        for last in finished {
            self.take(last.worker, last.round, last.events)?;
            summary.merge(&last.summary);
            counters.push((format!("W#{:02}", last.worker + 1), last.counters));
            stores.extend(last.store);
        }
        Ok((counters, self.memory.clone(), Outcome::of(summary, read, faults), stores))
    }

    fn take(&mut self, worker: usize, round: u64, events: Events) -> io::Result<()> {
        if !self.shared.settings.ordered {
            return self.replay.outputs.write(&events);
        }
        let workers = self.workers;
        let parts = self.rounds.entry(round).or_insert_with(|| {
            let mut parts = Vec::new();
            parts.resize_with(workers, || None);
            parts
        });
        if let Some(part) = parts.get_mut(worker) {
            *part = Some(events);
        }
        while let Some(entry) = self.rounds.first_entry() {
            if entry.get().iter().any(Option::is_none) {
                break;
            }
            let parts: Vec<Events> = entry.remove().into_iter().flatten().collect();
            let mut merged = Events::new(self.shared.settings.outputs.len());
            merge::merge(&parts, &mut merged);
            self.replay.outputs.write(&merged)?;
        }
        Ok(())
    }

    /// A record is written when every worker has answered.
    fn statistics(&mut self, worker: usize, counters: Option<Snapshot>) -> io::Result<()> {
        if self.waiting == 0 && self.replay.statistics.is_due() {
            self.waiting = self.workers;
            self.counters.fill(None);
            self.shared.asked.fetch_add(1, Ordering::Relaxed);
        }
        let (Some(counters), Some(place)) = (counters, self.counters.get_mut(worker)) else {
            return Ok(());
        };
        if place.replace(counters).is_none() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if self.waiting > 0 {
            return Ok(());
        }
        let threads: Vec<_> = (1..)
            .zip(&self.counters)
            .filter_map(|(n, of)| Some((format!("W#{n:02}"), of.clone()?)))
            .collect();
        // Stored files are with the workers until the end.
        let extra = self.memory.counters(&threads, &[]);
        self.replay.statistics.write(&threads, &extra, self.replay.outputs)
    }
}
