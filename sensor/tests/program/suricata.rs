//! Suricata's command line.

use crate::craft::Place;

const EVE: &str = "outputs:\n  - fast: {enabled: yes}\n  - eve-log:\n      enabled: yes\n      \
                   types: [alert, http, flow, stats]\nstats: {enabled: yes}\n";
const RULE: &str = "alert tcp any any -> any 80 (msg:\"seen\"; flow:to_server; content:\"/secret\"; sid:1; rev:2;)\n";

#[test]
fn a_replay_writes_its_events() {
    let place = Place::new();
    place.config(EVE);
    place.write("a.rules", RULE);
    place
        .suricata(&["-r", "web.pcap", "-S", "a.rules"])
        .expect(0, &["This is Suricata version 8.0.7"]);
    let eve = place.read("out/eve.json");
    for part in ["\"signature\":\"seen\"", "\"event_type\":\"flow\"", "\"url\":\"/secret\""] {
        assert!(eve.contains(part), "{part} in {eve}");
    }
    let stats = eve.lines().last().unwrap();
    for part in [
        "\"event_type\":\"stats\"",
        "\"rules_loaded\":1,\"rules_failed\":0",
        "\"pkts\":10",
        "\"alert\":1",
    ] {
        assert!(stats.contains(part), "{part} in {stats}");
    }
    let fast = place.read("out/fast.log");
    assert_eq!(fast.lines().count(), 1);
    assert!(fast.contains("[**] [1:1:2] seen [**]"), "{fast}");
}

#[test]
fn usage_errors_end_with_one() {
    let place = Place::new();
    place.config("");
    let check = |arguments: &[&str], parts: &[&str]| {
        let mut words = vec!["suricata"];
        words.extend(arguments);
        place.run(&words).expect(1, parts);
    };
    check(&[], &["USAGE"]);
    check(&["--nosuch"], &["unrecognized option '--nosuch'", "USAGE"]);
    check(&["-k", "x", "-r", "web.pcap"], &["option 'x' invalid for -k"]);
    check(
        &["-c", "none.yaml", "-r", "web.pcap", "-l", "out"],
        &["failed to open file: none.yaml: No such file or directory"],
    );
    check(&["-c", "out", "-r", "web.pcap"], &["yaml argument is not a file but a directory"]);
    check(
        &["-c", "suricata.yaml", "-r", "none.pcap"],
        &["pcap file 'none.pcap': No such file or directory"],
    );
    check(
        &["-c", "suricata.yaml", "-r", "web.pcap", "-l", "none"],
        &["The logging directory \"none\" supplied at the command-line (-l none) doesn't exist."],
    );
    check(
        &["-c", "suricata.yaml", "-r", "web.pcap", "--set", "x"],
        &["Invalid argument for --set, must be key=val."],
    );
    check(&["--list-keywords=nosuch"], &["Non existing keyword"]);
}

#[test]
fn wrong_configurations_end_with_one() {
    let check = |config: &str, more: &[&str], parts: &[&str]| {
        let place = Place::new();
        place.config(config);
        let mut arguments = vec!["-r", "web.pcap"];
        arguments.extend(more);
        place.suricata(&arguments).expect(1, parts);
    };
    check(
        "flow: {memcap: 1k}\n",
        &[],
        &["invalid size argument: '1k'", "Error parsing flow.memcap"],
    );
    check("flow: {memcap: }\n", &[], &["Invalid value for flow.memcap: NULL"]);
    check("outputs: [fast]\n", &[], &["Failed to lookup configuration child node: fast"]);
    check(
        "outputs:\n  - eve-log: {enabled: yes, types: alert}\n",
        &[],
        &["output types should be a sequence"],
    );
    check(
        "outputs:\n  - nosuch: {enabled: yes}\n",
        &["--init-errors-fatal"],
        &["No output module named nosuch"],
    );
    check(
        "vars: {address-groups: {HOME_NET: x}}\n",
        &[],
        &[
            "failed to parse address var \"HOME_NET\" with value \"x\"",
            "basic address vars test failed",
        ],
    );
    check(
        "app-layer: {protocols: {tls: {enabled: maybe}}}\n",
        &[],
        &["Invalid value found for app-layer.protocols.tls.enabled."],
    );
    check(
        "app-layer: {protocols: {ssh: {encryption-handling: maybe}}}\n",
        &["--init-errors-fatal"],
        &["invalid value for app-layer.protocols.ssh.encryption-handling: maybe"],
    );
    check(
        "app-layer: {protocols: {tls: {encryption-handling: maybe}}}\n",
        &[],
        &["invalid value for app-layer.protocols.tls.encryption-handling: maybe"],
    );
    check("action-order: [pass, drop, alert]\n", &[], &["action-order"]);
    check("mpm-algo: best\n", &[], &["mpm-algo"]);
    check(
        "stats: {enabled: no}\noutputs:\n  - eve-log: {enabled: yes, types: [stats]}\n",
        &[],
        &["eve.stats: stats are disabled globally"],
    );
    check("exception-policy: sometimes\n", &["--init-errors-fatal"], &["sometimes"]);
    check("a: [\n", &[], &["Failed to parse configuration file at line"]);
}

#[test]
fn odd_configurations_are_only_warned_about() {
    let check = |config: &str, parts: &[&str]| {
        let place = Place::new();
        place.config(config);
        place.suricata(&["-r", "web.pcap"]).expect(0, parts);
    };
    check("", &["No signatures supplied."]);
    check("outputs:\n  - nosuch: {enabled: yes}\n", &["No output module named nosuch"]);
    check("outputs:\n  - nosuch: {enabled: no}\n", &[]);
    check("packet-alert-max: 1000\n", &["Invalid value for packet-alert-max"]);
    check(
        "exception-policy: auto\n",
        &["Info: exception-policy: master exception-policy set to: auto"],
    );
    check("a: 1\na: 2\n", &["Configuration node 'a' redefined."]);
}

#[test]
fn bad_rules_are_told_and_only_sometimes_fatal() {
    let place = Place::new();
    place.config(
        "logging:\n  outputs:\n    - file: {filename: engine.json, type: json, level: info}\n",
    );
    place.write("bad.rules", "alert tcp any any -> any any (msg:\"x\"; nosuchword; sid:1;)\n");
    place.suricata(&["-r", "web.pcap", "-S", "bad.rules"]).expect(0, &[]);
    let said = place.read("out/engine.json");
    assert!(said.contains("error parsing signature \\\"alert tcp any any"), "{said}");
    assert!(said.contains("from file bad.rules at line 1"), "{said}");
    assert!(said.contains("1 rule files specified, but no rules were loaded!"), "{said}");
    let of_detect =
        |text: &str| text.lines().filter(|l| l.contains("\"module\":\"detect\"")).count();
    assert_eq!(of_detect(&said), 3, "{said}");
    std::fs::remove_file(place.path("out/engine.json")).unwrap();
    place.suricata(&["-T", "-S", "bad.rules"]).expect(1, &[]);
    let said = place.read("out/engine.json");
    assert_eq!(of_detect(&said), 2, "{said}");
    assert!(said.contains("Loading signatures failed."), "{said}");
    place.suricata(&["-r", "web.pcap", "-S", "bad.rules", "--init-errors-fatal"]).expect(1, &[]);
    place.write("good.rules", RULE);
    place.suricata(&["-T", "-S", "good.rules"]).expect(0, &[]);
}

#[test]
fn inputs_that_are_no_captures_do_not_matter() {
    let place = Place::new();
    place.config(EVE);
    place.write("notes.txt", "hello there, nothing to see\n");
    place
        .suricata(&["-r", "notes.txt"])
        .expect(0, &["unknown file format", "Failed to init pcap file notes.txt, skipping"]);
    place.suricata(&["-r", ".", "-S", "notes.txt"]).expect(0, &["skipping"]);
    assert!(place.read("out/eve.json").contains("\"pkts\":10"));
}

#[test]
fn filters_choose_packets() {
    let place = Place::new();
    place.config(EVE);
    place.suricata(&["-r", "web.pcap", "src", "host", "10.0.0.1"]).expect(0, &[]);
    assert!(place.read("out/eve.json").contains("\"pkts\":6"));
    place.suricata(&["-r", "web.pcap", "frobnicate", "it"]).expect(0, &["bpf compilation error"]);
}

#[test]
fn files_are_stored_when_asked_for() {
    let place = Place::new();
    place.config("outputs:\n  - file-store: {version: 2, enabled: yes, force-filestore: yes}\n");
    place.suricata(&["-r", "web.pcap"]).expect(0, &[]);
    assert!(place.path("out/filestore/00").exists());
    assert!(place.path("out/filestore/ff").exists());
    let once = "outputs:\n  - file-store: {version: 2, enabled: yes}\n";
    place.config(&format!("{once}  - file-store: {{version: 2, enabled: yes}}\n"));
    place.suricata(&["-r", "web.pcap", "--init-errors-fatal"]).expect(1, &["file-store"]);
}

#[test]
fn texts_about_the_program() {
    let place = Place::new();
    place.config("");
    let check = |arguments: &[&str], parts: &[&str]| place.run(arguments).expect(0, parts);
    check(&["suricata", "-V"], &["This is Suricata version 8.0.7 RELEASE\n"]);
    check(
        &["suricata", "--build-info"],
        &["\nFeatures: ", " HAVE_JA3 HAVE_JA4 ", "  GeoIP2 support:"],
    );
    check(&["suricata", "--list-runmodes"], &["| PCAP_FILE         | autofp"]);
    check(&["suricata", "--list-keywords"], &["=====Supported keywords=====\n", "\n- content\n"]);
    check(
        &["suricata", "--list-keywords=csv"],
        &["name;description;app layer;features;documentation\n"],
    );
    check(&["suricata", "--list-keywords=sid"], &["= sid =\n"]);
    place
        .suricata(&["--list-app-layer-protos"])
        .expect(0, &["=========Supported App Layer Protocols=========\n", "\ntls\n"]);
    place.suricata(&["--dump-config", "--set", "a.b=c"]).expect(0, &["a = (null)\n", "a.b = c\n"]);
}

#[test]
fn entries_of_the_threshold_file_for_absent_rules_are_told() {
    let place = Place::new();
    place.config(EVE);
    place.write("a.rules", RULE);
    place.write(
        "t.config",
        "suppress gen_id 1, sig_id 999\nsuppress gen_id 1, sig_id 1, track by_src, ip 192.0.2.9\n",
    );
    let ran =
        place.suricata(&["-r", "web.pcap", "-S", "a.rules", "--set", "threshold-file=t.config"]);
    ran.expect(0, &["can't suppress sid 999, gid 1: unknown rule"]);
    assert!(!ran.stderr.contains("sid 1,"), "{}", ran.stderr);
}

#[test]
fn a_test_that_fails_names_the_cause_as_an_error() {
    let place = Place::new();
    place.config(EVE);
    place.write("a.rules", RULE);
    let ran = place.suricata(&[
        "-T",
        "-S",
        "a.rules",
        "--set",
        "classification-file=none.config",
        "--set",
        "reference-config-file=none/at.all",
    ]);
    ran.expect(1, &["initializing detection engine failed."]);
    for file in ["none.config", "none/at.all"] {
        let said = format!("could not open: \"{file}\": No such file or directory");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
}
