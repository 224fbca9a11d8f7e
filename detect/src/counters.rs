//! Counters of a detector in the order of statistics, and figures for people.

use std::borrow::Cow;
use std::collections::HashMap;

use decode::Timestamp;
use engine::{Flow, Inspector};
use flow::policy::DropReason;
use protocol::AppProto;

/// Counters by dotted name, in the order in which statistics list them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Names and values.
    pub entries: Vec<(Cow<'static, str>, u64)>,
}

impl Snapshot {
    /// Adds a counter at the end.
    pub fn push(&mut self, name: &str, value: u64) {
        self.entries.push((Cow::Owned(name.to_owned()), value));
    }

    /// Adds the counters of another worker; for those with `max` in their names the larger
    /// counts, for those with `avg` the mean.
    pub fn merge(&mut self, other: &Self) {
        for (at, (name, value)) in other.entries.iter().enumerate() {
            let same_place = self.entries.get(at).is_some_and(|e| e.0 == *name);
            let found = if same_place {
                self.entries.get_mut(at)
            } else {
                self.entries.iter_mut().find(|e| e.0 == *name)
            };
            match found {
                Some(entry) if name.contains("max_") => entry.1 = entry.1.max(*value),
                Some(entry) if name.contains("avg_") => entry.1 = entry.1.midpoint(*value),
                Some(entry) => entry.1 = entry.1.saturating_add(*value),
                None => self.entries.push((name.clone(), *value)),
            }
        }
    }

    /// The value of a counter.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.entries.iter().find(|e| e.0 == name).map(|e| e.1)
    }
}

/// Counters of the engine, under `detect.`.
pub(crate) fn engine(inspector: &Inspector, detection: bool, add: &mut dyn FnMut(&str, u64)) {
    if detection {
        let counters = &inspector.counters;
        add("detect.alert", counters.alert);
        add("detect.alert_queue_overflow", counters.overflow);
        add("detect.alerts_suppressed", counters.suppressed);
    }
    add("detect.thresholds.cache.memuse", inspector.threshold_memory() as u64);
}

/// Counters of inline mode: what became of packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct InlineCounters {
    accepted: u64,
    blocked: u64,
    rejected: u64,
    reasons: [u64; DropReason::ALL.len()],
}

impl InlineCounters {
    /// Counts a packet by its fate.
    pub(crate) fn count(&mut self, dropped: Option<DropReason>, rejected: bool) {
        match dropped {
            None if rejected => self.rejected += 1,
            None => self.accepted += 1,
            Some(reason) => {
                if rejected {
                    self.rejected += 1;
                } else {
                    self.blocked += 1;
                }
                if let Some(at) = DropReason::ALL.iter().position(|r| *r == reason) {
                    self.reasons[at] += 1;
                }
            }
        }
    }

    pub(crate) fn for_each(&self, add: &mut dyn FnMut(&str, u64)) {
        add("ips.accepted", self.accepted);
        add("ips.blocked", self.blocked);
        add("ips.rejected", self.rejected);
        add("ips.replaced", 0);
        for (reason, count) in DropReason::ALL.iter().zip(self.reasons) {
            add(&format!("ips.drop_reason.{}", reason.counter_name()), count);
        }
    }
}

/// Figures for people.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Frames.
    pub packets: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Flows that ended.
    pub flows: u64,
    /// Time of the first and of the last frame.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Flows by application protocol.
    pub protocols: HashMap<AppProto, u64>,
    /// Alerts by index of the rule.
    pub alerts: HashMap<u32, u64>,
}

impl Summary {
    pub(crate) fn count(&mut self, time: Timestamp, len: u32) {
        self.packets += 1;
        self.bytes += u64::from(len);
        self.span = match self.span {
            None => Some((time, time)),
            Some((first, last)) => Some((first.min(time), last.max(time))),
        };
    }

    pub(crate) fn flow(&mut self, flow: &Flow) {
        self.flows += 1;
        let proto = flow.extension.session.proto();
        if proto.is_known() {
            *self.protocols.entry(proto).or_default() += 1;
        }
    }

    pub(crate) fn alert(&mut self, rule: u32) {
        *self.alerts.entry(rule).or_default() += 1;
    }

    /// Adds another worker's figures.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.flows += other.flows;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        for (proto, count) in &other.protocols {
            *self.protocols.entry(*proto).or_default() += count;
        }
        for (rule, count) in &other.alerts {
            *self.alerts.entry(*rule).or_default() += count;
        }
    }
}
