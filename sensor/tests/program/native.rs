//! The native face.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::craft::Place;

const RULES: &str = "alert http any any -> any any (msg:\"seen\"; http.uri; content:\"/secret\"; sid:1;)\n\
                     alert tcp any any -> any any (msg:\"bad\"; content:\"x\"; dept:4; sid:2;)\n";

#[test]
fn a_replay_says_what_it_found() {
    let place = Place::new();
    place.write("a.rules", RULES);
    let ran = place.run(&["replay", "--output", "out", "--rules", "a.rules", "web.pcap"]);
    ran.expect(0, &["packets    10", "flows", "alerts     1 by 1 rules", "seen", "out/eve.json"]);
    assert!(ran.stderr.contains("1 rule was refused"), "{}", ran.stderr);
    assert!(place.read("out/eve.json").contains("\"signature\":\"seen\""));
}

#[test]
fn several_workers_write_the_same_events_of_one_flow() {
    let place = Place::new();
    place.write("a.rules", RULES);
    let run = |workers: &str, output: &str| {
        place
            .run(&[
                "replay",
                "-q",
                "-r",
                "a.rules",
                "-o",
                output,
                "-w",
                workers,
                "--ordered",
                "web.pcap",
            ])
            .expect(0, &[]);
        let eve = place.read(&format!("{output}/eve.json"));
        let lines = eve.lines().filter(|line| !line.contains("\"event_type\":\"stats\""));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let one = run("1", "one");
    assert!(one.len() >= 3, "{one:?}");
    assert_eq!(run("3", "three"), one);
}

#[test]
fn truncated_captures_are_told_with_their_place() {
    let place = Place::new();
    let bytes = std::fs::read(place.path("web.pcap")).unwrap();
    std::fs::write(place.path("cut.pcap"), &bytes[..bytes.len() - 5]).unwrap();
    place
        .run(&["replay", "-o", "out", "cut.pcap"])
        .expect(1, &["cut.pcap: at byte", "packets    9"]);
    place.run(&["replay", "-o", "out", "none.pcap"]).expect(1, &["none.pcap"]);
}

#[test]
fn rules_are_checked() {
    let place = Place::new();
    place.write("a.rules", RULES);
    let ran = place.run(&["rules", "check", "a.rules"]);
    ran.expect(1, &["a.rules:2:", "dept", "1 loaded, 1 refused", "^"]);
    place.run(&["rules", "check", "--summary", "a.rules"]).expect(1, &["1 loaded, 1 refused"]);
    let ran = place.run(&["rules", "check", "--quiet", "a.rules"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    place.write("b.rules", RULES.lines().next().unwrap());
    place.run(&["rules", "check", "b.rules"]).expect(0, &["1 loaded, 0 refused"]);
    place
        .run(&["rules", "check", "none.rules"])
        .expect(1, &["none.rules: there is no such rule file"]);
}

#[test]
fn refused_rules_are_named_at_the_start() {
    let place = Place::new();
    let good = RULES.lines().next().unwrap();
    place.write("a.rules", &format!("{good}\n{}", "alert nonsense\n".repeat(13)));
    let ran = place.run(&["replay", "-r", "a.rules", "-o", "out", "web.pcap"]);
    ran.expect(0, &["bateleur: a.rules:2:", "bateleur: a.rules:11:"]);
    ran.expect(0, &["bateleur: 13 rules were refused, 3 more than these"]);
    assert!(!ran.stderr.contains("a.rules:12:"), "{}", ran.stderr);
}

#[test]
fn files_that_hold_no_rules_end_the_start() {
    let place = Place::new();
    let check = |file: &str, more: &[&str], status: i32, parts: &[&str]| {
        let words = [&["replay", "-o", "out", "-r", file][..], more, &["--", "web.pcap"]].concat();
        place.run(&words).expect(status, parts);
    };
    fs::copy(place.path("web.pcap"), place.path("own.rules")).unwrap();
    check("own.rules", &[], 1, &["own.rules: this is a capture", "bateleur replay own.rules"]);
    place.run(&["run", "-i", "lo", "-r", "web.pcap"]).expect(1, &["bateleur replay web.pcap"]);
    fs::write(place.path("gz.rules"), [0x1f, 0x8b, 8, 0]).unwrap();
    check("gz.rules", &[], 1, &["gz.rules: this is compressed by gzip"]);
    place.write("bad.rules", "alert nonsense\n# comment\nalert more\n");
    check("bad.rules", &[], 1, &["bad.rules: every rule was refused (2)", "bad.rules:1:"]);
    check("bad.rules", &["--allow-refused"], 0, &["2 rules were refused"]);
    // Of files that a pattern stands for some may hold nothing good.
    check("ba*.rules", &[], 0, &["2 rules were refused"]);
    place.write("empty.rules", "# nothing\n");
    check("empty.rules", &[], 0, &[]);
    place.run(&["rules", "check", "bad.rules"]).expect(1, &["0 loaded, 2 refused"]);
    // Suricata's command line goes on, as Suricata does.
    place.config("");
    let ran = place.suricata(&["-r", "web.pcap", "-S", "bad.rules"]);
    ran.expect(0, &["no rules were loaded"]);
}

#[test]
fn rules_that_may_not_be_read_are_told_from_those_that_are_not_there() {
    let place = Place::new();
    fs::create_dir(place.path("closed")).unwrap();
    place.write("closed/a.rules", RULES);
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    for pattern in ["closed/*.rules", "closed/a.rules", "clos*/a.rules"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bateleur"));
        command.args(["rules", "check", pattern]).current_dir(place.path("."));
        let Ok(ran) = command.uid(65534).gid(65534).output() else {
            eprintln!("skipped: others may not start the program");
            return;
        };
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(said.contains("Permission denied"), "{pattern}: {said}");
        assert!(said.contains("closed"), "{pattern}: {said}");
    }
}

#[test]
fn the_statistics_of_a_replay_are_told_as_such() {
    let place = Place::new();
    place.run(&["replay", "-q", "-o", "out", "web.pcap"]).expect(0, &[]);
    let ran = place.run(&["doctor", "--events", "out/eve.json"]);
    ran.expect(0, &["these are statistics of a replay: nothing was captured"]);
    assert!(!ran.stdout.contains("inspected"), "{}", ran.stdout);
    place.run(&["doctor"]).expect(2, &["--control <PATH>|--events <FILE>"]);
}

#[test]
fn a_configuration_is_typed() {
    let place = Place::new();
    place.write("a.rules", RULES);
    place.write(
        "sensor.yaml",
        "rules: {files: [a.rules]}\nevents: {file: e.json, records: [alert]}\n",
    );
    place.run(&["replay", "-c", "sensor.yaml", "-o", "out", "web.pcap"]).expect(0, &["out/e.json"]);
    let eve = place.read("out/e.json");
    assert_eq!(eve.lines().count(), 1, "{eve}");
    place.write("sensor.yaml", "event: {file: e.json}\n");
    place
        .run(&["replay", "-c", "sensor.yaml", "web.pcap"])
        .expect(1, &["sensor.yaml", "event", "events"]);
}

#[test]
fn lists_name_what_rules_can_use() {
    let place = Place::new();
    place.run(&["list", "keywords"]).expect(0, &["content", "http.uri"]);
    place.run(&["list", "protocols"]).expect(0, &["tls", "parsed"]);
    place.run(&["list", "events"]).expect(0, &["decoder.ipv4.pkt_too_small"]);
    place.run(&["list", "nosuch"]).expect(2, &["nosuch"]);
}
