//! What a good `sensor.yaml` says and likely does not mean: keys without effect, and risks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::document::{Kind, Value};
use super::inspect::Finding;
use super::{Sensor, effective, environment, schema};

/// What makes a key be without effect, and why.
type Rule = (&'static str, fn(&Sensor) -> bool, &'static str);

/// Keys that do nothing as long as others are as they are.
const WITHOUT_EFFECT: &[Rule] = &[
    ("files.directory", |s| !s.files.store && !s.files.all, "files.store and files.all are off"),
    ("metrics.per-worker", |s| s.metrics.listen.0.is_empty(), "metrics.listen names no address"),
    (
        "statistics.interval",
        |s| !has_record(s, "stats") && s.statistics.table.is_none(),
        "events.records has no stats, and there is no statistics.table",
    ),
    ("events.payload", |s| !has_record(s, "alert"), "events.records has no alert"),
    ("events.packet", |s| !has_record(s, "alert"), "events.records has no alert"),
    ("events.verdict", |s| !has_record(s, "alert"), "events.records has no alert"),
    ("files.hashes", |s| !has_record(s, "files"), "events.records has no files"),
    ("events.queue", |s| s.events.sinks().is_empty(), "there is no sink in events.sinks"),
    (
        "capture.shunt.flows",
        |s| !says(s, "after") && !says(s, "encrypted") && !says(s, "pass"),
        "capture.shunt has none of after, encrypted and pass",
    ),
    (
        "capture.af-xdp",
        |s| methods(s).is_some_and(|all| all.iter().all(|one| one == "af-packet")),
        "all interfaces have the method af-packet",
    ),
    (
        "capture.af-packet",
        |s| methods(s).is_some_and(|all| all.iter().all(|one| one == "af-xdp")),
        "all interfaces have the method af-xdp",
    ),
];

impl Sensor {
    /// What somebody should look at.
    pub(crate) fn warnings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut warn = |key: &str, message: String| {
            found.push(Finding::warning(&self.document, key, message));
        };
        for (key, is_idle, why) in WITHOUT_EFFECT {
            if self.document.get(key).is_some_and(|value| !value.is_null()) && is_idle(self) {
                warn(key, format!("{key} has no effect: {why}"));
            }
        }
        for (at, name) in self.protocols.off.iter().enumerate() {
            if self.protocols.detection_only.iter().any(|other| other.0 == name.0) {
                let said = format!(
                    "`{0}` is in protocols.detection-only, too, which counts: leave one of them out",
                    name.0
                );
                warn(&format!("protocols.off.{at}"), said);
            }
        }
        let is_open = fs::metadata(&self.document.file)
            .is_ok_and(|about| about.permissions().mode() & 0o004 != 0);
        for (key, value) in self.document.root.iter().flat_map(leaves) {
            let last = key.rsplit('.').next().unwrap_or_default();
            let is_set =
                |text: &str| matches!(&value.kind, Kind::Scalar { text: t, .. } if t == text);
            if last == "insecure" && is_set("true") {
                warn(
                    &key,
                    format!(
                        "{key}: any certificate is accepted: whoever is on the way can \
                                    read and change events"
                    ),
                );
            }
            let in_file = matches!(value.origin, super::Origin::File(..));
            if is_open && in_file && effective::is_hidden(&key, value) {
                let around: Vec<&str> = key.split('.').collect();
                let around = schema::at(around.split_last().map_or(&[][..], |(_, above)| above));
                let file_key = format!("{last}-file");
                let has_file = around.is_some_and(|one| schema::keys(one).contains(&&*file_key));
                let instead = match has_file {
                    true => format!("write {file_key} with the name of a file, or take"),
                    false => "take".to_owned(),
                };
                let said = format!(
                    "{key} is a secret, and every user can read this file: {instead} the file from \
                     others (chmod 640)"
                );
                warn(&key, said);
            }
            if let Some(about) = deprecated(&key, schema::schema()) {
                warn(&key, format!("{key} is deprecated: {about}"));
            }
        }
        for (key, message) in self.supply_warnings() {
            found.push(Finding::warning(&self.document, &key, message));
        }
        for (name, meant) in environment::missed() {
            let message =
                format!("environment variable {name} says nothing: did you mean {meant}?");
            found.push(Finding {
                place: String::new(),
                key: None,
                ..Finding::warning(&self.document, "", message)
            });
        }
        found
    }
}

fn leaves(root: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    root.leaves("", &mut |path, value| all.push((path.to_owned(), value)));
    all
}

/// What the schema says about a key that is to be replaced.
fn deprecated<'a>(path: &str, schema: &'a serde_json::Value) -> Option<&'a str> {
    let mut at = schema;
    for name in path.split('.') {
        at = schema::member(at, name)?;
        if at["deprecated"] == true {
            return at["description"].as_str().or(Some("it will go"));
        }
    }
    None
}

fn has_record(sensor: &Sensor, name: &str) -> bool {
    sensor.events.records.as_ref().is_none_or(|all| all.iter().any(|one| one.0 == name))
}

fn says(sensor: &Sensor, key: &str) -> bool {
    sensor.document.get(&format!("capture.shunt.{key}")).is_some_and(|value| {
        !matches!(&value.kind, Kind::Scalar { text, .. } if text == "false" || text.is_empty())
    })
}

/// Methods of the interfaces, if there are any.
fn methods(sensor: &Sensor) -> Option<Vec<String>> {
    let interfaces = sensor.document.get("capture.interfaces")?;
    let Kind::List(items) = &interfaces.kind else { return None };
    let method = |item: &Value| match item.get("method").map(|value| &value.kind) {
        Some(Kind::Scalar { text, .. }) => text.clone(),
        _ => "auto".to_owned(),
    };
    (!items.is_empty()).then(|| items.iter().map(method).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_effect_are_told() {
        let check = |text: &str, expected: &[&str]| {
            let said = Sensor::parse(text, "gate.yaml").unwrap().warnings();
            let said: Vec<String> = said.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), expected.len(), "{text}{said:#?}");
            for (line, part) in said.iter().zip(expected) {
                assert!(line.contains(part), "{part} in {line}");
            }
        };
        check("name: a\n", &[]);
        check(
            "files: {directory: x}\n",
            &["gate.yaml:1:9: warning: files.directory has no effect"],
        );
        check("files: {directory: x, all: true}\n", &[]);
        check("metrics: {per-worker: false}\n", &["metrics.listen names no address"]);
        check("events: {records: [dns], payload: true}\n", &["events.payload has no effect"]);
        check("statistics: {interval: 3}\nevents: {records: [dns]}\n", &["no statistics.table"]);
        check("statistics: {interval: 3, table: a.log}\nevents: {records: [dns]}\n", &[]);
        check("capture: {shunt: {flows: 100}}\n", &["capture.shunt.flows"]);
        check("capture: {shunt: {flows: 100, pass: true}}\n", &[]);
        check(
            "capture: {interfaces: [{name: a, method: af-packet}], af-xdp: {ring: 64}}\n",
            &["all interfaces have the method af-packet"],
        );
        check("capture: {interfaces: [a], af-xdp: {ring: 64}}\n", &[]);
        check(
            "protocols: {off: [smb], detection-only: [smb]}\n",
            &["gate.yaml:1:19: warning: `smb`"],
        );
        check(
            "events: {sinks: [{redis: {server: \"a:1\", tls: {insecure: true}}}]}\n",
            &["any certificate is accepted"],
        );
        check("events: {queue: 1 MiB}\n", &["no sink in events.sinks"]);
    }

    #[test]
    fn secrets_that_everybody_can_read_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        let check = |text: &str, expected: Option<&str>| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let said = Sensor::with(Some(&path), &[]).unwrap().warnings();
            let said: Vec<String> = said.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), usize::from(expected.is_some()), "{text}{said:?}");
            if let (Some(line), Some(part)) = (said.first(), expected) {
                assert!(line.contains(part), "{line}");
                assert!(line.ends_with("the file from others (chmod 640)"), "{line}");
            }
        };
        let sink = |sink: &str| format!("events: {{sinks: [{{{sink}}}]}}\n");
        check(
            &sink("redis: {server: \"a:1\", password: x}"),
            Some(
                "redis.password is a secret, and every user can read this file: write password-file",
            ),
        );
        check(
            &sink("http: {urls: [\"https://a\"], bulk: {}, headers: {x-api: y}}"),
            Some("headers.x-api is a secret, and every user can read this file: take the file"),
        );
        check(&sink("redis: {server: \"a:1\", password-file: x}"), None);
        // These are a switch and names of files.
        check("capture: {shunt: {pass: true}}\n", None);
        fs::write(folder.path().join("rules.token"), "x").unwrap();
        check("rules: {follow: {from: \"http://a\", token: rules.token}}\n", None);
    }

    #[test]
    fn deprecated_keys_are_told() {
        let schema = serde_json::json!({"properties": {"a": {"properties": {
            "old": {"deprecated": true, "description": "write `new`"}, "new": {},
        }}}});
        assert_eq!(deprecated("a.old", &schema), Some("write `new`"));
        assert_eq!(deprecated("a.old.0", &schema), Some("write `new`"));
        assert_eq!(deprecated("a.new", &schema), None);
        assert_eq!(deprecated("b", &schema), None);
    }
}
