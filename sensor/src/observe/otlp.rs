//! Metrics to an OpenTelemetry collector: OTLP over HTTP, in its JSON form.
//!
//! Protocol Buffers' JSON mapping as OTLP narrows it: 64-bit integers are strings, enumerations are
//! numbers, names are in lowerCamelCase (OTLP 1.x, "JSON Protobuf Encoding").

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use delivery::network::Network;
use delivery::post::Poster;
use serde_json::{Value as Json, json};

use crate::clock::now_us;
use crate::config::native::Otel;

use super::metric::{Buckets, Family, Kind, Sample, Value};
use super::observer::Observer;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;
/// So long counters of workers are waited for.
const COUNTING: Duration = Duration::from_secs(3);
/// So long the end of the process waits for the last metrics to be taken.
const LEAVE: Duration = Duration::from_secs(2);

/// Who says it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// The host's name.
    pub(crate) host: String,
    /// The sensor's name.
    pub(crate) sensor: String,
}

/// Sends metrics from time to time.
#[derive(Debug)]
pub(crate) struct Exporter {
    poster: Poster,
    interval: Duration,
    resource: Resource,
}

/// The exporter at work; it ends when this goes.
#[derive(Debug)]
pub(crate) struct Exporting {
    /// The thread hears when this end goes.
    end: Option<Sender<()>>,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// To a collector.
    ///
    /// # Errors
    /// With what is wrong in the settings.
    pub(crate) fn new(
        settings: &Otel,
        network: &Network,
        resource: Resource,
    ) -> Result<Self, String> {
        let address = format!("{}/v1/metrics", settings.endpoint.trim_end_matches('/'));
        let (headers, tls) = (settings.headers.clone(), settings.tls.as_ref());
        let poster = Poster::new(&address, network, headers, tls, settings.timeout.0);
        let interval = settings.interval.0;
        if interval < Duration::from_secs(1) {
            return Err("otel.interval has to be 1 s or more".to_owned());
        }
        Ok(Self { poster: poster.map_err(|why| format!("otel: {why}"))?, interval, resource })
    }

    /// Begins, in a thread that calls `first` first.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn begin(
        self,
        observer: Arc<Observer>,
        first: impl FnOnce() + Send + 'static,
    ) -> io::Result<Exporting> {
        let (end, ends) = channel();
        let thread = thread::Builder::new().name("otel".to_owned()).spawn(move || {
            first();
            self.run(&observer, &ends);
        })?;
        Ok(Exporting { end: Some(end), thread })
    }

    fn run(&self, observer: &Observer, ends: &Receiver<()>) {
        let mut was_refused = false;
        loop {
            let is_last = ends.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout);
            let until = Instant::now() + COUNTING;
            while !is_last && !observer.is_fresh() && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
            let body = body(&observer.collect(), &self.resource, observer.started.us, now_us());
            match self.poster.post("application/json", body.to_string().as_bytes()) {
                Ok(()) if was_refused => {
                    was_refused = false;
                    tracing::info!("otel: metrics are taken again");
                }
                Ok(()) => {}
                // Metrics are sent anew in any case; who reads the log hears of it once.
                Err(trouble) if !was_refused => {
                    was_refused = true;
                    tracing::warn!("otel: metrics cannot be sent: {trouble}");
                }
                Err(trouble) => tracing::debug!("otel: {trouble}"),
            }
            if is_last {
                return;
            }
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        drop(self.end.take());
        // A collector that does not answer must not hold up the end.
        let until = Instant::now() + LEAVE;
        while !self.thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An `ExportMetricsServiceRequest`.
pub(super) fn body(families: &[Family], resource: &Resource, start_us: u64, now_us: u64) -> Json {
    let version = env!("CARGO_PKG_VERSION");
    let span = Span { start: nanoseconds(start_us), now: nanoseconds(now_us) };
    let metrics: Vec<Json> = families.iter().map(|family| metric(family, &span)).collect();
    let attributes = [
        ("service.name", "bateleur"),
        ("service.version", version),
        ("service.instance.id", &resource.sensor),
        ("host.name", &resource.host),
    ];
    json!({
        "resourceMetrics": [{
            "resource": { "attributes": attributes.map(|(key, value)| attribute(key, value)) },
            "scopeMetrics": [{
                "scope": { "name": "bateleur", "version": version },
                "metrics": metrics,
            }],
        }],
    })
}

struct Span {
    start: String,
    now: String,
}

fn nanoseconds(us: u64) -> String {
    us.saturating_mul(1000).to_string()
}

fn attribute(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn metric(family: &Family, span: &Span) -> Json {
    let name = family.about.name();
    let unit = match () {
        () if name.ends_with("_seconds") => "s",
        () if name.ends_with("_bytes") => "By",
        () => "1",
    };
    let points: Vec<Json> = family.samples.iter().map(|sample| point(sample, span)).collect();
    let mut metric = json!({ "name": name, "description": family.about.help, "unit": unit });
    let (key, data) = match family.about.kind {
        Kind::Counter => (
            "sum",
            json!({
                "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points,
            }),
        ),
        Kind::Gauge | Kind::Info => ("gauge", json!({ "dataPoints": points })),
        Kind::Histogram => {
            ("histogram", json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points }))
        }
    };
    metric[key] = data;
    metric
}

fn point(sample: &Sample, span: &Span) -> Json {
    let attributes = sample.labels.iter().map(|(key, value)| attribute(key, value));
    let mut point = json!({
        "attributes": attributes.collect::<Vec<_>>(),
        "startTimeUnixNano": span.start,
        "timeUnixNano": span.now,
    });
    match &sample.value {
        Value::Whole(value) => {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            point["asInt"] = json!(value.to_string());
        }
        Value::Real(value) => point["asDouble"] = json!(value),
        Value::Buckets(Buckets { cumulative, count, sum }) => {
            let mut before = 0;
            let counts = cumulative.iter().map(|(_, count)| *count).chain([*count]);
            let own: Vec<String> = counts
                .map(|count| {
                    count.saturating_sub(std::mem::replace(&mut before, count)).to_string()
                })
                .collect();
            let bounds: Vec<f64> = cumulative.iter().map(|(bound, _)| *bound).collect();
            point["count"] = json!(count.to_string());
            point["sum"] = json!(sum);
            point["bucketCounts"] = json!(own);
            point["explicitBounds"] = json!(bounds);
        }
    }
    point
}
