//! `sensor.yaml`: the small typed configuration of the native face.
//!
//! What it says is put over the built-in defaults and read by the same code as `suricata.yaml`,
//! so that both faces make the same settings.

mod applying;
mod capture;
mod checks;
mod delivery;
mod document;
#[cfg(test)]
mod documents;
mod effective;
mod environment;
mod faults;
mod inspect;
mod interface;
mod masked;
mod nearest;
mod observe;
mod reading;
pub(crate) mod reload;
mod rules;
pub(crate) mod schema;
mod warnings;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::log::program::ProgramLog;
use crate::log::{Level, Log};

use super::capture::CaptureSettings;
use super::process::RuleSources;
use super::suricata::{self, Config, Everything, Mode};
use super::tree::Node;
use super::yaml::Loader;

use self::rules::Follow;
pub(crate) use document::{Document, Kind, Origin, Value};
pub(crate) use effective::{
    Change, changes, in_force, is_secret_file, masked, masked_foreign, unset,
};
pub(crate) use environment::variables;
pub(crate) use inspect::{Finding, Inspected, Severity, inspect};
pub(crate) use observe::{Metrics, Otel};
pub(crate) use words::RECORDS;
use words::{FileName, Hash, Protocol, Size};

pub(crate) const DEFAULTS: &str = include_str!("../data/defaults.yaml");
/// Each key with its default, as it is documented.
const DOCUMENTED: &str = include_str!("../../../docs/sensor.yaml");
pub(crate) const CLASSIFICATION: &str = include_str!("../data/classification.config");
pub(crate) const REFERENCE: &str = include_str!("../data/reference.config");

/// The file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Sensor {
    /// A name for this sensor, written into each record.
    name: Option<String>,
    /// What is defended, and variables of rules.
    networks: Networks,
    /// Where rules come from.
    pub(crate) rules: Rules,
    /// Records: which, where to, over which network.
    events: self::delivery::Section,
    /// Records of counters.
    statistics: Statistics,
    /// Files that go by.
    files: Files,
    /// Limits of memory.
    limits: Limits,
    /// Protocols that are not looked into.
    protocols: Protocols,
    /// Packets with wrong checksums.
    #[serde(default)]
    checksums: Checksums,
    /// Where and how frames are had.
    capture: self::capture::Section,
    /// The endpoint for Prometheus.
    pub(crate) metrics: Metrics,
    /// The program's own log.
    log: self::observe::Log,
    /// Metrics to an OpenTelemetry collector.
    pub(crate) otel: Option<Otel>,
    /// Simulate an inline sensor: verdicts are reached and reported.
    pub(crate) inline: bool,
    /// What it was made of, for messages.
    #[serde(skip)]
    pub(crate) document: Document,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Networks {
    /// What is defended.
    home: Vec<String>,
    /// Address variables of rules.
    addresses: BTreeMap<String, String>,
    /// Port variables of rules.
    #[schemars(with = "BTreeMap<String, Ports>")]
    ports: BTreeMap<String, String>,
}

/// Ports as rules write them; a number may be one.
struct Ports;

::delivery::described! {
    Ports, "Ports": {"type": ["string", "integer"]};
}

/// Where rules come from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Rules {
    /// Files and patterns, relative to the configuration.
    pub(crate) files: Vec<String>,
    /// The file of classifications, relative to the configuration.
    pub(crate) classification: Option<PathBuf>,
    /// The file of references, relative to the configuration.
    pub(crate) reference: Option<PathBuf>,
    /// The file of thresholds, relative to the configuration.
    pub(crate) thresholds: Option<PathBuf>,
    /// A folder that is there, for data sets that rules load or save.
    data_directory: Option<PathBuf>,
    /// Where programs put rules; what is current there is loaded beside the files.
    pub(crate) store: Option<supply::settings::StoreSettings>,
    /// What `bateleur rules update` does.
    pub(crate) update: supply::settings::UpdateSettings,
    /// Where `bateleur rules follow` takes bundles from.
    pub(crate) follow: Option<Follow>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Statistics {
    /// Seconds between records.
    interval: Option<u64>,
    /// A file of tables.
    table: Option<FileName>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Files {
    /// Store files that rules mark.
    store: bool,
    /// Store every file.
    all: bool,
    /// Where to, relative to the folder of outputs.
    directory: Option<FileName>,
    /// Sums in records of files, besides those that rules ask for.
    hashes: Vec<Hash>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Limits {
    /// Memory of flows.
    flow_memory: Option<Size>,
    /// Memory of streams.
    stream_memory: Option<Size>,
    /// Memory of data that waits to be put in order.
    reassembly_memory: Option<Size>,
    /// So much of each direction of a connection is looked at; 0 is all of it.
    reassembly_depth: Option<Size>,
    /// Memory of fragments.
    fragment_memory: Option<Size>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Protocols {
    /// Neither detected nor parsed.
    off: Vec<Protocol>,
    /// Detected, but not parsed.
    detection_only: Vec<Protocol>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Checksums {
    /// Ignored when the first packets have many bad ones.
    #[default]
    Auto,
    Check,
    Ignore,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, std::io::Error),
    /// It does not say what it should.
    #[error("{file}: {what}")]
    Wrong {
        /// The file, with line and column if the reason has none.
        file: String,
        /// With line, column and what is possible there.
        what: String,
        /// Its key.
        key: Option<String>,
    },
    /// It can't be understood: place, reason and excerpt.
    #[error("{0}")]
    Faulty(String),
}

impl Sensor {
    /// An error about a key, with its place.
    fn wrong(&self, key: &str, what: &str) -> NativeError {
        // Items of lists are told by their place.
        let is_item = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let name: Vec<&str> = key.split('.').filter(|part| !is_item(part)).collect();
        let name = name.join(".");
        let (file, what) = (self.place_of(key), format!("{name}: {what}"));
        NativeError::Wrong { file, what, key: Some(key.to_owned()) }
    }

    /// An error that begins with its key, with the place of that.
    fn wrong_at_first(&self, what: String) -> NativeError {
        let first = what.split([' ', ':']).next().unwrap_or_default();
        let key = self.document.get(first).map(|_| first.to_owned());
        let file = key.as_ref().map_or(self.document.file.clone(), |key| self.place_of(key));
        NativeError::Wrong { file, what, key }
    }

    /// File, line and column of a key or of an item of a list, or the variable that says it.
    fn place_of(&self, key: &str) -> String {
        self.document.place(key)
    }

    /// Settings of detector and process.
    ///
    /// # Errors
    /// When what it says cannot be done.
    pub(crate) fn settings(
        &self,
        log_dir: &Path,
        mode: &Mode,
        log: &Log,
    ) -> Result<Everything, NativeError> {
        let mut loader = Loader::new(Node::default(), log);
        let bad =
            |what: String| NativeError::Wrong { file: "built-in defaults".into(), what, key: None };
        loader.text(DEFAULTS).map_err(|error| bad(error.to_string()))?;
        let mut root = loader.finish();
        self.apply(&mut root);
        let mode = Mode { config_file: self.document.file.clone(), ..mode.clone() };
        self.check(&root)?;
        // Its words are those of another configuration: they are passed on where nothing else is
        // known.
        let kept = Log::keeping(Level::Error);
        let read = suricata::read(Config { root: &root, log: &kept, mode: &mode }, log_dir);
        let said = kept.take_kept();
        let wrong = |what: String| self.wrong_at_first(what);
        let mut all = read.map_err(|_| {
            let texts: Vec<String> = said.iter().map(|(_, text)| text.clone()).collect();
            wrong(texts.join("; "))
        })?;
        said.iter().for_each(|(module, text)| log.error(module, text));
        self.name_rules(&mut all.process.rules);
        all.process.delivery = self
            .events
            .delivery(log_dir, self.otel.is_some(), !mode.inputs.is_empty())
            .map_err(wrong)?;
        for (at, sink) in all.process.delivery.iter_mut().flat_map(|all| &mut all.sinks).enumerate()
        {
            sink.place = self.place_of(&format!("events.sinks.{at}"));
        }
        if self.events.is_file_off()
            && let Some(file) = all.process.files.first_mut()
        {
            file.is_off = true;
        }
        checks::own_files(&all.process, log_dir).map_err(wrong)?;
        let loader = &mut all.process.loader;
        loader.classifications = ::rules::classification::Classifications::parse(CLASSIFICATION).0;
        loader.references = ::rules::reference::References::parse(REFERENCE).0;
        Ok(all)
    }

    /// Settings of live capture.
    ///
    /// # Errors
    /// When parts of the section contradict each other.
    pub(crate) fn capture(&self) -> Result<CaptureSettings, NativeError> {
        self.capture.settings().map_err(|wrong| self.wrong(&wrong.key, &wrong.what))
    }

    /// Files of rules, with their places.
    fn name_rules(&self, rules: &mut RuleSources) {
        rules.patterns.extend(self.rules.files.iter().cloned());
        rules.classification = self.rules.classification.clone();
        rules.reference = self.rules.reference.clone();
        rules.threshold = self.rules.thresholds.clone();
        rules.store = self.rules.stored();
        rules.is_followed = self.rules.follow.is_some();
        for (number, pattern) in self.rules.files.iter().enumerate() {
            let place = self.place_of(&format!("rules.files.{number}"));
            rules.places.insert(pattern.clone(), place);
        }
        for (key, file) in [
            ("rules.classification", &rules.classification),
            ("rules.reference", &rules.reference),
            ("rules.thresholds", &rules.threshold),
        ] {
            if let Some(file) = file {
                rules.places.insert(file.display().to_string(), self.place_of(key));
            }
        }
    }

    /// The program's own log; its file lies below `base`.
    pub(crate) fn program_log(&self, base: &Path) -> ProgramLog {
        self.log.settings(base)
    }

    /// The network that records leave by, and what else the sensor sends.
    pub(crate) fn event_network(&self) -> ::delivery::network::Network {
        self.events.network()
    }

    /// The name that the configuration gives to the sensor.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Everything {
        let mode = Mode { detection: true, ..Mode::default() };
        let sensor = Sensor::parse(text, "sensor.yaml").unwrap();
        sensor.settings(Path::new("/tmp"), &mode, &Log::console()).unwrap()
    }

    #[test]
    fn a_replay_has_its_own_spool() {
        let spool = |text: &str, inputs: &[&str]| {
            let sensor = Sensor::parse(text, "sensor.yaml").unwrap();
            let inputs = inputs.iter().map(ToString::to_string).collect();
            let mode = Mode { detection: true, inputs, ..Mode::default() };
            let all = sensor.settings(Path::new("/out"), &mode, &Log::console()).unwrap();
            let delivery = all.process.delivery.unwrap();
            (delivery.spool.directory.display().to_string(), delivery.keeps_others)
        };
        let named = "events: {spool: {directory: /s}, sinks: [{stdout: {}}]}";
        let plain = "events: {sinks: [{stdout: {}}]}";
        assert_eq!(spool(plain, &[]), ("/var/lib/bateleur/spool".into(), false));
        assert_eq!(spool(plain, &["a.pcap"]), ("/out/spool".into(), false));
        assert_eq!(spool(named, &[]), ("/s".into(), false));
        assert_eq!(spool(named, &["a.pcap"]), ("/s".into(), true));
    }

    #[test]
    fn nothing_said_is_a_working_sensor() {
        let all = settings("# nothing\n");
        assert_eq!(all.process.files.len(), 1);
        assert_eq!(all.process.files[0].filename, "eve.json");
        assert_eq!(all.process.statistics.eve.len(), 1);
        assert_eq!(all.detector.stream.depth, 1 << 20);
        assert!(all.process.loader.classifications.get("trojan-activity").is_some());
        assert_eq!(all.process.loader.variables.port("HTTP_PORTS"), Some("80"));
    }

    #[test]
    fn mistakes_are_refused_with_their_place() {
        let check = |text: &str, parts: &[&str]| {
            let said = Sensor::parse(text, "gate.yaml").unwrap_err();
            for part in parts {
                assert!(said.contains(part), "{part} in {said}");
            }
            assert!(!said.contains("<input>"), "{said}");
        };
        check("events:\n  fil: x\n", &["fil", "file", "gate.yaml:2"]);
        check("limits: {flow-memory: 12 parsecs}\n", &["12 parsecs", "MiB"]);
        check("checksums: maybe\n", &["maybe", "ignore"]);
        check(
            "name: a\nevents:\n  records: [dns, alerts]\n",
            &["`alerts` is no record: did you mean `alert`?", "gate.yaml:3"],
        );
        check("\nprotocols: {off: [bogus]}\n", &["`bogus` is no protocol", "smb", "gate.yaml:2"]);
        check("protocols: {detection-only: [htp]}\n", &["did you mean `http`?"]);
        check("events:\n  alert-lines: 3\n", &["`3` is no file name", "gate.yaml:2"]);
        check("events: {file: yes}\n", &["`yes` is no file name"]);
        check("events:\n  volume: {sampel: {}}\n", &["sampel", "gate.yaml"]);
        check("events:\n  volume: {budgets: {dns: {rate: 5/x}}}\n", &["no rate such as 1000/s"]);
        let mode = Mode { detection: true, ..Mode::default() };
        for (text, part) in [
            (
                "{sample: {htpp: 1/10}}, sinks: [{stdout: {}}]",
                "`htpp` is no type of record: did you mean `http`?",
            ),
            ("{fold-alerts: {by: [sid]}}, sinks: [{stdout: {}}]", "sid is none of gid"),
            ("{sample: {dns: 1/10}}", "events.volume needs a sink"),
        ] {
            let sensor = Sensor::parse(&format!("events: {{volume: {text}}}\n"), "gate.yaml");
            let said = sensor.unwrap().settings(Path::new("/tmp"), &mode, &Log::console());
            let said = said.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains(part) && said.contains("gate.yaml:1:10: "), "{said}");
        }
        check("files: {hashes: [sha256, md6]}\n", &["did you mean `md5`?"]);
        check("name: a\nname: b\n", &["`name` is given twice", "gate.yaml:2"]);
        check("rules:\n  files: [a\n", &["gate.yaml"]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_place() {
        let check = |text: &str, expected: &str| {
            let sensor = Sensor::parse(text, "gate.yaml").unwrap();
            let mode = Mode { detection: true, ..Mode::default() };
            let done = sensor.settings(Path::new("/tmp"), &mode, &Log::keeping(Level::Error));
            assert_eq!(done.unwrap_err().to_string(), expected);
        };
        let network = "write one such as 10.0.0.0/8, 10.0.0.1-10.0.0.9, or one with ! before it";
        check(
            "networks:\n  home: [10.0.0.0/8, 10.0.0.0/33]\n",
            &format!(
                "gate.yaml:2:22: networks.home: '10.0.0.0/33' is not an IP address, range or \
                 network: {network}"
            ),
        );
        let said = "'x' is not an IP address, range or network";
        check(
            "networks: {addresses: {DMZ: x}}\n",
            &format!("gate.yaml:1:24: networks.addresses.DMZ: {said}: {network}"),
        );
        check(
            "limits:\n  flow-memory: 1 KiB\n",
            "gate.yaml:2:3: limits.flow-memory: `1 KiB` is too little: the table of flows alone \
             takes 4 MiB (65536 rows of 64 bytes): write more than that",
        );
        let sensor = Sensor::parse("networks: {ports: {WEB: 70000}}\n", "gate.yaml").unwrap();
        let done =
            sensor.settings(Path::new("/tmp"), &Mode::default(), &Log::keeping(Level::Error));
        let said = done.unwrap_err().to_string();
        assert!(said.starts_with("gate.yaml:1:20: networks.ports.WEB: "), "{said}");
    }

    #[test]
    fn cpus_that_are_not_there_are_refused() {
        let sensor = Sensor::parse("capture:\n  cpus: 2-5\n", "gate.yaml").unwrap();
        assert!(sensor.check_cpus(&[0, 1, 2, 3, 4, 5]).is_ok());
        let said = sensor.check_cpus(&[0, 1, 2, 3]).unwrap_err().to_string();
        let expected = "gate.yaml:2:3: capture.cpus: CPU 4 is not there, or not for this process: \
                        it may use 0-3";
        assert_eq!(said, expected);
        assert!(Sensor::default().check_cpus(&[]).is_ok());
    }
}
