//! Alerts by rule in the records of two programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Number of alerts by number of rule.
pub(crate) type Alerts = BTreeMap<u64, u64>;

/// Counts the alerts in a file of EVE records; a file that is not there has none.
pub(crate) fn count(path: &Path) -> Result<Alerts> {
    if !path.exists() {
        return Ok(Alerts::new());
    }
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    let mut alerts = Alerts::new();
    for line in BufReader::with_capacity(1 << 20, file).lines() {
        if let Some(rule) = rule_of(&line?) {
            *alerts.entry(rule).or_default() += 1;
        }
    }
    Ok(alerts)
}

/// The rule of an alert; none for other records. Most lines are no alerts and are not parsed.
fn rule_of(line: &str) -> Option<u64> {
    if !line.contains("\"event_type\":\"alert\"") {
        return None;
    }
    let record: Value = serde_json::from_str(line).ok()?;
    (record.get("event_type")? == "alert").then_some(())?;
    record.get("alert")?.get("signature_id")?.as_u64()
}

/// A rule whose alerts differ: its number, those of ours and of theirs.
pub(crate) type Difference = (u64, u64, u64);

/// The rules whose number of alerts differs, the widest apart first.
pub(crate) fn differences(ours: &Alerts, theirs: &Alerts) -> Vec<Difference> {
    let of = |alerts: &Alerts, rule: u64| alerts.get(&rule).copied().unwrap_or(0);
    let mut rules: Vec<u64> = ours.keys().chain(theirs.keys()).copied().collect();
    rules.sort_unstable();
    rules.dedup();
    let mut found: Vec<Difference> =
        rules.into_iter().map(|rule| (rule, of(ours, rule), of(theirs, rule))).collect();
    found.retain(|(_, a, b)| a != b);
    found.sort_by_key(|&(rule, a, b)| (std::cmp::Reverse(a.abs_diff(b)), rule));
    found
}

#[cfg(test)]
mod tests {
    use super::{Alerts, differences, rule_of};

    #[test]
    fn alerts_are_recognised() {
        let alert = r#"{"event_type":"alert","alert":{"signature_id":7}}"#;
        assert_eq!(rule_of(alert), Some(7));
        for other in [
            r#"{"event_type":"dns"}"#,
            r#"{"event_type":"http","url":"\"event_type\":\"alert\""}"#,
            r#"{"event_type":"alert"}"#,
            r#"{"event_type":"alert","#,
        ] {
            assert_eq!(rule_of(other), None, "{other}");
        }
    }

    #[test]
    fn differences_are_sorted_by_size() {
        let ours = Alerts::from([(1, 1), (2, 5), (3, 3)]);
        let theirs = Alerts::from([(1, 1), (2, 9), (4, 1)]);
        assert_eq!(differences(&ours, &theirs), [(2, 5, 9), (3, 3, 0), (4, 0, 1)]);
    }
}
