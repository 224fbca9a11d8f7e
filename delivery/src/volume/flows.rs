//! Two records of flows made one: counts are added up, times reach from the first to the last.

use std::ops::Range;

use super::members::{self, Members};
use crate::calendar::Moment;

/// How a member of two records becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Their sum.
    Sum,
    /// The smaller number.
    Least,
    /// The larger number.
    Most,
    /// True when it was once.
    Either,
    /// The earlier time.
    Earliest,
    /// The later time.
    Latest,
    /// An object of sums.
    Sums,
}

const COUNTS: [(&str, Rule); 4] = [
    ("pkts_toserver", Rule::Sum),
    ("pkts_toclient", Rule::Sum),
    ("bytes_toserver", Rule::Sum),
    ("bytes_toclient", Rule::Sum),
];

/// Members of `flow` and `netflow`; all others are those of the last record.
const MEMBERS: [(&str, Rule); 15] = [
    COUNTS[0],
    COUNTS[1],
    COUNTS[2],
    COUNTS[3],
    ("pkts", Rule::Sum),
    ("bytes", Rule::Sum),
    ("tx_cnt", Rule::Sum),
    ("bypassed", Rule::Sums),
    ("start", Rule::Earliest),
    ("end", Rule::Latest),
    ("min_ttl", Rule::Least),
    ("max_ttl", Rule::Most),
    ("emergency", Rule::Either),
    ("alerted", Rule::Either),
    ("elephant", Rule::Either),
];

/// Text that takes the place of some other.
type Edit = (Range<usize>, Vec<u8>);

/// The last record with what those before it say; `kind` names the object with the counts. None
/// when one of them is not what it should be.
pub(super) fn merge(before: &[u8], last: &[u8], kind: &str) -> Option<Vec<u8>> {
    let (old, own) = (members::find(before, 0, kind)?, members::find(last, 0, kind)?);
    let mut edits = Vec::new();
    merge_objects((before, &old), (last, &own), &MEMBERS, &mut edits)?;
    if let Some(age) = members::find(last, own.start, "age") {
        let time = |key: &str, old_is_right: fn(u64, u64) -> bool| {
            let old = time(before, members::find(before, old.start, key)?)?;
            let own = time(last, members::find(last, own.start, key)?)?;
            Some(if old_is_right(old, own) { old } else { own } / 1_000_000)
        };
        let end = time("end", |old, own| old > own)?;
        let start = time("start", |old, own| old < own)?;
        edits.push((age, end.saturating_sub(start).to_string().into_bytes()));
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut merged = Vec::with_capacity(last.len() + 64);
    let mut at = 0;
    for (place, text) in edits {
        merged.extend_from_slice(last.get(at..place.start)?);
        merged.extend_from_slice(&text);
        at = place.end;
    }
    merged.extend_from_slice(last.get(at..)?);
    Some(merged)
}

fn merge_objects(
    (before, old): (&[u8], &Range<usize>),
    (last, own): (&[u8], &Range<usize>),
    rules: &[(&str, Rule)],
    edits: &mut Vec<Edit>,
) -> Option<()> {
    let olds: Vec<_> = Members::of(before, old.start).collect();
    let owns: Vec<_> = Members::of(last, own.start).collect();
    let of = |all: &[(&[u8], Range<usize>)], name: &str| {
        all.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, place)| place.clone())
    };
    let end = own.end.checked_sub(1).filter(|end| last.get(*end) == Some(&b'}'))?;
    for (name, rule) in rules {
        let Some(old) = of(&olds, name) else { continue };
        let Some(own) = of(&owns, name) else {
            let comma = if owns.is_empty() { "" } else { "," };
            let mut text = format!("{comma}\"{name}\":").into_bytes();
            text.extend_from_slice(before.get(old)?);
            edits.push((end..end, text));
            continue;
        };
        if *rule == Rule::Sums {
            merge_objects((before, &old), (last, &own), &COUNTS, edits)?;
            continue;
        }
        let text = one(*rule, (before, old), (last, own.clone()))?;
        if Some(text.as_slice()) != last.get(own.clone()) {
            edits.push((own, text));
        }
    }
    Some(())
}

/// One value of two.
fn one(
    rule: Rule,
    (before, old): (&[u8], Range<usize>),
    (last, own): (&[u8], Range<usize>),
) -> Option<Vec<u8>> {
    let [a, b] = [before.get(old.clone())?, last.get(own.clone())?];
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    let both = || Some((number(a)?, number(b)?));
    let written = |value: u64| Some(value.to_string().into_bytes());
    let is_old = match rule {
        Rule::Sum => return written(both().map(|(a, b)| a.saturating_add(b))?),
        Rule::Least => return written(both().map(|(a, b)| a.min(b))?),
        Rule::Most => return written(both().map(|(a, b)| a.max(b))?),
        Rule::Either => a == b"true",
        Rule::Earliest => time(before, old)? < time(last, own)?,
        Rule::Latest => time(before, old)? > time(last, own)?,
        Rule::Sums => return None,
    };
    Some(if is_old { a } else { b }.to_vec())
}

/// A time in quotes, microseconds since 1970.
fn time(bytes: &[u8], place: Range<usize>) -> Option<u64> {
    let text = bytes.get(place)?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Moment::parse(std::str::from_utf8(text).ok()?)?.microseconds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn merged(before: &Value, last: &Value, kind: &str) -> Option<Value> {
        let [before, last] = [before, last].map(|value| value.to_string().into_bytes());
        Some(serde_json::from_slice(&merge(&before, &last, kind)?).unwrap())
    }

    #[test]
    fn flows_are_added_up() {
        let before = json!({"flow_id": 1, "flow": {
            "pkts_toserver": 1, "pkts_toclient": 2, "bytes_toserver": 3, "bytes_toclient": 4,
            "bypassed": {"pkts_toserver": 1, "pkts_toclient": 1, "bytes_toserver": 1, "bytes_toclient": 1},
            "start": "2026-01-01T00:00:01.900000+0000", "end": "2026-01-01T00:00:09.000000+0000",
            "age": 8, "state": "new", "alerted": true, "tx_cnt": 3}, "app_proto": "http"});
        let last = json!({"flow_id": 2, "flow": {
            "pkts_toserver": 10, "pkts_toclient": 20, "bytes_toserver": 30, "bytes_toclient": 40,
            "start": "2026-01-01T01:00:03.000000+0100", "end": "2026-01-01T01:00:07.000000+0100",
            "age": 4, "state": "closed", "alerted": false, "elephant": true}, "app_proto": "http"});
        let want = json!({"flow_id": 2, "flow": {
            "pkts_toserver": 11, "pkts_toclient": 22, "bytes_toserver": 33, "bytes_toclient": 44,
            "bypassed": {"pkts_toserver": 1, "pkts_toclient": 1, "bytes_toserver": 1, "bytes_toclient": 1},
            "start": "2026-01-01T00:00:01.900000+0000", "end": "2026-01-01T00:00:09.000000+0000",
            "age": 8, "state": "closed", "alerted": true, "elephant": true, "tx_cnt": 3},
            "app_proto": "http"});
        assert_eq!(merged(&before, &last, "flow").unwrap(), want);
        // Once more with itself: objects of sums are in both.
        let twice = merged(&want, &want, "flow").unwrap();
        assert_eq!(twice["flow"]["bypassed"]["bytes_toclient"], 2);
        assert_eq!((&twice["flow"]["tx_cnt"], &twice["flow"]["age"]), (&json!(6), &json!(8)));
    }

    #[test]
    fn halves_of_flows_are_added_up() {
        let half = |packets: u64, ttl: [u64; 2], second: u64| {
            json!({"netflow": {"pkts": packets, "bytes": packets * 100,
                "start": format!("2026-01-01T00:00:{second:02}.000000+0000"),
                "end": format!("2026-01-01T00:00:{:02}.500000+0000", second + 2),
                "age": 2, "min_ttl": ttl[0], "max_ttl": ttl[1]}})
        };
        let found = merged(&half(3, [60, 64], 5), &half(4, [63, 128], 1), "netflow").unwrap();
        let want = json!({"pkts": 7, "bytes": 700, "start": "2026-01-01T00:00:01.000000+0000",
            "end": "2026-01-01T00:00:07.500000+0000", "age": 6, "min_ttl": 60, "max_ttl": 128});
        assert_eq!(found["netflow"], want);
    }

    #[test]
    fn what_is_no_flow_is_not_merged() {
        let flow = json!({"flow": {"pkts_toserver": 1}});
        for other in [json!({}), json!({"flow": 1}), json!({"flow": {"pkts_toserver": "x"}})] {
            assert!(merged(&flow, &other, "flow").is_none(), "{other}");
        }
        assert!(merge(b"{\"flow\":{\"tx_cnt\":1}}", b"{\"flow\":{\"tx_cnt\":1", "flow").is_none());
        let large = json!({"flow": {"pkts_toserver": u64::MAX}});
        assert_eq!(merged(&large, &large, "flow").unwrap(), large);
    }
}
