//! `bateleur config`: exit status and texts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::craft::Place;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Runs it, and gives what it printed.
#[track_caller]
fn said(place: &Place, words: &[&str], status: i32, parts: &[&str]) -> String {
    let ran = place.run(words);
    ran.expect(status, parts);
    ran.stdout
}

#[test]
fn the_documented_file_is_good_and_shows_itself() {
    let place = Place::new();
    fs::copy(docs("sensor.yaml"), place.path("sensor.yaml")).unwrap();
    place.run(&["config", "check", "sensor.yaml"]).expect(0, &["sensor.yaml: good"]);
    let whole = said(&place, &["config", "show", "-c", "sensor.yaml"], 0, &["home:"]);
    let nothing = said(&place, &["config", "show"], 0, &[]);
    assert_eq!(whole, nothing, "it has all defaults");
    insta::assert_snapshot!(nothing);
    place.write("shown.yaml", &nothing);
    place.run(&["config", "check", "shown.yaml"]).expect(0, &["shown.yaml: good"]);
    place.run(&["config", "diff", "shown.yaml"]).expect(0, &["no difference"]);
}

#[test]
fn mistakes_are_told_all_at_once() {
    let place = Place::new();
    place.write("bad.yaml", "nam: a\nevents: {records: [alerts]}\nrules: {files: [none.rules]}\n");
    let parts = ["bad.yaml:1:1: `nam`", "bad.yaml:2:20: `alerts`", "2 errors"];
    place.run(&["config", "check", "bad.yaml"]).expect(1, &parts);
    place.write("idle.yaml", "files: {directory: x}\n");
    place.run(&["config", "check", "idle.yaml"]).expect(0, &["warning: files.directory"]);
    place.run(&["config", "check", "--strict", "idle.yaml"]).expect(1, &["1 warning"]);
    place.write("rules.yaml", "rules: {files: [none.rules]}\n");
    let parts = ["rules.yaml:1:17:", "there is no such rule file"];
    place.run(&["config", "check", "rules.yaml"]).expect(1, &parts);
    let json = said(&place, &["config", "check", "--json", "bad.yaml", "idle.yaml"], 1, &[]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["good"], false);
    assert_eq!(lines[0]["findings"][0]["line"], 1);
    assert_eq!(lines[1]["findings"][0]["severity"], "warning");
    place.run(&["config", "check", "missing.yaml"]).expect(1, &["No such file"]);
}

#[test]
fn values_have_origins_and_secrets_are_hidden() {
    let place = Place::new();
    place.write(
        "a.yaml",
        "name: gate\nevents:\n  sinks:\n    - redis: {server: \"a:1\", password: S3CRET}\n    \
         - http: {urls: [\"http://h\"], webhook: {secret-file: /run/key}}\n",
    );
    let words = ["config", "show", "--origin", "-c", "a.yaml"];
    let shown = place.run_with(&[("BATELEUR__LOG__LEVEL", "warn")], &words);
    shown.expect(
        0,
        &[
            "name: gate  # a.yaml:1",
            "level: warn  # environment variable BATELEUR__LOG__LEVEL",
            "interval: 8  # default",
            "password: \"(hidden)\"  # a.yaml:4",
            "secret-file: /run/key  # a.yaml:5; the secret is in this file",
            "batch: ",
        ],
    );
    assert!(!shown.stdout.contains("S3CRET"), "{}", shown.stdout);
    let plain = said(&place, &["config", "show", "-c", "a.yaml"], 0, &[]);
    place.write("again.yaml", &plain);
    place.run(&["config", "diff", "a.yaml", "again.yaml"]).expect(1, &["redis.password"]);
}

#[test]
fn differences_say_what_they_need() {
    let place = Place::new();
    place.write("a.yaml", "rules: {files: []}\n");
    place.write("b.yaml", "networks: {home: [10.0.0.0/8]}\ncapture: {workers: 4}\n");
    let parts = [
        "capture.workers: not set -> 4 (b.yaml:2:11): with a restart",
        "networks.home: [192.168.0.0/16, 10.0.0.0/8, 172.16.0.0/12] (default) -> [10.0.0.0/8] \
         (b.yaml:1:12): with a reload",
        "2 differences: 1 with a reload, 1 with a restart",
    ];
    place.run(&["config", "diff", "a.yaml", "b.yaml"]).expect(1, &parts);
    place.run(&["config", "diff", "a.yaml"]).expect(0, &["no difference"]);
    place.run(&["config", "diff", "a.yaml", "none.yaml"]).expect(2, &["none.yaml"]);
    place.run(&["config", "diff", "a.yaml", "--control", "none"]).expect(2, &["no sensor answers"]);
}

#[test]
fn the_environment_counts_and_mistakes_in_it_are_told() {
    let place = Place::new();
    let words = ["config", "check"];
    let wrong = |name: &str, value: &str, parts: &[&str]| {
        place.run_with(&[(name, value)], &words).expect(1, parts);
        let replay = place.run_with(&[(name, value)], &["replay", "x.pcap"]);
        replay.expect(1, &[name]);
    };
    wrong("BATELEUR__EVENTS__FIL", "x", &["did you mean BATELEUR__EVENTS__FILE?"]);
    wrong("BATELEUR__CHECKSUMS", "maybe", &["`maybe` is not possible here"]);
    wrong("BATELEUR__EVENTS__SINKS", "redis", &["write [{key: value}], or a variable"]);
    let lists = [
        ("BATELEUR__RULES__FILES", "a.rules,b.rules"),
        ("BATELEUR__EVENTS__SINKS__0__REDIS__SERVER", "redis:6379"),
        ("BATELEUR__EVENTS__SINKS__0__REDIS__PASSWORD", "!S3CRET"),
    ];
    let shown = place.run_with(&lists, &["config", "show", "--origin"]);
    shown.expect(
        0,
        &[
            "- a.rules  # environment variable BATELEUR__RULES__FILES\n",
            "server: redis:6379  # environment variable BATELEUR__EVENTS__SINKS__0__REDIS__SERVER",
            "password: \"(hidden)\"  # environment variable",
        ],
    );
    assert!(!shown.stdout.contains("S3CRET"), "{}", shown.stdout);
    let missed = place.run_with(&[("BATELEUR_EVENTS__FILE", "x")], &words);
    missed.expect(0, &["BATELEUR_EVENTS__FILE says nothing: did you mean BATELEUR__EVENTS__FILE?"]);
    let other = place.run_with(&[("BATELEUR_SENSOR", "x")], &words);
    other.expect(0, &["environment: good"]);
}

#[test]
fn a_suricata_yaml_becomes_a_sensor_yaml() {
    let place = Place::new();
    fs::copy(docs("suricata.yaml"), place.path("suricata.yaml")).unwrap();
    let words = ["config", "migrate", "suricata.yaml", "-o", "sensor.yaml"];
    place.run(&words).expect(0, &["sensor.yaml is made"]);
    place.run(&["config", "check", "sensor.yaml"]).expect(0, &["good"]);
    place.run(&words).expect(1, &["sensor.yaml is there already"]);
    assert!(place.read("sensor.yaml").contains("alert-lines: fast.log"));
}

/// What whoever comes from Suricata does first.
#[test]
fn a_suricata_yaml_in_the_wrong_place_is_told() {
    let place = Place::new();
    fs::copy(docs("suricata.yaml"), place.path("suricata.yaml")).unwrap();
    let parts = ["this is a configuration of Suricata", "bateleur config migrate suricata.yaml"];
    for words in [
        &["config", "check", "suricata.yaml"][..],
        &["replay", "-c", "suricata.yaml", "a.pcap"],
        &["run", "-c", "suricata.yaml", "-i", "lo"],
    ] {
        place.run(words).expect(1, &parts);
    }
    place.write("sensor.yaml", "name: a\n");
    let parts = ["this is a sensor.yaml", "bateleur run -c sensor.yaml"];
    place.run(&["config", "migrate", "sensor.yaml"]).expect(1, &parts);
    place.run(&["suricata", "-c", "sensor.yaml", "-T"]).expect(1, &parts);
    // Without Suricata's own lists beside it, it is a configuration all the same.
    let rule = "alert ip any any -> any any (classtype:trojan-activity; sid:1;)\n";
    place.write("a.rules", rule);
    let words = ["suricata", "-c", "suricata.yaml", "-S", "a.rules", "-T", "-l", "."];
    place.run(&words).expect(0, &[]);
}

/// What comes with Suricata 8, as it is and with each way to run.
#[test]
fn the_file_that_suricata_comes_with_becomes_a_sensor_yaml() {
    let place = Place::new();
    let folder = place.path("").display().to_string();
    let stock = include_str!("stock.yaml").replace("FOLDER", folder.trim_end_matches('/'));
    place.write("suricata.rules", "alert ip any any -> any any (sid:1;)\n");
    for name in ["classification.config", "reference.config"] {
        place.write(name, "");
    }
    for (mode, workers, note) in [
        ("", false, ""),
        ("runmode: workers\n", false, ""),
        ("runmode: autofp\n", false, "runmode: autofp -- there are workers, each of which"),
        ("runmode: single\n", true, "runmode: single -- it is one worker: capture.workers is 1"),
    ] {
        place.write("suricata.yaml", &format!("{stock}{mode}"));
        let _ = fs::remove_file(place.path("sensor.yaml"));
        let words = ["config", "migrate", "suricata.yaml", "-o", "sensor.yaml"];
        place.run(&words).expect(0, &["sensor.yaml is made", "were left out"]);
        place.run(&["config", "check", "sensor.yaml"]).expect(0, &["sensor.yaml: good"]);
        let made = place.read("sensor.yaml");
        assert_eq!(made.contains("\n  workers: 1\n"), workers, "{made}");
        assert_eq!(made.contains("runmode"), !note.is_empty(), "{made}");
        assert!(made.contains(note), "{note} in {made}");
        for said in ["flow.hash-size", "request-body-limit", "exception-policy", "plugins"] {
            assert!(!made.contains(said), "{said} is as usual: {made}");
        }
        place.run(&["suricata", "-T", "-c", "suricata.yaml", "-l", "."]).expect(0, &[]);
    }
    place.write("suricata.yaml", &format!("{stock}runmode: worker\n"));
    let parts = ["there is no runmode \"worker\": write workers, autofp or single"];
    place.run(&["config", "migrate", "suricata.yaml"]).expect(1, &parts);
}

#[test]
fn the_schema_is_printed() {
    let place = Place::new();
    let text = said(&place, &["config", "schema"], 0, &["\"sensor.yaml\""]);
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["properties"]["statistics"]["properties"]["interval"]["default"], 8);
}
