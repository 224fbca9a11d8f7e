//! What options and `sensor.yaml` change of a live run.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::demo;
use crate::stage::{Client, Stage, records};

fn last_statistics(stage: &Stage) -> Value {
    let all = records(&stage.path("events/eve.json"));
    all.into_iter().rfind(|record| record["event_type"] == "stats").unwrap()
}

#[test]
fn what_the_filter_refuses_is_not_inspected() {
    let Some(stage) = Stage::set() else { return };
    let mut running = stage.start(&["--filter", "udp port 53", "--control", "events/socket"]);
    let mut client = Client::connect(&stage.path("events/socket"));
    stage.send(&demo("demo.pcap"), 1);
    let begun = Instant::now();
    let capture = loop {
        let capture = client.ask("dump-counters")["capture"].clone();
        let of = |name: &str| capture[name].as_u64().unwrap();
        if of("inspected") + of("filtered") == 302 {
            break capture;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{capture}");
    };
    assert!(capture["inspected"].as_u64() > Some(0), "{capture}");
    assert!(capture["filtered"].as_u64() > Some(200), "{capture}");
    assert_eq!(capture["unaccounted"], 0, "{capture}");
    let counters = client.ask("dump-counters");
    assert_eq!(counters["decoder"]["pkts"], capture["inspected"], "{counters}");
    running.wait_for("takes commands");
    running.stop();
    let (status, said) = stage.call(&["doctor", "--events", "events/eve.json"]);
    assert!(status.success() && said.contains("refused by the filter"), "{said}");
}

#[test]
fn statistics_have_the_name_and_threads_their_cpus() {
    let Some(stage) = Stage::set() else { return };
    let text = "name: gate-9\ncapture:\n  management-cpus: [0]\n";
    fs::write(stage.path("sensor.yaml"), text).unwrap();
    let running = stage.start(&["--config", "sensor.yaml", "--control", "events/socket"]);
    let mut client = Client::connect(&stage.path("events/socket"));
    client.ask("version");
    let mut others = 0;
    for task in fs::read_dir(format!("/proc/{}/task", running.id())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        if !status.starts_with("Name:\tW#") {
            assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
            others += 1;
        }
    }
    // The supervisor, the guard and the control socket.
    assert!(others >= 3);
    running.stop();
    assert_eq!(last_statistics(&stage)["host"], "gate-9");
}

#[test]
fn while_rules_are_loaded_a_signal_ends_it_at_once() {
    let Some(stage) = Stage::set() else { return };
    // Nobody writes into it: reading it takes for ever.
    let rules = stage.path("slow.rules");
    nix::unistd::mkfifo(&rules, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut running = stage.launch(&[], &["--rules", "slow.rules"]);
    let process = format!("/proc/{}/status", running.id());
    let caught = || {
        let status = fs::read_to_string(&process).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap()
    };
    // SIGTERM is handled, so that it runs.
    running.wait_until("signals", || caught() >> 14 & 1 == 1);
    std::thread::sleep(Duration::from_millis(300));
    running.signal("TERM");
    let (status, _, said) = running.end();
    assert_eq!(status.signal(), Some(15), "{said}");
}

#[test]
fn a_plan_is_undone_however_the_sensor_ends() {
    let Some(stage) = Stage::set() else { return };
    fs::write(stage.path("sensor.yaml"), "capture: {plan: apply}\n").unwrap();
    for signal in ["TERM", "KILL"] {
        let before = stage.says("ip", &["-details", "link", "show", "dev", "in"]);
        let planned = stage.call(&["plan", "-i", "in", "--workers", "2", "--verify"]);
        assert!(!planned.0.success(), "the plan changes nothing here: {}", planned.1);
        let running = stage.start(&["--config", "sensor.yaml"]);
        let file = PathBuf::from(format!("/run/bateleur-plan-undo-{}.json", running.id()));
        assert!(file.exists(), "{signal}");
        running.signal(signal);
        let (status, _, said) = running.end();
        if signal == "TERM" {
            // The sensor has waited for it.
            assert!(status.success() && !file.exists(), "{said}");
        }
        let begun = Instant::now();
        while file.exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{signal}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(stage.says("ip", &["-details", "link", "show", "dev", "in"]), before);
        let again = stage.call(&["plan", "-i", "in", "--workers", "2", "--verify"]);
        assert_eq!(again, planned, "{signal}");
    }
}
