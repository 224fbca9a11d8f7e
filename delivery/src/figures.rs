//! What was counted on the way of records: the terms of the balance of delivery.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::activity::Activity;

/// Upper ends of the buckets of [`Latency`], microseconds.
pub const LATENCY_BUCKETS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000, 60_000_000,
];

/// A counter that any thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Sets it, for levels.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by the kind of record.
#[derive(Debug, Default)]
pub struct ByKind(Mutex<BTreeMap<String, u64>>);

impl ByKind {
    /// Counts records of a kind.
    pub fn add(&self, kind: &str, more: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(kind) {
            *count += more;
            return;
        }
        // As many kinds as there can be; a record that names another is counted all the same.
        let name = if counts.len() < 128 { kind } else { "other" };
        *counts.entry(name.to_owned()).or_default() += more;
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their sum.
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// A histogram of times.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [Counter; LATENCY_BUCKETS.len()],
    count: Counter,
    sum_us: Counter,
}

impl Latency {
    /// Counts `records` that took `time`.
    pub fn add(&self, time: Duration, records: u64) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = LATENCY_BUCKETS.iter().position(|end| us <= *end) {
            self.buckets[at].add(records);
        }
        self.count.add(records);
        self.sum_us.add(us.saturating_mul(records));
    }

    /// Upper end in microseconds of each bucket with how many took no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        LATENCY_BUCKETS.iter().zip(&self.buckets).scan(0, |sum, (end, count)| {
            *sum += count.get();
            Some((*end, *sum))
        })
    }

    /// Upper end in microseconds of the bucket below which so much of all lies; none without any,
    /// or beyond the last bucket.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = (self.count.get() as f64 * share).ceil().max(1.0) as u64;
        self.cumulative().find(|(_, count)| *count >= wanted).map(|(end, _)| end)
    }

    /// How many were counted, and the sum of their times in microseconds.
    pub fn total(&self) -> (u64, u64) {
        (self.count.get(), self.sum_us.get())
    }
}

/// How a sink is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing was sent yet.
    #[default]
    Idle,
    /// Its receiver takes records.
    Up,
    /// Its receiver does not, and why.
    Down(String),
}

/// The first record that a receiver refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// The file with those that are kept.
    pub file: PathBuf,
}

/// Figures of one sink.
#[derive(Debug, Default)]
pub struct SinkFigures {
    /// Its name.
    pub name: String,
    /// What it is: `kafka`, `redis` …
    pub kind: String,
    /// Records read from the spool for it.
    pub read: Counter,
    /// Records that its filter left out.
    pub filtered: Counter,
    /// Records that its receiver confirmed.
    pub delivered: Counter,
    /// Bytes of these records, without line ends.
    pub delivered_bytes: Counter,
    /// Records that its receiver will never take, by kind.
    pub refused: ByKind,
    /// Records that were dropped from the spool before it had read them.
    pub missed: Counter,
    /// Records that were sent again and may have arrived twice.
    pub again: Counter,
    /// Attempts that failed.
    pub troubles: Counter,
    /// Records sent and not settled.
    pub outstanding: Counter,
    /// Records in the spool up to which not everything is settled, those that its filter will
    /// leave out included.
    pub lag: Counter,
    /// From the packet to the confirmation.
    pub latency: Latency,
    /// What it waits for at the moment.
    pub activity: Activity,
    refusal: Mutex<Option<Refusal>>,
    health: Mutex<Health>,
    own: Mutex<BTreeMap<String, u64>>,
}

impl SinkFigures {
    /// Of a sink that tells in `activity` what it waits for.
    pub fn new(name: impl Into<String>, kind: impl Into<String>, activity: Activity) -> Self {
        Self { name: name.into(), kind: kind.into(), activity, ..Self::default() }
    }

    /// Why records still wait, or did not arrive, for people; none when all is well.
    pub fn reason(&self) -> Option<String> {
        if let Health::Down(why) = self.health() {
            return Some(why);
        }
        if self.lag.get() == 0 {
            return None;
        }
        if let Some((what, time)) = self.activity.longest() {
            return Some(format!("{what} since {} s", time.as_secs()));
        }
        match (self.outstanding.get(), self.health()) {
            (0, Health::Idle) => Some("its receiver has not answered yet".to_owned()),
            (0, _) => None,
            (count, _) => Some(format!("{count} are sent and not confirmed yet")),
        }
    }

    /// The first record that was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes down a refusal if it is the first.
    pub(crate) fn refused_first(&self, refusal: impl FnOnce() -> Refusal) {
        let mut first = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(refusal);
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets how it is; true when that is news.
    pub fn set_health(&self, health: Health) -> bool {
        let mut current = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *current != health;
        *current = health;
        news
    }

    /// Counters of the sink's own kind.
    pub fn own(&self) -> BTreeMap<String, u64> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets one of them.
    pub fn set_own(&self, name: &str, value: u64) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = own.get_mut(name) {
            *place = value;
        } else if own.len() < 256 {
            own.insert(name.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_cumulative() {
        let latency = Latency::default();
        latency.add(Duration::from_micros(90), 2);
        latency.add(Duration::from_micros(900), 1);
        latency.add(Duration::from_secs(3600), 1);
        let buckets: Vec<_> = latency.cumulative().collect();
        assert_eq!(buckets[0], (100, 2));
        assert_eq!(buckets[3], (1_000, 3));
        assert_eq!(buckets[13], (60_000_000, 3));
        assert_eq!(latency.total().0, 4);
        assert_eq!(
            [0.0, 0.5, 0.75].map(|share| latency.quantile(share)),
            [100, 100, 1000].map(Some)
        );
        assert_eq!((latency.quantile(0.99), Latency::default().quantile(0.5)), (None, None));
    }

    #[test]
    fn figures_say_why_records_wait() {
        let figures = SinkFigures::new("one", "lines", Activity::default());
        assert_eq!(figures.reason(), None);
        figures.lag.set(103);
        let reason = || figures.reason().unwrap_or_default();
        assert_eq!(reason(), "its receiver has not answered yet");
        let wait = figures.activity.begin("connecting to a:1".into());
        assert_eq!(reason(), "connecting to a:1 since 0 s");
        drop(wait);
        figures.outstanding.set(3);
        assert_eq!(reason(), "3 are sent and not confirmed yet");
        figures.set_health(Health::Down("a:1: Connection refused".into()));
        assert_eq!(reason(), "a:1: Connection refused");
    }

    #[test]
    fn kinds_are_limited() {
        let kinds = ByKind::default();
        (0..1000).for_each(|at| kinds.add(&format!("kind-{at}"), 1));
        assert_eq!((kinds.all().len(), kinds.total()), (129, 1000));
    }
}
