//! Outputs that come and go between runs: what waits for one reaches it, and nobody else.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use delivery::Delivery;
use delivery::record::{Batch, worker_on};
use delivery::settings::{DeliverySettings, Output};
use delivery::sinks::SinkSettings;
use delivery::spool::SpoolSettings;

/// A sink with an output to itself, which sends to a socket called as its place; places of outputs
/// of alerts begin with `alerts`.
fn sink(folder: &Path, name: &str, place: &str) -> SinkSettings {
    let path = folder.join(place);
    let text = format!("name: {name}\nunix: {{path: '{}', kind: stream}}", path.display());
    let mut sink: SinkSettings = serde_saphyr::from_str(&text).expect("settings");
    let alerts = place.starts_with("alerts");
    sink.output = Some(Output { alerts, place: place.to_owned() });
    sink
}

/// Lines that come to a socket until it is closed.
fn receiver(folder: &Path, place: &str) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(folder.join(place)).expect("binds");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("comes");
        BufReader::new(stream).lines().map(|line| line.expect("a line")).collect()
    })
}

/// A record of an output.
fn line(place: &str, run: u32) -> String {
    match place.starts_with("alerts") {
        // What a rule says is no type of record.
        true => format!("[**] {place} {run} \"event_type\":\"flow\" [**]"),
        false => format!("{{\"event_type\":\"flow\",\"of\":\"{place} {run}\"}}"),
    }
}

/// A run with these sinks, each of which has one record more; those whose receivers are there must
/// have delivered so many. Returns their names, and what receivers got.
fn run(
    folder: &Path,
    number: u32,
    outputs: &[(&str, &str)],
    receivers: &[(&str, u64)],
) -> (Vec<String>, Vec<Vec<String>>) {
    let sinks = outputs.iter().map(|(name, place)| sink(folder, name, place)).collect();
    let settings = DeliverySettings {
        queue: 1 << 20,
        spool: SpoolSettings { directory: folder.join("spool"), ..SpoolSettings::default() },
        sinks,
        ..DeliverySettings::default()
    };
    let threads: Vec<_> = receivers.iter().map(|(place, _)| receiver(folder, place)).collect();
    let delivery =
        Delivery::prepare(&settings, "north").expect("settings").start(1, || {}).expect("starts");
    assert_eq!(delivery.channels().len(), outputs.len());
    for (channel, (_, place)) in delivery.channels().iter().zip(outputs) {
        let worker = worker_on(*channel, 0);
        let bytes = (line(place, number) + "\n").into_bytes();
        let first = delivery.first_sequence(worker);
        delivery.queue().offer_waiting(Batch { worker, first, bytes });
    }
    let figures = delivery.figures();
    let delivered = |place: &str| {
        let at = outputs.iter().position(|(_, other)| *other == place).expect("an output");
        figures.sinks[at].delivered.get()
    };
    let start = Instant::now();
    let is_done = || receivers.iter().all(|(place, count)| delivered(place) >= *count);
    while !is_done() && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(delivery.stop(Duration::from_secs(2)), receivers.len() == outputs.len());
    let names = figures.sinks.iter().map(|sink| sink.name.clone()).collect();
    for (place, _) in receivers {
        std::fs::remove_file(folder.join(place)).expect("was there");
    }
    (names, threads.into_iter().map(|thread| thread.join().expect("reads")).collect())
}

#[test]
fn what_waits_for_an_output_reaches_it_whatever_others_do() {
    let folder = tempfile::tempdir().expect("works");
    let folder = folder.path();
    let of = |place: &str, runs: &[u32]| -> Vec<String> {
        runs.iter().map(|number| line(place, *number)).collect()
    };
    // Nobody is there. `last` keeps all records in the spool until it is.
    run(folder, 1, &[("unix", "a"), ("unix-2", "b"), ("unix-3", "last")], &[]);
    // The first has gone; the configuration counts anew.
    let two = [("unix", "b"), ("unix-2", "last")];
    let (names, got) = run(folder, 2, &two, &[("b", 2)]);
    assert_eq!(names, ["unix-2", "unix-3"]);
    assert_eq!(got, [of("b", &[1, 2])]);
    // A new one comes before them, and gets nothing of the one that was there.
    let three = [("unix", "c"), ("unix-2", "b"), ("unix-3", "last")];
    let (names, got) = run(folder, 3, &three, &[("c", 1), ("b", 1), ("last", 3)]);
    assert_eq!(names, ["unix", "unix-2", "unix-3"]);
    assert_eq!(got, [of("c", &[3]), of("b", &[3]), of("last", &[1, 2, 3])]);
}

#[test]
fn lines_of_alerts_are_alerts_to_the_spool() {
    let check = |place: &str, alerts: u64| {
        let folder = tempfile::tempdir().expect("works");
        run(folder.path(), 1, &[("unix", place)], &[]);
        let files = std::fs::read_dir(folder.path().join("spool")).expect("is there");
        let names = files.map(|file| file.expect("a file").file_name().into_string().expect("is"));
        let segments: Vec<String> = names.filter(|name| name.ends_with(".spool")).collect();
        let lane = if alerts > 0 { "alerts" } else { "events" };
        assert_eq!(segments, [format!("{lane}-00000001.spool")]);
        // They are sent as alerts are, also after a restart.
        let (_, got) = run(folder.path(), 2, &[("unix", place)], &[(place, 2)]);
        assert_eq!(got, [[line(place, 1), line(place, 2)]]);
    };
    check("alerts", 1);
    check("records", 0);
}
