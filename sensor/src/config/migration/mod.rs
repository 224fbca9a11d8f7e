//! From `suricata.yaml` to `sensor.yaml`: what both can say, and a list of what only one can.
//!
//! Values are taken from the settings that the one face has read, so that the other makes the
//! same ones.

mod capture;
mod outputs;
mod reasons;
mod usual;

use std::fmt::Write as _;
use std::path::Path;

use crate::log::{Level, Log};

use super::native::{Document, Kind, Origin, Value};
use super::suricata::{self, Config, Everything, Mode};
use super::tree::Node;
use super::yaml::Loader;
use super::{boolean, size};

/// A configuration that was made of another one.
#[derive(Debug)]
pub(crate) struct Migrated {
    /// `sensor.yaml`, with what was left out as comments at its end.
    pub(crate) text: String,
    /// How many keys were left out.
    pub(crate) left_out: usize,
}

/// What is being made.
struct Migration<'a> {
    config: Config<'a>,
    settings: &'a Everything,
    out: Value,
    /// Keys of the old file that the new one says, or need not say.
    taken: Vec<String>,
    /// Why a key was left out, where that is not what is said of all its kind.
    why: Vec<(String, String)>,
}

/// Makes a `sensor.yaml` of the file.
///
/// # Errors
/// When the file can't be read, or Suricata's face of the program would not start with it.
pub(crate) fn migrate(path: &Path) -> Result<Migrated, String> {
    let name = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let log = Log::keeping(Level::Error);
    let mut loader = Loader::new(Node::default(), &log);
    loader.main_file(path).map_err(|error| format!("{name}: {error}"))?;
    let root = loader.finish();
    let mode = Mode { detection: true, config_file: name.clone(), ..Mode::default() };
    let config = Config { root: &root, log: &log, mode: &mode };
    let log_dir = suricata::log_dir(&root, None);
    let settings = suricata::read(config, &log_dir).map_err(|_| {
        let said: Vec<String> = log.take_kept().into_iter().map(|(_, text)| text).collect();
        format!("{name}: {}", said.join("; "))
    })?;
    let mut migration = Migration {
        config,
        settings: &settings,
        out: Value::default(),
        taken: Vec::new(),
        why: Vec::new(),
    };
    migration.name();
    migration.networks();
    migration.rules();
    migration.outputs();
    migration.limits();
    migration.protocols();
    migration.checksums();
    migration.log();
    migration.capture()?;
    let document = Document::of(&text, &name).map_err(|why| format!("{name}:{why}"))?;
    Ok(migration.finish(&document, &name))
}

impl Migration<'_> {
    fn text(&self, path: &str) -> Option<&str> {
        self.config.root.text(path)
    }

    /// Puts a word in.
    fn put(&mut self, path: &str, text: impl Into<String>) {
        self.put_value(path, Value::word(text, Origin::Default));
    }

    /// Puts a number or a truth in.
    fn put_plain(&mut self, path: &str, text: impl ToString) {
        let kind = Kind::Scalar { text: text.to_string(), is_plain: true };
        self.put_value(path, Value { kind, ..Value::default() });
    }

    fn put_list<T: Into<String>>(&mut self, path: &str, words: impl IntoIterator<Item = T>) {
        let items = words.into_iter().map(|word| Value::word(word, Origin::Default)).collect();
        self.put_value(path, Value { kind: Kind::List(items), ..Value::default() });
    }

    fn put_value(&mut self, path: &str, value: Value) {
        let path: Vec<String> = path.split('.').map(ToOwned::to_owned).collect();
        // Lists are put as a whole: there is nothing on the way that is none.
        let _ = self.out.put(&path, value);
    }

    /// The old key needs no word more.
    fn take(&mut self, path: impl Into<String>) {
        self.taken.push(path.into());
    }

    /// The old key can't be taken over, for a reason of its own.
    fn leave(&mut self, path: impl Into<String>, why: impl Into<String>) {
        self.why.push((path.into(), why.into()));
    }

    fn name(&mut self) {
        if let Some(name) = self.text("sensor-name").map(ToOwned::to_owned) {
            self.put("name", name);
            self.take("sensor-name");
        }
    }

    fn networks(&mut self) {
        for (group, key) in [("address-groups", "addresses"), ("port-groups", "ports")] {
            let path = format!("vars.{group}");
            let nodes = self.config.root.get(&path).map_or(&[][..], |node| &node.children);
            for node in nodes {
                let Some(value) = &node.value else { continue };
                match items(value) {
                    Some(items) if node.name == "HOME_NET" => self.put_list("networks.home", items),
                    _ => self.put(&format!("networks.{key}.{}", node.name), value.clone()),
                }
                self.take(format!("{path}.{}", node.name));
            }
        }
    }

    fn rules(&mut self) {
        let absolute = |path: &Path| {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
        };
        let sources = &self.settings.process.rules;
        let patterns: Vec<String> =
            sources.patterns.iter().map(|pattern| absolute(Path::new(pattern))).collect();
        if !patterns.is_empty() {
            self.put_list("rules.files", patterns);
        }
        self.take("rule-files");
        self.take("default-rule-path");
        for (old, new, file) in [
            ("classification-file", "rules.classification", &sources.classification),
            ("reference-config-file", "rules.reference", &sources.reference),
            ("threshold-file", "rules.thresholds", &sources.threshold),
        ] {
            if let Some(file) = file.as_ref().filter(|_| self.config.root.get(old).is_some()) {
                self.put(new, absolute(file));
                self.take(old);
            }
        }
        if let Some(folder) = self.text("default-data-dir").map(ToOwned::to_owned) {
            if Path::new(&folder).is_dir() {
                self.put("rules.data-directory", absolute(Path::new(&folder)));
                self.take("default-data-dir");
            } else {
                self.leave("default-data-dir", "there is no such folder: rules.data-directory");
            }
        }
    }

    fn limits(&mut self) {
        let all = &self.settings.detector;
        for (old, new, bytes) in [
            ("flow.memcap", "limits.flow-memory", all.flow.memcap),
            ("stream.memcap", "limits.stream-memory", all.stream.memcap),
            ("stream.reassembly.memcap", "limits.reassembly-memory", all.stream.reassembly_memcap),
            ("stream.reassembly.depth", "limits.reassembly-depth", u64::from(all.stream.depth)),
            ("defrag.memcap", "limits.fragment-memory", all.decode.defrag.memcap),
        ] {
            if self.text(old).and_then(size::strict) == Some(bytes) {
                match in_units(bytes) {
                    Some(text) => {
                        self.put(new, text);
                        self.take(old);
                    }
                    None => self.leave(old, format!("{new} takes whole KiB")),
                }
            }
        }
    }

    fn protocols(&mut self) {
        let nodes =
            self.config.root.get("app-layer.protocols").map_or(&[][..], |node| &node.children);
        let (mut off, mut detected) = (Vec::new(), Vec::new());
        for node in nodes {
            let path = format!("app-layer.protocols.{}.enabled", node.name);
            let is_known = protocol::AppProto::ALL.iter().any(|proto| proto.name() == node.name);
            match node.text("enabled") {
                Some("detection-only") if is_known => detected.push(node.name.clone()),
                Some(word) if boolean::is_false(word) && is_known => off.push(node.name.clone()),
                Some(word) if boolean::is_true(word) => {}
                Some(_) => {
                    self.leave(path, format!("there is no protocol {}", node.name));
                    continue;
                }
                None => continue,
            }
            self.take(path);
        }
        if !off.is_empty() {
            self.put_list("protocols.off", off);
        }
        if !detected.is_empty() {
            self.put_list("protocols.detection-only", detected);
        }
    }

    fn checksums(&mut self) {
        let all = &self.settings.detector;
        let word = match (all.ignore_checksums, all.checksum_auto, all.stream.checksum_validation) {
            (true, _, false) => "ignore",
            (false, true, true) => "auto",
            (false, false, true) => "check",
            _ => {
                let why = "`checksums` is for packets and streams alike";
                return self.leave("stream.checksum-validation", why);
            }
        };
        let keys = [
            "stream.checksum-validation",
            "capture.checksum-validation",
            "pcap-file.checksum-checks",
        ];
        if keys.iter().any(|key| self.config.root.get(key).is_some()) {
            self.put("checksums", word);
        }
        keys.iter().for_each(|key| self.take(*key));
    }

    /// The engine log becomes the program's own.
    fn log(&mut self) {
        let level = self.text("logging.default-log-level").map(str::to_ascii_lowercase);
        let level = level.and_then(|level| match level.as_str() {
            "emergency" | "alert" | "critical" | "error" => Some("error"),
            "warning" => Some("warn"),
            // Messages of a start are notes there.
            "notice" | "info" => Some("info"),
            "perf" | "config" | "debug" => Some("debug"),
            _ => None,
        });
        if let Some(level) = level {
            self.put("log.level", level);
            self.take("logging.default-log-level");
        }
        let outputs = self.config.root.get("logging.outputs").map_or(&[][..], |n| &n.children);
        for (at, item) in outputs.iter().enumerate() {
            let Some((name, options)) = item.item() else { continue };
            let path = format!("logging.outputs.{at}");
            if options.is_some_and(|node| node.is_false("enabled")) || name == "console" {
                self.take(path);
                continue;
            }
            let text = |key: &str| options.and_then(|node| node.text(key));
            if let Some(file) = text("filename").filter(|_| name == "file") {
                let is_json = text("type") == Some("json");
                self.put("log.file", file);
                for key in ["enabled", "filename"] {
                    self.take(format!("{path}.file.{key}"));
                }
                if is_json {
                    self.put("log.format", "json");
                    self.take(format!("{path}.file.type"));
                }
            }
        }
    }

    /// The text, with all that is not in it behind.
    fn finish(self, document: &Document, name: &str) -> Migrated {
        let mut text = format!("# Made of {name} by `bateleur config migrate`.\n");
        let is_empty = matches!(&self.out.kind, Kind::Map(pairs) if pairs.is_empty());
        if !is_empty {
            text.push_str(&self.out.yaml(&mut |_, _| None));
        }
        let mut left: Vec<(usize, String)> = Vec::new();
        if let Some(root) = &document.root {
            root.leaves("", &mut |path, value| {
                let path = dashed(path);
                let own = self.why.iter().find(|(key, _)| is_below(&path, key));
                if self.is_taken(&path) || own.is_none() && usual::says_nothing(&path, value) {
                    return;
                }
                let line = match value.origin {
                    Origin::File(line, _) => line,
                    _ => 0,
                };
                let why = match (own, usual::in_force(&path)) {
                    (Some((_, why)), _) => why.clone(),
                    (None, Some(usual)) => format!("it has no effect: here it is {usual}"),
                    (None, None) => reasons::of(&path).to_owned(),
                };
                let shown = super::native::masked_foreign(&path, value);
                left.push((line, format!("{path}: {shown} -- {why}")));
            });
        }
        left.sort();
        if !left.is_empty() {
            let _ = write!(text, "\n# Not taken over, with the line of {name} and why:\n");
        }
        for (line, said) in &left {
            let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "#   {line}: {said}");
        }
        Migrated { text, left_out: left.len() }
    }

    fn is_taken(&self, path: &str) -> bool {
        self.taken.iter().any(|taken| is_below(path, taken))
    }
}

fn is_below(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Suricata takes `_` for `-` in keys; names of variables stay.
fn dashed(path: &str) -> String {
    let is_variable = path.starts_with("vars.");
    if is_variable { path.to_owned() } else { path.replace('_', "-") }
}

/// The parts of a list such as `[10.0.0.0/8, 192.168.0.0/16]`, if it is only that.
fn items(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    if inner.contains(['[', ']', '!', '$']) || inner.trim().is_empty() {
        return None;
    }
    Some(inner.split(',').map(|part| part.trim().to_owned()).collect())
}

/// In the largest unit that fits without a rest.
fn in_units(bytes: u64) -> Option<String> {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match bytes {
        0 => Some("0".to_owned()),
        _ => units
            .into_iter()
            .find(|(unit, _)| bytes.is_multiple_of(*unit))
            .map(|(unit, name)| format!("{} {name}", bytes / unit)),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
