//! The native face.

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
