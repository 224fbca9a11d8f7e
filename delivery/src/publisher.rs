//! A sink's publisher: reads the spool, offers records, keeps account of what became of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::backoff::Backoff;
use crate::calendar::Moment;
use crate::figures::{Health, SinkFigures};
use crate::filter::Filter;
use crate::record::Record;
use crate::refused::RefusedFile;
use crate::sink::{self, Settled, Sink, Trouble};
use crate::spool::{Frame, Reader};

/// Records that are offered at a time.
const OFFER: usize = 1024;
/// Bytes that are read from the spool at a time.
const READ: usize = 256 * 1024;
/// How long to wait for records, or for the end of a wait.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long to wait for an answer; records that come meanwhile wait as long.
const ANSWER: Duration = Duration::from_millis(10);
/// Between two reports: they take locks.
const REPORT: Duration = Duration::from_millis(100);
/// Records older than this tell nothing of latency: they were replayed.
const REPLAYED: Duration = Duration::from_secs(86_400);

/// What all publishers are asked to do.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    end: AtomicBool,
    end_now: AtomicBool,
    reopenings: AtomicU64,
}

impl Wishes {
    /// All that is spooled goes out first.
    pub(crate) fn end_when_done(&self) {
        self.end.store(true, Ordering::Release);
    }

    /// What is not out stays in the spool.
    pub(crate) fn end_at_once(&self) {
        self.end.store(true, Ordering::Release);
        self.end_now.store(true, Ordering::Release);
    }

    /// Sinks that write files begin new ones.
    pub(crate) fn reopen(&self) {
        self.reopenings.fetch_add(1, Ordering::AcqRel);
    }
}

/// What a publisher works with.
pub(crate) struct Publisher {
    reader: Reader,
    sink: Box<dyn Sink>,
    filter: Filter,
    figures: Arc<SinkFigures>,
    refused: RefusedFile,
    wishes: Arc<Wishes>,
    /// How many of them were followed.
    reopenings: u64,
    backoff: Backoff,
    /// Bytes of records that may be under way.
    limit: usize,
    window: VecDeque<Load>,
    /// Bytes in the window.
    bytes: usize,
    next_ticket: u64,
    settled: Settled,
    /// The spool had nothing more.
    drained: bool,
    /// Records that were offered again since the start.
    again: u64,
    /// When figures were last brought up to date.
    reported: Instant,
}

/// A frame under way.
struct Load {
    frame: Frame,
    /// Indexes of its records that pass the filter; their tickets follow one another.
    picked: Vec<u32>,
    /// Ticket of the first of them.
    first: u64,
    /// Which of them are settled.
    done: Vec<bool>,
    left: usize,
    /// So many of them were offered on the present connection.
    offered: usize,
}

impl Load {
    /// The next run of records that are to be offered, and the ticket of the first.
    fn run(&mut self) -> Option<(Vec<Record<'_>>, u64)> {
        while self.done.get(self.offered) == Some(&true) {
            self.offered += 1;
        }
        let rest = self.done.get(self.offered..)?;
        let count = rest.iter().take(OFFER).take_while(|done| !**done).count();
        let picked = self.picked.get(self.offered..self.offered + count)?;
        if picked.is_empty() {
            return None;
        }
        let records = picked.iter().filter_map(|at| self.frame.record(*at as usize)).collect();
        Some((records, self.first + self.offered as u64))
    }

    fn record(&self, ticket: u64) -> Option<Record<'_>> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.frame.record(*self.picked.get(at)? as usize)
    }
}

impl Publisher {
    pub(crate) fn new(
        reader: Reader,
        sink: Box<dyn Sink>,
        filter: Filter,
        figures: Arc<SinkFigures>,
        refused: RefusedFile,
        wishes: Arc<Wishes>,
        limit: usize,
    ) -> Self {
        let seed = figures.name.bytes().fold(std::process::id().into(), |sum: u64, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        Self {
            reader,
            sink,
            filter,
            figures,
            refused,
            wishes,
            reopenings: 0,
            backoff: Backoff::new(seed),
            limit,
            window: VecDeque::new(),
            bytes: 0,
            next_ticket: 0,
            settled: Settled::default(),
            drained: false,
            again: 0,
            reported: Instant::now(),
        }
    }

    /// Runs until it is to end.
    pub(crate) fn run(mut self) {
        loop {
            let ending = self.wishes.end.load(Ordering::Acquire);
            if self.wishes.end_now.load(Ordering::Acquire) {
                break;
            }
            let reopenings = self.wishes.reopenings.load(Ordering::Acquire);
            if std::mem::replace(&mut self.reopenings, reopenings) != reopenings {
                self.sink.reopen();
            }
            self.fill(ending);
            if ending && self.window.is_empty() {
                break;
            }
            if let Err(trouble) = self.exchange(ending) {
                self.recover(&trouble);
            }
            if self.reported.elapsed() >= REPORT {
                self.report();
            }
        }
        self.sink.forget();
        self.report();
    }

    /// Reads the spool as far as there is room, and waits for records only when none are under way.
    fn fill(&mut self, ending: bool) {
        self.drained = false;
        while self.bytes < self.limit {
            let idle = self.window.is_empty() && !ending;
            let patience = if idle { PATIENCE } else { Duration::ZERO };
            match self.reader.next(READ, patience) {
                Some(frame) => self.load(frame),
                None => {
                    self.drained = true;
                    return;
                }
            }
        }
    }

    fn load(&mut self, frame: Frame) {
        let total = frame.len() as u64;
        let all = 0..u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let passes = |at: &u32| frame.record(*at as usize).is_some_and(|r| self.filter.passes(&r));
        let picked: Vec<u32> = all.filter(passes).collect();
        self.figures.read.add(total);
        self.figures.filtered.add(total - picked.len() as u64);
        self.bytes += frame.bytes.len();
        let (first, left) = (self.next_ticket, picked.len());
        self.next_ticket += left as u64;
        let done = vec![false; left];
        self.window.push_back(Load { frame, picked, first, done, left, offered: 0 });
        self.retire();
    }

    /// Offers what was not offered yet, and takes note of what became of records.
    fn exchange(&mut self, ending: bool) -> Result<(), Trouble> {
        let mut full = false;
        'offer: for load in &mut self.window {
            while let Some((records, ticket)) = load.run() {
                let count = records.len();
                let taken = self.sink.offer(&records, ticket)?.min(count);
                load.offered += taken;
                if taken < count {
                    full = true;
                    break 'offer;
                }
            }
        }
        if full || self.bytes >= self.limit || (ending && self.drained) {
            self.sink.finish();
        }
        let is_stuck = full || self.drained || self.bytes >= self.limit;
        let patience = match !self.window.is_empty() && is_stuck {
            true => ANSWER,
            false => Duration::ZERO,
        };
        let outcome = self.sink.settle(patience, &mut self.settled);
        self.take_note();
        outcome
    }

    fn take_note(&mut self) {
        let mut settled = std::mem::take(&mut self.settled);
        let mut confirmed = 0;
        for (first, end) in settled.delivered.drain(..) {
            for ticket in first..end {
                confirmed += u64::from(self.settle(ticket));
            }
        }
        for (ticket, reason) in settled.refused.drain(..) {
            self.refuse(ticket, &reason);
        }
        self.settled = settled;
        self.figures.delivered.add(confirmed);
        if confirmed > 0 && self.sink.health() == sink::Health::Up {
            self.backoff.succeeded();
            if self.figures.set_health(Health::Up) {
                tracing::info!(sink = self.figures.name, "records are delivered");
            }
        }
        self.retire();
    }

    /// Marks a record as settled; false when it was, or is unknown.
    fn settle(&mut self, ticket: u64) -> bool {
        let at =
            self.window.partition_point(|load| load.first + load.picked.len() as u64 <= ticket);
        let Some(load) = self.window.get_mut(at) else { return false };
        let Some(index) = ticket.checked_sub(load.first) else { return false };
        let Some(done) = load.done.get_mut(index as usize) else { return false };
        if std::mem::replace(done, true) {
            return false;
        }
        load.left -= 1;
        if load.left == 0 {
            self.figures.delivered_bytes.add(load.frame.bytes.len() as u64);
            let made = load
                .frame
                .record(0)
                .and_then(|record| Moment::parse(record.timestamp()?)?.microseconds());
            if let Some(took) = made.and_then(since).filter(|took| *took < REPLAYED) {
                self.figures.latency.add(took, load.picked.len() as u64);
            }
        }
        true
    }

    fn refuse(&mut self, ticket: u64, reason: &str) {
        let at =
            self.window.partition_point(|load| load.first + load.picked.len() as u64 <= ticket);
        if let Some(record) = self.window.get(at).and_then(|load| load.record(ticket)) {
            self.figures.refused.add(record.kind(), 1);
            self.refused.keep(&record, reason);
        }
        self.settle(ticket);
    }

    /// Frames of which everything is settled, from the front, are committed.
    fn retire(&mut self) {
        while self.window.front().is_some_and(|load| load.left == 0) {
            if let Some(load) = self.window.pop_front() {
                self.bytes -= load.frame.bytes.len();
                self.reader.commit(load.frame.alerts, load.frame.end);
            }
        }
    }

    /// The connection is gone: what is not settled will be offered again, after a while.
    fn recover(&mut self, trouble: &Trouble) {
        self.sink.forget();
        let mut again = 0;
        for load in &mut self.window {
            let offered = load.done.get(..load.offered).unwrap_or_default();
            again += offered.iter().filter(|done| !**done).count() as u64;
            load.offered = 0;
        }
        self.again += again;
        self.figures.troubles.add(1);
        if self.figures.set_health(Health::Down(trouble.what.clone())) {
            tracing::warn!(sink = self.figures.name, "{}", trouble.what);
        }
        let wait = if trouble.is_lasting { self.backoff.longest() } else { self.backoff.wait() };
        self.report();
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.wishes.end_now.load(Ordering::Acquire) {
            std::thread::sleep(PATIENCE.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let figures = &self.figures;
        figures.outstanding.set(self.window.iter().map(|load| load.left as u64).sum());
        figures.lag.set(self.reader.lag().records);
        figures.again.set(self.again + self.reader.maybe_doubled());
        figures.missed.set(self.reader.missed());
        self.sink.counters(&mut |name, value| figures.set_own(name, value));
        if let sink::Health::Down { trouble, .. } = self.sink.health()
            && figures.set_health(Health::Down(trouble.what.clone()))
        {
            tracing::warn!(sink = figures.name, "{}", trouble.what);
        }
    }
}

/// How long ago a time was, microseconds since 1970.
fn since(made: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_micros(made))
}
