//! What came of a comparison, for people and for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::alerts::{Alerts, differences};
use crate::measure::Cost;

/// Rules that are listed with their difference.
const MOST_RULES: usize = 20;

/// The runs of one program.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Replays of the capture.
    pub(crate) replays: Vec<Cost>,
    /// Replays of next to nothing.
    pub(crate) starts: Vec<Cost>,
    /// Alerts of the last replay.
    pub(crate) alerts: Alerts,
}

/// Least, median and most.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        0 if middle > 0 => f64::midpoint(at(middle - 1), at(middle)),
        _ => at(middle),
    };
    Spread { least: at(0), median, most: at(values.len().saturating_sub(1)) }
}

impl Runs {
    fn start(&self) -> Spread {
        spread(self.starts.iter().map(|cost| cost.cpu_s))
    }

    /// CPU time of replays without the start.
    fn work(&self) -> Spread {
        let start = self.start().median;
        spread(self.replays.iter().map(|cost| (cost.cpu_s - start).max(0.0)))
    }

    fn peak_mb(&self) -> f64 {
        self.replays.iter().map(|cost| cost.peak_mb).fold(0.0, f64::max)
    }

    fn total(&self) -> u64 {
        self.alerts.values().sum()
    }

    fn json(&self) -> Value {
        let spread = |s: Spread| json!({ "least": s.least, "median": s.median, "most": s.most });
        json!({
            "cpu_s": spread(self.work()),
            "start_cpu_s": spread(self.start()),
            "wall_s": spread(self::spread(self.replays.iter().map(|cost| cost.wall_s))),
            "peak_mb": self.peak_mb(),
            "alerts": self.total(),
        })
    }
}

/// How many times the CPU time of ours the peer's is.
fn ratio(ours: &Runs, peer: &Runs) -> f64 {
    peer.work().median / ours.work().median.max(1e-6)
}

/// For people.
pub(crate) fn text(ours: &Runs, peer: &Runs) -> String {
    let mut out = String::from(
        "           CPU s of the replay       start CPU s   peak MB   alerts\n\
         \x20          least  median    most\n",
    );
    for (name, runs) in [("sensor", ours), ("peer", peer)] {
        let work = runs.work();
        let _ = writeln!(
            out,
            "{name:<8} {:>7.3} {:>7.3} {:>7.3}       {:>10.3} {:>9.0} {:>8}",
            work.least,
            work.median,
            work.most,
            runs.start().median,
            runs.peak_mb(),
            runs.total()
        );
    }
    let _ = writeln!(out, "ratio (peer / sensor, medians): {:.2}", ratio(ours, peer));
    let different = differences(&ours.alerts, &peer.alerts);
    let rules = ours.alerts.len().max(peer.alerts.len());
    let _ = writeln!(out, "rules whose alerts differ: {} of {rules}", different.len());
    for (rule, a, b) in different.iter().take(MOST_RULES) {
        let _ = writeln!(out, "  {rule:>10}  sensor {a:>7}  peer {b:>7}");
    }
    if let Some(more) = different.len().checked_sub(MOST_RULES).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more");
    }
    out
}

/// For scripts.
pub(crate) fn json(ours: &Runs, peer: &Runs) -> Value {
    let different = differences(&ours.alerts, &peer.alerts);
    json!({
        "sensor": ours.json(),
        "peer": peer.json(),
        "ratio": ratio(ours, peer),
        "different": different
            .iter()
            .map(|(rule, a, b)| json!({ "rule": rule, "sensor": a, "peer": b }))
            .collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Runs, Spread, ratio, spread, text};
    use crate::measure::Cost;

    fn runs(replays: &[f64], start: f64) -> Runs {
        let cost = |cpu_s: &f64| Cost { cpu_s: *cpu_s, wall_s: 0.0, peak_mb: 1.0 };
        Runs {
            replays: replays.iter().map(cost).collect(),
            starts: vec![cost(&start)],
            ..Runs::default()
        }
    }

    #[test]
    fn spreads() {
        let check = |values: &[f64], least, median, most| {
            assert_eq!(spread(values.iter().copied()), Spread { least, median, most });
        };
        check(&[3.0, 1.0, 2.0], 1.0, 2.0, 3.0);
        check(&[4.0, 1.0], 1.0, 2.5, 4.0);
        check(&[], 0.0, 0.0, 0.0);
    }

    #[test]
    fn the_start_is_taken_away() {
        let (ours, peer) = (runs(&[1.5], 0.5), runs(&[13.0], 9.0));
        assert!((ratio(&ours, &peer) - 4.0).abs() < 1e-9);
        assert!(text(&ours, &peer).contains("ratio (peer / sensor, medians): 4.00"));
    }
}
