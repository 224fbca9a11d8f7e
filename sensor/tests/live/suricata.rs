//! Live capture with Suricata's own options.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::demo;
use crate::stage::{Client, Stage, alerts, records, types};

const CONFIG: &str = "\
%YAML 1.1
---
vars:
  address-groups: {HOME_NET: '[192.168.0.0/16]', EXTERNAL_NET: 'any'}
outputs:
  - fast: {enabled: yes}
  - eve-log: {enabled: yes, types: [alert, dns, http, tls, flow, stats]}
stats: {enabled: yes, interval: 1}
logging:
  outputs:
    - console: {level: info}
    - file: {filename: engine.log, level: info}
";

const ONE: &str =
    "alert dns any any -> any 53 (msg:\"one\"; dns.query; content:\"c2.example\"; sid:1;)\n";
const TWO: &str =
    "alert dns any any -> any 53 (msg:\"two\"; dns.query; content:\"c2.example\"; sid:2;)\n";

/// With a configuration, which goes on with `more`, and the rules of the demo.
fn set(more: &str) -> Option<Stage> {
    let stage = Stage::set()?;
    let copy = |from: &Path, name: &str| fs::copy(from, stage.path(name)).unwrap();
    copy(&demo("demo.rules"), "demo.rules");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data");
    for name in ["classification.config", "reference.config"] {
        copy(&data.join(name), name);
    }
    let files = "classification-file: classification.config\n\
                 reference-config-file: reference.config\n";
    fs::write(stage.path("suricata.yaml"), format!("{CONFIG}{files}{more}")).unwrap();
    fs::create_dir(stage.path("events")).unwrap();
    Some(stage)
}

/// What a replay by the same configuration says is the measure of what the run said.
fn is_as_replayed(stage: &Stage) {
    let live = records(&stage.path("events/eve.json"));
    fs::rename(stage.path("events"), stage.path("events.live")).unwrap();
    fs::create_dir(stage.path("events")).unwrap();
    let capture = demo("demo.pcap");
    let replay = stage.launch_suricata(&["-S", "demo.rules", "-r", capture.to_str().unwrap()]);
    let (status, out, err) = replay.end();
    assert!(status.success(), "{out}{err}");
    let replayed = records(&stage.path("events/eve.json"));
    assert!(alerts(&replayed).len() > 10, "{out}{err}");
    assert_eq!(alerts(&live), alerts(&replayed));
    assert_eq!(types(&live), types(&replayed));
}

#[test]
fn an_interface_is_captured_from() {
    let Some(stage) = set("") else { return };
    let running = stage.start_suricata(&["-S", "demo.rules", "-i", "in"]);
    stage.send(&demo("demo.pcap"), 1);
    let (said, _) = running.stop();
    for text in [
        "This is Suricata version 8.0.7 RELEASE running in SYSTEM mode",
        "rules successfully loaded",
        "Engine started.",
        "Signal Received.  Stopping engine.",
        "in: packets: 302, drops: 0 (0.00%), invalid chksum: ",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let live = records(&stage.path("events/eve.json"));
    let statistics = live.iter().rfind(|record| record["event_type"] == "stats").unwrap();
    assert_eq!(statistics["stats"]["decoder"]["pkts"], 302, "{statistics}");
    let of_alert = live.iter().find(|record| record["event_type"] == "alert").unwrap();
    assert_eq!(of_alert["in_iface"], "in", "{of_alert}");
    let lines = fs::read_to_string(stage.path("events/fast.log")).unwrap().lines().count();
    assert_eq!(lines, alerts(&live).len());
    is_as_replayed(&stage);
}

#[test]
fn the_configuration_names_interfaces() {
    let section = "af-packet:\n  - {interface: in, threads: 2, cluster-id: 42}\n";
    let Some(stage) = set(section) else { return };
    let running = stage.start_suricata(&["-S", "demo.rules", "--af-packet"]);
    stage.send(&demo("demo.pcap"), 1);
    let (said, _) = running.stop();
    assert!(said.contains("Threads created -> W: 2 "), "{said}");
    is_as_replayed(&stage);
}

#[test]
fn af_xdp_is_captured_by() {
    let section = "af-xdp:\n  - {interface: in, threads: 1, force-xdp-mode: skb}\n";
    let Some(stage) = set(section) else { return };
    if !cfg!(feature = "xdp") {
        let (status, _, said) = stage.launch_suricata(&["-S", "demo.rules", "--af-xdp"]).end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("af-xdp: in"), "{said}");
        return;
    }
    let running = stage.start_suricata(&["-S", "demo.rules", "--af-xdp"]);
    stage.send(&demo("demo.pcap"), 1);
    running.stop();
    is_as_replayed(&stage);
}

#[test]
fn a_filter_chooses_frames_and_one_worker_does_it_all() {
    let Some(stage) = set("") else { return };
    fs::write(stage.path("a.bpf"), "udp # and nothing else\n").unwrap();
    let words = ["-S", "demo.rules", "-i", "in", "-F", "a.bpf", "--runmode", "single"];
    let running = stage.start_suricata(&words);
    stage.send(&demo("demo.pcap"), 1);
    let (said, _) = running.stop();
    assert!(said.contains("Threads created -> W: 1 "), "{said}");
    let live = records(&stage.path("events/eve.json"));
    let flows = || live.iter().filter(|record| record["event_type"] == "flow");
    assert!(flows().count() > 0);
    assert!(flows().all(|record| record["proto"] == "UDP"));
}

#[test]
fn without_detection_there_are_no_alerts() {
    let Some(stage) = set("") else { return };
    let words = ["-S", "demo.rules", "--disable-detection", "-i", "in", "udp"];
    let running = stage.start_suricata(&words);
    stage.send(&demo("demo.pcap"), 1);
    running.stop();
    let live = records(&stage.path("events/eve.json"));
    assert!(alerts(&live).is_empty());
    assert!(types(&live)["flow"] > 0);
}

#[test]
fn signals_load_rules_and_begin_files_anew() {
    let rules = "default-rule-path: .\nrule-files: [a.rules]\n";
    let Some(stage) = set(rules) else { return };
    fs::write(stage.path("a.rules"), ONE).unwrap();
    let count = |sid: &str| {
        let alerts = alerts(&records(&stage.path("events/eve.json")));
        alerts.iter().filter(|alert| alert.starts_with(&format!("{sid} "))).count()
    };
    let mut running = stage.start_suricata(&["-i", "in"]);
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("an alert by the first rules", || count("1") == 1);
    // The configuration is read anew, too.
    fs::write(stage.path("b.rules"), format!("{TWO}alert nonsense\n")).unwrap();
    let config = fs::read_to_string(stage.path("suricata.yaml")).unwrap();
    fs::write(stage.path("suricata.yaml"), config.replace("a.rules", "b.rules")).unwrap();
    running.signal("USR2");
    running.wait_to_hear("1 loaded, 1 refused");
    for name in ["eve.json", "engine.log"] {
        fs::rename(stage.path("events").join(name), stage.path(name)).unwrap();
    }
    running.signal("HUP");
    running.wait_until("new files", || {
        ["eve.json", "engine.log"].iter().all(|name| stage.path("events").join(name).exists())
    });
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("an alert by the second rules", || count("2") == 1);
    running.stop();
    assert_eq!(count("1"), 0);
    let said = fs::read_to_string(stage.path("engine.log")).unwrap();
    assert!(said.contains("error parsing signature \"alert nonsense\""), "{said}");
    let said = fs::read_to_string(stage.path("events/engine.log")).unwrap();
    assert!(said.contains("Stopping engine"), "{said}");
    // Alerts by rules that are no longer there count as well.
    assert!(said.contains("Alerts: 2"), "{said}");
}

#[test]
fn clients_ask_what_the_configuration_says() {
    let Some(stage) = set("af-packet: [{interface: in, threads: 2}]\n") else { return };
    let socket = stage.path("run/socket");
    let words = ["-S", "demo.rules", "--af-packet", "--set", "a.b=c"];
    let named = format!("--unix-socket={}", socket.display());
    let running = stage.start_suricata(&[&words[..], &[&named]].concat());
    let mut client = Client::connect(&socket);
    let mut get = |name: &str| {
        let command = r#"{"command":"conf-get","arguments":{"variable":"NAME"}}"#;
        client.say(&command.replace("NAME", name))
    };
    for (name, value) in
        [("a.b", "c"), ("outputs.1", "eve-log"), ("vars.address-groups.EXTERNAL_NET", "any")]
    {
        assert_eq!(get(name)["message"], value, "{name}");
    }
    assert_eq!(get("no.such")["return"], "NOK");
    let mut client = Client::connect(&socket);
    assert_eq!(client.ask("iface-list")["ifaces"][0], "in");
    client.ask("shutdown");
    let (status, _, said) = running.end();
    assert!(status.success(), "{said}");
}

#[test]
fn a_daemon_says_when_it_is_ready() {
    let Some(stage) = set("pid-file: own.pid\n") else { return };
    let (status, out, err) = stage.launch_suricata(&["-S", "demo.rules", "-i", "in", "-D"]).end();
    assert!(status.success() && out.contains("Engine started."), "{out}{err}");
    let number = fs::read_to_string(stage.path("own.pid")).unwrap();
    let daemon = Daemon(number.trim().parse().unwrap());
    let file = |name: &str| format!("/proc/{}/{name}", daemon.0);
    assert_eq!(fs::read_to_string(file("comm")).unwrap(), "bateleur\n");
    for stream in 0..3 {
        let leads = fs::read_link(file(&format!("fd/{stream}"))).unwrap();
        assert_eq!(leads, Path::new("/dev/null"));
    }
    // Another one does not take its place.
    let (status, out, err) = stage.launch_suricata(&["-S", "demo.rules", "-i", "in", "-D"]).end();
    assert_eq!(status.code(), Some(1), "{out}{err}");
    assert!(err.contains("which runs"), "{out}{err}");
    stage.send(&demo("demo.pcap"), 1);
    assert!(daemon.signal("TERM"));
    let begun = Instant::now();
    while Path::new(&file("exe")).exists() && fs::read_link(file("exe")).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60), "does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!stage.path("own.pid").exists());
    is_as_replayed(&stage);
}

#[test]
fn a_daemon_tells_of_receivers_in_its_log() {
    let Some(stage) = set("pid-file: own.pid\n") else { return };
    let config = fs::read_to_string(stage.path("suricata.yaml")).unwrap();
    // Nobody listens there, and statistics are sent every second.
    let redis = "  - eve-log: {enabled: yes, filetype: redis, types: [stats], redis: {port: 9}}\n";
    let config = config.replace("stats: {enabled", &format!("{redis}stats: {{enabled"));
    fs::write(stage.path("suricata.yaml"), config).unwrap();
    let (status, out, err) = stage.launch_suricata(&["-S", "demo.rules", "-i", "in", "-D"]).end();
    assert!(status.success() && out.contains("Engine started."), "{out}{err}");
    let number = fs::read_to_string(stage.path("own.pid")).unwrap();
    let _daemon = Daemon(number.trim().parse().unwrap());
    let begun = Instant::now();
    loop {
        let said = fs::read_to_string(stage.path("events/engine.log")).unwrap();
        let mut lines = said.lines();
        if lines.any(|line| line.contains(" Warning: delivery: ") && line.ends_with(" sink=redis"))
        {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is no child of ours.
struct Daemon(u32);

impl Daemon {
    fn signal(&self, name: &str) -> bool {
        let mut kill = Command::new("kill");
        let kill = kill.args(["-s", name, &self.0.to_string()]).stderr(Stdio::null());
        kill.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that fails must not leave it behind; one that has ended needs nothing.
        self.signal("KILL");
    }
}

#[test]
fn rights_are_given_up() {
    let Some(stage) = set("") else { return };
    let check = |more: &[&str], user: &str| {
        let words = ["-S", "demo.rules", "-i", "in", "--pidfile", "own.pid"];
        let running = stage.start_suricata(&[&words[..], more].concat());
        let process = running.id();
        assert_eq!(fs::read_to_string(stage.path("own.pid")).unwrap(), format!("{process}\n"));
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let four = format!("{user}\t{user}\t{user}\t{user}");
        for (name, value) in [
            ("Uid", &*four),
            ("Gid", &*four),
            ("CapEff", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            assert_eq!(line.map(str::trim), Some(value), "{name}");
        }
        running.stop();
        let left = fs::read_to_string(stage.path("own.pid")).unwrap_or_default();
        assert_eq!(left, "");
        let owner = fs::metadata(stage.path("events/eve.json")).unwrap().uid();
        assert_eq!(owner.to_string(), user);
    };
    check(&[], "0");
    check(&["--user", "65534", "--group=65534"], "65534");
    let section = "run-as: {user: '65534', group: '65534'}\nsecurity: {landlock: {enabled: yes}}\n";
    let config = fs::read_to_string(stage.path("suricata.yaml")).unwrap();
    fs::write(stage.path("suricata.yaml"), format!("{config}{section}")).unwrap();
    check(&[], "65534");
}

#[test]
fn what_is_missing_ends_the_start() {
    let Some(stage) = set("") else { return };
    let check = |more: &[&str], part: &str| {
        let (status, out, err) =
            stage.launch_suricata(&[&["-S", "demo.rules"], more].concat()).end();
        assert_eq!(status.code(), Some(1), "{more:?}: {out}{err}");
        assert!(err.contains(part), "{more:?}: {part}: {out}{err}");
    };
    check(&["--af-packet"], "the configuration has no af-packet section");
    check(&["--af-xdp"], "the configuration has no af-xdp section");
    check(&["-i", "nosuch"], "nosuch");
    // What the process in the background says comes to the terminal, and so does its end.
    check(&["-i", "nosuch", "-D"], "nosuch");
    check(&["-i", "in", "--runmode", "autofpx"], "there is no runmode \"autofpx\"");
    check(&["-i", "in", "frobnicate"], "bpf compilation error");
    check(&["-i", "in", "--user", "no-such-user"], "there is no user `no-such-user`");
    check(&["-i", "in", "--unix-socket=none/at/all"], "unable to create the control socket");
}

#[test]
fn rights_that_are_missing_are_told_as_by_run() {
    let Some(stage) = set("") else { return };
    let said = |words: &[&str]| -> Option<String> {
        let ran = Command::new(env!("CARGO_BIN_EXE_bateleur"))
            .args(words)
            .current_dir(stage.path("."))
            .uid(65534)
            .gid(65534)
            .output();
        let Ok(ran) = ran else {
            eprintln!("skipped: others may not start the program");
            return None;
        };
        assert_eq!(ran.status.code(), Some(1));
        Some(String::from_utf8(ran.stderr).unwrap())
    };
    let folder = stage.path("theirs");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
    let Some(by_run) = said(&["run", "-i", "lo", "-m", "af-packet", "-o", "theirs"]) else {
        return;
    };
    let words = ["suricata", "-c", "suricata.yaml", "-l", "theirs", "-S", "demo.rules", "-i", "lo"];
    let Some(by_suricata) = said(&words) else { return };
    let reason = by_run.trim().lines().last().unwrap();
    let reason = reason.strip_prefix("bateleur: ").unwrap();
    assert!(by_suricata.contains(reason), "{reason}: {by_suricata}");
}
