//! Several detectors side by side: a reader deals out frames round by round, this thread writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use decode::Timestamp;
use detect::Detector;

use detect::output::Events;
use detect::settings::Settings;
use detect::shared::Turns;
use engine::Ruleset;

use crate::output::FileStore;

use super::reader::{Reader, Share};
use super::replay::{BATCH, ENDS, Outcome, Replay, raw};
use super::writer::{Figures, Finished, Report, Writer};

/// Rounds that a worker may be behind the reader.
const AHEAD: usize = 8;

/// What is common to all workers.
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    rules: Arc<Ruleset>,
    /// What is kept beyond one flow.
    common: detect::Shared,
    /// The order in which it is looked at.
    turns: Arc<Turns>,
    /// Rises when statistics are asked for.
    pub(super) asked: AtomicU64,
}

/// Runs a replay with several workers.
pub(super) fn run(mut replay: Replay<'_>) -> io::Result<Outcome> {
    let workers = replay.workers;
    let shared = Shared {
        settings: Arc::new(share_of(&replay.settings, workers)),
        rules: Arc::clone(&replay.rules),
        common: detect::Shared::new(&replay.settings, &replay.rules),
        turns: Turns::new(workers),
        asked: AtomicU64::new(0),
    };
    let mut stores: Vec<Option<FileStore>> =
        std::mem::take(&mut replay.stores).into_iter().map(Some).collect();
    stores.resize_with(workers, || None);
    let source =
        std::mem::replace(&mut replay.source, crate::process::input::in_sequence(vec![], false));
    let filter = replay.filter.take();
    let stop = replay.stop.clone();
    // A slow disk holds the workers up; it must not make them pile up records.
    let (reports, received) = bounded(workers * AHEAD);
    let (used, spare) = unbounded();
    thread::scope(|scope| {
        let mut shares = Vec::with_capacity(workers);
        for (worker, store) in stores.into_iter().enumerate() {
            let (sender, receiver) = bounded(AHEAD);
            shares.push(sender);
            let (reports, used, shared) = (reports.clone(), used.clone(), &shared);
            let worker = Worker { worker, store, shared };
            scope.spawn(move || worker.run(&receiver, &reports, &used));
        }
        let to_main = reports.clone();
        let settings = &shared.settings;
        scope.spawn(move || {
            Reader::new(source, filter.as_ref(), settings, stop, workers)
                .run(&shares, &spare, &to_main);
        });
        drop(reports);
        Writer::new(workers, &shared, &mut replay).run(received)
    })
    .and_then(|(counters, memory, outcome, stores)| {
        replay.stores = stores;
        replay.end(&counters, memory, outcome)
    })
}

/// What a worker may use: its part of the limits on memory that hold for the process.
pub(super) fn share_of(settings: &Settings, workers: usize) -> Settings {
    let mut own = settings.clone();
    let limits = [
        &mut own.flow.memcap,
        &mut own.stream.memcap,
        &mut own.stream.reassembly_memcap,
        &mut own.decode.defrag.memcap,
    ];
    for limit in limits {
        // 0 means none.
        *limit = (*limit).div_ceil(workers as u64);
    }
    own
}

/// A worker: its own detector, its own stored files. It ends early when nobody takes its reports.
struct Worker<'s> {
    worker: usize,
    store: Option<FileStore>,
    shared: &'s Shared,
}

impl Worker<'_> {
    fn run(mut self, shares: &Receiver<Share>, reports: &Sender<Report>, used: &Sender<Share>) {
        let (worker, shared) = (self.worker, self.shared);
        let outputs = shared.settings.outputs.len();
        let mut detector = Detector::new(Arc::clone(&shared.settings), Arc::clone(&shared.rules));
        let place = shared.turns.place(worker);
        detector.share(&shared.common, Some(Arc::clone(&place)), worker == 0);
        let mut answered = 0;
        let mut last_round = 0;
        for share in shares {
            last_round = share.round;
            let mut events = Events::new(outputs);
            detector.set_checksums(share.checksums);
            inspect(&mut detector, &share, &mut events);
            detector.advance(Timestamp(share.time_us));
            place.at(share.number + 1);
            self.keep_files(&mut events);
            let asked = shared.asked.load(Ordering::Relaxed);
            let counters = (asked != answered).then(|| self.figures(&detector));
            answered = asked;
            let round = share.round;
            if reports.send(Report::Done { worker, round, events, counters }).is_err() {
                return;
            }
            // Nobody needs it when the reader has ended.
            let _ = used.send(share);
        }
        let mut events = Events::new(outputs);
        while detector.finish(ENDS, &mut events) {
            self.keep_files(&mut events);
            // In order, records of ends come all at once.
            if !shared.settings.ordered {
                let events = std::mem::replace(&mut events, Events::new(outputs));
                let done = Report::Done { worker, round: last_round, events, counters: None };
                if reports.send(done).is_err() {
                    return;
                }
            }
        }
        self.keep_files(&mut events);
        place.leave();
        let (figures, summary) = (self.figures(&detector), detector.summary().clone());
        let (round, store) = (last_round + 1, self.store);
        let last = Finished { worker, round, events, figures, summary, store };
        // Nobody takes it when writing has failed.
        let _ = reports.send(Report::Finished(Box::new(last)));
    }

    /// Stores the bytes of files.
    fn keep_files(&mut self, events: &mut Events) {
        if let Some(store) = &mut self.store {
            store.take(&events.files);
        }
        events.files.clear();
    }

    fn figures(&self, detector: &Detector) -> Figures {
        let stored = self.store.as_ref().map(FileStore::counters).unwrap_or_default();
        Figures { counters: detector.counters(), stored }
    }
}

fn inspect(detector: &mut Detector, share: &Share, events: &mut Events) {
    let batch = share.batch.batch();
    let mut frames = batch.frames().zip(&share.numbers).map(|(frame, n)| raw(&frame, *n));
    for _ in 0..batch.len().div_ceil(BATCH) {
        detector.inspect(frames.by_ref().take(BATCH), events);
    }
}
