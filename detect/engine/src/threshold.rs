//! Thresholds: which matches become alerts.
//!
//! `threshold`, `detection_filter` and `rate_filter` count matches per tracker in windows of
//! packet time; suppression drops alerts by address. Semantics follow Suricata 8.

use std::collections::HashMap;
use std::net::IpAddr;

use decode::Timestamp;
use rules::threshold::{Threshold, ThresholdKind, Track};

/// What a threshold says of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes an alert.
    Alert,
    /// No alert, but the rule's action holds.
    Silent,
    /// Neither alert nor action.
    Nothing,
    /// The action of the rate filter holds instead of the rule's.
    NewAction,
}

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tracker {
    Rule,
    Address(IpAddr),
    Pair(IpAddr, IpAddr),
    Flow(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    gid: u32,
    sid: u32,
    slot: u8,
    tracker: Tracker,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// No match was counted yet.
    fresh: bool,
    start: Timestamp,
    count: u32,
    /// For `backoff`: the count that alerts next. For rate filters: since when the new action
    /// holds, in seconds, 0: not.
    extra: u64,
    /// From when on it says nothing that a new entry would not say.
    stale: Timestamp,
}

/// Endpoints of the packet that matched.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// Source address of the packet.
    pub src: IpAddr,
    /// Destination address of the packet.
    pub dst: IpAddr,
    /// The flow's number, if it has one.
    pub flow: Option<u64>,
}

/// Counters of a worker's thresholds, by rule and tracker.
#[derive(Debug)]
pub struct Thresholds {
    entries: HashMap<Key, Entry>,
    limit: usize,
    /// When stale entries were last looked for.
    swept: Timestamp,
    /// Entries that could not be made because the table was full.
    pub refused: u64,
}

/// Bytes that one entry stands for in the memory limit.
const ENTRY_BYTES: usize = 96;

impl Thresholds {
    /// With a memory limit in bytes.
    pub fn new(memcap: usize) -> Self {
        Self {
            entries: HashMap::new(),
            limit: (memcap / ENTRY_BYTES).max(16),
            swept: Timestamp(0),
            refused: 0,
        }
    }

    /// Bytes in use, as the limit counts them.
    pub fn memory(&self) -> usize {
        self.entries.len() * ENTRY_BYTES
    }

    /// Counts a match of rule (`gid`, `sid`) against `threshold` and says what becomes of it.
    /// `slot` keeps several thresholds of a rule apart.
    pub fn check(
        &mut self,
        rule: (u32, u32),
        slot: u8,
        threshold: &Threshold,
        ends: &Endpoints,
        now: Timestamp,
    ) -> Verdict {
        let tracker = match threshold.track {
            Track::ByRule => Tracker::Rule,
            Track::BySrc => Tracker::Address(ends.src),
            Track::ByDst => Tracker::Address(ends.dst),
            Track::ByBoth | Track::ByEither => {
                Tracker::Pair(ends.src.min(ends.dst), ends.src.max(ends.dst))
            }
            Track::ByFlow => match ends.flow {
                Some(id) => Tracker::Flow(id),
                None => return Verdict::Nothing,
            },
        };
        let key = Key { gid: rule.0, sid: rule.1, slot, tracker };
        if !self.entries.contains_key(&key) && !self.make_room(now) {
            self.refused += 1;
            return Verdict::Alert;
        }
        let fresh = Entry { fresh: true, start: now, count: 0, extra: 0, stale: now };
        let entry = self.entries.entry(key).or_insert(fresh);
        let verdict = judge(threshold, entry, now);
        entry.stale = stale(threshold, entry, now);
        verdict
    }

    /// True when there is room for one more entry; sheds those that are stale. A full table is
    /// searched for them at most once a second, since a flood of new addresses fills it again.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.entries.len() < self.limit {
            return true;
        }
        if now.since_us(self.swept) >= 1_000_000 || now < self.swept {
            self.swept = now;
            self.entries.retain(|_, e| e.stale >= now);
        }
        self.entries.len() < self.limit
    }
}

/// For how long an entry of a flow is kept after its last match, seconds.
const FLOW_ENTRY_SECONDS: u64 = 3600;

/// When an entry's window, or its new action, is over.
fn stale(threshold: &Threshold, entry: &Entry, now: Timestamp) -> Timestamp {
    let (from, seconds) = match threshold.kind {
        ThresholdKind::Backoff => (now, FLOW_ENTRY_SECONDS),
        ThresholdKind::Rate { timeout, .. } if entry.extra != 0 => (now, u64::from(timeout) + 1),
        _ => (entry.start, u64::from(threshold.seconds)),
    };
    Timestamp(from.0.saturating_add(seconds.saturating_mul(1_000_000)))
}

/// True while `now` lies inside the window of `seconds` that began at `start` (inclusive).
fn inside(start: Timestamp, now: Timestamp, seconds: u32) -> bool {
    now.0 <= start.0.saturating_add(u64::from(seconds) * 1_000_000)
}

fn judge(threshold: &Threshold, entry: &mut Entry, now: Timestamp) -> Verdict {
    let count = threshold.count;
    if threshold.kind == ThresholdKind::Backoff {
        return backoff(threshold, entry);
    }
    if let ThresholdKind::Rate { timeout, .. } = threshold.kind {
        return rate(threshold, timeout, entry, now);
    }
    if std::mem::take(&mut entry.fresh) || !inside(entry.start, now, threshold.seconds) {
        entry.start = now;
        entry.count = 1;
        return match threshold.kind {
            ThresholdKind::Limit => Verdict::Alert,
            ThresholdKind::DetectionFilter => Verdict::Nothing,
            ThresholdKind::Threshold if count <= 1 => {
                entry.count = 0;
                Verdict::Alert
            }
            _ if count <= 1 => Verdict::Alert,
            _ => Verdict::Silent,
        };
    }
    entry.count = entry.count.saturating_add(1);
    match threshold.kind {
        ThresholdKind::Limit if entry.count <= count => Verdict::Alert,
        ThresholdKind::Threshold if entry.count >= count => {
            entry.count = 0;
            // The window goes on from where it began.
            Verdict::Alert
        }
        ThresholdKind::Both if entry.count == count => Verdict::Alert,
        ThresholdKind::DetectionFilter if entry.count > count => Verdict::Alert,
        ThresholdKind::DetectionFilter => Verdict::Nothing,
        _ => Verdict::Silent,
    }
}

fn backoff(threshold: &Threshold, entry: &mut Entry) -> Verdict {
    entry.count = entry.count.saturating_add(1);
    if entry.extra == 0 {
        entry.extra = u64::from(threshold.count.max(1));
    }
    if u64::from(entry.count) == entry.extra {
        entry.extra = entry.extra.saturating_mul(u64::from(threshold.multiplier.max(2)));
        return Verdict::Alert;
    }
    Verdict::Silent
}

fn rate(threshold: &Threshold, timeout: u32, entry: &mut Entry, now: Timestamp) -> Verdict {
    if entry.extra != 0 {
        if now.seconds().saturating_sub(entry.extra) <= u64::from(timeout) {
            return Verdict::NewAction;
        }
        // The match that finds the time-out over keeps its own action; the window goes on.
        entry.extra = 0;
        return Verdict::Alert;
    }
    if std::mem::take(&mut entry.fresh) || !inside(entry.start, now, threshold.seconds) {
        entry.start = now;
        entry.count = 1;
        return Verdict::Alert;
    }
    entry.count = entry.count.saturating_add(1);
    if entry.count > threshold.count {
        entry.extra = now.seconds().max(1);
        return Verdict::NewAction;
    }
    Verdict::Alert
}
