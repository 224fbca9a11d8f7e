//! Thresholds, filters and suppression, one match a second.

use std::net::IpAddr;

use engine::EngineSettings;
use rules::AddressSet;
use rules::threshold::{
    EntryKind, RateAction, Threshold, ThresholdEntry, ThresholdFile, ThresholdKind, Track,
};

use crate::packets::{NONE, Sensor, back, ruleset, ruleset_with, udp, udp_at};

/// Seconds, from 1, at which 24 matches a second apart alert.
fn alerts(sensor: &mut Sensor) -> Vec<u64> {
    (1..=24).filter(|second| !sensor.in_flow(&udp_at(b"abc", *second)).0.is_empty()).collect()
}

#[test]
fn options_of_rules() {
    for (option, want) in [
        (
            "threshold:type limit, track by_src, count 2, seconds 5;",
            &[1, 2, 7, 8, 13, 14, 19, 20][..],
        ),
        (
            "threshold:type threshold, track by_src, count 3, seconds 5;",
            &[3, 6, 9, 12, 15, 18, 21, 24],
        ),
        ("threshold:type threshold, track by_dst, count 8, seconds 5;", &[]),
        ("threshold:type threshold, track by_rule, count 4, seconds 3;", &[4, 8, 12, 16, 20, 24]),
        ("threshold:type both, track by_both, count 3, seconds 5;", &[3, 9, 15, 21]),
        (
            "detection_filter:track by_src, count 3, seconds 5;",
            &[4, 5, 6, 10, 11, 12, 16, 17, 18, 22, 23, 24],
        ),
        ("threshold:type backoff, track by_flow, count 1, multiplier 2;", &[1, 2, 4, 8, 16]),
        ("threshold:type backoff, track by_flow, count 3, multiplier 2;", &[3, 6, 12, 24]),
        ("threshold:type limit, track by_flow, count 1, seconds 3600;", &[1]),
    ] {
        let text = format!("alert udp any any -> any any (content:\"a\"; {option} sid:1;)");
        let mut sensor = Sensor::new(&text);
        assert_eq!(alerts(&mut sensor), want, "{option}");
        let suppressed = sensor.inspector.counters.suppressed;
        assert_eq!(suppressed, 24 - want.len() as u64, "{option}");
    }
}

#[test]
fn trackers_count_apart() {
    for (track, answer_alerts) in
        [("by_src", true), ("by_dst", true), ("by_both", false), ("by_rule", false)]
    {
        let mut sensor = Sensor::new(&format!(
            "alert udp any any -> any any (content:\"a\"; threshold:type limit, track {track}, \
             count 1, seconds 60; sid:1;)"
        ));
        assert_eq!(sensor.alone(&udp(b"a")), [1]);
        assert_eq!(sensor.alone(&udp(b"a")), NONE);
        assert_eq!(!sensor.alone(&back(udp(b"a"))).is_empty(), answer_alerts, "{track}");
        let mut other = udp(b"a");
        other.src = IpAddr::from([10, 9, 9, 9]);
        let other_alerts = track == "by_src" || track == "by_both";
        assert_eq!(!sensor.alone(&other).is_empty(), other_alerts, "{track}");
    }
}

#[test]
fn without_a_flow_nothing_is_counted_by_flow() {
    let mut sensor = Sensor::new(
        "alert udp any any -> any any (content:\"a\"; threshold:type limit, track by_flow, \
         count 1, seconds 60; sid:1;)",
    );
    assert_eq!(sensor.alone(&udp(b"a")), NONE);
}

fn file(entries: &[(u32, EntryKind)]) -> ThresholdFile {
    let entry = |(line, (sid, entry)): (u32, &(u32, EntryKind))| ThresholdEntry {
        gid: 1,
        sid: *sid,
        entry: entry.clone(),
        line,
        file: None,
    };
    ThresholdFile { entries: (1..).zip(entries).map(entry).collect() }
}

fn limit(count: u32) -> EntryKind {
    let kind = ThresholdKind::Limit;
    let track = Track::BySrc;
    EntryKind::Threshold(Threshold { kind, track, count, seconds: 5, multiplier: 0 })
}

const PLAIN: &str = "alert udp any any -> any any (content:\"a\"; sid:1;)";
const OWN: &str = "alert udp any any -> any any (content:\"a\"; \
                   threshold:type limit, track by_src, count 1, seconds 100; sid:1;)";

#[test]
fn entries_of_the_file_replace_or_yield() {
    for (rule, entries, want) in [
        (PLAIN, vec![(1, limit(2))], &[1, 2, 7, 8, 13, 14, 19, 20][..]),
        (PLAIN, vec![(0, limit(1))], &[1, 7, 13, 19]),
        (OWN, vec![(0, limit(2))], &[1]),
        (OWN, vec![(1, limit(1))], &[1, 7, 13, 19]),
        (PLAIN, vec![(1, limit(1)), (0, limit(2))], &[1, 7, 13, 19]),
        (PLAIN, vec![(2, limit(1))], &(1..=24).collect::<Vec<u64>>()),
    ] {
        let ruleset = ruleset_with(rule, EngineSettings::default(), &file(&entries), |_| ());
        assert_eq!(alerts(&mut Sensor::with(ruleset)), want, "{rule} {entries:?}");
    }
}

#[test]
fn a_rate_filter_changes_the_action() {
    let rate = |new_action| {
        let kind = ThresholdKind::Rate { new_action, timeout: 3 };
        let track = Track::ByRule;
        EntryKind::Threshold(Threshold { kind, track, count: 2, seconds: 60, multiplier: 0 })
    };
    let settings = || EngineSettings { inline: true, ..EngineSettings::default() };
    let entries = file(&[(1, rate(RateAction::Drop))]);
    let mut sensor = Sensor::with(ruleset_with(PLAIN, settings(), &entries, |_| ()));
    let mut changed = Vec::new();
    for second in 1..=13 {
        sensor.alone(&udp_at(b"a", second));
        let alert = &sensor.inspector.queue.alerts[0];
        if alert.blocked {
            changed.push(second);
        }
    }
    assert_eq!(changed, [3, 4, 5, 6, 8, 9, 10, 11, 13]);

    let entries = file(&[(1, rate(RateAction::Pass))]);
    let mut sensor = Sensor::with(ruleset_with(PLAIN, settings(), &entries, |_| ()));
    let found: Vec<usize> =
        (1..=7).map(|second| sensor.alone(&udp_at(b"a", second)).len()).collect();
    assert_eq!(found, [1, 1, 0, 0, 0, 0, 1]);
}

#[test]
fn suppression_goes_by_address_and_leaves_the_action() {
    let set = |text| AddressSet::parse(text, &rules::Variables::default()).unwrap();
    for (track, address, silent) in [
        (Track::BySrc, "10.0.0.1", true),
        (Track::BySrc, "10.0.0.2", false),
        (Track::ByDst, "10.0.0.2", true),
        (Track::ByDst, "10.0.0.1", false),
        (Track::ByEither, "10.0.0.0/24", true),
        (Track::ByEither, "[10.0.0.2,192.168.0.0/16]", true),
        (Track::ByEither, "192.168.0.0/16", false),
    ] {
        let entries = file(&[(1, EntryKind::Suppress(Some((track, set(address)))))]);
        let settings = EngineSettings { inline: true, ..EngineSettings::default() };
        let rule = PLAIN.replace("alert", "drop");
        let mut sensor = Sensor::with(ruleset_with(&rule, settings, &entries, |_| ()));
        let (found, verdict) = sensor.in_flow(&udp(b"a"));
        assert_eq!(found.is_empty(), silent, "{track:?} {address}");
        assert_eq!(verdict.drop, Some(0));
        assert_eq!(sensor.inspector.counters.suppressed, u64::from(silent));
    }
    let entries = file(&[(0, EntryKind::Suppress(None))]);
    let ruleset = ruleset_with(PLAIN, EngineSettings::default(), &entries, |_| ());
    assert_eq!(alerts(&mut Sensor::with(ruleset)), [0u64; 0]);
}

#[test]
fn below_a_detection_filter_nothing_is_dropped() {
    let rule = "drop udp any any -> any any (content:\"a\"; detection_filter:track by_src, \
                count 2, seconds 60; sid:1;)";
    let settings = EngineSettings { inline: true, ..EngineSettings::default() };
    let mut sensor = Sensor::with(ruleset_with(rule, settings, &ThresholdFile::default(), |_| ()));
    let dropped: Vec<bool> =
        (1..=4).map(|s| sensor.in_flow(&udp_at(b"a", s)).1.drop.is_some()).collect();
    assert_eq!(dropped, [false, false, true, true]);
    assert_eq!(sensor.inspector.counters.suppressed, 2);
}

#[test]
fn memory_is_bounded() {
    let rule = PLAIN.replace("sid", "threshold:type limit, track by_src, count 1, seconds 5; sid");
    let settings = EngineSettings { threshold_memcap: 9600, ..EngineSettings::default() };
    let mut sensor = Sensor::with(ruleset_with(&rule, settings, &ThresholdFile::default(), |_| ()));
    for number in 0..1000u32 {
        let mut packet = udp_at(b"a", u64::from(number / 50));
        packet.src = IpAddr::from(number.to_be_bytes());
        sensor.alone(&packet);
        assert!(sensor.inspector.threshold_memory() <= 9600);
    }
    assert!(sensor.inspector.refused().thresholds > 0);
    assert_eq!(ruleset(&rule).thresholds.len(), 0);
}

#[test]
fn of_several_thresholds_all_must_alert() {
    // Behind a sticky buffer a second one is not refused; these are the results of Suricata 8.
    let limit = "threshold:type limit, track by_src, count 2, seconds 60;";
    let every = "threshold:type threshold, track by_src, count 8, seconds 60;";
    let of_rule = "threshold:type threshold, track by_rule, count 8, seconds 60;";
    let filter = "detection_filter:track by_src, count 3, seconds 60;";
    for (first, second, want) in [
        (limit, "", &[1, 2][..]),
        (limit, of_rule, &[]),
        (limit, every, &[]),
        (every, limit, &[8, 15, 22]),
        (every, filter, &[]),
    ] {
        let text =
            format!("alert udp any any -> any any (ip.src; bsize:4; {first} {second} sid:1;)");
        assert_eq!(alerts(&mut Sensor::new(&text)), want, "{first} {second}");
    }
}
