//! Several detectors side by side: a reader deals out frames round by round, this thread writes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use capture::{OwnedBatch, ReadError, Received, Source, SourceStatistics};
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use decode::Timestamp;
use detect::Detector;
use detect::counters::{Snapshot, Summary};
use detect::output::Events;
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::output::FileStore;

use super::memory::Memory;
use super::replay::{BATCH, Outcome, Replay, passes, raw};
use super::{distribute, merge};

/// Frames in one round, for each worker.
const ROUND: usize = 4 * BATCH;
/// Rounds that a worker may be behind the reader.
const AHEAD: usize = 8;

/// Frames of one worker in one round, with their numbers.
#[derive(Default)]
struct Share {
    round: u64,
    batch: OwnedBatch,
    numbers: Vec<u64>,
    /// Time of the last frame of all shares so far, microseconds.
    time_us: u64,
}

/// What the other threads tell this one.
enum Report {
    /// A worker has done its share of a round.
    Done { worker: usize, round: u64, events: Events, counters: Option<Snapshot> },
    /// A worker has come to its end.
    Finished(Box<Finished>),
    /// An input is at fault.
    Fault(ReadError),
    /// The input has been read.
    Read { statistics: SourceStatistics, bytes: u64, end: bool },
}

struct Finished {
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
    /// Rises when statistics are asked for.
    asked: AtomicU64,
}

/// Runs a replay with several workers.
pub(super) fn run(mut replay: Replay<'_>) -> io::Result<Outcome> {
    let workers = replay.workers;
    let shared = Shared {
        settings: Arc::clone(&replay.settings),
        rules: Arc::clone(&replay.rules),
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
        scope.spawn(move || read(source, filter.as_ref(), &shares, &spare, &to_main));
        drop(reports);
        Writer::new(workers, &shared, &mut replay).run(&received)
    })
    .and_then(|(counters, memory, outcome, stores)| {
        replay.stores = stores;
        replay.end(&counters, memory, outcome)
    })
}

/// The reader: every worker gets its share of every round, if only an empty one.
fn read(
    mut source: Box<dyn Source>,
    filter: Option<&Filter>,
    workers: &[Sender<Share>],
    spare: &Receiver<Share>,
    reports: &Sender<Report>,
) {
    let mut number = 0;
    let mut time_us = 0;
    let mut round = 0;
    let mut ended = false;
    while !ended {
        let mut shares: Vec<Share> = workers
            .iter()
            .map(|_| {
                let mut share = spare.try_recv().unwrap_or_default();
                share.batch.clear();
                share.numbers.clear();
                share.round = round;
                share
            })
            .collect();
        let mut frames = 0;
        while frames < ROUND * workers.len() {
            match source.receive(BATCH) {
                Ok(Received::Frames) => {}
                Ok(Received::End) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    let _ = reports.send(Report::Fault(error));
                    continue;
                }
            }
            for frame in source.batch().frames().filter(|frame| passes(filter, frame)) {
                number += 1;
                frames += 1;
                time_us = time_us.max(frame.timestamp_us);
                let worker = distribute::worker(frame.link_type.0, frame.bytes, workers.len());
                if let Some(share) = shares.get_mut(worker) {
                    share.batch.push(&frame);
                    share.numbers.push(number);
                }
            }
        }
        for (worker, mut share) in workers.iter().zip(shares) {
            share.time_us = time_us;
            if worker.send(share).is_err() {
                return;
            }
        }
        let statistics = source.statistics();
        let bytes = statistics.bytes;
        let _ = reports.send(Report::Read { statistics, bytes, end: ended });
        round += 1;
    }
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
    let mut answered = 0;
    let mut last_round = 0;
    for share in shares {
        last_round = share.round;
        let mut events = Events::new(outputs);
        inspect(&mut detector, &share, &mut events);
        detector.advance(Timestamp(share.time_us));
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
    detector.finish(&mut events);
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
