//! What a replay came to, in words and figures for people.

use std::fmt::Write;
use std::path::Path;

use engine::Ruleset;

use super::replay::Outcome;

/// Rules that are listed with their alerts.
const MOST_RULES: usize = 20;

/// Alerts of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alerts {
    /// How many.
    pub(crate) count: u64,
    /// The rule's number.
    pub(crate) sid: u32,
    /// The rule's message.
    pub(crate) msg: String,
}

/// A text of several lines.
pub(crate) fn text(outcome: &Outcome, rules: &Ruleset, events: Option<&Path>) -> String {
    let alerts = outcome.summary.alerts.iter().filter_map(|(index, count)| {
        let rule = &rules.get(*index)?.rule;
        Some(Alerts { count: *count, sid: rule.sid, msg: rule.msg.clone() })
    });
    of_alerts(outcome, alerts.collect(), events)
}

/// The same, when alerts were counted under several generations of rules.
pub(crate) fn of_alerts(outcome: &Outcome, by_rule: Vec<Alerts>, events: Option<&Path>) -> String {
    let summary = &outcome.summary;
    let seconds = outcome.elapsed.as_secs_f64().max(1e-6);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "packets    {}   {} bytes   {} flows",
        grouped(summary.packets),
        grouped(summary.bytes),
        grouped(summary.flows)
    );
    let _ = writeln!(
        out,
        "speed      {:.2} s   {} packets/s   {:.2} Gbit/s",
        seconds,
        grouped((summary.packets as f64 / seconds) as u64),
        summary.bytes as f64 * 8.0 / seconds / 1e9
    );
    let mut protocols: Vec<_> =
        summary.protocols.iter().map(|(proto, count)| (proto.name(), *count)).collect();
    protocols.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    if !protocols.is_empty() {
        let list = protocols.iter().map(|(name, count)| format!("{name} {}", grouped(*count)));
        let _ = writeln!(out, "protocols  {}", list.collect::<Vec<_>>().join(", "));
    }
    if outcome.invalid_checksums > 0 {
        let count = grouped(outcome.invalid_checksums);
        let _ = writeln!(
            out,
            "checksums  {count} packets with a wrong one were left out; --no-checksums takes them"
        );
    }
    alerts(&mut out, by_rule);
    if let Some(events) = events {
        let _ = writeln!(out, "events     {}", events.display());
    }
    out
}

fn alerts(out: &mut String, mut alerts: Vec<Alerts>) {
    alerts.sort_by(|a, b| (b.count, a.sid, &a.msg).cmp(&(a.count, b.sid, &b.msg)));
    let total: u64 = alerts.iter().map(|rule| rule.count).sum();
    let _ = writeln!(out, "alerts     {} by {} rules", grouped(total), alerts.len());
    for Alerts { count, sid, msg } in alerts.iter().take(MOST_RULES) {
        let _ = writeln!(out, "  {:>10}  {sid:>9}  {msg}", grouped(*count));
    }
    if let Some(more) = alerts.len().checked_sub(MOST_RULES).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more rules");
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::grouped(number), text);
        }
    }
}
