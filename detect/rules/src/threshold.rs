//! Thresholds: in rules, and the lines of the threshold file.

use crate::address::AddressSet;

/// How alerts are thinned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// The first `count` of a window alert.
    Limit,
    /// Every `count`-th alerts.
    Threshold,
    /// One alert a window, at the `count`-th.
    Both,
    /// Alerts at `count`, `count` * `multiplier`, `count` * `multiplier`², ...
    Backoff,
    /// `detection_filter`: every match after `count` in the window.
    DetectionFilter,
    /// `rate_filter`: another action after `count` in the window.
    Rate {
        /// The other action.
        new_action: RateAction,
        /// For how many seconds it holds.
        timeout: u32,
    },
}

/// Action of a `rate_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateAction {
    /// An event only.
    Alert,
    /// Drop.
    Drop,
    /// As a `pass` rule.
    Pass,
    /// Reject.
    Reject,
    /// Accepted without effect (`log`, `sdrop`).
    Nothing,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// The packet's source.
    BySrc,
    /// The packet's destination.
    ByDst,
    /// The unordered pair.
    ByBoth,
    /// All of the rule.
    ByRule,
    /// The flow.
    ByFlow,
    /// `by_either`, for `suppress` only.
    ByEither,
}

/// A threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// How.
    pub kind: ThresholdKind,
    /// Counted by.
    pub track: Track,
    /// How many.
    pub count: u32,
    /// Length of the window.
    pub seconds: u32,
    /// Factor of `backoff`.
    pub multiplier: u32,
}

/// An entry of the threshold file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdEntry {
    /// Generator; 0: all.
    pub gid: u32,
    /// Signature; 0: all of the generator.
    pub sid: u32,
    /// What it says.
    pub entry: EntryKind,
    /// Line in the file, from 1 (the last of joined ones).
    pub line: u32,
}

/// What an entry of the threshold file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `threshold`, `event_filter`, `rate_filter`.
    Threshold(Threshold),
    /// `suppress`; without track the rule alerts no more at all.
    Suppress(Option<(Track, AddressSet)>),
}

/// The entries of a threshold file, in order.
#[derive(Clone, Debug, Default)]
pub struct ThresholdFile {
    /// The entries.
    pub entries: Vec<ThresholdEntry>,
}

impl ThresholdEntry {
    /// Whether it is about a rule; 0 stands for all.
    pub const fn concerns(&self, gid: u32, sid: u32) -> bool {
        (self.gid == 0 || self.gid == gid) && (self.sid == 0 || self.sid == sid)
    }
}
