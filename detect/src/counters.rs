//! Counters of a detector in the order of statistics, and figures for people.

use std::borrow::Cow;
use std::collections::HashMap;

use decode::Timestamp;
use engine::{Flow, Inspector};
use flow::policy::DropReason;
use protocol::AppProto;

/// How a counter's total over workers is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Total {
    /// The largest of the workers'.
    Max,
    /// One total divided by another.
    Quotient(&'static str, &'static str),
    /// The mean of the workers', each as often as this counter says.
    Mean(&'static str),
}

/// Counters whose totals are not sums, by their exact names.
const TOTALS: [(&str, Total); 9] = [
    ("decoder.avg_pkt_size", Total::Quotient("decoder.bytes", "decoder.pkts")),
    ("decoder.max_pkt_size", Total::Max),
    ("decoder.max_mac_addrs_src", Total::Max),
    ("decoder.max_mac_addrs_dst", Total::Max),
    ("flow.wrk.spare_sync_avg", Total::Mean("flow.wrk.spare_sync")),
    ("flow.wrk.flows_injected_max", Total::Max),
    ("flow.mgr.rows_maxlen", Total::Max),
    ("flow.recycler.queue_avg", Total::Mean("flow.recycler.recycled")),
    ("flow.recycler.queue_max", Total::Max),
];

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

    /// Adds the counters of another worker, which may be the totals of several.
    pub fn merge(&mut self, other: &Self) {
        let totals = TOTALS.map(|(name, total)| (name, self.total(other, name, total)));
        for (at, (name, value)) in other.entries.iter().enumerate() {
            let same_place = self.entries.get(at).is_some_and(|e| e.0 == *name);
            let found = if same_place {
                self.entries.get_mut(at)
            } else {
                self.entries.iter_mut().find(|e| e.0 == *name)
            };
            match found {
                Some(entry) => entry.1 = entry.1.saturating_add(*value),
                None => self.entries.push((name.clone(), *value)),
            }
        }
        for (name, total) in totals {
            if let Some(entry) = self.entries.iter_mut().find(|e| e.0 == name) {
                entry.1 = total;
            }
        }
    }

    /// The value of a counter in these and the other counters together.
    fn total(&self, other: &Self, name: &str, total: Total) -> u64 {
        let both = |name| [self, other].map(|of| u128::from(of.get(name).unwrap_or(0)));
        let values = both(name);
        let total = match total {
            Total::Max => values[0].max(values[1]),
            Total::Quotient(of, by) => {
                let (of, by) = (both(of), both(by));
                (of[0] + of[1]).checked_div(by[0] + by[1]).unwrap_or(0)
            }
            Total::Mean(weight) => {
                let weights = both(weight);
                let sum = values[0].saturating_mul(weights[0]);
                let sum = sum.saturating_add(values[1].saturating_mul(weights[1]));
                sum.checked_div(weights[0] + weights[1]).unwrap_or(0)
            }
        };
        u64::try_from(total).unwrap_or(u64::MAX)
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
    if detection {
        let refused = inspector.refused();
        add("detect.thresholds.refused", refused.thresholds);
        add("detect.host_bits.refused", refused.host_bits);
        add("detect.pair_bits.refused", refused.pair_bits);
        add("detect.host_tags.refused", refused.host_tags);
        add("detect.datasets.refused", refused.dataset_values);
        add("detect.pcre.limit_exceeded", refused.pcre_matches);
        add("detect.groups.renewed", refused.groups_renewed);
    }
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

    /// The rules that alerts are counted by are others from now on.
    pub(crate) fn forget_alerts(&mut self) {
        self.alerts.clear();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{EngineSettings, Resources, Ruleset};
    use rules::threshold::ThresholdFile;

    use super::*;
    use crate::detector::Detector;
    use crate::settings::Settings;

    fn snapshot(entries: &[(&str, u64)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        entries.iter().for_each(|(name, value)| snapshot.push(name, *value));
        snapshot
    }

    /// A counter of three workers and its total, with further counters that it depends on.
    fn check(name: &str, values: [u64; 3], beside: &[(&str, [u64; 3])], total: u64) {
        let worker = |at: usize| {
            let mut entries: Vec<_> = beside.iter().map(|(name, of)| (*name, of[at])).collect();
            entries.push((name, values[at]));
            snapshot(&entries)
        };
        let mut totals = worker(0);
        totals.merge(&worker(1));
        totals.merge(&worker(2));
        assert_eq!(totals.get(name), Some(total), "{name}");
    }

    #[test]
    fn totals_are_sums_or_what_their_names_say() {
        for name in ["defrag.max_trackers_reached", "defrag.max_frags_reached", "decoder.pkts"] {
            check(name, [3, 4, 5], &[], 12);
        }
        for name in [
            "decoder.max_pkt_size",
            "decoder.max_mac_addrs_src",
            "flow.recycler.queue_max",
            "flow.mgr.rows_maxlen",
            "flow.wrk.flows_injected_max",
        ] {
            check(name, [3, 5, 4], &[], 5);
        }
        let beside = [("decoder.pkts", [1, 2, 3]), ("decoder.bytes", [1500, 120, 181])];
        check("decoder.avg_pkt_size", [1500, 60, 60], &beside, 300);
        check("decoder.avg_pkt_size", [0; 3], &[], 0);
        let beside = [("flow.recycler.recycled", [1, 1, 8])];
        check("flow.recycler.queue_avg", [10, 30, 5], &beside, 8);
    }

    #[test]
    fn counters_that_one_worker_lacks_are_kept() {
        let mut totals = snapshot(&[("a", 1), ("b", 2)]);
        totals.merge(&snapshot(&[("b", 5), ("decoder.max_pkt_size", 7)]));
        let want = snapshot(&[("a", 1), ("b", 7), ("decoder.max_pkt_size", 7)]);
        assert_eq!(totals.entries, want.entries);
    }

    /// What is named like a maximum or a mean is one, or is known to be a sum.
    #[test]
    fn every_counter_of_a_detector_has_its_kind() {
        const SUMS: [&str; 2] = ["defrag.max_trackers_reached", "defrag.max_frags_reached"];
        let (rules, none) = (Vec::new(), ThresholdFile::default());
        let (names, settings) = (Arc::default(), EngineSettings::default());
        let mut resources = Resources::without_files();
        let (ruleset, _) = Ruleset::new(rules, &none, names, settings, &mut resources);
        let settings = Settings { inline: true, detection: true, ..Settings::default() };
        let counters = Detector::new(Arc::new(settings), Arc::new(ruleset)).counters();
        for (name, _) in &counters.entries {
            let odd = ["max", "avg"].iter().any(|word| name.contains(word));
            let listed = TOTALS.iter().any(|(known, _)| known == name);
            assert_eq!(odd, listed || SUMS.contains(&&**name), "{name}");
        }
        for name in ["thresholds", "host_bits", "pair_bits", "host_tags", "datasets"] {
            assert_eq!(counters.get(&format!("detect.{name}.refused")), Some(0), "{name}");
        }
        for name in ["detect.pcre.limit_exceeded", "detect.groups.renewed"] {
            assert_eq!(counters.get(name), Some(0), "{name}");
        }
        for (name, total) in TOTALS {
            let parts = match total {
                Total::Max => vec![name],
                Total::Quotient(of, by) => vec![name, of, by],
                Total::Mean(weight) => vec![name, weight],
            };
            parts.iter().for_each(|name| assert!(counters.get(name).is_some(), "{name}"));
        }
    }
}
