//! A worker of live capture: its source, its detector, and what it is told meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use capture::live::{LiveSource, Shunts, WorkerFigures};
use capture::{Received, Source};
use crossbeam::channel::TrySendError;
use decode::Timestamp;
use detect::Detector;
use detect::output::{Events, Records};
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::clock::now_us;
use crate::output::{FileStore, WorkerTap};
use crate::process::replay::{BATCH, ENDS, passes, raw};
use crate::process::writer::Figures;

use super::backlog::{Limits, Sieve, count, size};
use super::line::{Command, Heard, Line, Report};
use super::shunt::Shunter;

/// Records go to the writer when they are so many bytes, or so old.
const ENOUGH: usize = 64 << 10;
const OLD: Duration = Duration::from_millis(50);
/// Frames may come in this much later than they arrived: time that passes without frames stays
/// so far behind the clock.
const BEHIND_US: u64 = 250_000;

/// At the end frames may lie in the kernel this long before they can be seen.
const SETTLE: Duration = Duration::from_millis(50);
/// A worker that waits for the others to end looks for frames that they pass on this often.
const PAUSE: Duration = Duration::from_millis(1);

/// What the commands come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Drain,
    End,
    /// Nobody takes anything any more.
    Leave,
}

/// What a worker is made of. Its detector is made in its own thread.
pub(super) struct Start {
    pub(super) number: usize,
    pub(super) source: LiveSource,
    pub(super) settings: Arc<Settings>,
    pub(super) rules: Arc<Ruleset>,
    /// What is kept beyond one flow, for all workers.
    pub(super) common: Arc<detect::Shared>,
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) store: Option<FileStore>,
    /// Where records leave for delivery, if they do.
    pub(super) taps: Vec<WorkerTap>,
    /// Where flows go that need no inspection, if there is such a place.
    pub(super) shunts: Option<Arc<Shunts>>,
    /// The CPU that it shall run on.
    pub(super) cpu: Option<usize>,
    pub(super) line: Line,
}

impl Start {
    /// Works until it is told to stop or nobody listens any more.
    pub(super) fn run(self) {
        if let Some(cpu) = self.cpu
            && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
        {
            let said = format!("worker {} cannot be kept on CPU {cpu}", self.number + 1);
            let _ = self.line.reports.send(Report::Note(said));
        }
        let mut detector = Detector::new(Arc::clone(&self.settings), self.rules);
        detector.share(&self.common, None, self.number == 0);
        if let Some(shunts) = self.shunts {
            detector.set_offload(Box::new(Shunter(shunts)));
        }
        Worker {
            number: self.number,
            capture: self.source.figures(),
            source: self.source,
            detector,
            filter: self.filter,
            store: self.store,
            taps: self.taps,
            outputs: self.settings.outputs.len(),
            sieve: Sieve::new(&self.settings.outputs, Limits::default()),
            line: self.line,
            frames: 0,
            passed: 0,
            sent: Instant::now(),
        }
        .run();
    }
}

/// A worker at work.
struct Worker {
    number: usize,
    source: LiveSource,
    capture: Arc<WorkerFigures>,
    detector: Detector,
    filter: Option<Arc<Filter>>,
    store: Option<FileStore>,
    taps: Vec<WorkerTap>,
    /// Buffers of records: one for each output.
    outputs: usize,
    /// What to give up of them when the writer does not keep up.
    sieve: Sieve,
    line: Line,
    /// The number of the last frame.
    frames: u64,
    /// Records that were passed on, or dropped.
    passed: u64,
    /// When records were last passed on.
    sent: Instant,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::new(self.outputs);
        let mut next = self.work(&mut events);
        if next == Next::Drain {
            self.drain(&mut events, SETTLE);
            let worker = self.number;
            let _ = self.line.reports.send(Report::Drained { worker });
            next = self.linger(&mut events);
        }
        if next == Next::End {
            self.drain(&mut events, Duration::ZERO);
            self.end(events);
        }
    }

    /// Inspects until it is told otherwise.
    fn work(&mut self, events: &mut Events) -> Next {
        loop {
            match self.source.receive(BATCH) {
                Ok(Received::Frames) => self.inspect(events),
                Ok(Received::Idle) => self.detector.pass_time(behind_the_clock(), events),
                Ok(Received::End) | Err(_) => return Next::End,
            }
            self.keep_files(events);
            if self.is_due(events) {
                self.detector.pass_time(behind_the_clock(), events);
                if !self.send(events) {
                    return Next::Leave;
                }
            }
            match self.obey() {
                Next::GoOn => {}
                next => return next,
            }
        }
    }

    /// Takes what has come in before now; there may be more traffic than it could ever be through
    /// with. Goes on at least as long as `settle`.
    fn drain(&mut self, events: &mut Events, settle: Duration) {
        let (begun, until_us) = (Instant::now(), now_us());
        loop {
            match self.source.finish(BATCH) {
                Received::Frames => {
                    let last = self.source.batch().frames().last();
                    let is_late = last.is_some_and(|frame| frame.timestamp_us > until_us);
                    self.inspect(events);
                    self.keep_files(events);
                    if is_late {
                        return;
                    }
                }
                // The kernel has frames that it has not handed over; it says so for a while only.
                Received::Idle => thread::sleep(PAUSE),
                Received::End if begun.elapsed() >= settle => return,
                Received::End => thread::sleep(PAUSE),
            }
            if self.is_due(events) && !self.send(events) {
                return;
            }
        }
    }

    /// Takes what others pass on until they are through, too.
    fn linger(&mut self, events: &mut Events) -> Next {
        loop {
            match self.source.finish(BATCH) {
                Received::Frames => self.inspect(events),
                _ => thread::sleep(PAUSE),
            }
            self.keep_files(events);
            if self.is_due(events) && !self.send(events) {
                return Next::Leave;
            }
            match self.obey() {
                Next::GoOn | Next::Drain => {}
                next => return next,
            }
        }
    }

    fn inspect(&mut self, events: &mut Events) {
        let filter = self.filter.as_deref();
        let (number, mut refused) = (&mut self.frames, 0);
        let frames = self.source.batch().frames().filter(|frame| {
            let passes = passes(filter, frame);
            refused += u64::from(!passes);
            passes
        });
        let frames = frames.map(|frame| {
            *number += 1;
            raw(&frame, *number)
        });
        self.detector.inspect(frames, events);
        self.capture.add_filtered(refused);
    }

    /// Does what it was told.
    fn obey(&mut self) -> Next {
        loop {
            let worker = self.number;
            let report = match self.line.commands.next() {
                Heard::Nothing => return Next::GoOn,
                Heard::Nobody => return Next::Leave,
                Heard::This(Command::Drain) => return Next::Drain,
                Heard::This(Command::End) => return Next::End,
                Heard::This(Command::Figures) => {
                    Report::Figures { worker, figures: Box::new(self.figures()) }
                }
                Heard::This(Command::Rules(rules)) => {
                    let alerts = self.detector.summary().alerts.clone();
                    self.detector.set_rules(rules);
                    Report::Reloaded { worker, alerts }
                }
            };
            if self.line.reports.send(report).is_err() {
                return Next::Leave;
            }
        }
    }

    /// Whether records should be passed on.
    fn is_due(&self, events: &Events) -> bool {
        self.sent.elapsed() >= OLD || size(events) >= ENOUGH
    }

    /// Passes records on; false when nobody takes them any more. The worker never waits for the
    /// writer: what it can't take is kept, and beyond a limit dropped and counted, alerts last.
    fn send(&mut self, events: &mut Events) -> bool {
        self.sent = Instant::now();
        self.deliver(events);
        let records = count(events);
        self.line.ledger.set_made(self.passed + records);
        if size(events) == 0 {
            return true;
        }
        if self.line.records.is_full() {
            self.passed += self.sieve.sift(events, &self.line.ledger);
            for tap in &mut self.taps {
                tap.settle(&events.outputs);
            }
            return true;
        }
        let fresh = self.line.spare.try_recv();
        let full = std::mem::replace(events, fresh.unwrap_or_else(|_| Events::new(self.outputs)));
        match self.line.records.try_send(full) {
            Ok(()) => {
                self.passed += records;
                self.sieve.renew();
                for tap in &mut self.taps {
                    tap.settle(&events.outputs);
                }
                true
            }
            // Another worker was quicker.
            Err(TrySendError::Full(full)) => {
                *events = full;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// The end of all flows.
    fn end(mut self, mut events: Events) {
        loop {
            let more = self.detector.finish(ENDS, &mut events);
            self.keep_files(&mut events);
            // Now there is time to wait.
            self.deliver_by(&mut events, WorkerTap::take_waiting);
            self.passed += count(&events);
            self.line.ledger.set_made(self.passed);
            let records = std::mem::replace(&mut events, Events::new(self.outputs));
            for tap in &mut self.taps {
                tap.settle(&events.outputs);
            }
            if self.line.records.send(records).is_err() {
                return;
            }
            if !more {
                break;
            }
        }
        let figures = Box::new(self.figures());
        let (worker, summary) = (self.number, Box::new(self.detector.summary().clone()));
        let last = Report::Finished { worker, figures, summary, store: self.store };
        let _ = self.line.reports.send(last);
    }

    /// Gives delivery what is new; it accounts for that itself.
    fn deliver(&mut self, events: &mut Events) {
        self.deliver_by(events, WorkerTap::take);
    }

    fn deliver_by(
        &mut self,
        events: &mut Events,
        take: impl Fn(&mut WorkerTap, &mut [Records]) -> u64,
    ) {
        for tap in &mut self.taps {
            let gone = take(tap, &mut events.outputs);
            self.passed += gone;
            self.line.ledger.delivers(gone);
        }
    }

    /// Stores the bytes of files.
    fn keep_files(&mut self, events: &mut Events) {
        if let Some(store) = &mut self.store {
            store.take(&events.files);
        }
        events.files.clear();
    }

    fn figures(&self) -> Figures {
        let stored = self.store.as_ref().map(FileStore::counters).unwrap_or_default();
        Figures { counters: self.detector.counters(), stored }
    }
}

fn behind_the_clock() -> Timestamp {
    Timestamp(now_us().saturating_sub(BEHIND_US))
}
