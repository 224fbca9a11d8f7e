//! From matches to alerts: limits, `noalert`, `pass`, `drop` and `reject`.

use std::fmt::Write;

use engine::EngineSettings;
use rules::threshold::ThresholdFile;

use crate::packets::{NONE, Sensor, ruleset_with, udp};

/// Rules `action|options` numbered from 1.
fn sensor(rules: &[&str], inline: bool) -> Sensor {
    let mut text = String::new();
    for (sid, rule) in (1..).zip(rules) {
        let (action, options) = rule.split_once('|').unwrap();
        let _ = writeln!(text, "{action} udp any any -> any any (msg:\"x\"; {options} sid:{sid};)");
    }
    let settings = EngineSettings { inline, ..EngineSettings::default() };
    Sensor::with(ruleset_with(&text, settings, &ThresholdFile::default(), |_| ()))
}

#[test]
fn no_more_alerts_than_the_limit_allows() {
    let rules = vec!["alert|content:\"a\";"; 30];
    let mut sensor = sensor(&rules, false);
    assert_eq!(sensor.alone(&udp(b"abc")), (1..=15).collect::<Vec<u32>>());
    let counters = sensor.inspector.counters;
    assert_eq!((counters.alert, counters.overflow, counters.suppressed), (15, 15, 0));
    // The next packet starts anew.
    assert_eq!(sensor.alone(&udp(b"xyz")), NONE);
    assert_eq!(sensor.alone(&udp(b"a")).len(), 15);
}

#[test]
fn noalert_counts_as_suppressed() {
    let mut sensor = sensor(&["alert|content:\"a\"; noalert;", "alert|content:\"a\";"], false);
    assert_eq!(sensor.alone(&udp(b"abc")), [2]);
    assert_eq!(sensor.inspector.counters.suppressed, 1);
    assert_eq!(sensor.inspector.counters.alert, 1);
}

#[test]
fn pass_ends_the_packet() {
    let mut sensor = sensor(&["alert|content:\"a\";", "pass|content:\"b\";"], false);
    assert_eq!(sensor.alone(&udp(b"abc")), NONE);
    let counters = sensor.inspector.counters;
    assert_eq!((counters.alert, counters.suppressed, counters.overflow), (0, 0, 0));
    assert_eq!(sensor.alone(&udp(b"acc")), [1]);
}

#[test]
fn pass_with_alert_is_reported_alone() {
    let mut sensor = sensor(&["alert|content:\"a\";", "pass|content:\"b\"; alert;"], false);
    assert_eq!(sensor.alone(&udp(b"abc")), [2]);
}

#[test]
fn pass_reaches_the_packet_or_the_flow() {
    for (pass, later) in [("pass|content:\"b\";", &[1][..]), ("pass:flow|content:\"b\";", &[])] {
        let mut sensor = sensor(&["alert|content:\"a\";", pass], false);
        assert_eq!(sensor.in_flow(&udp(b"abc")).0, NONE);
        assert_eq!(sensor.in_flow(&udp(b"acc")).0, later, "{pass}");
    }
}

#[test]
fn drop_blocks_only_inline() {
    for inline in [false, true] {
        let mut sensor = sensor(&["drop|content:\"a\";", "alert|content:\"a\";"], inline);
        let (found, verdict) = sensor.in_flow(&udp(b"abc"));
        assert_eq!(found, [1, 2]);
        assert_eq!(verdict.drop, Some(0));
        let blocked: Vec<bool> = sensor.inspector.queue.alerts.iter().map(|a| a.blocked).collect();
        assert_eq!(blocked, [inline, false]);
        // The scope is the packet.
        assert_eq!(sensor.in_flow(&udp(b"xaz")).0, [1, 2]);
    }
}

#[test]
fn drop_of_the_flow_ends_inspection() {
    for inline in [false, true] {
        let mut sensor = sensor(&["drop:flow|content:\"a\";", "alert|content:\"c\";"], inline);
        assert_eq!(sensor.in_flow(&udp(b"abc")).0, [1, 2]);
        assert_eq!(sensor.in_flow(&udp(b"c")).0, NONE);
    }
}

#[test]
fn reject_says_whom() {
    for (action, whom) in
        [("reject", [true, false]), ("rejectdst", [false, true]), ("rejectboth", [true, true])]
    {
        let mut sensor = sensor(&[&format!("{action}|content:\"a\";")], false);
        let (found, verdict) = sensor.in_flow(&udp(b"abc"));
        assert_eq!(found, [1]);
        assert_eq!(verdict.reject, whom);
        assert_eq!(verdict.drop, None, "not inline");
        assert!(sensor.inspector.queue.alerts[0].blocked);
    }
}

#[test]
fn a_drop_beyond_the_limit_still_drops() {
    let mut rules = vec!["drop|content:\"a\";"; 20];
    rules[..16].fill("drop|content:\"a\"; noalert;");
    let mut sensor = sensor(&rules, true);
    let (found, verdict) = sensor.in_flow(&udp(b"a"));
    assert_eq!(found, [17, 18, 19, 20]);
    assert_eq!(verdict.drop, Some(0), "the first in order");
    assert_eq!(sensor.inspector.counters.suppressed, 16);
}
