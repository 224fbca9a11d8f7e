//! A worker of live capture: its source, its detector, and what it is told meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use capture::live::LiveSource;
use capture::{Received, Source};
use crossbeam::channel::{Receiver, Sender, TrySendError};
use decode::Timestamp;
use detect::Detector;
use detect::counters::Summary;
use detect::output::Events;
use detect::settings::Settings;
use engine::Ruleset;

use crate::bpf::Filter;
use crate::output::FileStore;
use crate::process::replay::{BATCH, ENDS, passes, raw};
use crate::process::writer::Figures;

/// Records go to the writer when they are so many bytes, or so old.
const ENOUGH: usize = 64 << 10;
const OLD: Duration = Duration::from_millis(50);
/// Records that the writer can't take are kept up to so many bytes.
const MOST: usize = 16 << 20;
/// Frames may come in this much later than they arrived: time that passes without frames stays
/// so far behind the clock.
const BEHIND_US: u64 = 250_000;

/// What a worker is told to do.
pub(super) enum Order {
    /// Inspect by these rules from now on.
    Rules(Arc<Ruleset>),
    /// Report the counters.
    Figures,
    /// Take what has come in so far, end all flows and report that.
    Stop,
}

/// What workers tell the supervisor.
pub(super) enum Report {
    /// Records.
    Events(Events),
    /// Counters, as asked for.
    Figures { worker: usize, figures: Box<Figures> },
    /// The new rules are in force.
    Reloaded { worker: usize },
    /// The worker has ended.
    Finished { worker: usize, figures: Box<Figures>, summary: Summary, store: Option<FileStore> },
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
    pub(super) line: Line,
}

impl Start {
    /// Works until it is told to stop or nobody listens any more.
    pub(super) fn run(self) {
        let mut detector = Detector::new(Arc::clone(&self.settings), self.rules);
        detector.share(&self.common, None, self.number == 0);
        Worker {
            number: self.number,
            source: self.source,
            detector,
            filter: self.filter,
            store: self.store,
            outputs: self.settings.outputs.len(),
            line: self.line,
            frames: 0,
        }
        .run();
    }
}

/// A worker at work.
struct Worker {
    number: usize,
    source: LiveSource,
    detector: Detector,
    filter: Option<Arc<Filter>>,
    store: Option<FileStore>,
    /// Buffers of records: one for each output.
    outputs: usize,
    line: Line,
    /// The number of the last frame.
    frames: u64,
}

/// The lines between a worker and the supervisor.
pub(super) struct Line {
    pub(super) orders: Receiver<Order>,
    /// Rises with each order, so that nobody need look into an empty channel.
    pub(super) rung: Arc<AtomicU64>,
    pub(super) reports: Sender<Report>,
    /// Buffers that were written out.
    pub(super) spare: Receiver<Events>,
    /// Records that were dropped because the writer did not keep up.
    pub(super) shed: Arc<AtomicU64>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::new(self.outputs);
        let mut heard = 0;
        let mut sent = Instant::now();
        loop {
            let received = self.source.receive(BATCH);
            match received {
                Ok(Received::Frames) => self.inspect(&mut events),
                Ok(Received::Idle) => self.detector.pass_time(behind_the_clock(), &mut events),
                Ok(Received::End) | Err(_) => break,
            }
            self.keep_files(&mut events);
            if sent.elapsed() >= OLD || size(&events) >= ENOUGH {
                sent = Instant::now();
                self.detector.pass_time(behind_the_clock(), &mut events);
                if !self.send(&mut events) {
                    return;
                }
            }
            let rung = self.line.rung.load(Ordering::Acquire);
            if rung != heard {
                heard = rung;
                if self.obey() {
                    break;
                }
            }
        }
        self.end(events);
    }

    fn inspect(&mut self, events: &mut Events) {
        let filter = self.filter.as_deref();
        let number = &mut self.frames;
        let frames = self.source.batch().frames().filter(|frame| passes(filter, frame));
        let frames = frames.map(|frame| {
            *number += 1;
            raw(&frame, *number)
        });
        self.detector.inspect(frames, events);
    }

    /// Does what it was told; true: stop.
    fn obey(&mut self) -> bool {
        while let Ok(order) = self.line.orders.try_recv() {
            let worker = self.number;
            let report = match order {
                Order::Stop => return true,
                Order::Figures => Report::Figures { worker, figures: Box::new(self.figures()) },
                Order::Rules(rules) => {
                    self.detector.set_rules(rules);
                    Report::Reloaded { worker }
                }
            };
            // Nobody listens when the supervisor has ended; the next records show that.
            let _ = self.line.reports.send(report);
        }
        false
    }

    /// Passes records on; false when nobody takes them any more. The worker never waits for the
    /// writer: what it can't take is kept, and beyond a limit dropped and counted.
    fn send(&mut self, events: &mut Events) -> bool {
        if size(events) == 0 {
            return true;
        }
        let fresh = self.line.spare.try_recv();
        let full = std::mem::replace(events, fresh.unwrap_or_else(|_| Events::new(self.outputs)));
        match self.line.reports.try_send(Report::Events(full)) {
            Ok(()) => true,
            Err(TrySendError::Full(Report::Events(full))) => {
                *events = full;
                if size(events) > MOST {
                    let lost = events.outputs.iter().map(|records| records.count).sum();
                    self.line.shed.fetch_add(lost, Ordering::Relaxed);
                    events.clear();
                }
                true
            }
            Err(_) => false,
        }
    }

    /// The last frames, then the end of all flows.
    fn end(mut self, mut events: Events) {
        while self.source.finish(BATCH) == Received::Frames {
            self.inspect(&mut events);
            self.keep_files(&mut events);
        }
        loop {
            let more = self.detector.finish(ENDS, &mut events);
            self.keep_files(&mut events);
            let records = std::mem::replace(&mut events, Events::new(self.outputs));
            // Now there is time to wait.
            if self.line.reports.send(Report::Events(records)).is_err() {
                return;
            }
            if !more {
                break;
            }
        }
        let figures = Box::new(self.figures());
        let (worker, summary) = (self.number, self.detector.summary().clone());
        let last = Report::Finished { worker, figures, summary, store: self.store };
        let _ = self.line.reports.send(last);
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

fn size(events: &Events) -> usize {
    events.outputs.iter().map(|records| records.bytes.len()).sum()
}

fn behind_the_clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    Timestamp(now_us.saturating_sub(BEHIND_US))
}
