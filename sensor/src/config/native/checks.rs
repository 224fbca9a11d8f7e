//! What `sensor.yaml` says and cannot be done, told by its own keys.

use std::path::{Path, PathBuf};

use detect::settings::Settings;
use placement::CpuSet;
use rules::address::AddressSet;
use rules::port::PortSet;
use rules::variables::Variables;
use schema::field::{Field, Kind};

use crate::config::process::ProcessSettings;
use crate::config::size;
use crate::config::tree::Node;

use super::nearest::{known, nearest};
use super::words::Size;
use super::{NativeError, Sensor};

/// Bytes that a row of the table of flows counts for, as Suricata 8 has it.
const FLOW_ROW: u64 = 64;

const NETWORK: &str = "write one such as 10.0.0.0/8, 10.0.0.1-10.0.0.9, or one with ! before it";
const PORTS: &str = "write one such as 80, 8000:8010 or [80,443]";

impl Sensor {
    /// Looks at what the keys say together with the defaults, in a tree that has both.
    ///
    /// # Errors
    /// With the key that is to be changed.
    pub(super) fn check(&self, root: &Node) -> Result<(), NativeError> {
        self.check_networks(root)?;
        self.check_flow_memory(root)?;
        self.check_sinks()
    }

    /// Whether workers can run where `capture.cpus` says, if the process may use these CPUs.
    ///
    /// # Errors
    /// With the first CPU that is missing.
    pub(crate) fn check_cpus(&self, usable: &[usize]) -> Result<(), NativeError> {
        let usable: CpuSet = usable.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect();
        let wanted = self.capture.cpus();
        let missing = wanted.and_then(|wanted| wanted.iter().find(|cpu| !usable.contains(*cpu)));
        let Some(cpu) = missing else { return Ok(()) };
        let said = format!("CPU {cpu} is not there, or not for this process: it may use {usable}");
        Err(self.wrong("capture.cpus", &said))
    }

    fn check_networks(&self, root: &Node) -> Result<(), NativeError> {
        let mut variables = Variables::default();
        let groups = |path: &str| root.get(path).map_or(&[][..], |node| &node.children);
        for node in groups("vars.address-groups") {
            variables.set_address(&node.name, node.value.clone().unwrap_or_default());
        }
        for node in groups("vars.port-groups") {
            variables.set_port(&node.name, node.value.clone().unwrap_or_default());
        }
        let address =
            |text: &str| AddressSet::parse(text, &variables).map_err(|error| error.message);
        let home = format!("[{}]", self.networks.home.join(","));
        if !self.networks.home.is_empty()
            && let Err(why) = address(&home)
        {
            // One alone may be what all others are taken from.
            let is_bad = |one: &String| address(one.trim().trim_start_matches('!')).err();
            let items = self.networks.home.iter().enumerate();
            let bad =
                items.map(|(number, one)| (number, is_bad(one))).find(|(_, bad)| bad.is_some());
            let (key, why) = match bad {
                Some((number, Some(why))) => (format!("networks.home.{number}"), why),
                _ => ("networks.home".to_owned(), why),
            };
            return Err(self.wrong(&key, &format!("{why}: {NETWORK}")));
        }
        for (name, value) in &self.networks.addresses {
            if let Err(why) = address(value) {
                let key = format!("networks.addresses.{name}");
                return Err(self.wrong(&key, &format!("{why}: {NETWORK}")));
            }
        }
        for (name, value) in &self.networks.ports {
            if let Err(error) = PortSet::parse(value, &variables) {
                let key = format!("networks.ports.{name}");
                return Err(self.wrong(&key, &format!("{}: {PORTS}", error.message)));
            }
        }
        Ok(())
    }

    /// Types and fields that settings of sinks name are those that records have.
    fn check_sinks(&self) -> Result<(), NativeError> {
        for (at, sink) in self.events.sinks().iter().enumerate() {
            let wrong =
                |key: &str, what: &str| Err(self.wrong(&format!("events.sinks.{at}.{key}"), what));
            for (key, name) in sink.types() {
                if let Err(why) = known_type(name) {
                    return wrong(&key, &why);
                }
            }
            let mut found = None;
            if let Some(condition) = sink.records.condition() {
                condition.each_field(&mut |path, test| {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    let values = path == ["event_type"];
                    let types = test.texts().filter(|_| values).find_map(|t| known_type(t).err());
                    found = found.take().or_else(|| known_field(&path).err()).or(types);
                });
            }
            if let Some(why) = found {
                return wrong("records.where", &why);
            }
        }
        Ok(())
    }

    /// The table of flows is there from the start and counts as well.
    fn check_flow_memory(&self, root: &Node) -> Result<(), NativeError> {
        let Some(Size(text)) = &self.limits.flow_memory else { return Ok(()) };
        let configured = root.text("flow.hash-size").and_then(|text| text.parse().ok());
        let rows = configured.unwrap_or_else(|| Settings::default().flow.hash_size);
        let least = u64::from(rows).saturating_mul(FLOW_ROW);
        if size::strict(text).is_none_or(|bytes| bytes >= least) {
            return Ok(());
        }
        let said = format!(
            "`{text}` is too little: the table of flows alone takes {} MiB ({rows} rows of \
             {FLOW_ROW} bytes): write more than that",
            least.div_ceil(1 << 20)
        );
        Err(self.wrong("limits.flow-memory", &said))
    }
}

/// Refuses what is no type of record.
pub(super) fn known_type(name: &str) -> Result<(), String> {
    // What `events.records` calls otherwise.
    for (record, event) in [("files", "fileinfo"), ("stream", "stream_tcp")] {
        if name == record {
            return Err(format!("`{name}` is no type of record: did you mean `{event}`?"));
        }
    }
    known(name, "type of record", schema::EVENTS.iter().map(|event| event.name))
}

/// Refuses what is the field of no record.
fn known_field(path: &[&str]) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    let roots = || schema::EVENTS.iter().flat_map(schema::Event::fields);
    if roots().any(|field| field.name == *first && has(field.kind, rest)) {
        return Ok(());
    }
    let name = path.join(".");
    let all: Vec<String> = schema::EVENTS
        .iter()
        .flat_map(schema::leaves)
        .map(|leaf| leaf.query_path())
        .filter(|path| !path.contains('*'))
        .collect();
    let near = nearest(&name, all.iter().map(String::as_str)).or_else(|| {
        // Without the object that it is in.
        let is_it = |path: &&String| path.rsplit_once('.').is_some_and(|(_, last)| last == name);
        all.iter().find(is_it).map(String::as_str)
    });
    Err(match near {
        Some(near) => format!("no record has a field `{name}`: did you mean `{near}`?"),
        None => format!("no record has a field `{name}`: `bateleur schema` lists them"),
    })
}

/// Whether values of a kind have something at a path.
fn has(kind: Kind, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let member = |fields: &[Field]| fields.iter().find(|f| f.name == *first).map(|f| f.kind);
    match kind {
        Kind::List(of) => has(*of, path),
        Kind::Map(of) => has(*of, rest),
        Kind::Object(fields) => member(fields).is_some_and(|kind| has(kind, rest)),
        Kind::Open(fields, others) => has(member(fields).unwrap_or(*others), rest),
        Kind::Counters | Kind::Any => true,
        _ => false,
    }
}

/// A sink may not write to a file that records or statistics go to by themselves.
pub(super) fn own_files(process: &ProcessSettings, log_dir: &Path) -> Result<(), String> {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let files = process.files.iter().filter(|file| !file.is_off);
    let taken: Vec<PathBuf> = files.map(|file| whole(&log_dir.join(&file.filename))).collect();
    let sinks = process.delivery.iter().flat_map(|delivery| &delivery.sinks);
    match sinks
        .filter_map(|sink| sink.file_path())
        .find(|&path| taken.contains(&whole(path.as_ref())))
    {
        Some(path) => Err(format!(
            "events.sinks: file: {path} is the file of events.file, too; give the sink another \
             path, or say `file: off`"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::suricata::Mode;
    use crate::log::{Level, Log};

    /// What is said about settings of a sink beside `stdout`; nothing when they are good.
    fn said(sink: &str) -> String {
        let text = format!("events:\n  sinks:\n    - stdout: {{}}\n    - {sink}\n");
        let sensor = match Sensor::parse(&text, "gate.yaml") {
            Ok(sensor) => sensor,
            Err(said) => return said,
        };
        let log = Log::keeping(Level::Error);
        let done = sensor.settings(Path::new("/tmp"), &Mode::default(), &log);
        done.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_file_has_one_writer() {
        for (text, want) in [
            ("events: {sinks: [{file: {path: /tmp/eve.json}}]}", "the file of events.file, too"),
            (
                "events: {sinks: [{name: a, file: {path: x}}, {name: b, file: {path: x}}]}",
                "two sinks write to x",
            ),
            ("events: {file: off, sinks: [{file: {path: /tmp/eve.json}}]}", ""),
        ] {
            let sensor = Sensor::parse(text, "sensor.yaml").unwrap();
            let mode = Mode { detection: true, ..Mode::default() };
            let got = sensor.settings(Path::new("/tmp"), &mode, &Log::keeping(Level::Error));
            let said = got.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{text}: {said}");
        }
    }

    #[test]
    fn types_that_sinks_name_are_those_of_records() {
        let check = |sink: &str, expected: &str| {
            let said = said(sink);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        };
        check(
            "records: {only: [dns, alerts]}\n      syslog: {}",
            "gate.yaml:4:29: events.sinks.records.only: `alerts` is no type of record: did you mean \
             `alert`?",
        );
        check(
            "records: {except: [files]}\n      syslog: {}",
            "gate.yaml:4:26: events.sinks.records.except: `files` is no type of record: did you \
             mean `fileinfo`?",
        );
        check(
            "syslog: {severities: {alerts: debug}}",
            "gate.yaml:4:29: events.sinks.syslog.severities.alerts: `alerts` is no type",
        );
        check("records: {only: [nothing]}\n      syslog: {}", "there are alert, anomaly, arp");
        check("syslog: {severities: {alert: debug, stats: info}}", "");
        check("records: {only: [alert], except: [stats, flow]}\n      syslog: {}", "");
        check("syslog: {server: logs}", "gate.yaml:4:24: logs has no port");
        check("redis: {server: 127.0.0.1}", "gate.yaml:4:23: 127.0.0.1 has no port");
        check("lumberjack: {hosts: [\"a:1\", b]}", "gate.yaml:4:35: b has no port");
        check("http: {urls: [a], bulk: {}}", "gate.yaml:4:21: a: an address begins with http");
        check("file: {path: a, rotate: {size: 100}}", "100 has no unit: KiB");
        check("stdout: {}\n      name: b\n      window: 8", "gate.yaml:6:15: 8 has no unit");
        check("syslog: {}\n      window: 0", "");
    }

    #[test]
    fn fields_of_conditions_are_those_of_records() {
        let check = |condition: &str, expected: &str| {
            let said = said(&format!("records: {{where: '{condition}'}}\n      syslog: {{}}"));
            let place = "gate.yaml:4:17: events.sinks.records.where: ";
            match expected {
                "" => assert_eq!(said, "", "{condition}"),
                _ => assert_eq!(said, format!("{place}{expected}"), "{condition}"),
            }
        };
        let no = |name: &str, near: &str| {
            format!("no record has a field `{name}`: did you mean `{near}`?")
        };
        check("dst_port = 443", &no("dst_port", "dest_port"));
        check(
            "src_ip in 10.0.0.0/8 and not (dns or http.sttaus > 1)",
            &no("http.sttaus", "http.status"),
        );
        check("hostname = a", &no("hostname", "http.hostname"));
        check(
            "bogus.field.deep",
            "no record has a field `bogus.field.deep`: `bateleur schema` lists them",
        );
        check("event_type = alerts", "`alerts` is no type of record: did you mean `alert`?");
        check("dest_port.x = 1", &no("dest_port.x", "dest_port"));
        for good in [
            "event_type in [alert, http] and dest_port in [80, 8080]",
            "http.request_headers.name contains \"x\"",
            "metadata.flowbits = seen",
            "metadata.flowvars.any-name = 1",
            "metadata.flowints.counter > 3",
            "alert.metadata.signature_severity = Major",
            "stats.capture.whatever.it.counts > 0",
            "dns.answers.rrname contains \".example\"",
            "dns.queries.rrtype = A",
            "sensor_id = 3 or host = north or in_iface = eth0 or sample_weight > 1 or folded.count > 1",
            "community_id and vlan = 7 and pcap_cnt > 3",
        ] {
            check(good, "");
        }
    }
}
