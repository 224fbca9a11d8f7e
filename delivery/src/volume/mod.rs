//! Volume control, between the queue and the spool: what there is too much of is sampled, kept to a
//! budget or folded into one record, and counted, so that nothing goes without a trace.
//!
//! A record passes three steps, each of which is off unless settings name its type: a share of the
//! flows is kept ([`sampling`]); records that say the same become one ([`fold`]); the rest keeps to
//! a budget ([`budget`]). What stays says for how many it stands: `sample_weight`, `folded`. Its
//! number stays its own, so there are holes where others were.

mod budget;
mod clock;
mod flows;
mod fold;
mod members;
mod pieces;
mod sampling;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use self::budget::Bucket;
use self::clock::Clock;
use self::fold::{Held, Table};
use self::pieces::Pieces;
use self::sampling::Purpose;
pub use self::settings::VolumeSettings;
use crate::figures::Counter;
use crate::record::{Batch, Record};

/// What volume control counts. Of the records that come to it, those that do not leave it are
/// sampled, over a budget, folded or still held.
#[derive(Debug, Default)]
pub struct VolumeFigures {
    /// By type, for the types that settings name.
    pub types: Vec<TypeFigures>,
    /// Records that wait for others to be folded with.
    pub held: Counter,
}

/// What was counted of a type.
#[derive(Debug, Default)]
pub struct TypeFigures {
    /// The type.
    pub name: String,
    /// Records of flows that are not in the sample.
    pub sampled: Counter,
    /// Records over the budget.
    pub over_budget: Counter,
    /// Records of which only another one tells.
    pub folded: Counter,
}

impl VolumeFigures {
    /// Records that did not leave: sampled, over budget, folded.
    pub fn totals(&self) -> [u64; 3] {
        let sum = |of: fn(&TypeFigures) -> &Counter| {
            self.types.iter().map(|figures| of(figures).get()).sum()
        };
        [sum(|one| &one.sampled), sum(|one| &one.over_budget), sum(|one| &one.folded)]
    }
}

/// Volume control at work.
pub struct Volume {
    types: Vec<Type>,
    clock: Clock,
    alerts: Option<Table>,
    flows: Option<Table>,
    figures: Arc<VolumeFigures>,
    /// What was folded and goes out, after the records of the round.
    late: Pieces,
    /// Buffers of batches of which pieces were made.
    spent: Vec<Vec<u8>>,
}

impl fmt::Debug for Volume {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Volume").field("figures", &self.figures).finish_non_exhaustive()
    }
}

/// What is done about a type of record.
struct Type {
    name: String,
    /// One of so many flows stays.
    weight: u64,
    fold: Option<Folding>,
    bucket: Option<Bucket>,
    // Of this round.
    sampled: u64,
    over_budget: u64,
    folded: u64,
}

#[derive(Clone, Copy)]
enum Folding {
    Alerts,
    Flows,
}

impl Volume {
    /// From settings that were checked.
    pub(crate) fn new(settings: &VolumeSettings) -> Self {
        let is_folded = |name: &str| match name {
            "alert" => settings.fold_alerts.as_ref().map(|_| Folding::Alerts),
            "flow" | "netflow" => settings.fold_flows.as_ref().map(|_| Folding::Flows),
            _ => None,
        };
        let types: Vec<Type> = settings
            .all_types()
            .into_iter()
            .map(|name| Type {
                name: name.to_owned(),
                weight: settings.sample.get(name).map_or(1, |share| share.0),
                fold: is_folded(name),
                bucket: settings.budgets.get(name).map(Bucket::new),
                sampled: 0,
                over_budget: 0,
                folded: 0,
            })
            .collect();
        let named = |one: &Type| TypeFigures { name: one.name.clone(), ..TypeFigures::default() };
        let figures =
            VolumeFigures { types: types.iter().map(named).collect(), held: Counter::default() };
        let alerts = settings.fold_alerts.as_ref();
        let flows = settings.fold_flows.as_ref();
        Self {
            types,
            clock: Clock::default(),
            alerts: alerts.map(|fold| Table::new(fold, fold.by_of_alerts(), None)),
            flows: flows.map(|fold| Table::new(fold, fold.by_of_flows(), Some(flows::merge))),
            figures: Arc::new(figures),
            late: Pieces::default(),
            spent: Vec::new(),
        }
    }

    /// What it counts.
    pub fn figures(&self) -> Arc<VolumeFigures> {
        Arc::clone(&self.figures)
    }

    /// What stays of batches, and what has been held for long enough; to be called now and then
    /// also when no batches come.
    pub fn apply(&mut self, batches: Vec<Batch>, now: Instant) -> Vec<Batch> {
        let mut out = Vec::with_capacity(batches.len());
        for batch in batches {
            self.sift(batch, now, &mut out);
        }
        self.expire(now);
        self.round(out)
    }

    /// All that is held; nothing more will come.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.let_all_out();
        self.round(Vec::new())
    }

    /// Buffers that are not needed any more.
    pub fn spent(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.spent.drain(..)
    }

    /// Ends a round.
    fn round(&mut self, mut out: Vec<Batch>) -> Vec<Batch> {
        out.extend(std::mem::take(&mut self.late).into_batches());
        for (one, figures) in self.types.iter_mut().zip(&self.figures.types) {
            figures.sampled.add(std::mem::take(&mut one.sampled));
            figures.over_budget.add(std::mem::take(&mut one.over_budget));
            figures.folded.add(std::mem::take(&mut one.folded));
        }
        let held = [&self.alerts, &self.flows].into_iter().flatten().map(Table::held).sum();
        self.figures.held.set(held);
        out
    }

    /// Passes on a batch as it is if nothing is to be done, else the pieces that stay.
    fn sift(&mut self, batch: Batch, now: Instant, out: &mut Vec<Batch>) {
        let mut pieces: Option<Pieces> = None;
        let mut end = 0;
        for (count, record) in (0..).zip(batch.records()) {
            let weight = self.judge(&record, now);
            if weight != Some(1) && pieces.is_none() {
                let before = batch.bytes.get(..end).unwrap_or_default();
                pieces = Some(Pieces::beginning(batch.worker, batch.first, count, before));
            }
            if let (Some(pieces), Some(weight)) = (&mut pieces, weight) {
                push(pieces, record.worker, record.sequence, record.bytes, "", weight);
            }
            end += record.bytes.len() + 1;
        }
        match pieces {
            Some(pieces) => {
                out.extend(pieces.into_batches());
                self.spent.push(batch.bytes);
            }
            None => out.push(batch),
        }
    }

    /// For how many a record stands; none when it does not stay.
    fn judge(&mut self, record: &Record<'_>, now: Instant) -> Option<u64> {
        let kind = record.kind();
        let Some(at) = self.types.iter().position(|one| one.name == kind) else { return Some(1) };
        // What is no object can't say for how many it stands.
        if !record.bytes.starts_with(b"{") || !record.bytes.ends_with(b"}") {
            return Some(1);
        }
        let one = &mut self.types[at];
        if one.weight > 1 && !sampling::stays(sampling::of_flow(record), one.weight) {
            one.sampled += 1;
            return None;
        }
        let folding = one.fold;
        if folding.is_some() || one.bucket.is_some() {
            let reading = self.clock.read(record);
            if reading.is_some_and(|reading| reading.is_set_back) {
                self.let_all_out();
            }
            if let (Some(folding), Some(reading)) = (folding, reading)
                && self.fold(folding, record, reading.time, now)
            {
                return None;
            }
        }
        self.admit(at, record.worker, record.sequence)
    }

    /// True when a record is held.
    fn fold(&mut self, folding: Folding, record: &Record<'_>, time: u64, now: Instant) -> bool {
        self.expire(now);
        let clock = self.clock.now().unwrap_or(time);
        let table = match folding {
            Folding::Alerts => &mut self.alerts,
            Folding::Flows => &mut self.flows,
        };
        let mut gone = Vec::new();
        let is_held =
            table.as_mut().is_some_and(|table| table.take(record, time, clock, now, &mut gone));
        self.let_go(gone);
        is_held
    }

    /// Lets out what was held for its time.
    fn expire(&mut self, now: Instant) {
        let (clock, mut gone) = (self.clock.now(), Vec::new());
        for table in [&mut self.alerts, &mut self.flows].into_iter().flatten() {
            table.expire(clock, now, &mut gone);
        }
        self.let_go(gone);
    }

    fn let_all_out(&mut self) {
        let mut gone = Vec::new();
        for table in [&mut self.alerts, &mut self.flows].into_iter().flatten() {
            table.end(&mut gone);
        }
        self.let_go(gone);
    }

    fn let_go(&mut self, gone: Vec<Held>) {
        for held in gone {
            let record =
                Record { worker: held.worker, sequence: held.sequence, bytes: &held.bytes };
            let kind = record.kind();
            let Some(at) = self.types.iter().position(|one| one.name == kind) else { continue };
            self.types[at].folded += held.count - 1;
            if let Some(weight) = self.admit(at, held.worker, held.sequence) {
                let mark = held.mark();
                push(&mut self.late, held.worker, held.sequence, &held.bytes, &mark, weight);
            }
        }
    }

    /// The budget: for how many a record of a type stands if it stays.
    fn admit(&mut self, at: usize, worker: u16, sequence: u64) -> Option<u64> {
        let one = &mut self.types[at];
        let Some(bucket) = &mut one.bucket else { return Some(one.weight) };
        let stays = bucket.take(self.clock.now()).filter(|weight| {
            sampling::stays(sampling::of_record(worker, sequence, Purpose::Budget), *weight)
        });
        if stays.is_none() {
            one.over_budget += 1;
        }
        stays.map(|weight| weight * one.weight)
    }
}

/// Adds a record with what it has to say before its last bracket.
fn push(pieces: &mut Pieces, worker: u16, sequence: u64, bytes: &[u8], mark: &str, weight: u64) {
    if mark.is_empty() && weight == 1 {
        pieces.push(worker, sequence, &[bytes]);
        return;
    }
    let body = bytes.strip_suffix(b"}").unwrap_or(bytes);
    let weight = match weight {
        1 => String::new(),
        _ => format!(",\"sample_weight\":{weight}"),
    };
    pieces.push(worker, sequence, &[body, mark.as_bytes(), weight.as_bytes(), b"}"]);
}
