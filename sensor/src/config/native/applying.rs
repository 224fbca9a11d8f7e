//! What `sensor.yaml` says, in the words of `suricata.yaml`.

use super::words::{FileName, Hash, Protocol, Size};
use super::{Checksums, Sensor};
use crate::config::tree::Node;

impl Sensor {
    /// Puts all of it over the defaults.
    pub(super) fn apply(&self, root: &mut Node) {
        let mut set = |path: &str, value: &str| root.set_final(path, value);
        if let Some(name) = &self.name {
            set("sensor-name", name);
        }
        if !self.networks.home.is_empty() {
            let home = format!("[{}]", self.networks.home.join(","));
            set("vars.address-groups.HOME_NET", &home);
        }
        for (name, value) in &self.networks.addresses {
            set(&format!("vars.address-groups.{name}"), value);
        }
        for (name, value) in &self.networks.ports {
            set(&format!("vars.port-groups.{name}"), value);
        }
        if let Some(directory) = &self.rules.data_directory {
            set("default-data-dir", &directory.display().to_string());
        }
        for (path, size) in [
            ("flow.memcap", &self.limits.flow_memory),
            ("stream.memcap", &self.limits.stream_memory),
            ("stream.reassembly.memcap", &self.limits.reassembly_memory),
            ("stream.reassembly.depth", &self.limits.reassembly_depth),
            ("defrag.memcap", &self.limits.fragment_memory),
        ] {
            if let Some(Size(text)) = size {
                set(path, text);
            }
        }
        for (words, value) in
            [(&self.protocols.off, "no"), (&self.protocols.detection_only, "detection-only")]
        {
            for Protocol(name) in words {
                set(&format!("app-layer.protocols.{name}.enabled"), value);
            }
        }
        match self.checksums {
            Checksums::Auto => {}
            Checksums::Check => set("capture.checksum-validation", "all"),
            Checksums::Ignore => {
                set("capture.checksum-validation", "none");
                set("stream.checksum-validation", "0");
            }
        }
        self.apply_events(root);
        self.apply_other_outputs(root);
    }

    fn apply_events(&self, root: &mut Node) {
        const EVE: &str = "outputs.0.eve-log";
        let events = &self.events;
        let types = format!("{EVE}.types");
        let names: Vec<(String, String)> = root
            .get(&types)
            .map_or(&[][..], |node| &node.children)
            .iter()
            .filter_map(|item| Some((item.name.clone(), item.item()?.0.to_owned())))
            .collect();
        let mut set = |path: &str, value: &str| root.set_final(path, value);
        if let Some(file) = events.file_name() {
            set(&format!("{EVE}.filename"), file);
        }
        for (at, name) in names {
            let place = format!("{types}.{at}.{name}");
            match &events.records {
                Some(wanted) => {
                    let on = wanted.iter().any(|record| record.0 == name);
                    set(&format!("{place}.enabled"), if on { "yes" } else { "no" });
                }
                None if name == "drop" && self.inline => set(&format!("{place}.enabled"), "yes"),
                None => {}
            }
            if name == "alert" {
                let flags = [
                    ("payload", events.payload),
                    ("payload-printable", events.payload),
                    ("packet", events.packet),
                    ("verdict", events.verdict),
                ];
                for (key, on) in flags {
                    set(&format!("{place}.{key}"), if on { "yes" } else { "no" });
                }
            }
            if name == "files" {
                for (at, Hash(hash)) in self.files.hashes.iter().enumerate() {
                    set(&format!("{place}.force-hash.{at}"), hash);
                }
            }
        }
        if let Some(seed) = events.community_id {
            set(&format!("{EVE}.community-id"), "yes");
            set(&format!("{EVE}.community-id-seed"), &seed.to_string());
        }
    }

    fn apply_other_outputs(&self, root: &mut Node) {
        let mut set = |path: &str, value: &str| root.set_final(path, value);
        if let Some(FileName(file)) = &self.events.alert_lines {
            set("outputs.1.fast.enabled", "yes");
            set("outputs.1.fast.filename", file);
        }
        if let Some(interval) = self.statistics.interval {
            set("stats.interval", &interval.to_string());
        }
        if let Some(FileName(file)) = &self.statistics.table {
            set("outputs.2.stats.enabled", "yes");
            set("outputs.2.stats.filename", file);
        }
        if self.files.store || self.files.all {
            const STORE: &str = "outputs.3.file-store";
            set(&format!("{STORE}.enabled"), "yes");
            set(&format!("{STORE}.write-fileinfo"), "yes");
            set(&format!("{STORE}.force-filestore"), if self.files.all { "yes" } else { "no" });
            if let Some(FileName(directory)) = &self.files.directory {
                set(&format!("{STORE}.dir"), directory);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::native::{DEFAULTS, Sensor, words};
    use crate::config::suricata::{Everything, Mode};
    use crate::config::tree::Node;
    use crate::config::yaml::Loader;
    use crate::log::Log;

    fn settings(text: &str) -> Everything {
        let mode = Mode { detection: true, ..Mode::default() };
        let sensor = Sensor::parse(text, "sensor.yaml").unwrap();
        sensor.settings(Path::new("/tmp"), &mode, &Log::console()).unwrap()
    }

    #[test]
    fn what_is_said_holds() {
        let all = settings(
            "networks:\n  home: [10.1.0.0/16, \"2001:db8::/32\"]\n  ports: {HTTP_PORTS: \"[80,8080]\"}\n\
             rules: {files: [a.rules]}\n\
             events: {file: out.json, records: [alert, dns], alert-lines: fast.log, payload: true}\n\
             limits: {flow-memory: 256 MiB}\n\
             protocols: {off: [smb]}\n\
             checksums: ignore\n",
        );
        let names: Vec<_> = all.process.files.iter().map(|file| file.filename.as_str()).collect();
        assert_eq!(names, ["out.json", "fast.log"]);
        assert!(all.process.statistics.eve.is_empty() && all.process.delivery.is_none());
        let delivered = settings(
            "events: {file: off, spool: {directory: s}, source-address: 10.0.0.1, sinks: [{stdout: {}}]}\n",
        );
        assert!(delivered.process.files[0].is_off);
        let delivery = delivered.process.delivery.expect("a sink is given");
        assert_eq!(delivery.spool.directory, Path::new("/tmp/s"));
        assert_eq!(delivery.network.source_address.len(), 1);
        assert_eq!(delivery.volume, ::delivery::volume::VolumeSettings::default());
        let less = settings(
            "events: {volume: {sample: {dns: 1/10}, fold-flows: {}}, sinks: [{stdout: {}}]}\n",
        );
        let less = less.process.delivery.expect("a sink is given");
        assert_eq!(less.volume.types().collect::<Vec<_>>(), ["dns"]);
        assert!(all.detector.ignore_checksums);
        assert_eq!(all.detector.flow.memcap, 256 << 20);
        assert_eq!(all.process.rules.patterns, ["a.rules"]);
        let home = all.process.loader.variables.address("HOME_NET");
        assert_eq!(home, Some("[10.1.0.0/16,2001:db8::/32]"));
        let detect::settings::OutputSettings::Eve(eve) = &all.detector.outputs[0] else {
            panic!("the first output is EVE");
        };
        assert!(eve.alert.as_ref().unwrap().payload && !eve.flow);
        assert_eq!(eve.protocols.len(), 1);
    }

    /// Every name of a record makes this record and no other; the defaults know no further names.
    #[test]
    fn every_record_is_connected() {
        let eve_of = |name: &str| {
            let all = settings(&format!("events: {{records: [{name}]}}\n"));
            let detect::settings::OutputSettings::Eve(eve) = &all.detector.outputs[0] else {
                panic!("the first output is EVE");
            };
            let mut on: Vec<&str> = eve.protocols.iter().map(|(proto, _)| proto.name()).collect();
            let others = [
                ("alert", eve.alert.is_some()),
                ("anomaly", eve.anomaly.is_some()),
                ("drop", eve.drop.is_some()),
                ("files", eve.files.is_some()),
                ("stream", eve.stream.is_some()),
                ("flow", eve.flow),
                ("netflow", eve.netflow),
                ("metadata", eve.metadata_records),
                ("arp", eve.arp),
                ("stats", !all.process.statistics.eve.is_empty()),
            ];
            on.extend(others.iter().filter(|(_, on)| *on).map(|(name, _)| *name));
            on.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        for name in words::RECORDS {
            assert_eq!(eve_of(name), [*name]);
        }
        let log = Log::console();
        let mut loader = Loader::new(Node::default(), &log);
        loader.text(DEFAULTS).unwrap();
        let root = loader.finish();
        let types = &root.get("outputs.0.eve-log.types").unwrap().children;
        let names: Vec<&str> = types.iter().map(|item| item.item().unwrap().0).collect();
        assert_eq!(names, words::RECORDS);
    }
}
