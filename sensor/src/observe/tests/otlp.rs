//! What the exporter sends, read by the names that OTLP's JSON form has.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use delivery::network::Network;
use serde::Deserialize;

use super::Fake;
use crate::config::native::Otel;
use crate::observe::metric::{Buckets, Sample, Value};
use crate::observe::observer::Observed;
use crate::observe::otlp::{Exporter, Resource, body};
use crate::observe::page::Page;

/// Fields of `opentelemetry/proto/collector/metrics/v1`; others are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ResourceMetrics {
    resource: Attributes,
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyValue {
    key: String,
    value: AnyValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AnyValue {
    string_value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeMetrics {
    scope: Scope,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    name: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    name: String,
    description: String,
    unit: String,
    gauge: Option<Data>,
    sum: Option<Data>,
    histogram: Option<Data>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Data {
    data_points: Vec<Point>,
    aggregation_temporality: Option<u8>,
    is_monotonic: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Point {
    attributes: Vec<KeyValue>,
    start_time_unix_nano: String,
    time_unix_nano: String,
    as_int: Option<String>,
    as_double: Option<f64>,
    count: Option<String>,
    sum: Option<f64>,
    bucket_counts: Option<Vec<String>>,
    explicit_bounds: Option<Vec<f64>>,
}

fn resource() -> Resource {
    Resource { host: "host-1".to_owned(), sensor: "gate-1".to_owned() }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<&str, &str> {
    all.iter().map(|one| (one.key.as_str(), one.value.string_value.as_str())).collect()
}

/// All metrics of a request, which is sound.
fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let request: Request = serde_json::from_str(text).unwrap();
    let [of] = request.resource_metrics.as_slice() else { panic!("one resource is wanted") };
    let about = attributes(&of.resource.attributes);
    assert_eq!((about["service.name"], about["host.name"]), ("bateleur", "host-1"));
    assert_eq!(about["service.instance.id"], "gate-1");
    let scope =
        request.resource_metrics.into_iter().flat_map(|of| of.scope_metrics).next().unwrap();
    assert_eq!((scope.scope.name.as_str(), scope.scope.version.is_empty()), ("bateleur", false));
    let mut all = BTreeMap::new();
    for metric in scope.metrics {
        let data = [&metric.gauge, &metric.sum, &metric.histogram];
        assert_eq!(data.iter().filter(|data| data.is_some()).count(), 1, "{}", metric.name);
        assert!(!metric.description.is_empty());
        for point in data.into_iter().flatten().flat_map(|data| &data.data_points) {
            let (start, now): (u64, u64) = (
                point.start_time_unix_nano.parse().unwrap(),
                point.time_unix_nano.parse().unwrap(),
            );
            assert!(start <= now && start > 0);
            if let Some(value) = &point.as_int {
                value.parse::<i64>().unwrap();
            }
        }
        assert!(all.insert(metric.name.clone(), metric).is_none());
    }
    all
}

#[test]
fn all_kinds_of_metrics_keep_their_meaning() {
    let (fake, observer) = Fake::observed(true);
    fake.ask();
    let mut families = observer.collect();
    let mut page = Page::new();
    let cumulative = vec![(0.1, 1), (1.0, 4)];
    page.add_buckets(
        "sink_latency_seconds",
        &[("sink", "a"), ("kind", "redis")],
        Buckets { cumulative, count: 5, sum: 9.5 },
    );
    families.extend(page.finish());
    families.retain(|family| family.about.key() != "undescribed_counters");
    let huge = Sample { labels: Vec::new(), value: Value::Whole(u64::MAX) };
    families.iter_mut().find(|family| family.about.key() == "healthy").unwrap().samples =
        vec![huge];
    let all = metrics(&body(&families, &resource(), 1, 2).to_string());
    let packets = &all["bateleur_decoder_pkts"];
    let sum = packets.sum.as_ref().unwrap();
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (Some(2), Some(true)));
    assert_eq!(sum.data_points.len(), 2);
    assert_eq!(attributes(&sum.data_points[1].attributes)["worker"], "2");
    assert_eq!(sum.data_points[1].as_int.as_deref(), Some("7"));
    let uptime = all["bateleur_uptime_seconds"].gauge.as_ref().unwrap();
    assert!(uptime.data_points[0].as_double.is_some() && uptime.aggregation_temporality.is_none());
    assert_eq!(all["bateleur_uptime_seconds"].unit, "s");
    let latency = all["bateleur_sink_latency_seconds"].histogram.as_ref().unwrap();
    let point = &latency.data_points[0];
    assert_eq!((point.count.as_deref(), point.sum), (Some("5"), Some(9.5)));
    assert_eq!(point.explicit_bounds, Some(vec![0.1, 1.0]));
    assert_eq!(point.bucket_counts, Some(["1", "3", "1"].map(str::to_owned).to_vec()));
    assert_eq!(latency.aggregation_temporality, Some(2));
    let healthy = all["bateleur_healthy"].gauge.as_ref().unwrap();
    assert_eq!(healthy.data_points[0].as_int, Some(i64::MAX.to_string()));
}

/// A collector that takes one request: its head and body.
fn collector(server: TcpListener) -> thread::JoinHandle<(String, String)> {
    thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
        loop {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the request is cut off");
            bytes.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                return (head.to_owned(), body.to_owned());
            }
        }
    })
}

#[test]
fn metrics_are_sent_to_a_collector() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let settings = format!("endpoint: http://{address}/\ninterval: 1 s\nheaders: {{x-key: k}}\n");
    let settings: Otel = serde_saphyr::from_str(&settings).unwrap();
    let exporter = Exporter::new(&settings, &Network::default(), resource()).unwrap();
    let (_, observer) = Fake::observed(true);
    let heard = collector(server);
    let exporting = exporter.begin(observer, || {}).unwrap();
    let (head, body) = heard.join().unwrap();
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    assert!(head.contains("\r\nx-key: k"), "{head}");
    assert!(metrics(&body).len() > 100);
    // Nobody listens any more: it ends all the same.
    drop(exporting);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let check = |text: &str, says: &str| {
        let settings: Otel = serde_saphyr::from_str(text).unwrap();
        let made = Exporter::new(&settings, &Network::default(), resource());
        let why = made.map(|_| ()).unwrap_err();
        assert!(why.contains(says), "{why}");
    };
    check("{endpoint: host:4318}", "begins with http");
    check("{endpoint: http://h, interval: 10 ms}", "1 s or more");
}
