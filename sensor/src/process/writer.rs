//! The writer of a replay with several workers: takes their records and counters.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;

use capture::{ReadError, SourceStatistics};
use crossbeam::channel::Receiver;
use detect::counters::{Snapshot, Summary};
use detect::output::Events;

use crate::output::{FileStore, StoreCounters};

use super::memory::Memory;
use super::merge;
use super::replay::{Outcome, Replay};
use super::workers::Shared;

/// What the other threads tell the writer.
pub(super) enum Report {
    /// A worker has done its share of a round.
    Done { worker: usize, round: u64, events: Events, counters: Option<Figures> },
    /// A worker has come to its end.
    Finished(Box<Finished>),
    /// An input is at fault.
    Fault(ReadError),
    /// The input has been read.
    Read { statistics: SourceStatistics, bytes: u64, end: bool },
}

/// What a worker leaves.
pub(super) struct Finished {
    pub(super) worker: usize,
    pub(super) round: u64,
    pub(super) events: Events,
    pub(super) figures: Figures,
    pub(super) summary: Summary,
    pub(super) store: Option<FileStore>,
}

/// What a worker counted.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) counters: Snapshot,
    pub(super) stored: StoreCounters,
}

/// Takes the reports and writes, at once or in order.
pub(super) struct Writer<'w, 'r> {
    replay: &'w mut Replay<'r>,
    shared: &'w Shared,
    workers: usize,
    /// With `ordered`: rounds that not all workers have done.
    rounds: BTreeMap<u64, Vec<Option<Events>>>,
    figures: Vec<Option<Figures>>,
    waiting: usize,
    memory: Memory,
    /// Bytes of frames read when the reader last reported.
    read_bytes: u64,
}

pub(super) type Ended = (Vec<(String, Snapshot)>, Memory, Outcome, Vec<FileStore>);

impl<'w, 'r> Writer<'w, 'r> {
    pub(super) fn new(workers: usize, shared: &'w Shared, replay: &'w mut Replay<'r>) -> Self {
        let figures = vec![None; workers];
        let memory = Memory::new(&shared.settings);
        Self {
            replay,
            shared,
            workers,
            rounds: BTreeMap::new(),
            figures,
            waiting: 0,
            memory,
            read_bytes: 0,
        }
    }

    /// Writes until all threads have ended. On an error the reports have no taker any more, which
    /// ends the threads.
    pub(super) fn run(&mut self, reports: Receiver<Report>) -> io::Result<Ended> {
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
                    if bytes == self.read_bytes {
                        self.replay.outputs.flush()?;
                    }
                    self.read_bytes = bytes;
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
            counters.push((format!("W#{:02}", last.worker + 1), last.figures.counters));
            stores.extend(last.store);
        }
        Ok((counters, self.memory.clone(), Outcome::of(summary, read, faults), stores))
    }

    fn take(&mut self, worker: usize, round: u64, events: Events) -> io::Result<()> {
        if !self.shared.settings.ordered {
            return self.replay.outputs.take(worker, &events);
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
            // In order there are no workers any more.
            self.replay.outputs.take(0, &merged)?;
        }
        Ok(())
    }

    /// A record is written when every worker has answered.
    fn statistics(&mut self, worker: usize, figures: Option<Figures>) -> io::Result<()> {
        if self.waiting == 0 && self.replay.statistics.is_due() {
            self.waiting = self.workers;
            self.figures.fill(None);
            self.shared.asked.fetch_add(1, Ordering::Relaxed);
        }
        let (Some(figures), Some(place)) = (figures, self.figures.get_mut(worker)) else {
            return Ok(());
        };
        if place.replace(figures).is_none() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if self.waiting > 0 {
            return Ok(());
        }
        let figures = || self.figures.iter().flatten();
        let named = figures().zip(1..).map(|(of, n)| (format!("W#{n:02}"), of.counters.clone()));
        let threads: Vec<_> = named.collect();
        let stored: Vec<_> = figures().map(|of| of.stored).collect();
        let extra = self.memory.counters(&threads, &stored);
        self.replay.statistics.write(&threads, &extra, self.replay.outputs)
    }
}
