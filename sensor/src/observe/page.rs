//! A page of metrics in the making.

use super::catalogue;
use super::metric::{Buckets, Descriptor, Family, Sample, Value};

/// The label of a worker.
pub(crate) const WORKER: &str = "worker";

/// Samples by family.
#[derive(Debug)]
pub(crate) struct Page {
    /// In the order of the catalogue.
    families: Vec<Family>,
    /// Counters that the catalogue does not know.
    undescribed: u64,
}

impl Page {
    /// Without samples.
    pub(crate) fn new() -> Self {
        let family = |about| Family { about, samples: Vec::new() };
        Self { families: catalogue::all().map(family).collect(), undescribed: 0 }
    }

    /// Adds a value under the program's name for the metric.
    pub(crate) fn add(&mut self, key: &str, labels: &[(&'static str, &str)], value: u64) {
        self.put(key, labels, |about| of(about, value));
    }

    /// Adds a value that is no integer.
    pub(crate) fn add_real(&mut self, key: &str, labels: &[(&'static str, &str)], value: f64) {
        self.put(key, labels, |_| Value::Real(value));
    }

    /// Adds a histogram.
    pub(crate) fn add_buckets(
        &mut self,
        key: &str,
        labels: &[(&'static str, &str)],
        value: Buckets,
    ) {
        self.put(key, labels, |_| Value::Buckets(value));
    }

    /// Adds a counter of statistics by its name there; of one worker, or of all.
    pub(crate) fn count(&mut self, counter: &str, worker: Option<&str>, value: u64) {
        let Some(found) = catalogue::find(counter) else {
            self.undescribed += 1;
            return;
        };
        let Some(family) = self.families.get_mut(found.at) else { return };
        let values = found.values.into_iter().map(str::to_owned);
        let mut labels: Vec<_> = family.about.labels.iter().copied().zip(values).collect();
        labels.extend(worker.map(|worker| (WORKER, worker.to_owned())));
        family.samples.push(Sample { labels, value: of(family.about, value) });
    }

    /// Families that have samples.
    pub(crate) fn finish(mut self) -> Vec<Family> {
        let undescribed = self.undescribed;
        self.add("undescribed_counters", &[], undescribed);
        self.families.retain(|family| !family.samples.is_empty());
        self.families
    }

    fn put(
        &mut self,
        key: &str,
        labels: &[(&'static str, &str)],
        value: impl FnOnce(&Descriptor) -> Value,
    ) {
        let family = catalogue::place(key).and_then(|at| self.families.get_mut(at));
        let Some(family) = family else {
            self.undescribed += 1;
            return;
        };
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        family.samples.push(Sample { labels, value: value(family.about) });
    }
}

fn of(about: &Descriptor, value: u64) -> Value {
    match about.divisor {
        1 => Value::Whole(value),
        divisor => Value::Real(value as f64 / divisor as f64),
    }
}
