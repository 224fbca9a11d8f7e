//! Metrics, health and log of a sensor that has given up its rights.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::checker::{Form, Samples, check};
use crate::demo;
use crate::stage::{Client, Running, Stage};

const CONFIG: &str = "\
events:
  spool: {directory: spool, limit: 16 MiB, segment: 1 MiB}
  sinks: [{name: out, stdout: {}}]
capture: {management-cpus: [0]}
metrics: {listen: ['127.0.0.1:9464', '127.0.0.2:9465']}
";

/// Prints status, and body or nothing, of each address.
const FETCH: &str = "\
import sys, urllib.request, urllib.error
accept = 'application/openmetrics-text; version=1.0.0'
for address in sys.argv[1:]:
    request = urllib.request.Request('http://' + address, headers={'Accept': accept})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            sys.stdout.write('%d\\n%s' % (answer.status, answer.read().decode()))
    except urllib.error.HTTPError as error:
        sys.stdout.write('%d\\n%s' % (error.code, error.read().decode()))
";

/// Many idle clients, one that never ends its request, one whose request is too large: prints what
/// the last one hears.
const ABUSE: &str = "\
import socket
idle = [socket.create_connection(('127.0.0.1', 9464), 20) for _ in range(40)]
slow = socket.create_connection(('127.0.0.1', 9464), 20)
slow.sendall(b'GET /metrics HTTP/1.1\\r\\nHo')
large = socket.create_connection(('127.0.0.1', 9464), 20)
large.sendall(b'GET /metrics HTTP/1.1\\r\\nX: ' + b'x' * 9000)
print(large.recv(100).decode().split('\\r\\n')[0])
";

fn fetch(stage: &Stage, path: &str) -> (u16, String) {
    let said = stage.says("python3", &["-c", FETCH, &format!("127.0.0.1:9464{path}")]);
    let (status, body) = said.split_once('\n').unwrap_or_else(|| panic!("no answer: {said:?}"));
    (status.parse().unwrap(), body.to_owned())
}

fn page(stage: &Stage) -> Samples {
    let (status, body) = fetch(stage, "/metrics");
    assert_eq!(status, 200);
    check(&body, Form::OpenMetrics).unwrap_or_else(|why| panic!("{why}"))
}

/// The sum of a family over all labels.
fn sum(samples: &Samples, name: &str) -> f64 {
    let of = |key: &str| key == name || key.strip_prefix(name).is_some_and(|k| k.starts_with('{'));
    samples.iter().filter(|(key, _)| of(key)).map(|(_, value)| value).sum()
}

fn start(stage: &Stage, more: &[&str]) -> Running {
    assert!(stage.ip(&["link", "set", "lo", "up"]));
    fs::write(stage.path("sensor.yaml"), CONFIG).unwrap();
    fs::copy(demo("demo.rules"), stage.path("demo.rules")).unwrap();
    let words = ["--config", "sensor.yaml", "--rules", "demo.rules", "--control", "run/socket"];
    stage.start(&[&words[..], more].concat())
}

/// Names of all counters in an object of statistics.
fn names(object: &Value, path: &str, out: &mut BTreeSet<String>) {
    for (key, value) in object.as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(_) => names(value, &path, out),
            Value::Number(_) => drop(out.insert(path)),
            _ => {}
        }
    }
}

#[test]
fn metrics_are_served_without_rights() {
    let Some(stage) = Stage::set() else { return };
    let mut running = start(&stage, &[]);
    running.wait_for("metrics are served at http://127.0.0.2:9465/metrics");
    assert_eq!(
        fetch(&stage, "/healthz"),
        (200, "{\"reasons\":[],\"status\":\"healthy\"}\n".into())
    );
    assert_eq!(fetch(&stage, "/readyz"), (200, "{\"reasons\":[],\"status\":\"ready\"}\n".into()));
    assert_eq!(fetch(&stage, "/").0, 404);
    let tasks = fs::read_dir(format!("/proc/{}/task", running.id())).unwrap();
    let status = tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap())
        .find(|status| status.starts_with("Name:\tmetrics\n"))
        .expect("there is a thread for metrics");
    for line in [
        "Uid:\t65534\t65534",
        "CapEff:\t0000000000000000",
        "Seccomp:\t2",
        "Cpus_allowed_list:\t0\n",
    ] {
        assert!(status.contains(line), "{line} in {status}");
    }
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("all packets on the page", || {
        sum(&page(&stage), "bateleur_decoder_pkts_total") == 302.0
    });
    assert_eq!(
        stage.says("python3", &["-c", ABUSE]).trim(),
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
    running.wait_until("records at the sink", || {
        sum(&page(&stage), "bateleur_sink_delivered_total{sink=\"out\",kind=\"stdout\"}") > 10.0
    });
    let samples = page(&stage);
    assert_eq!(samples["bateleur_undescribed_counters"], 0.0);
    assert_eq!(samples["bateleur_workers"], 2.0);
    assert_eq!(samples["bateleur_interface_wire_frames_total{interface=\"in\"}"], 302.0);
    assert_eq!(sum(&samples, "bateleur_lane_frames_total"), 302.0);
    assert_eq!(samples["bateleur_rules{state=\"loaded\"}"], 19.0);
    assert_eq!(samples["bateleur_sink_up{sink=\"out\",kind=\"stdout\"}"], 1.0);
    let delivered = sum(&samples, "bateleur_sink_delivered_total");
    assert!(delivered > 10.0 && sum(&samples, "bateleur_sink_latency_seconds_count") >= delivered);
    assert_eq!(samples["bateleur_events_spool_limit_bytes"], f64::from(16 << 20));
    assert!(sum(&samples, "bateleur_http_evicted_total") > 0.0);
    assert!(samples["bateleur_resident_memory_bytes"] > 1e6);
    // Every counter that statistics have is in the table of docs/metrics.md.
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let docs = fs::read_to_string(docs).unwrap();
    let counters = docs
        .lines()
        .filter_map(|line| line.split(" | ").nth(3)?.strip_prefix('`')?.strip_suffix('`'));
    let counters: Vec<&str> = counters.collect();
    let is_there = |name: &str| {
        counters.iter().any(|counter| match counter.split_once('*') {
            Some((start, _)) => name.starts_with(start),
            None => *counter == name,
        })
    };
    let mut all = BTreeSet::new();
    let mut client = Client::connect(&stage.path("run/socket"));
    let object = client.ask("dump-counters");
    names(&object, "", &mut all);
    all.retain(|name| name != "uptime" && !name.starts_with("threads."));
    all.retain(|name| !name.starts_with("detect.engines"));
    assert!(all.len() > 500, "{}", all.len());
    for name in &all {
        assert!(is_there(name), "{name} is not in docs/metrics.md");
    }
    running.stop();
}

#[test]
fn a_worker_that_stands_still_is_no_health_and_draining_is_not_ready() {
    let Some(stage) = Stage::set() else { return };
    let mut running = start(&stage, &["--stall", "1", "--drain", "30"]);
    let Some(mut holder) = running.hold("W#02", 10) else { return };
    running.wait_until("bad health", || fetch(&stage, "/healthz").0 == 503);
    assert!(fetch(&stage, "/healthz").1.contains("worker 2 stands still"));
    assert_eq!(fetch(&stage, "/readyz").0, 200);
    // Its counters are old, but the page is there.
    assert_eq!(page(&stage)["bateleur_healthy"], 0.0);
    running.signal("TERM");
    running.wait_until("draining", || fetch(&stage, "/readyz").0 == 503);
    assert!(fetch(&stage, "/readyz").1.contains("the sensor drains"));
    assert!(holder.wait().unwrap().success());
    let (status, _, said) = running.end();
    assert!(status.success(), "{said}");
}

#[test]
fn all_that_is_said_is_json_if_wanted() {
    let Some(stage) = Stage::set() else { return };
    let config = format!("{CONFIG}log: {{file: log/sensor.json, level: info}}\n");
    let check = |text: &str| {
        let said: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for record in &said {
            for key in ["timestamp", "level", "target", "message"] {
                assert!(record[key].is_string(), "{key} in {record}");
            }
            assert!(record["fields"].is_object(), "{record}");
        }
        said
    };
    let running = start(&stage, &["--log-format", "json"]);
    stage.send(&demo("demo.pcap"), 1);
    let (_, said) = running.stop();
    let said = check(&said);
    let of = |text: &str| {
        let found = said.iter().find(|one| one["message"].as_str().unwrap().contains(text));
        found.unwrap_or_else(|| panic!("nobody said {text}: {said:?}")).clone()
    };
    assert_eq!(of("bateleur runs with 2 workers")["level"], "info");
    assert!(of("takes commands at")["target"].as_str().unwrap().starts_with("bateleur::"));
    // Delivery speaks the same way, with fields.
    assert_eq!(of("records are delivered")["fields"]["sink"], "out");
    // To a file, which is begun anew when it was moved away.
    fs::write(stage.path("other.yaml"), config).unwrap();
    let words = ["--config", "other.yaml", "--log-format", "json", "--output", "second"];
    fs::create_dir_all(stage.path("second/log")).unwrap();
    // A folder of somebody else's stays so: the sensor's user has to be let in.
    fs::set_permissions(stage.path("second/log"), Permissions::from_mode(0o777)).unwrap();
    let words =
        [&["run", "--interface", "in", "--method", "af-packet", "--workers", "2"], &words[..]];
    let mut running = stage.launch_words(&[], &words.concat());
    let (log, moved) = (stage.path("second/log/sensor.json"), stage.path("second/log/old.json"));
    let has =
        |path: &Path, text: &str| fs::read_to_string(path).is_ok_and(|all| all.contains(text));
    running.wait_until("readiness", || has(&log, "bateleur runs with"));
    fs::rename(&log, &moved).unwrap();
    running.signal("HUP");
    running.wait_until("a new file", || has(&log, "output files are opened anew"));
    let (_, said) = running.stop();
    assert_eq!(said, "");
    assert!(check(&fs::read_to_string(&moved).unwrap()).len() > 3);
    assert!(!check(&fs::read_to_string(&log).unwrap()).is_empty());
}
