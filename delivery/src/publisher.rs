//! A sink's publisher: reads the spool, offers records, keeps account of what became of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::backoff::Backoff;
use crate::calendar::Moment;
use crate::figures::{Health, Refusal, SinkFigures};
use crate::filter::Filter;
use crate::record::Record;
use crate::refused::RefusedFile;
use crate::sink::{self, Settled, Sink, Trouble};
use crate::spool::{Frame, Reader, Told};

/// Records that are offered at a time.
const OFFER: usize = 1024;
/// Bytes that are read from the spool at a time.
const READ: usize = 256 * 1024;
/// How many times it is read before the sink has its turn: what the filter leaves out takes up no
/// room, however much it is.
const TURN: usize = 32;
/// How long to wait for records, or for the end of a wait.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long to wait for an answer; records that come meanwhile wait as long.
const ANSWER: Duration = Duration::from_millis(10);
/// Between two reports: they take locks.
const REPORT: Duration = Duration::from_millis(100);
/// While the sensor ends, a receiver is left alone no longer than this: it may be back just in time.
const ENDING: Duration = Duration::from_secs(1);
/// Characters of a reason that are told; the file of refused records has all of them.
const REASON: usize = 400;
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
    /// The wish to end was seen.
    ending: bool,
    backoff: Backoff,
    /// Bytes of records that may be under way.
    limit: usize,
    window: VecDeque<Load>,
    /// Bytes of the frames of which not everything is settled.
    bytes: usize,
    /// How many frames of the window are settled; they wait for others to be committed.
    finished: usize,
    next_ticket: u64,
    settled: Settled,
    /// The spool had nothing more.
    drained: bool,
    /// Records that were offered again since the start.
    again: u64,
    /// Attempts that failed, without those that the sink made by itself.
    troubles: u64,
    /// How far of each lane records were given to the sink that may not have left yet.
    given: [u64; 2],
    /// Something was confirmed or refused since the last time that was looked at.
    is_heard: bool,
    /// Refused records that were not told of yet, and the reason of the first of them.
    untold: u64,
    reason: String,
    told: Told,
    /// When figures were last brought up to date.
    reported: Instant,
}

/// A frame under way.
struct Load {
    /// The records that pass the filter, and the place behind all; no records once all of them
    /// are settled.
    frame: Frame,
    /// Ticket of the first of them; the others follow.
    first: u64,
    /// How many there were.
    count: usize,
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
        if count == 0 {
            return None;
        }
        let places = self.offered..self.offered + count;
        let records = places.filter_map(|at| self.frame.record(at)).collect();
        Some((records, self.first + self.offered as u64))
    }

    /// How many of its records were offered on the present connection and are not settled.
    fn under_way(&self) -> u64 {
        let offered = self.done.get(..self.offered).unwrap_or_default();
        offered.iter().filter(|done| !**done).count() as u64
    }

    fn record(&self, ticket: u64) -> Option<Record<'_>> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.frame.record(at)
    }

    /// Marks a record as settled; returns its bytes. None when it was, or is unknown.
    fn settle(&mut self, ticket: u64) -> Option<usize> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        let done = self.done.get_mut(at)?;
        if std::mem::replace(done, true) {
            return None;
        }
        self.left -= 1;
        self.frame.record(at).map(|record| record.bytes.len())
    }

    /// When its first record was made, microseconds since 1970.
    fn made(&self) -> Option<u64> {
        Moment::parse(self.frame.record(0)?.timestamp()?)?.microseconds()
    }

    /// Lets go of the records; returns their bytes.
    fn clear(&mut self) -> usize {
        self.done = Vec::new();
        self.frame.marks = Vec::new();
        std::mem::take(&mut self.frame.bytes).len()
    }
}

/// Shows a sink as down when its thread ends by a panic.
struct Watch(Arc<SinkFigures>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "its thread has panicked: it delivers nothing until the sensor is restarted";
            self.0.set_health(Health::Down(what.to_owned()));
            tracing::error!(sink = self.0.name, "{what}");
        }
    }
}

impl Publisher {
    pub(crate) fn new(
        mut reader: Reader,
        sink: Box<dyn Sink>,
        filter: Filter,
        figures: Arc<SinkFigures>,
        refused: RefusedFile,
        wishes: Arc<Wishes>,
        limit: usize,
    ) -> Self {
        // What is read need not go out.
        reader.hands_over_later();
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
            ending: false,
            backoff: Backoff::new(seed),
            limit,
            window: VecDeque::new(),
            bytes: 0,
            finished: 0,
            next_ticket: 0,
            settled: Settled::default(),
            drained: false,
            again: 0,
            troubles: 0,
            given: [0; 2],
            is_heard: false,
            untold: 0,
            reason: String::new(),
            told: Told::default(),
            reported: Instant::now(),
        }
    }

    /// Runs until it is to end.
    pub(crate) fn run(mut self) {
        let _watch = Watch(Arc::clone(&self.figures));
        loop {
            let ending = self.wishes.end.load(Ordering::Acquire);
            self.ending = ending;
            if self.wishes.end_now.load(Ordering::Acquire) {
                break;
            }
            let reopenings = self.wishes.reopenings.load(Ordering::Acquire);
            if std::mem::replace(&mut self.reopenings, reopenings) != reopenings {
                self.sink.reopen();
            }
            self.fill(ending);
            let is_done = ending && self.drained && self.window.is_empty();
            if is_done && !self.reader.is_held_up() {
                break;
            }
            let outcome = self.exchange(ending);
            self.hand_over();
            if let Err(trouble) = outcome {
                self.recover(&trouble);
            }
            if self.reported.elapsed() >= REPORT {
                self.report();
            }
        }
        // Sinks may take their time to leave, and what is confirmed must not come again.
        self.reader.put_down();
        self.report();
        self.sink.forget();
    }

    /// Reads the spool as far as there is room, and waits for records only when none are under way.
    fn fill(&mut self, ending: bool) {
        self.drained = false;
        for _ in 0..TURN {
            if self.bytes >= self.limit {
                return;
            }
            let may_come = !ending || self.reader.is_held_up();
            let idle = self.window.is_empty() && may_come;
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

    fn load(&mut self, mut frame: Frame) {
        let total = frame.len();
        frame.retain(|record| self.filter.passes(record));
        let (first, count) = (self.next_ticket, frame.len());
        self.figures.read.add(total as u64);
        self.figures.filtered.add((total - count) as u64);
        self.bytes += frame.bytes.len();
        self.finished += usize::from(count == 0);
        self.next_ticket += count as u64;
        let done = vec![false; count];
        self.window.push_back(Load { frame, first, count, done, left: count, offered: 0 });
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
                if taken > 0 {
                    let given = &mut self.given[usize::from(!load.frame.alerts)];
                    *given = load.frame.end.records.max(*given);
                }
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

    /// Records that have left the sink count as sent: should they be offered again, the receiver
    /// may have them twice.
    fn hand_over(&mut self) {
        let heard = std::mem::take(&mut self.is_heard);
        if self.given == [0; 2] {
            return;
        }
        let unsent = self.sink.unsent();
        if heard || unsent == 0 || self.under_way() > unsent {
            let [alerts, others] = std::mem::take(&mut self.given);
            self.reader.hand_over(true, alerts);
            self.reader.hand_over(false, others);
        }
    }

    fn under_way(&self) -> u64 {
        self.window.iter().map(Load::under_way).sum()
    }

    fn take_note(&mut self) {
        let mut settled = std::mem::take(&mut self.settled);
        self.is_heard |= !settled.delivered.is_empty() || !settled.refused.is_empty();
        let (mut confirmed, mut bytes) = (0, 0);
        for (first, end) in settled.delivered.drain(..) {
            for size in (first..end).filter_map(|ticket| self.settle(ticket)) {
                confirmed += 1;
                bytes += size as u64;
            }
        }
        for (ticket, reason) in settled.refused.drain(..) {
            self.refuse(ticket, &reason);
        }
        self.settled = settled;
        self.figures.delivered.add(confirmed);
        self.figures.delivered_bytes.add(bytes);
        if confirmed > 0 && self.sink.health() == sink::Health::Up {
            self.backoff.succeeded();
            if self.figures.set_health(Health::Up) {
                tracing::info!(sink = self.figures.name, "records are delivered");
            }
        }
        self.retire();
        self.tell_refused();
    }

    /// Marks a record as settled; returns its bytes. None when it was, or is unknown.
    fn settle(&mut self, ticket: u64) -> Option<usize> {
        let at = self.place(ticket);
        let load = self.window.get_mut(at)?;
        let size = load.settle(ticket)?;
        if load.left == 0 {
            let took = load.made().and_then(since).filter(|took| *took < REPLAYED);
            if let Some(took) = took {
                self.figures.latency.add(took, load.count as u64);
            }
            // What waits to be committed is kept in the spool, and need not be in memory.
            self.bytes -= load.clear();
            self.finished += 1;
        }
        Some(size)
    }

    fn refuse(&mut self, ticket: u64, reason: &str) {
        let load = self.window.get(self.place(ticket));
        if let Some(record) = load.and_then(|load| load.record(ticket)) {
            self.figures.refused.add(record.kind(), 1);
            self.refused.keep(&record, reason);
            let told = || reason.chars().take(REASON).collect::<String>();
            let file = || self.refused.path().to_path_buf();
            self.figures.refused_first(|| Refusal { reason: told(), file: file() });
            if self.untold == 0 {
                self.reason = told();
            }
            self.untold += 1;
        }
        self.settle(ticket);
    }

    /// Where in the window the frame of a ticket is, if it is there.
    fn place(&self, ticket: u64) -> usize {
        self.window.partition_point(|load| load.first + load.count as u64 <= ticket)
    }

    /// Frames of which everything is settled are committed once all before them are.
    fn retire(&mut self) {
        while self.window.front().is_some_and(|load| load.left == 0) {
            if let Some(load) = self.window.pop_front() {
                self.finished -= 1;
                self.reader.commit(load.frame.alerts, load.frame.end);
            }
        }
        // So many at a time that it costs little for each.
        if self.finished > 0 && self.finished >= self.window.len() / 2 {
            self.compact();
        }
    }

    /// Settled frames join the one before them in their lane, which is committed together with
    /// them; without one they are committed.
    fn compact(&mut self) {
        let mut kept: VecDeque<Load> = VecDeque::with_capacity(self.window.len());
        let mut last = [None; 2];
        for load in self.window.drain(..) {
            let before = &mut last[usize::from(load.frame.alerts)];
            if load.left > 0 {
                *before = Some(kept.len());
                kept.push_back(load);
            } else if let Some(before) = before.and_then(|at| kept.get_mut(at)) {
                before.frame.end = load.frame.end;
            } else {
                self.reader.commit(load.frame.alerts, load.frame.end);
            }
        }
        self.window = kept;
        self.finished = 0;
    }

    /// Says that records were refused, the first time at once and then now and then.
    fn tell_refused(&mut self) {
        if self.untold > 0 && self.told.is_due() {
            let (count, why) = (std::mem::take(&mut self.untold), &self.reason);
            let file = self.refused.path().display();
            let records = if count == 1 { "a record was" } else { "records were" };
            let count = if count == 1 { String::new() } else { format!("{count} ") };
            tracing::warn!(
                sink = self.figures.name,
                "{count}{records} refused: {why} (see {file})"
            );
        }
    }

    /// The connection is gone: what is not settled will be offered again, after a while.
    fn recover(&mut self, trouble: &Trouble) {
        // What never left the sink can't arrive twice.
        self.again += self.under_way().saturating_sub(self.sink.unsent());
        self.sink.forget();
        self.given = [0; 2];
        for load in &mut self.window {
            load.offered = 0;
        }
        self.troubles += 1;
        if self.figures.set_health(Health::Down(trouble.what.clone())) {
            tracing::warn!(sink = self.figures.name, "{}", trouble.what);
        }
        let mut wait =
            if trouble.is_lasting { self.backoff.longest() } else { self.backoff.wait() };
        if self.ending {
            wait = wait.min(ENDING);
        }
        self.report();
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.is_called() {
            std::thread::sleep(PATIENCE.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// True when something was asked for since the present turn began that must not wait until
    /// the receiver is to be tried again.
    fn is_called(&mut self) -> bool {
        if !self.ending && self.wishes.end.load(Ordering::Acquire) {
            // There is little time left: the receiver may be back.
            self.ending = true;
            self.backoff.succeeded();
            return true;
        }
        let reopenings = self.wishes.reopenings.load(Ordering::Acquire);
        reopenings != self.reopenings || self.wishes.end_now.load(Ordering::Acquire)
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let figures = &self.figures;
        figures.outstanding.set(self.under_way().saturating_sub(self.sink.unsent()));
        figures.troubles.set(self.troubles + self.sink.troubles());
        figures.lag.set(self.reader.lag().records);
        figures.again.set(self.again + self.sink.again() + self.reader.maybe_doubled());
        figures.missed.set(self.reader.missed());
        figures.set_own("spool-damaged", self.reader.damaged());
        figures.set_own("spool-read-errors", self.reader.read_errors());
        self.sink.counters(&mut |name, value| figures.set_own(name, value));
        if let sink::Health::Down { trouble, .. } = self.sink.health()
            && figures.set_health(Health::Down(trouble.what.clone()))
        {
            tracing::warn!(sink = figures.name, "{}", trouble.what);
        }
        self.tell_refused();
    }
}

/// How long ago a time was, microseconds since 1970.
fn since(made: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_micros(made))
}

#[cfg(test)]
mod tests;
