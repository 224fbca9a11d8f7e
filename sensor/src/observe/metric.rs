//! What a metric is: a family with a name, a kind, a help text and samples.

/// What begins the name of every family.
pub(crate) const PREFIX: &str = "bateleur_";

/// How the values of a family are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only rises, until the process ends.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Always 1: what there is to know lies in the labels.
    Info,
    /// How many values lie up to each of some bounds.
    Histogram,
}

impl Kind {
    /// The word of OpenMetrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
            Self::Histogram => "histogram",
        }
    }
}

/// What is known of a family before anything is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    /// The counter of statistics that it shows, if it shows one. A `*` stands for the value of a
    /// label, the last one for all that follows.
    pub(crate) counter: &'static str,
    /// Name without the prefix and `_total`; empty: that of the counter with `_`.
    name: &'static str,
    /// Counter, gauge …
    pub(crate) kind: Kind,
    /// What it says, for people.
    pub(crate) help: &'static str,
    /// Labels of its samples, without that of the worker.
    pub(crate) labels: &'static [&'static str],
    /// Values are divided by this.
    pub(crate) divisor: u64,
}

impl Descriptor {
    /// Of a counter of statistics that only rises.
    pub(super) const fn counter(counter: &'static str, help: &'static str) -> Self {
        Self { counter, name: "", kind: Kind::Counter, help, labels: &[], divisor: 1 }
    }

    /// Of a counter of statistics that is a level.
    pub(super) const fn gauge(counter: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Gauge, ..Self::counter(counter, help) }
    }

    /// Of what statistics do not have.
    pub(super) const fn own(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, ..Self::counter("", help) }
    }

    /// Under another name than the counter's.
    pub(super) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// With labels.
    pub(super) const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// The counter has so many of the metric's units.
    pub(super) const fn divided(self, divisor: u64) -> Self {
        Self { divisor, ..self }
    }

    /// The family's name, without `_total`.
    pub(crate) fn name(&self) -> String {
        match self.name {
            "" => format!("{PREFIX}{}", self.counter.replace(['.', '-'], "_")),
            name => format!("{PREFIX}{name}"),
        }
    }

    /// The name by which the program calls it: the counter's, or its own.
    pub(crate) const fn key(&self) -> &'static str {
        if self.counter.is_empty() { self.name } else { self.counter }
    }
}

/// A family with its samples.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// What it is.
    pub(crate) about: &'static Descriptor,
    /// Its samples, no two with the same labels.
    pub(crate) samples: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Names and values of labels.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The value.
    pub(crate) value: Value,
}

/// A value of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// As it was counted.
    Whole(u64),
    /// Of another unit than it was counted in.
    Real(f64),
    /// Of a histogram.
    Buckets(Buckets),
}

/// A histogram at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    /// Upper bounds, rising, with how many values are no larger.
    pub(crate) cumulative: Vec<(f64, u64)>,
    /// How many values there are.
    pub(crate) count: u64,
    /// Their sum.
    pub(crate) sum: f64,
}
