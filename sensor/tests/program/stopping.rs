//! Runs that have no end of their own, and signals.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::craft::Place;

const EVE: &str = "outputs:\n  - eve-log:\n      enabled: yes\n      types: [http, flow]\n\
                   pcap-file: {delay: 0, poll-interval: 1}\n";

/// Waits until `done`, for a machine that has much else to do.
fn wait(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not come");
        sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
}

fn requests(place: &Place) -> usize {
    let eve = place.read("out/eve.json");
    eve.matches("\"event_type\":\"http\"").count()
}

#[test]
fn a_full_disk_ends_a_replay_with_its_reason() {
    let place = Place::new();
    for workers in ["1", "2"] {
        let directory = place.path(workers);
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink("/dev/full", directory.join("eve.json")).unwrap();
        place
            .run(&["replay", "--workers", workers, "--output", workers, "web.pcap"])
            .expect(1, &["eve.json", "records could not be written: No space left on device"]);
    }
    // Suricata 8 goes on, tells at the end, and does not fail.
    let place = Place::new();
    place.config(EVE);
    std::os::unix::fs::symlink("/dev/full", place.path("out/eve.json")).unwrap();
    place
        .suricata(&["-r", "web.pcap", "-S", "/dev/null"])
        .expect(0, &["records could not be written: No space left on device", "10 packets"]);
}

#[test]
fn files_that_come_into_a_directory_are_replayed_until_a_signal() {
    let place = Place::new();
    place.config(EVE);
    std::fs::create_dir(place.path("in")).unwrap();
    let arguments = ["suricata", "-c", "suricata.yaml", "-l", "out", "-S", "/dev/null", "-r", "in"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_bateleur"))
        .args(arguments)
        .args(["--pcap-file-continuous", "--pcap-file-delete"])
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for name in ["in/one.pcap", "in/two.pcap"] {
        // Complete when it appears, and with the time of its appearance.
        std::fs::copy(place.path("web.pcap"), place.path("copy")).unwrap();
        std::fs::rename(place.path("copy"), place.path(name)).unwrap();
        wait(name, || requests(&place) > 0 && !place.path(name).exists());
        sleep(Duration::from_millis(20));
    }
    signal(&child, "TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(place.read("out/eve.json").contains("\"event_type\":\"flow\""), "flows end with it");
}
