//! The schema of `sensor.yaml` is that of the types, and says what they say.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::{Document, Sensor};
use super::{alternatives, member, schema};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What this program may be built without.
const OPTIONS: [&str; 3] = [
    "/properties/otel",
    "/properties/events/properties/sinks/items/properties/kafka",
    "/properties/events/properties/sinks/items/properties/parquet",
];

/// With those parts of another one.
fn with_options(mut schema: Value, other: &Value) -> Value {
    for path in OPTIONS {
        if let Some(own) = schema.pointer_mut(path) {
            *own = other.pointer(path).cloned().unwrap_or_default();
        }
    }
    schema
}

/// `UPDATE_SCHEMA=1 cargo test -p sensor --features full,otel the_schema` writes the file anew. A
/// build without some of the features leaves their parts as they are.
#[test]
fn the_schema_is_that_of_the_types() {
    let is_whole = cfg!(all(feature = "kafka", feature = "parquet", feature = "otel"));
    let path = repository("deploy/schema/sensor.schema.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let made = match is_whole {
        true => schema().clone(),
        false => with_options(schema().clone(), &kept),
    };
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, format!("{made:#}\n")).unwrap();
        return;
    }
    assert!(made == kept, "deploy/schema/sensor.schema.json is not up to date: ./run schema");
}

/// Every key says what it is for.
#[test]
fn every_key_is_described() {
    fn look(about: &Value, path: &str, missing: &mut Vec<String>) {
        for one in alternatives(about) {
            for (key, about) in one["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{key}");
                if about["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(path.clone());
                }
                look(about, &path, missing);
            }
            look_inside(one, path, missing);
        }
    }
    fn look_inside(one: &Value, path: &str, missing: &mut Vec<String>) {
        for key in ["items", "additionalProperties"] {
            if one[key].is_object() {
                look(&one[key], path, missing);
            }
        }
    }
    let mut missing = Vec::new();
    look(schema(), "", &mut missing);
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Each secret can come from a file.
#[test]
fn secrets_have_files() {
    fn look(about: &Value, path: &str, found: &mut Vec<String>) {
        for one in alternatives(about) {
            let Some(keys) = one["properties"].as_object() else { continue };
            for (key, about) in keys {
                let is_secret = alternatives(about).iter().any(|one| one["writeOnly"] == true);
                if is_secret {
                    assert!(keys.contains_key(&format!("{key}-file")), "{path}.{key} has no file");
                    found.push(format!("{path}.{key}"));
                }
                look(about, &format!("{path}.{key}"), found);
                look(&about["items"], &format!("{path}.{key}"), found);
            }
        }
    }
    let mut found = Vec::new();
    look(schema(), "", &mut found);
    let least = if cfg!(feature = "kafka") { 9 } else { 7 };
    assert!(found.len() >= least, "{found:?}");
    let text = std::fs::read_to_string(repository("docs/configuration.md")).unwrap();
    for path in found {
        let key = path.trim_start_matches(".events.sinks.");
        assert!(text.contains(&format!("`{key}-file`")), "docs/configuration.md lacks {key}-file");
    }
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(schema()).unwrap()
}

fn json_of(text: &str) -> Value {
    Document::of(text, "").unwrap().root.map_or_else(|| json!({}), |root| root.json())
}

#[test]
fn good_files_are_good_for_both() {
    let documented = std::fs::read_to_string(repository("docs/sensor.yaml")).unwrap();
    let validator = validator();
    for text in [
        documented.as_str(),
        "name: a\n",
        "networks: {home: [10.0.0.0/8], ports: {WEB: 80, ALT: \"[80,443]\"}}\n",
        "events: {file: off, records: [alert], sinks: [{redis: {server: \"a:1\", password: 5}}]}\n",
        "events: {sinks: [{http: {urls: [\"https://a\"], bulk: {}, batch-size: 1 MiB}}]}\n",
        "events: {sinks: [{file: {path: a, mode: 0640, rotate: {size: 1 GiB, every: 1 h}}}]}\n",
        "events: {sinks: [{syslog: {severities: {alert: warn}, transport: tcp, max-length: 0}}]}\n",
        "events: {volume: {sample: {dns: 1/10}, budgets: {http: {rate: 5/s, over: sample}}}}\n",
        "events: {spool: {directory: /s, sync: never, full: drop-newest}, source-address: 10.0.0.1, sinks: [{stdout: {}}]}\n",
        "capture: {interfaces: [a, {name: b, queues: 3}], cpus: 2-5, management-cpus: [0, \"8-9\"], drain: 500 ms, group: 5}\n",
        "capture: {cpus: 3, drain: 5, plan: keep, af-xdp: {ring: 64, chunks: 128}}\n",
        "limits: {flow-memory: 64 MiB, reassembly-depth: 0}\n",
        "metrics: {listen: [\"127.0.0.1:1\", \"[::1]:1\"]}\nlog: {format: json, level: warn}\n",
    ] {
        Sensor::parse(text, "good.yaml").unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&json_of(text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{text}{errors:#?}");
    }
}

#[test]
fn bad_files_are_bad_for_both() {
    let validator = validator();
    for text in [
        "nam: a\n",
        "networks: {hom: []}\n",
        "networks: {home: 10.0.0.0/8}\n",
        "rules: {files: a.rules}\n",
        "events: {records: [alerts]}\n",
        "events: {file: yes}\n",
        "events: {alert-lines: 3}\n",
        "events: {community-id: 70000}\n",
        "events: {community-id: -1}\n",
        "events: {payload: maybe}\n",
        "events: {source-address: a}\n",
        "events: {queue: 64}\n",
        "events: {sinks: {stdout: {}}}\n",
        "events: {sinks: [{stdot: {}}]}\n",
        "events: {sinks: [{redis: {server: a}}]}\n",
        "events: {sinks: [{redis: {server: \"a:1\", timeout: 10}}]}\n",
        "events: {sinks: [{redis: {server: \"a:1\", mode: push}}]}\n",
        "events: {sinks: [{redis: {server: \"a:1\", tls: {cert: a}}}]}\n",
        "events: {sinks: [{http: {urls: [\"ftp://a\"]}}]}\n",
        "events: {sinks: [{file: {path: a, mode: rw}}]}\n",
        "events: {sinks: [{syslog: {facility: local9}}]}\n",
        "events: {volume: {sample: {dns: 10}}}\n",
        "events: {volume: {budgets: {dns: {rate: 5/x}}}}\n",
        "events: {volume: {budgets: {dns: {}}}}\n",
        "events: {spool: {sync: sometimes}}\n",
        "statistics: {interval: often}\n",
        "files: {hashes: [md6]}\n",
        "limits: {flow-memory: 12 parsecs}\n",
        "limits: {flow-memory: 64}\n",
        "protocols: {off: [bogus]}\n",
        "checksums: maybe\n",
        "inline: perhaps\n",
        "metrics: {listen: localhost:9464}\n",
        "log: {level: loud}\n",
        "capture: {workers: 0}\n",
        "capture: {workers: 257}\n",
        "capture: {plan: maybe}\n",
        "capture: {cpus: []}\n",
        "capture: {drain: 0}\n",
        "capture: {af-xdp: {ring: 1000}}\n",
        "capture: {af-packet: {block-timeout: 10}}\n",
        "capture: {interfaces: [{queues: 4}]}\n",
        "capture: {interfaces: [{name: a, method: pcap}]}\n",
        "capture: {hash: {tunnels: both}}\n",
        "capture: {exclude: [a]}\n",
        "capture: {shed: 1001}\n",
    ] {
        assert!(Sensor::parse(text, "bad.yaml").is_err(), "serde takes {text}");
        assert!(!validator.is_valid(&json_of(text)), "the schema takes {text}");
    }
}

#[test]
fn members_are_found() {
    assert!(member(schema(), "events").is_some() && member(schema(), "x").is_none());
    let interfaces = member(member(schema(), "capture").unwrap(), "interfaces").unwrap();
    assert!(member(member(interfaces, "0").unwrap(), "queues").is_some());
}
