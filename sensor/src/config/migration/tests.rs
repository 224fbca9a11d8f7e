//! Both faces make the same settings of what was carried over.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::capture::CaptureSettings;
use crate::config::native::{Inspected, Sensor, inspect};
use crate::config::suricata::{CaptureSection, read_capture};

/// The same by the old file and by the one that was made of it.
struct Both {
    folder: TempDir,
    text: String,
    old: Everything,
    new: Everything,
    old_capture: Option<CaptureSettings>,
    new_capture: CaptureSettings,
}

fn migrated(body: &str) -> Both {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suricata.yaml");
    fs::write(&path, format!("%YAML 1.1\n---\n{body}")).unwrap();
    let text = migrate(&path).unwrap().text;
    let made = folder.path().join("sensor.yaml");
    fs::write(&made, &text).unwrap();
    let Inspected { findings, sensor } =
        inspect(Some(&made), &[], Path::new("/out"), &|_| Vec::new());
    assert!(findings.is_empty(), "{findings:#?}\n{text}");
    let sensor: Sensor = sensor.unwrap();
    let mode = Mode { detection: true, ..Mode::default() };
    let log = Log::keeping(Level::Error);
    let new = sensor.settings(Path::new("/out"), &mode, &log).unwrap();
    let mut loader = Loader::new(Node::default(), &log);
    loader.main_file(&path).unwrap();
    let root = loader.finish();
    let config = Config { root: &root, log: &log, mode: &mode };
    let old = suricata::read(config, Path::new("/out")).unwrap();
    let old_capture = read_capture(config, CaptureSection::of(&root), &[]).ok();
    let new_capture = sensor.capture().unwrap();
    Both { folder, text, old, new, old_capture, new_capture }
}

#[test]
fn what_was_carried_over_makes_the_same_settings() {
    let both = migrated(
        "sensor-name: gate\n\
         vars:\n  address-groups:\n    HOME_NET: \"[10.1.0.0/16, 192.168.0.0/16]\"\n    EXTERNAL_NET: \"!$HOME_NET\"\n    \
         DMZ: \"[10.9.0.0/24,!10.9.0.7]\"\n  port-groups:\n    HTTP_PORTS: \"[80,8080]\"\n    SSH_PORTS: 22\n\
         default-rule-path: /var/lib/suricata/rules\nrule-files: [suricata.rules, /etc/x.rules]\n\
         stats: {enabled: yes, interval: 30}\n\
         outputs:\n  - fast: {enabled: yes, filename: fast.log, append: yes}\n  \
           - eve-log:\n      enabled: yes\n      filetype: regular\n      filename: e.json\n      community-id: true\n      community-id-seed: 7\n      \
             types:\n        - alert: {payload: yes, payload-printable: yes, packet: yes, tagged-packets: yes}\n        \
               - http: {extended: yes}\n        - dns\n        - tls: {extended: yes}\n        \
               - files: {force-magic: no, force-hash: [md5, sha256]}\n        - smtp\n        - drop: {enabled: no}\n        - flow\n        \
               - stats: {totals: yes, threads: no, deltas: no}\n  \
           - stats: {enabled: yes, filename: s.log, totals: yes, threads: no}\n  \
           - file-store: {version: 2, enabled: yes, dir: stored, force-filestore: yes, write-fileinfo: yes}\n  \
           - http-log: {enabled: no}\n\
         flow: {memcap: 256mb, hash-size: 131072}\nstream:\n  memcap: 32mb\n  checksum-validation: yes\n  reassembly: {memcap: 1gb, depth: 2mb}\n\
         defrag: {memcap: 64 MiB}\npcap-file: {checksum-checks: auto}\n\
         app-layer: {protocols: {http: {enabled: yes}, smb: {enabled: no}, ssh: {enabled: detection-only}}}\n",
    );
    let (old, new) = (&both.old, &both.new);
    assert_eq!(old.detector.flow.memcap, new.detector.flow.memcap);
    assert_eq!(old.detector.stream.memcap, new.detector.stream.memcap);
    assert_eq!(old.detector.stream.reassembly_memcap, new.detector.stream.reassembly_memcap);
    assert_eq!(old.detector.stream.depth, new.detector.stream.depth);
    assert_eq!(old.detector.decode.defrag.memcap, new.detector.decode.defrag.memcap);
    assert_eq!(old.detector.ignore_checksums, new.detector.ignore_checksums);
    assert_eq!(old.detector.checksum_auto, new.detector.checksum_auto);
    let text_of = |value: &dyn std::fmt::Debug| format!("{value:?}");
    assert_eq!(text_of(&old.detector.file_store), text_of(&new.detector.file_store));
    let hashes = |all: &Everything| {
        let file = &all.detector.protocol.file;
        (file.md5, file.sha1, file.sha256)
    };
    assert_eq!(hashes(old), hashes(new));
    assert_eq!(old.process.files[0].filename, "fast.log");
    for name in ["e.json", "fast.log"] {
        assert!(new.process.files.iter().any(|file| file.filename == name), "{name}");
    }
    assert_eq!(old.process.statistics.interval, new.process.statistics.interval);
    assert_eq!(old.process.statistics.tables, new.process.statistics.tables);
    assert_eq!(old.process.file_store, new.process.file_store);
    assert_eq!(old.process.rules.patterns, new.process.rules.patterns);
    let (was, is) = (&old.process.loader.variables, &new.process.loader.variables);
    for name in ["HTTP_PORTS", "SSH_PORTS"] {
        assert_eq!(was.port(name), is.port(name), "{name}");
    }
    for name in ["EXTERNAL_NET", "DMZ"] {
        assert_eq!(was.address(name), is.address(name), "{name}");
    }
    // Blanks between networks mean nothing.
    let home = was.address("HOME_NET").map(|text| text.replace(' ', ""));
    assert_eq!(home.as_deref(), is.address("HOME_NET"));
    let eve = |all: &Everything| {
        let found = all.detector.outputs.iter().find_map(|output| match output {
            detect::settings::OutputSettings::Eve(eve) => Some(eve.clone()),
            _ => None,
        });
        let eve = found.unwrap();
        let alert = eve.alert.clone().unwrap();
        let mut records: Vec<&str> = eve.protocols.iter().map(|(proto, _)| proto.name()).collect();
        records.sort_unstable();
        (
            format!("{alert:?} {:?} {:?} {:?}", eve.files, eve.community_id, eve.flow),
            records.join(" "),
            eve.drop.is_none() && eve.anomaly.is_none() && !eve.netflow,
        )
    };
    assert_eq!(eve(old), eve(new));
    assert!(both.text.contains("name: gate\n"), "{}", both.text);
    assert!(both.text.contains("detection-only:\n    - ssh\n"), "{}", both.text);
    assert!(!both.text.contains("flow.memcap"), "{}", both.text);
    assert!(
        both.text.contains("flow.hash-size: 131072 -- it has no effect: here it is 65536\n"),
        "{}",
        both.text
    );
    assert!(both.folder.path().is_dir());
}

#[test]
fn capture_is_the_same() {
    let both = migrated(
        "outputs: [{eve-log: {enabled: yes, types: [alert, stats]}}]\nstats: {enabled: yes}\n\
         af-packet:\n  - {interface: eth1, threads: 2, cluster-id: 99, cluster-type: cluster_flow, defrag: yes, bpf-filter: not port 9200, ring-size: 20000, block-size: 65536}\n  \
           - {interface: eth2, threads: 1, disable-promisc: yes, bpf-filter: not port 9200, ring-size: 20000, block-size: 65536}\n  - {interface: default}\n\
         threading:\n  set-cpu-affinity: yes\n  cpu-affinity:\n    - management-cpu-set: {cpu: [0]}\n    - worker-cpu-set: {cpu: [\"1-4\"]}\n\
         run-as: {user: suri, group: suri}\nunix-command: {enabled: auto, filename: /run/s.socket}\n",
    );
    let (old, new) = (both.old_capture.unwrap(), both.new_capture);
    let of = |all: &CaptureSettings| {
        let interfaces: Vec<String> = all
            .interfaces
            .iter()
            .map(|one| {
                let packet = &one.live.packet;
                format!(
                    "{} {:?} {} {} {} {}",
                    one.live.name,
                    one.live.method,
                    one.live.promiscuous,
                    packet.block_size,
                    packet.blocks,
                    packet.block_timeout_ms
                )
            })
            .collect();
        format!(
            "{interfaces:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            all.filter,
            all.workers,
            all.cpus,
            all.management_cpus,
            all.user,
            all.group,
            all.control
        )
    };
    assert_eq!(of(&old), of(&new), "{}", both.text);
    assert!(both.text.contains("workers: 3\n"), "{}", both.text);
    assert!(both.text.contains("filter: not port 9200\n"), "{}", both.text);
}

#[test]
fn other_targets_become_sinks() {
    let both = migrated(
        "outputs:\n  - eve-log:\n      enabled: yes\n      filetype: redis\n      \
             redis: {server: 10.0.0.1, port: 6380, mode: list, key: s, password: S3CRET}\n      types: [alert, dns]\n  \
           - syslog: {enabled: yes, facility: local5}\n  - eve-log: {enabled: yes, types: [flow]}\n",
    );
    let sinks = |all: &Everything| {
        all.process.delivery.as_ref().map_or_else(Vec::new, |delivery| {
            delivery.sinks.iter().flat_map(|sink| sink.kinds()).collect::<Vec<_>>()
        })
    };
    assert_eq!(sinks(&both.new), ["redis", "syslog"]);
    assert!(both.new.process.files[0].is_off);
    let sink = |all: &Everything, at: usize| {
        let sink = all.process.delivery.as_ref().unwrap().sinks[at].clone();
        format!("{:?} {:?}", sink.redis, sink.syslog)
    };
    assert_eq!(sink(&both.old, 0), sink(&both.new, 0));
    assert_eq!(sink(&both.old, 1), sink(&both.new, 1));
    let rest = both.text.split_once("# Not taken over").unwrap().1;
    assert!(rest.contains("outputs.2.eve-log.types.0: flow -- sensor.yaml has one set"), "{rest}");
    assert!(!rest.contains("S3CRET"), "{rest}");
}

#[test]
fn what_has_no_counterpart_is_listed_with_its_line() {
    let both = migrated(
        "max-pending-packets: 1024\nmpm-algo: hs\noutputs:\n  - eve-log:\n      enabled: yes\n      \
           types:\n        - alert: {http-body: yes, metadata: yes}\n        - frame\n  - lua: {enabled: no}\n\
         bogus: {key: 3}\nstream: {midstream: true, checksum_validation: no}\n",
    );
    for line in [
        "#   3: max-pending-packets: 1024 -- packets wait in the rings of capture\n",
        "#   4: mpm-algo: hs -- there is one engine, which needs no such choice\n",
        "#   9: outputs.0.eve-log.types.0.alert.http-body: yes -- sensor.yaml has no such option: without it records are as Suricata's own file has them\n",
        "#   10: outputs.0.eve-log.types.1: frame -- there is no record frame\n",
        "#   12: bogus.key: 3 -- sensor.yaml has no such key\n",
        "#   13: stream.midstream: true -- it has no effect: here it is no\n",
    ] {
        assert!(both.text.contains(line), "{line}\n{}", both.text);
    }
    assert!(!both.text.contains("lua"), "{}", both.text);
}

/// The documents' own one, and whatever else a first user has.
#[test]
fn the_documented_file_is_migrated() {
    let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/suricata.yaml");
    let text = fs::read_to_string(documented).unwrap();
    let both = migrated(text.trim_start_matches("%YAML 1.1\n---\n"));
    assert_eq!(both.old.detector.flow.memcap, both.new.detector.flow.memcap);
    assert_eq!(both.old.process.files.len(), both.new.process.files.len());
    for text in ["", "a: 1\n", "vars:\n"] {
        assert!(migrated(text).text.starts_with("# Made of "));
    }
    assert!(migrate(Path::new("/nonexistent")).unwrap_err().contains("/nonexistent"));
}

#[test]
fn only_what_would_change_something_is_listed() {
    let http = "app-layer: {protocols: {http: {libhtp: {default-config: {request-body-limit: ";
    let usual = migrated(&format!(
        "{http}100kb}}}}}}}}}}\nflow-timeouts: {{tcp: {{new: 60}}, udp: {{new: 30}}}}\n\
         exception-policy: auto\nmpm-algo: auto\nplugins:\nhost-os-policy: {{bsd: []}}\n"
    ));
    assert!(!usual.text.contains("# Not taken over"), "{}", usual.text);
    let other = migrated(&format!(
        "{http}10mb}}}}}}}}}}\nflow-timeouts: {{tcp: {{new: 999}}}}\nexception-policy: drop-flow\n\
         app-layer.protocols.smtp.mime.header-value-depth: 3000\n\
         outputs:\n  - eve-log:\n      enabled: yes\n      rotate-interval: day\n      \
           types: [{{http: {{dump-all-headers: both}}}}]\n      xff: {{enabled: yes, header: X-Real}}\n\
         kafka: {{password: S3CRET, headers: {{x: S3CRET}}}}\n"
    ));
    for line in [
        "request-body-limit: 10mb -- it has no effect: here it is 100kb\n",
        "flow-timeouts.tcp.new: 999 -- it has no effect: here it is 60\n",
        "exception-policy: drop-flow -- it has no effect: here it is auto\n",
        "header-value-depth: 3000 -- ",
        "rotate-interval: day -- sensor.yaml has no such option",
        "dump-all-headers: both -- sensor.yaml has no such option",
        "xff.header: X-Real -- sensor.yaml has no such option",
        "kafka.password: (hidden) -- ",
        "kafka.headers.x: (hidden) -- ",
    ] {
        assert!(other.text.contains(line), "{line}\n{}", other.text);
    }
    assert!(!other.text.contains("S3CRET"), "{}", other.text);
}
