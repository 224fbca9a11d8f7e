//! The page: every counter is described, the text is well formed, and docs/metrics.md lists it all.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use delivery::figures::{LATENCY_BUCKETS, Latency};

use super::checker::{self, check};
use super::{Fake, counters_of_detector};
use crate::observe::accept::Form;
use crate::observe::catalogue;
use crate::observe::metric::{Buckets, Kind, PREFIX};
use crate::observe::observer::Observed;
use crate::observe::page::Page;
use crate::observe::text::encode;

#[test]
fn every_counter_of_a_detector_is_described() {
    let counters = counters_of_detector();
    assert!(counters.entries.len() > 300);
    for (name, _) in &counters.entries {
        assert!(catalogue::find(name).is_some(), "{name} is not described");
    }
    let check = |counter: &str, values: &[&str]| {
        assert_eq!(catalogue::find(counter).unwrap().values, values, "{counter}");
    };
    check("exception_policy.tcp.ssn_memcap.pass_packet", &["tcp.ssn_memcap", "pass_packet"]);
    check("app_layer.error.ftp-data.gap", &["ftp-data", "gap"]);
    check("decoder.event.ipv4.pkt_too_small", &["ipv4.pkt_too_small"]);
    check("sinks.my_sink.lag", &["my_sink"]);
    assert!(catalogue::find("decoder.pkts_of_tomorrow").is_none());
    assert!(catalogue::find("sinks.my_sink.speed").is_none());
}

#[test]
fn descriptions_are_sound() {
    let (mut names, mut helps) = (BTreeSet::new(), BTreeSet::new());
    for one in catalogue::all() {
        let name = one.name();
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(helps.insert(one.help), "{name}: `{}` describes two metrics", one.help);
        assert!(one.help.len() > 10 && one.help.ends_with('.'), "{name}");
        assert!(!one.help.contains(['"', '\\', '\n']), "{name}");
        let stars = one.counter.matches('*').count();
        let is_of_sink = one.counter.starts_with("sinks.");
        assert!(is_of_sink || stars == 0 || stars == one.labels.len(), "{name}");
        for reserved in ["_total", "_info", "_bucket", "_count", "_sum", "_created"] {
            assert!(!name.ends_with(reserved), "{name} ends as no family may");
        }
        let clean = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(clean), "{name}");
    }
}

#[test]
fn both_forms_are_well_formed() {
    for by_worker in [true, false] {
        let (fake, observer) = Fake::observed(by_worker);
        fake.ask();
        let families = observer.collect();
        for (form, read_as) in
            [(Form::OpenMetrics, checker::Form::OpenMetrics), (Form::Text, checker::Form::Text)]
        {
            let samples = check(&encode(&families, form), read_as).unwrap();
            let of = |name: &str| samples.get(&format!("{PREFIX}{name}")).copied();
            let packets = match by_worker {
                true => of("decoder_pkts_total{worker=\"2\"}"),
                false => of("decoder_pkts_total").map(|sum| sum / 2.0),
            };
            assert_eq!(packets, Some(7.0));
            let errors = "app_layer_errors_total{protocol=\"dns_tcp\",error=\"gap\"}";
            assert_eq!(of(errors), Some(6.0));
            assert_eq!(of("capture_wire_total"), Some(20.0));
            assert_eq!(of("rules_reload_duration_seconds"), Some(1.5));
            assert_eq!(of("rules{state=\"failed\"}"), Some(1.0));
            assert_eq!(of("lane_bytes_total{worker=\"1\",interface=\"eth0\"}"), Some(700.0));
            let frames = "interface_wire_frames_total{interface=\"e\\\"t\\\\h\\n0\"}";
            assert_eq!(of(frames), Some(20.0));
            assert_eq!(of("undescribed_counters"), Some(0.0));
            assert_eq!((of("healthy"), of("ready")), (Some(1.0), Some(1.0)));
        }
    }
}

#[test]
fn a_counter_that_nobody_described_is_told_of() {
    let mut page = Page::new();
    page.count("news.of_tomorrow", None, 1);
    page.add("no_such_metric", &[], 1);
    let text = encode(&page.finish(), Form::OpenMetrics);
    assert!(text.contains("bateleur_undescribed_counters 2\n"), "{text}");
    assert!(!text.contains("tomorrow") && !text.contains("no_such"));
}

#[test]
fn latencies_are_histograms_in_seconds() {
    let latency = Latency::default();
    latency.add(Duration::from_micros(900), 3);
    latency.add(Duration::from_secs(120), 1);
    let (count, sum) = latency.total();
    let cumulative = latency.cumulative().map(|(end, count)| (end as f64 / 1e6, count)).collect();
    let mut page = Page::new();
    let labels = [("sink", "a"), ("kind", "redis")];
    let buckets = Buckets { cumulative, count, sum: sum as f64 / 1e6 };
    page.add_buckets("sink_latency_seconds", &labels, buckets);
    let text = encode(&page.finish(), Form::OpenMetrics);
    let samples = check(&text, checker::Form::OpenMetrics).unwrap();
    let of = |rest: &str| samples.get(&format!("bateleur_sink_latency_seconds{rest}")).copied();
    let bucket = |le: &str| of(&format!("_bucket{{sink=\"a\",kind=\"redis\",le=\"{le}\"}}"));
    assert_eq!(
        (bucket("0.0005"), bucket("0.001"), bucket("60.0")),
        (Some(0.0), Some(3.0), Some(3.0))
    );
    assert_eq!(bucket("+Inf"), Some(4.0));
    assert_eq!(of("_count{sink=\"a\",kind=\"redis\"}"), Some(4.0));
    assert_eq!(
        samples.keys().filter(|key| key.contains("_bucket")).count(),
        LATENCY_BUCKETS.len() + 1
    );
    assert!(text.contains("# UNIT bateleur_sink_latency_seconds seconds\n"));
}

/// `UPDATE_DOCS=1 cargo test -p sensor docs_list` writes the file anew.
#[test]
fn the_docs_list_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mark = "<!-- The table is made from the program: see the end of this file. -->\n";
    let (before, rest) = text.split_once(mark).expect("docs/metrics.md has its mark");
    let end = "\n<!-- Here the table ends. -->";
    let (_, after) = rest.split_once(end).expect("docs/metrics.md has its second mark");
    let wanted = format!("{before}{mark}{}{end}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, wanted).unwrap();
    } else {
        assert!(
            text == wanted,
            "docs/metrics.md is not up to date: set UPDATE_DOCS=1 and test again"
        );
    }
}

fn table() -> String {
    let mut out =
        "\n| metric | type | labels | counter of statistics | meaning |\n|---|---|---|---|---|\n"
            .to_owned();
    for one in catalogue::all() {
        let suffix = match one.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        let counter = match one.counter {
            "" => String::new(),
            counter => format!("`{counter}`"),
        };
        let (name, kind, labels) = (one.name(), one.kind.word(), one.labels.join(", "));
        let _ =
            writeln!(out, "| `{name}{suffix}` | {kind} | {labels} | {counter} | {} |", one.help);
    }
    out
}
