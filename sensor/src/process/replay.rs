//! A replay: frames of an input through detectors into outputs.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::{Frame, ReadError, Received, Source, SourceStatistics};
use decode::{RawFrame, Timestamp};
use detect::Detector;
use detect::counters::{Snapshot, Summary};
use detect::output::Events;
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::output::{FileStore, Outputs, Statistics, StoreCounters};

use super::memory::Memory;
use super::progress::Progress;
use super::stop::Stop;
use super::workers;

/// Frames in one batch.
pub(super) const BATCH: usize = 64;
/// Flows that end at once at the end of input, before their records are written.
pub(super) const ENDS: usize = 1024;

/// Everything a replay needs.
pub(crate) struct Replay<'a> {
    /// Where frames come from.
    pub(crate) source: Box<dyn Source>,
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
    /// Detectors that work side by side.
    pub(crate) workers: usize,
    /// Told what is wrong with an input.
    pub(crate) on_fault: &'a mut dyn FnMut(&ReadError),
    /// Ends it before its end.
    pub(crate) stop: Stop,
    /// Shows how far it is.
    pub(crate) progress: Progress,
}

/// What came of a replay.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Figures of the detectors.
    pub(crate) summary: Summary,
    /// What was read.
    pub(crate) read: SourceStatistics,
    /// Inputs that were at fault.
    pub(crate) faults: usize,
    /// From the first frame to the last record.
    pub(crate) elapsed: Duration,
    /// Packets whose checksum was found wrong.
    pub(crate) invalid_checksums: u64,
    /// Files that could not be written, in words.
    pub(crate) failures: Vec<String>,
}

impl Replay<'_> {
    /// Runs to the end of the input.
    ///
    /// # Errors
    /// When an output cannot be written.
    pub(crate) fn run(self) -> io::Result<Outcome> {
        let started = Instant::now();
        tracing::debug!(workers = self.workers, "replay begins");
        let mut outcome = match self.workers {
            0 | 1 => self.inline()?,
            _ => workers::run(self)?,
        };
        outcome.elapsed = started.elapsed();
        Ok(outcome)
    }

    /// One detector, in this thread.
    fn inline(mut self) -> io::Result<Outcome> {
        let mut detector = Detector::new(Arc::clone(&self.settings), Arc::clone(&self.rules));
        let mut events = Events::new(self.settings.outputs.len());
        let mut memory = Memory::new(&self.settings);
        let mut number = 0;
        let mut faults = 0;
        while !self.stop.is_wanted() {
            match self.source.receive(BATCH) {
                Ok(Received::End) => break,
                Ok(Received::Idle) => self.outputs.flush()?,
                Ok(Received::Frames) => {}
                Err(error) => {
                    faults += 1;
                    (self.on_fault)(&error);
                    continue;
                }
            }
            let filter = self.filter.as_ref();
            let frames = self.source.batch().frames().filter(|frame| passes(filter, frame));
            let frames = frames.map(|frame| {
                number += 1;
                raw(&frame, number)
            });
            detector.inspect(frames, &mut events);
            deliver(&mut events, self.outputs, self.stores.first_mut())?;
            if self.statistics.is_due() {
                let counters = [("W#01".to_owned(), detector.counters())];
                let extra = memory.counters(&counters, &stored(&self.stores));
                self.statistics.write(&counters, &extra, self.outputs)?;
            }
            self.progress.at(number_of_bytes(&*self.source));
        }
        while detector.finish(ENDS, &mut events) {
            deliver(&mut events, self.outputs, self.stores.first_mut())?;
        }
        deliver(&mut events, self.outputs, self.stores.first_mut())?;
        let counters = vec![("W#01".to_owned(), detector.counters())];
        let read = self.source.statistics();
        let summary = detector.summary().clone();
        self.end(&counters, memory, Outcome::of(summary, read, faults))
    }

    /// The last statistics, and everything that is still buffered.
    pub(super) fn end(
        self,
        counters: &[(String, Snapshot)],
        mut memory: Memory,
        mut outcome: Outcome,
    ) -> io::Result<Outcome> {
        if self.statistics.wanted() {
            let extra = memory.counters(counters, &stored(&self.stores));
            self.statistics.write(counters, &extra, self.outputs)?;
        }
        self.outputs.flush()?;
        outcome.failures = self.outputs.failures().collect();
        outcome.failures.extend(self.stores.iter().filter_map(FileStore::failure));
        self.progress.finish();
        let of = |(_, snapshot): &(String, Snapshot)| snapshot.get("tcp.invalid_checksum");
        outcome.invalid_checksums = counters.iter().filter_map(of).sum();
        Ok(outcome)
    }
}

impl Outcome {
    pub(super) fn of(summary: Summary, read: SourceStatistics, faults: usize) -> Self {
        let (elapsed, failures) = (Duration::ZERO, Vec::new());
        Self { summary, read, faults, elapsed, invalid_checksums: 0, failures }
    }
}

fn stored(stores: &[FileStore]) -> Vec<StoreCounters> {
    stores.iter().map(FileStore::counters).collect()
}

pub(super) fn number_of_bytes(source: &dyn Source) -> u64 {
    source.statistics().bytes
}

pub(super) fn passes(filter: Option<&Filter>, frame: &Frame<'_>) -> bool {
    filter.is_none_or(|filter| filter.passes(frame.link_type.0, frame.bytes, frame.wire_len))
}

pub(super) fn raw<'f>(frame: &Frame<'f>, number: u64) -> RawFrame<'f> {
    RawFrame {
        bytes: frame.bytes,
        timestamp: Timestamp(frame.timestamp_us),
        number,
        link_type: frame.link_type.0,
        input: frame.file,
        wire_len: frame.wire_len,
        no_checksum: frame.no_checksum,
    }
}

fn deliver(
    events: &mut Events,
    outputs: &mut Outputs,
    store: Option<&mut FileStore>,
) -> io::Result<()> {
    outputs.take(0, events)?;
    if let Some(store) = store {
        store.take(&events.files);
    }
    events.clear();
    Ok(())
}
