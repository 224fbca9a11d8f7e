//! `bateleur run` as it is called, and with Suricata's options: on a network of its own, with what a
//! replay finds as measure.
//!
//! Needs root, `ip` and `python3`; says so and passes where they are missing.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

#[path = "../../src/observe/tests/checker.rs"]
mod checker;
mod metrics;
mod settings;
mod stage;
mod suricata;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stage::{Client, Stage, alerts, records, types};

const ONE: &str =
    "alert dns any any -> any 53 (msg:\"one\"; dns.query; content:\"c2.example\"; sid:1;)\n";
const TWO: &str =
    "alert dns any any -> any 53 (msg:\"two\"; dns.query; content:\"c2.example\"; sid:2;)\n";

pub(crate) fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/demo").join(name)
}

#[test]
fn a_live_run_finds_what_a_replay_finds() {
    let Some(stage) = Stage::set() else { return };
    fs::copy(demo("demo.rules"), stage.path("demo.rules")).unwrap();
    let running = stage.start(&["--rules", "demo.rules"]);
    stage.send(&demo("demo.pcap"), 1);
    let (said, _) = running.stop();
    let live = records(&stage.path("events/eve.json"));
    let replayed = stage.replay(&demo("demo.pcap"), "demo.rules");
    assert!(alerts(&replayed).len() > 10);
    assert_eq!(alerts(&live), alerts(&replayed));
    assert_eq!(types(&live), types(&replayed));
    let summary = format!("alerts     {} by", alerts(&live).len());
    assert!(said.contains(&summary), "{said}");
}

#[test]
fn rights_are_given_up() {
    let Some(stage) = Stage::set() else { return };
    let running = stage.start(&["--control", "events/socket"]);
    let process = format!("/proc/{}", running.id());
    let tasks = fs::read_dir(format!("{process}/task")).unwrap();
    let mut files: Vec<PathBuf> = tasks.map(|task| task.unwrap().path()).collect();
    // Two workers, the supervisor, the guard and the control socket.
    assert!(files.len() >= 5, "{files:?}");
    files.push(process.into());
    for file in files {
        let status = fs::read_to_string(file.join("status")).unwrap();
        for (name, value) in [
            ("Uid", "65534\t65534\t65534\t65534"),
            ("Gid", "65534\t65534\t65534\t65534"),
            ("Groups", ""),
            ("CapPrm", "0000000000000000"),
            ("CapEff", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            assert_eq!(line.map(str::trim), Some(value), "{name} of {}", file.display());
        }
    }
    // A folder that was made for the sensor is its user's.
    assert_eq!(fs::metadata(stage.path("events")).unwrap().uid(), 65534);
    let (_, said) = running.stop();
    assert!(said.contains("CapEff 0000000000000000, NoNewPrivs 1, Seccomp 2"), "{said}");
    assert!(!stage.path("events/socket").exists());
}

#[test]
fn a_folder_of_others_is_left_to_them() {
    let Some(stage) = Stage::set() else { return };
    fs::create_dir(stage.path("events")).unwrap();
    fs::write(stage.path("events/letter"), "").unwrap();
    let running = stage.start(&[]);
    let owner = |name: &str| fs::metadata(stage.path(name)).unwrap().uid();
    assert_eq!((owner("events"), owner("events/letter"), owner("events/eve.json")), (0, 0, 65534));
    let (_, said) = running.stop();
    assert!(said.contains("user 65534 may not write events"), "{said}");
}

#[test]
fn rules_are_loaded_anew_while_it_runs() {
    let Some(stage) = Stage::set() else { return };
    let write = |text: &str| fs::write(stage.path("a.rules"), text).unwrap();
    let count = |sid: &str| {
        let alerts = alerts(&records(&stage.path("events/eve.json")));
        alerts.iter().filter(|alert| alert.starts_with(&format!("{sid} "))).count()
    };
    write(ONE);
    let mut running = stage.start(&["--rules", "a.rules"]);
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("an alert by the first rules", || count("1") == 1);
    write(&format!("{TWO}alert nonsense\n"));
    running.signal("USR2");
    running.wait_for("1 loaded, 1 refused");
    running.wait_for("a.rules:2:");
    running.wait_for("1 rule was refused");
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("an alert by the second rules", || count("2") == 1);
    // Rules that cannot be loaded leave the old ones in force.
    fs::remove_file(stage.path("a.rules")).unwrap();
    running.signal("USR2");
    running.wait_for("the old rules stay in force: a.rules: there is no such rule file");
    stage.send(&demo("demo.pcap"), 1);
    let (said, _) = running.stop();
    assert_eq!((count("1"), count("2")), (1, 2));
    for line in ["alerts     3 by 2 rules", "2          2  two", "1          1  one"] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn files_that_were_moved_away_are_begun_anew() {
    let Some(stage) = Stage::set() else { return };
    fs::copy(demo("demo.rules"), stage.path("demo.rules")).unwrap();
    let mut running = stage.start(&["--rules", "demo.rules"]);
    let (name, moved) = (stage.path("events/eve.json"), stage.path("events/eve.json.1"));
    stage.send(&demo("demo.pcap"), 1);
    running.wait_until("alerts", || alerts(&records(&name)).len() > 10);
    fs::rename(&name, &moved).unwrap();
    running.signal("HUP");
    running.wait_until("a new file", || name.exists());
    running.stop();
    let (mut all, rest) = (records(&moved), records(&name));
    assert!(!rest.is_empty());
    all.extend(rest);
    let replayed = stage.replay(&demo("demo.pcap"), "demo.rules");
    assert_eq!(types(&all), types(&replayed));
}

#[test]
fn clients_talk_to_it_as_to_suricata() {
    let Some(stage) = Stage::set() else { return };
    fs::write(stage.path("a.rules"), ONE).unwrap();
    let running = stage.start(&["--rules", "a.rules", "--control", "run/socket"]);
    let mut client = Client::connect(&stage.path("run/socket"));
    stage.send(&demo("demo.pcap"), 1);
    let packets = |client: &mut Client| client.ask("dump-counters")["decoder"]["pkts"].as_u64();
    let begun = Instant::now();
    while packets(&mut client) != Some(302) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", packets(&mut client));
    }
    assert_eq!(client.ask("version"), "8.0.7 RELEASE");
    assert_eq!(client.ask("capture-mode"), "AF_PACKET_DEV");
    assert_eq!(client.ask("iface-list")["ifaces"][0], "in");
    let figures = client.say(r#"{"command":"iface-stat","arguments":{"iface":"in"}}"#);
    assert_eq!(figures["message"]["pkts"], 302, "{figures}");
    let before = client.ask("ruleset-reload-time")[0]["last_reload"].clone();
    fs::write(stage.path("a.rules"), format!("{ONE}{TWO}alert nonsense\n")).unwrap();
    assert_eq!(client.ask("reload-rules"), "done");
    let rules = client.ask("ruleset-stats")[0].clone();
    assert_eq!((&rules["rules_loaded"], &rules["rules_failed"]), (&2.into(), &1.into()));
    assert_eq!(client.ask("ruleset-failed-rules")[0]["line"], 3);
    assert_ne!(client.ask("ruleset-reload-time")[0]["last_reload"], before);
    assert_eq!(client.ask("dump-counters")["rules"]["reloads"], 1);
    fs::remove_file(stage.path("a.rules")).unwrap();
    let refused = client.say(r#"{"command":"reload-rules"}"#);
    assert_eq!(refused["return"], "NOK", "{refused}");
    assert_eq!(client.ask("ruleset-stats")[0]["rules_loaded"], 2);
    assert_eq!(client.ask("memcap-list")[2]["name"], "flow");
    client.ask("shutdown");
    let (status, _, said) = running.end();
    assert!(status.success(), "{said}");
    assert!(!types(&records(&stage.path("events/eve.json"))).is_empty());
}

#[test]
fn an_interface_that_goes_and_comes_is_told_of() {
    let Some(stage) = Stage::set() else { return };
    let mut running = stage.start(&["--rules", demo("demo.rules").to_str().unwrap()]);
    assert!(stage.ip(&["link", "set", "in", "down"]));
    running.wait_for("in is down or gone");
    assert!(stage.ip(&["link", "set", "in", "up"]));
    running.wait_for("in is back");
    stage.send(&demo("demo.pcap"), 1);
    running.stop();
    assert!(alerts(&records(&stage.path("events/eve.json"))).len() > 10);
}

#[test]
fn a_worker_that_stands_still_is_told_of() {
    let Some(stage) = Stage::set() else { return };
    fs::write(stage.path("a.rules"), ONE).unwrap();
    let more = ["--rules", "a.rules", "--stall", "1", "--control", "events/socket"];
    let mut running = stage.start(&more);
    let Some(mut holder) = running.hold("W#02", 3) else { return };
    running.wait_for("worker 2 stands still");
    // Nobody waits for it.
    let mut client = Client::connect(&stage.path("events/socket"));
    let counters = client.ask("dump-counters");
    assert_eq!(counters["capture"]["stalls"], 1, "{counters}");
    assert!(holder.wait().unwrap().success());
    running.wait_for("worker 2 goes on after");
    stage.send(&demo("demo.pcap"), 1);
    running.stop();
    assert_eq!(alerts(&records(&stage.path("events/eve.json"))).len(), 1);
}

#[test]
fn an_output_that_takes_nothing_does_not_hold_up_the_end() {
    let Some(stage) = Stage::set() else { return };
    fs::create_dir(stage.path("events")).unwrap();
    let pipe = stage.path("events/eve.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut reader = fs::File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(&pipe)
        .unwrap();
    let running = stage.start(&["--drain", "1"]);
    stage.send(&demo("demo.pcap"), 8);
    let begun = Instant::now();
    running.signal("TERM");
    let (status, _, said) = running.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let (before, _) = said.split_once(" records were not written").unwrap();
    let lost: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(lost > 0, "{said}");
    let mut got = [0; 1024];
    assert!(reader.read(&mut got).unwrap() > 0);
}

#[test]
fn the_service_manager_hears_how_it_goes() {
    let Some(stage) = Stage::set() else { return };
    let address = stage.path("notify");
    let manager = UnixDatagram::bind(&address).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let environment = [("NOTIFY_SOCKET", address.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    fs::write(stage.path("a.rules"), ONE).unwrap();
    let running = stage.start_with(&environment, &["--rules", "a.rules"]);
    let mut heard = String::new();
    let mut wait_for = |text: &str| {
        heard.clear();
        while !heard.contains(text) {
            let mut buffer = [0; 1024];
            let length = manager.recv(&mut buffer).unwrap();
            heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    wait_for("READY=1\nSTATUS=1 rules");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    running.signal("USR2");
    wait_for("RELOADING=1\nMONOTONIC_USEC=");
    wait_for("READY=1");
    running.signal("TERM");
    wait_for("STOPPING=1");
    wait_for("EXTEND_TIMEOUT_USEC=15000000");
    let (status, ..) = running.end();
    assert!(status.success());
}

#[test]
fn workers_stay_on_their_cpus() {
    let Some(stage) = Stage::set() else { return };
    let running = stage.start(&["--cpus", "0"]);
    let tasks = fs::read_dir(format!("/proc/{}/task", running.id())).unwrap();
    let mut pinned = 0;
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        if status.starts_with("Name:\tW#") {
            assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
            pinned += 1;
        }
    }
    assert_eq!(pinned, 2);
    running.stop();
}
