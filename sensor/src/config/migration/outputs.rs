//! `outputs` and `stats` become `events`, `statistics` and `files`.

use serde_json::Value as Json;

use super::Migration;
use crate::config::boolean;
use crate::config::native::{Kind, Origin, RECORDS, Value};
use crate::config::suricata::sink_of;
use crate::config::tree::Node;

/// Options of alerts that `events` has a key for.
const ALERT: [(&str, &str); 4] = [
    ("payload", "payload"),
    ("payload-printable", "payload"),
    ("packet", "packet"),
    ("verdict", "verdict"),
];

impl Migration<'_> {
    /// Where records go.
    pub(super) fn outputs(&mut self) {
        let items = self.config.root.get("outputs").map_or(&[][..], |node| &node.children);
        let mut sinks = Vec::new();
        let mut has_eve = false;
        for (at, item) in items.iter().enumerate() {
            let Some((name, Some(node))) = item.item() else { continue };
            let path = format!("outputs.{at}.{name}");
            if !node.text("enabled").is_some_and(boolean::is_true) {
                // It is off in both.
                self.take(format!("outputs.{at}"));
                continue;
            }
            self.take(format!("{path}.enabled"));
            match name {
                "eve-log" if has_eve => {
                    let why = "sensor.yaml has one set of records; sinks have `records` for less";
                    self.leave(path, why);
                }
                "eve-log" => {
                    has_eve = true;
                    self.eve(node, &path, &mut sinks);
                }
                "fast" => {
                    self.put("events.alert-lines", node.text("filename").unwrap_or("fast.log"));
                    self.take(format!("{path}.filename"));
                    self.appended(node, &path);
                }
                "stats" => {
                    self.put("statistics.table", node.text("filename").unwrap_or("stats.log"));
                    self.take(format!("{path}.filename"));
                    self.appended(node, &path);
                    self.usual(node, &path, &[("totals", "yes"), ("threads", "no")]);
                }
                "syslog" => self.sink("syslog", node, &path, &mut sinks, true),
                "file-store" => self.file_store(node, &path),
                _ => self.leave(path, "there is no such output"),
            }
        }
        if !has_eve {
            self.put("events.records", "");
            self.put_list::<String>("events.records", []);
        }
        if !sinks.is_empty() {
            let kind = Kind::List(sinks);
            self.put_value("events.sinks", Value { kind, ..Value::default() });
        }
        if let Some(interval) =
            self.text("stats.interval").and_then(|text| text.parse::<u64>().ok())
        {
            self.put_plain("statistics.interval", interval.max(1));
            self.take("stats.interval");
        }
        self.usual_of(
            "stats",
            &[
                ("enabled", "yes"),
                ("decoder-events", "yes"),
                ("decoder-events-prefix", "decoder.event"),
                ("stream-events", "no"),
            ],
        );
    }

    fn eve(&mut self, node: &Node, path: &str, sinks: &mut Vec<Value>) {
        let filetype = node.text("filetype").unwrap_or("regular").to_ascii_lowercase();
        self.take(format!("{path}.filetype"));
        match filetype.as_str() {
            "regular" | "file" => {
                self.put("events.file", node.text("filename").unwrap_or("eve.json"));
                self.take(format!("{path}.filename"));
                self.appended(node, path);
            }
            _ => {
                self.put("events.file", "off");
                self.sink(&filetype, node, path, sinks, false);
            }
        }
        if node.truth("community-id") == Some(true) {
            let seed = node.text("community-id-seed").unwrap_or("0");
            self.put_plain("events.community-id", seed);
            self.take(format!("{path}.community-id"));
            self.take(format!("{path}.community-id-seed"));
        }
        self.usual(
            node,
            path,
            &[
                ("community-id", "no"),
                ("pcap-file", "no"),
                ("ethernet", "no"),
                ("metadata", "yes"),
                ("threaded", "no"),
            ],
        );
        if node
            .child("community-id")
            .is_some_and(|n| n.value.as_deref().is_some_and(boolean::is_false))
        {
            self.take(format!("{path}.community-id-seed"));
        }
        if node.child("xff").is_some_and(|xff| xff.is_false("enabled")) {
            self.take(format!("{path}.xff"));
        }
        self.records(node, path);
    }

    fn records(&mut self, node: &Node, path: &str) {
        let items = node.child("types").map_or(&[][..], |types| &types.children);
        let mut records: Vec<&str> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let Some((name, options)) = item.item() else { continue };
            let place = format!("{path}.types.{at}");
            if options.is_some_and(|options| options.is_false("enabled")) {
                self.take(place);
                continue;
            }
            let Some(known) = RECORDS.iter().find(|record| **record == name) else {
                self.leave(place, format!("there is no record {name}"));
                continue;
            };
            records.push(known);
            let is_bare = options.is_none_or(|options| options.children.is_empty());
            if is_bare {
                self.take(place);
                continue;
            }
            if let Some(options) = options {
                self.options(name, options, &format!("{place}.{name}"));
            }
        }
        self.put_list("events.records", records);
    }

    /// Options of one kind of record.
    fn options(&mut self, name: &str, options: &Node, path: &str) {
        self.take(format!("{path}.enabled"));
        match name {
            "alert" => {
                for (old, new) in ALERT {
                    if let Some(on) = options.truth(old) {
                        if on {
                            self.put_plain(&format!("events.{new}"), true);
                        }
                        self.take(format!("{path}.{old}"));
                    }
                }
                self.usual(
                    options,
                    path,
                    &[
                        ("tagged-packets", "yes"),
                        ("http-body", "no"),
                        ("http-body-printable", "no"),
                        ("metadata", "yes"),
                        ("payload-length", "no"),
                        ("payload-buffer-size", "4kb"),
                    ],
                );
            }
            "files" => {
                let hashes = options.child("force-hash").map(Node::texts).unwrap_or_default();
                let known = |hash: &&str| ["md5", "sha1", "sha256"].contains(hash);
                let hashes: Vec<&str> = hashes.into_iter().filter(known).collect();
                if !hashes.is_empty() {
                    self.put_list("files.hashes", hashes);
                }
                self.take(format!("{path}.force-hash"));
                self.usual(options, path, &[("force-magic", "no")]);
            }
            "http" | "tls" => self.usual(options, path, &[("extended", "yes")]),
            "smtp" => self.usual(options, path, &[("extended", "no"), ("extended", "yes")]),
            "drop" => {
                self.usual(options, path, &[("flows", "all"), ("alerts", "no"), ("verdict", "no")])
            }
            "stats" => {
                self.usual(options, path, &[("totals", "yes"), ("threads", "no"), ("deltas", "no")])
            }
            "stream" => self.usual(options, path, &[("all", "yes")]),
            _ => {}
        }
    }

    fn file_store(&mut self, node: &Node, path: &str) {
        if self.settings.process.file_store.is_none() {
            return self.leave(path, "only version 2 of file-store is there, once");
        }
        self.put_plain("files.store", true);
        if node.truth("force-filestore") == Some(true) {
            self.put_plain("files.all", true);
        }
        if let Some(folder) = node.text("dir") {
            self.put("files.directory", folder);
        }
        for key in ["version", "force-filestore", "dir"] {
            self.take(format!("{path}.{key}"));
        }
        self.usual(node, path, &[("write-fileinfo", "yes")]);
    }

    /// An output that is no file.
    fn sink(
        &mut self,
        filetype: &str,
        node: &Node,
        path: &str,
        sinks: &mut Vec<Value>,
        is_of_alerts: bool,
    ) {
        let process = &self.settings.process;
        let Ok(Some((json, _))) = sink_of(self.config, node, process, filetype, is_of_alerts)
        else {
            return self.leave(path, format!("there is no filetype {filetype}"));
        };
        let mut sink = value_of(&json);
        if let Kind::Map(pairs) = &mut sink.kind {
            let name = match sinks.len() {
                0 => filetype.replace('_', "-"),
                others => format!("{}-{}", filetype.replace('_', "-"), others + 1),
            };
            pairs.insert(0, ("name".to_owned(), Value::word(name, Origin::Default)));
            if is_of_alerts {
                let only = value_of(&serde_json::json!({"only": ["alert"]}));
                pairs.push(("records".to_owned(), only));
            }
        }
        sinks.push(sink);
        for key in ["filetype", "filename", "identity", "facility", "level", "redis"] {
            self.take(format!("{path}.{key}"));
        }
    }

    /// Files are appended to.
    fn appended(&mut self, node: &Node, path: &str) {
        self.usual(node, path, &[("append", "yes")]);
    }

    /// Keys that say what is so anyway.
    fn usual(&mut self, node: &Node, path: &str, keys: &[(&str, &str)]) {
        for (key, usual) in keys {
            let Some(text) = node.text(key) else { continue };
            let is_same = match boolean::is_true(usual) {
                true => boolean::is_true(text),
                false if boolean::is_false(usual) => boolean::is_false(text),
                false => text.eq_ignore_ascii_case(usual),
            };
            if is_same {
                self.take(format!("{path}.{key}"));
            }
        }
    }

    fn usual_of(&mut self, path: &str, keys: &[(&str, &str)]) {
        if let Some(node) = self.config.root.get(path) {
            self.usual(node, path, keys);
        }
    }
}

/// What JSON says, without what is nothing.
fn value_of(json: &Json) -> Value {
    let plain = |text: String| Kind::Scalar { text, is_plain: true };
    let kind = match json {
        Json::String(text) => return Value::word(text.clone(), Origin::Default),
        Json::Array(items) => Kind::List(items.iter().map(value_of).collect()),
        Json::Object(map) => {
            let pairs = map.iter().filter(|(_, value)| !value.is_null());
            Kind::Map(pairs.map(|(key, value)| (key.clone(), value_of(value))).collect())
        }
        other => plain(other.to_string()),
    };
    Value { kind, ..Value::default() }
}
