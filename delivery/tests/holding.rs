//! Sinks that wait for more before they confirm anything: a full window and a stop end the wait.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use delivery::Delivery;
use delivery::record::Batch;
use delivery::settings::DeliverySettings;
use delivery::sinks::SinkSettings;
use delivery::spool::SpoolSettings;

/// Carries records of two types to a sink until it stops; returns how many were confirmed before.
fn carry(folder: &Path, sink: &str, records: u64) -> u64 {
    let sink: SinkSettings = serde_saphyr::from_str(sink).expect("settings");
    let settings = DeliverySettings {
        queue: 64 << 20,
        spool: SpoolSettings { directory: folder.join("spool"), ..SpoolSettings::default() },
        sinks: vec![sink],
        ..DeliverySettings::default()
    };
    let delivery =
        Delivery::prepare(&settings, "north").expect("settings").start(1, || {}).expect("starts");
    let (queue, figures) = (delivery.queue(), delivery.figures());
    for at in 0..records {
        let kind = if at % 2 == 0 { "http" } else { "dns" };
        let text = format!(
            r#"{{"timestamp":"2026-11-22T05:30:00.000000+0000","event_type":"{kind}","n":{at}}}"#
        );
        queue.offer_waiting(Batch { worker: 0, first: at, bytes: (text + "\n").into_bytes() });
    }
    // What the window has no room for can't be confirmed before all of it is.
    let start = Instant::now();
    while figures.sinks[0].delivered.get() == 0 && start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = figures.sinks[0].delivered.get();
    assert!(delivery.stop(Duration::from_secs(60)), "not all was delivered");
    before
}

#[test]
fn frames_are_written_when_the_window_is_full_and_at_the_end() {
    let check = |more: &str, has_early: bool| {
        let folder = tempfile::tempdir().expect("works");
        let out = folder.path().join("eve.json");
        let sink = format!(
            "file: {{path: '{}', compression: gzip, linger: 1 h, batch-size: 8 MiB}}\n{more}",
            out.display()
        );
        let before = carry(folder.path(), &sink, 6000);
        assert_eq!(before > 0, has_early, "{before} {more}");
        let mut text = String::new();
        for entry in fs::read_dir(folder.path()).expect("works") {
            let path = entry.expect("works").path();
            if path.extension().is_some_and(|extension| extension == "gz") {
                let file = File::open(&path).expect("works");
                flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("works");
            }
        }
        let every = if more.contains("only") { 3000 } else { 6000 };
        assert_eq!(text.lines().count(), every, "{more}");
    };
    check("window: 8 KiB", true);
    check("window: 8 KiB\nrecords: {only: [http]}", true);
    check("window: 64 MiB", false);
}

#[cfg(feature = "parquet")]
#[test]
fn tables_are_finished_at_the_end() {
    let folder = tempfile::tempdir().expect("works");
    let out = folder.path().join("tables");
    let sink = format!("parquet: {{directory: '{}'}}", out.display());
    assert_eq!(carry(folder.path(), &sink, 500), 0);
    for kind in ["http", "dns"] {
        let hour = out.join(format!("event_type={kind}/date=2026-11-22/hour=05"));
        let files: Vec<_> = fs::read_dir(hour).expect("works").collect();
        assert_eq!(files.len(), 1, "{kind}");
    }
}
