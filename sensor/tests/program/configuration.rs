//! Configurations: those of the documents, names of files in them, and mistakes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::craft::Place;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The lines of an EVE file without statistics, which know how long a run took.
fn records(eve: &str) -> Vec<&str> {
    eve.lines().filter(|line| !line.contains("\"event_type\":\"stats\"")).collect()
}

#[test]
fn the_sensor_yaml_of_the_documents_is_the_defaults() {
    let place = Place::new();
    fs::copy(docs("sensor.yaml"), place.path("sensor.yaml")).unwrap();
    let (rules, capture) = (docs("demo/demo.rules"), docs("demo/demo.pcap"));
    let replay = |output: &str, more: &[&str]| {
        let mut words = vec!["replay", "-q", "-r", rules.to_str().unwrap(), "-o", output];
        words.extend(more);
        words.extend(["--", capture.to_str().unwrap()]);
        place.run(&words).expect(0, &[]);
        place.read(&format!("{output}/eve.json"))
    };
    let (plain, with) = (replay("plain", &[]), replay("with", &["-c", "sensor.yaml"]));
    assert!(plain.contains("\"event_type\":\"alert\""), "the demo alerts");
    assert_eq!(records(&with), records(&plain));
    // Without what is commented out by default, too.
    let all = place.read("sensor.yaml").replace("\n#name:", "\nname:");
    let all = all.replace("  #alert-lines:", "  alert-lines:").replace("  #table:", "  table:");
    let all = all.replace("  #community-id:", "  community-id:");
    let all = all.replace("  #data-directory:", "  data-directory:");
    place.write("sensor.yaml", &all);
    fs::create_dir(place.path("data")).unwrap();
    let eve = replay("all", &["-c", "sensor.yaml"]);
    for part in ["\"host\":\"gate-1\"", "\"community_id\":"] {
        assert!(eve.contains(part), "{part}");
    }
    assert!(place.path("all/fast.log").exists() && place.path("all/stats.log").exists());
}

#[test]
fn the_suricata_yaml_of_the_documents_works() {
    let place = Place::new();
    fs::copy(docs("suricata.yaml"), place.path("suricata.yaml")).unwrap();
    let (rules, capture) = (docs("demo/demo.rules"), docs("demo/demo.pcap"));
    place
        .suricata(&["-r", capture.to_str().unwrap(), "-S", rules.to_str().unwrap()])
        .expect(0, &["Engine started"]);
    let eve = place.read("out/eve.json");
    for kind in ["alert", "http", "dns", "tls", "ssh", "flow", "stats"] {
        assert!(eve.contains(&format!("\"event_type\":\"{kind}\"")), "{kind}");
    }
    assert!(!place.read("out/fast.log").is_empty());
}

#[test]
fn fingerprints_of_ssh_are_made_when_wished() {
    let place = Place::new();
    let capture = docs("demo/demo.pcap");
    let ssh = |value: &str| {
        place.config("outputs:\n  - eve-log: {enabled: yes, filetype: regular, types: [ssh]}\n");
        let set = format!("app-layer.protocols.ssh.hassh={value}");
        let _ = fs::remove_file(place.path("out/eve.json"));
        place.suricata(&["-r", capture.to_str().unwrap(), "--set", &set]).expect(0, &[]);
        place.read("out/eve.json")
    };
    // Of OpenSSH 9.2's client with the choices of Debian 12.
    assert!(ssh("yes").contains(r#""hassh":{"hash":"472b5de333ad665af5cbf10ff892c4df""#));
    for value in ["auto", "no"] {
        let eve = ssh(value);
        assert!(eve.contains(r#""software_version":"OpenSSH_9.2p1"}"#), "{eve}");
    }
}

#[test]
fn netflow_is_written_when_it_is_wanted() {
    let place = Place::new();
    place.write("sensor.yaml", "events: {records: [netflow]}\n");
    place.run(&["replay", "-c", "sensor.yaml", "-o", "out", "web.pcap"]).expect(0, &[]);
    let eve = place.read("out/eve.json");
    assert!(eve.lines().count() == 2 && eve.lines().all(|l| l.contains("netflow")), "{eve}");
}

#[test]
fn folders_of_outputs_are_made() {
    let place = Place::new();
    place.write(
        "sensor.yaml",
        "events: {file: sub/dir/eve.json, alert-lines: lines/a/fast.log}\n\
         statistics: {table: tables/stats.log}\n",
    );
    place.run(&["replay", "-c", "sensor.yaml", "-o", "new", "web.pcap"]).expect(0, &[]);
    assert!(place.read("new/sub/dir/eve.json").contains("\"event_type\":\"flow\""));
    assert!(place.path("new/lines/a/fast.log").exists());
    assert!(place.read("new/tables/stats.log").contains("decoder.pkts"));
    place.config("outputs: [{eve-log: {enabled: yes, filename: a/b/eve.json, types: [flow]}}]\n");
    place.write("a.rules", "");
    place.suricata(&["-r", "web.pcap", "-S", "a.rules"]).expect(0, &[]);
    assert!(place.read("out/a/b/eve.json").contains("\"event_type\":\"flow\""));
}

#[test]
fn mistakes_in_sensor_yaml_end_the_start() {
    let place = Place::new();
    place.write("a.rules", "");
    let check = |text: &str, parts: &[&str]| {
        place.write("gate.yaml", text);
        let ran = place.run(&["replay", "-c", "gate.yaml", "-o", "refused", "web.pcap"]);
        ran.expect(1, parts);
        for word in ["<input>", "engine log", "HOME_NET", "Error: "] {
            assert!(!ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
        assert!(!place.path("refused/eve.json").exists());
    };
    check("rules: {data-directory: none}\n", &["gate.yaml:1:9: rules.data-directory", "none"]);
    check("rules:\n  files: [a.rules, none.rules]\n", &["gate.yaml:2:20: none.rules: there is no"]);
    check("rules: {thresholds: none}\n", &["gate.yaml:1:9: none: cannot be read"]);
    check("networks: {home: [10.0.0.300]}\n", &["gate.yaml:1:19: networks.home: ", "10.0.0.300"]);
    check("limits: {flow-memory: 1 KiB}\n", &["gate.yaml:1:10: limits.flow-memory", "4 MiB"]);
    check("events:\n  records: [alerts]\n", &["gate.yaml:2", "did you mean `alert`?"]);
    check("inline: no\ninline: no\n", &["gate.yaml:2", "`inline` is given twice"]);
}

#[test]
fn words_that_are_none_end_the_start_as_in_suricata() {
    let place = Place::new();
    place.config("logging:\n  outputs: [{console: {enabled: yes}}]\n");
    place.write("a.rules", "");
    let check = |status: i32, more: &[&str], parts: &[&str]| {
        let mut words = vec!["-r", "web.pcap", "-S", "a.rules"];
        words.extend(more);
        place.suricata(&words).expect(status, parts);
    };
    check(1, &["--set", "flow.hash-size=abc"], &["Invalid value for flow.hash-size", "abc"]);
    check(0, &["--set", "flow.hash-size=4096"], &[]);
    let level = "logging.default-log-level";
    check(1, &["--set", &format!("{level}=zzz")], &["Invalid default log level: zzz"]);
    check(0, &["--set", &format!("{level}=Info")], &[]);
    check(1, &["--set", "logging.outputs.0.console.level=x"], &["Invalid log level: x"]);
    check(1, &["--user", "nobody"], &["privileges cannot be dropped"]);
    check(1, &["--group=nogroup"], &["privileges cannot be dropped"]);
}
