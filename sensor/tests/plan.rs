//! `bateleur plan`: what it prints, refuses, changes and brings back.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

use std::fs;
use std::process::{Command, Output};

/// What a run printed, and its exit status.
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    fn expect(&self, status: i32, parts: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.status, Some(status), "{all}");
        for part in parts {
            assert!(all.contains(part), "\"{part}\" is not in:\n{all}");
        }
    }
}

fn plan(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bateleur"));
    Ran::of(&command.arg("plan").args(arguments).output().unwrap())
}

#[test]
fn the_plan_of_an_interface_is_json() {
    let ran = plan(&["-i", "lo", "--workers", "1", "--json"]);
    ran.expect(0, &[]);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["interfaces"][0]["name"], "lo");
    assert_eq!(plan["workers"].as_array().unwrap().len(), 1);
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| !step["why"].as_str().unwrap().is_empty()), "{steps:?}");
}

#[test]
fn the_plan_for_people_has_reasons() {
    plan(&["-i", "lo"]).expect(0, &["Interfaces", "lo", "Workers", "why", "management"]);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    plan(&["-i", "does-not-exist"]).expect(1, &["does-not-exist", "there is", "lo"]);
    plan(&["-i", "ff:ff.7"]).expect(1, &["ff:ff.7", "lo"]);
    plan(&["-i", "0000:ff:1f.7"]).expect(1, &["0000:ff:1f.7", "lo"]);
    plan(&["-i", "0e:0e:0e:0e:0e:0e"]).expect(1, &["0e:0e:0e:0e:0e:0e", "lo"]);
    plan(&["-i", "resource:example.com/tap"])
        .expect(1, &["example.com/tap", "PCIDEVICE_EXAMPLE_COM_TAP"]);
    let none = ["--annotations", "/nonexistent", "-i", "network:tap"];
    plan(&none).expect(1, &["networks are not known"]);
    plan(&[]).expect(1, &["-i", "capture.interfaces"]);
    plan(&["-i", "lo", "--undo-file", "x"]).expect(2, &["--apply"]);
    plan(&["--undo", "/nonexistent/undo.json"]).expect(1, &["/nonexistent/undo.json"]);
}

#[test]
fn a_network_of_the_pod_is_found_by_its_annotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("annotations");
    let status = r#"[{\"name\":\"sensors/tap\",\"interface\":\"lo\"}]"#;
    let text = format!("a=\"b\"\nk8s.v1.cni.cncf.io/network-status=\"{status}\"\n");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    plan(&["--annotations", file, "-i", "network:tap"]).expect(0, &["lo"]);
    plan(&["--annotations", file, "-i", "network:other"]).expect(1, &["sensors/tap (lo)"]);
}

#[test]
fn configurations_name_interfaces_too() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let sensor = write("sensor.yaml", "capture: {interfaces: [lo], workers: 1}\n");
    let ran = plan(&["-c", &sensor, "--json"]);
    ran.expect(0, &[]);
    let made: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(made["workers"].as_array().unwrap().len(), 1);
    assert_eq!(made["interfaces"][0]["frames_per_ring"], 12288);
    let wrong = write("wrong.yaml", "capture:\n  interface: [lo]\n");
    plan(&["-c", &wrong]).expect(1, &["wrong.yaml:2", "interfaces"]);
    let suricata =
        write("suricata.yaml", "%YAML 1.1\n---\naf-packet:\n  - {interface: lo, threads: 1}\n");
    plan(&["--suricata", &suricata]).expect(0, &["lo"]);
    let inline =
        write("inline.yaml", "%YAML 1.1\n---\naf-packet:\n  - {interface: lo, copy-mode: ips}\n");
    plan(&["--suricata", &inline]).expect(1, &["copy-mode"]);
}

/// A network namespace with a pair of interfaces, which goes when this does.
struct Namespace(String);

impl Namespace {
    fn new() -> Option<Self> {
        let name = format!("plan-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let namespace = Self(name);
        let pair = ["link", "add", "cap0", "type", "veth", "peer", "name", "cap1"];
        namespace.exec("ip", &pair).status.filter(|status| *status == 0)?;
        Some(namespace)
    }

    fn exec(&self, program: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).args(arguments);
        Ran::of(&command.output().unwrap())
    }

    fn plan(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["plan", "-i", "cap0"];
        all.extend(arguments);
        self.exec(env!("CARGO_BIN_EXE_bateleur"), &all)
    }

    fn link(&self) -> String {
        self.exec("ip", &["link", "show", "cap0"]).stdout
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

#[test]
fn a_host_is_prepared_checked_and_brought_back() {
    let Some(namespace) = Namespace::new() else {
        eprintln!("skipped: no network namespace can be made (needs root and iproute2)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("undo.json");
    let file = file.to_str().unwrap();
    let ran = namespace.plan(&["--verify"]);
    ran.expect(1, &["not as planned: ip link set cap0 promisc on"]);
    assert_eq!(ran.stdout, "", "only what differs is printed");
    assert!(!namespace.link().contains("PROMISC"));
    let apply = ["--apply", "--verify", "--undo-file", file];
    let ran = namespace.plan(&apply);
    ran.expect(0, &["done: ip link set cap0 promisc on", "--undo", "as planned"]);
    assert!(!ran.stderr.contains("not kept"), "{}", ran.stderr);
    assert!(namespace.link().contains("PROMISC"), "{}", namespace.link());
    // Again: nothing is left to do, and what was before is still known.
    namespace.plan(&apply).expect(0, &["nothing was changed"]);
    namespace.exec("ip", &["link", "set", "cap0", "promisc", "off"]);
    namespace.plan(&["--verify"]).expect(1, &["promisc on"]);
    namespace.plan(&apply).expect(0, &["done: ip link set cap0 promisc on"]);
    let undone = namespace.exec(env!("CARGO_BIN_EXE_bateleur"), &["plan", "--undo", file]);
    undone.expect(0, &["restored: ip link set cap0 promisc off", "undo.json is removed"]);
    let link = namespace.link();
    assert!(!link.contains("PROMISC") && link.contains("state DOWN"), "{link}");
    assert!(!fs::exists(file).unwrap(), "what was undone is not kept");
    // That nothing keeps what was before is said before anything is changed.
    let ran = namespace.plan(&["--apply"]);
    ran.expect(0, &["done: ip link set cap0 promisc on"]);
    let (note, done) = (ran.stderr.find("is not kept"), ran.stderr.find("done: "));
    assert!(note.is_some() && note < done, "{}", ran.stderr);
}
