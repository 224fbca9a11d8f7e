//! Limits: size, age, the disk itself; alerts stay longest.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::*;

/// Appends 40 records of 1,000 bytes, every fourth an alert, to a spool of 20,000 bytes.
fn fill(full: Full) -> (tempfile::TempDir, Writer) {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        SpoolSettings { limit: 20_000, segment: 2_500, full, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    for number in 0..40 {
        let kind = if number % 4 == 3 { "alert" } else { "http" };
        writer.append(&[large(number, kind, 1000)]);
        assert!(writer.usage().bytes <= 20_000);
        let on_disk: u64 =
            files(directory.path(), "").iter().map(|path| path.metadata().unwrap().len()).sum();
        assert_eq!(on_disk, writer.usage().bytes);
    }
    (directory, writer)
}

#[test]
fn a_full_spool_drops_the_oldest_and_keeps_alerts() {
    let (_directory, mut writer) = fill(Full::DropOldest);
    let usage = writer.usage();
    assert_eq!((usage.dropped_alerts, usage.shed_total()), (0, 0));
    let mut reader = writer.register("one").unwrap();
    let found = read_all(&mut reader, false);
    let alerts: Vec<u64> = found.iter().filter(|record| record.0).map(|record| record.2).collect();
    assert_eq!(alerts, (0..10).map(|n| 4 * n + 3).collect::<Vec<_>>());
    assert_eq!(found.last(), Some(&(false, 0, 38)), "the youngest is there");
    assert_eq!(usage.dropped_events + found.len() as u64, 40);
    assert_eq!((usage.appended, usage.records), (40, found.len() as u64));
    // Alerts displace all events first, then the oldest alerts. What a reader has it still
    // delivers; one that has nothing yet misses them.
    let _idle = writer.register("two").unwrap();
    for number in 40..60 {
        writer.append(&[large(number, "alert", 1000)]);
    }
    let usage = writer.usage();
    assert_eq!(usage.dropped_events, 30);
    assert!(usage.dropped_alerts > 0 && usage.shed_total() == 0);
    // And events never displace alerts.
    let done = writer.append(&[large(60, "http", 3000)]);
    assert_eq!((done.shed, writer.usage().shed), (1, vec![("http".to_owned(), 1)]));
    assert_eq!(writer.usage().dropped_alerts, usage.dropped_alerts);
    // The reader has read all of the first; what went since it has missed.
    let found = read_all(&mut reader, true);
    assert!(found.iter().all(|record| record.0) && !found.is_empty());
    assert!(reader.missed() > 0 && reader.lag().records == 0);
}

#[test]
fn a_full_spool_may_refuse_what_is_new() {
    let (_directory, mut writer) = fill(Full::DropNewest);
    let usage = writer.usage();
    let mut reader = writer.register("one").unwrap();
    let found = read_all(&mut reader, false);
    assert_eq!(found.iter().filter(|record| record.0).count(), 10, "alerts get in");
    assert_eq!((usage.dropped_alerts, usage.shed.len()), (0, 1));
    assert!(usage.dropped_events > 0, "alerts have displaced some");
    let events = 30 - usage.dropped_events - usage.shed_total();
    assert_eq!(found.len() as u64, 10 + events);
    // Until there are only alerts.
    for number in 40..60 {
        writer.append(&[large(number, "alert", 1000)]);
    }
    let usage = writer.usage();
    assert_eq!(usage.dropped_alerts, 0);
    assert!(usage.shed.iter().any(|(kind, count)| kind == "alert" && *count > 0));
    // What is committed makes room.
    read_all(&mut reader, true);
    assert_eq!(writer.append(&[large(60, "http", 1000)]).shed, 0);
}

#[test]
fn only_what_somebody_still_needed_counts_as_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { limit: 9_000, segment: 1_200, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let (mut fast, slow) = (writer.register("fast").unwrap(), writer.register("slow").unwrap());
    for number in 0..8 {
        writer.append(&[large(number, "http", 1000)]);
        read_all(&mut fast, true);
    }
    drop(slow);
    writer.append(&[large(8, "http", 1000)]);
    assert_eq!(writer.usage().dropped_events, 1);
    let mut slow = writer.register("slow").unwrap();
    assert_eq!(read_all(&mut slow, true).len(), 8);
    assert_eq!((slow.missed(), fast.missed()), (1, 0));
}

#[test]
fn a_slow_reader_knows_exactly_what_it_has_missed() {
    const COUNT: u64 = 3_000;
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { limit: 40_000, segment: 4_000, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let mut reader = writer.register("one").unwrap();
    let thread = std::thread::spawn(move || {
        let (mut seen, mut before) = (0, None);
        while !reader.is_finished() {
            let Some(frame) = reader.next(1_000, Duration::from_millis(50)) else { continue };
            for index in 0..frame.len() {
                let number = frame.record(index).unwrap().sequence;
                assert!(before < Some(number) && !frame.again);
                before = Some(number);
                seen += 1;
            }
            reader.commit(frame.alerts, frame.end);
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_eq!((reader.damaged(), reader.read_errors()), (0, 0));
        (seen, reader.missed())
    });
    for number in 0..COUNT {
        assert_eq!(writer.append(&[large(number, "http", 300)]).records, 1);
    }
    let dropped = writer.usage().dropped_events;
    writer.close().unwrap();
    let (seen, missed) = thread.join().unwrap();
    assert_eq!(seen + missed, COUNT);
    assert!(missed <= dropped, "{missed} missed, {dropped} dropped");
}

#[test]
fn records_that_are_too_long_are_shed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    let over = large(0, "fileinfo", LARGEST_RECORD);
    let around = "{\"event_type\":\"alert\",\"fill\":\"\"}".len();
    let exact = large(1, "alert", LARGEST_RECORD - around);
    let done = writer.append(&[over, exact, batch(0, 2, &["alert"])]);
    assert_eq!((done.shed, done.records), (1, 2));
    assert_eq!(writer.usage().shed, [("fileinfo".to_owned(), 1)]);
    assert_eq!(read_all(&mut reader, true), [(true, 0, 1), (true, 0, 2)]);
}

#[test]
fn old_records_go() {
    let directory = tempfile::tempdir().unwrap();
    let age = Some(Duration::from_millis(400));
    let settings = SpoolSettings { age, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let mut reader = writer.register("one").unwrap();
    writer.append(&[batch(0, 0, &["alert", "http"])]);
    writer.tick(Instant::now());
    assert_eq!(writer.usage().expired, 0);
    std::thread::sleep(Duration::from_millis(200));
    // A segment of its own, although the first one has room: it must not keep the first alive.
    writer.append(&[batch(0, 2, &["http"])]);
    assert!(writer.usage().oldest_age.unwrap() >= Duration::from_millis(190));
    std::thread::sleep(Duration::from_millis(220));
    writer.tick(Instant::now());
    let usage = writer.usage();
    if usage.expired == 2 {
        assert_eq!(usage.records, 1);
        assert_eq!(read_all(&mut reader, true), [(false, 0, 2)]);
        assert_eq!(reader.missed(), 1, "the alert was the last of its lane");
    } else {
        assert_eq!(usage.expired, 3, "a slow machine");
    }
    std::thread::sleep(Duration::from_millis(420));
    writer.tick(Instant::now());
    assert_eq!((writer.usage().records, writer.usage().bytes), (0, 0));
    // And appending goes on.
    writer.append(&[batch(0, 3, &["http"])]);
    assert_eq!(read_all(&mut reader, true), [(false, 0, 3)]);
}

#[test]
fn data_is_forced_to_the_disk_as_told() {
    for sync in [Sync::Never, Sync::Always, Sync::Every(Duration::from_millis(10))] {
        let directory = tempfile::tempdir().unwrap();
        let settings = SpoolSettings { sync, segment: 1000, ..settings(directory.path()) };
        let (mut writer, _) = Spool::open(&settings).unwrap();
        let mut reader = writer.register("one").unwrap();
        for number in 0..20 {
            writer.append(&[large(number, "http", 400)]);
            writer.tick(Instant::now() + Duration::from_secs(1));
        }
        assert_eq!(writer.usage().sync_errors, 0);
        assert_eq!(read_all(&mut reader, true).len(), 20);
    }
}

/// A file system of one megabyte; goes with its value.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs"])
            .arg(at)
            .output();
        match done {
            Ok(done) if done.status.success() => Some(Self(at.to_path_buf())),
            _ => {
                eprintln!("skipped: needs root, to mount a small file system");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Fills the disk to the last byte.
fn fill_up(directory: &Path) -> PathBuf {
    let path = directory.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    assert!(std::fs::write(directory.join("more"), [0]).is_err(), "the disk is full");
    path
}

#[test]
fn what_is_delivered_makes_room_on_a_full_disk() {
    for full in [Full::DropNewest, Full::DropOldest] {
        let directory = tempfile::tempdir().unwrap();
        let Some(_small) = Small::mount(directory.path()) else { return };
        let settings = SpoolSettings {
            directory: directory.path().join("spool"),
            full,
            segment: 60_000,
            ..settings(directory.path())
        };
        let (mut writer, _) = Spool::open(&settings).unwrap();
        let mut reader = writer.register("one").unwrap();
        for number in 0..6 {
            assert_eq!(writer.append(&[large(number, "http", 50_000)]).records, 1);
        }
        fill_up(directory.path());
        assert_eq!(read_all(&mut reader, true).len(), 6);
        assert_eq!(files(&settings.directory, "events").len(), 1, "the one that grows");
        assert_eq!(writer.append(&[large(6, "http", 50_000)]).records, 1);
        // What is committed was stored, too: it does not come again.
        drop((reader, writer));
        let (writer, _) = Spool::open(&settings).unwrap();
        let mut reader = writer.register("one").unwrap();
        assert_eq!(read_all(&mut reader, true), [(false, 0, 6)]);
    }
}

#[test]
fn a_sensor_starts_with_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(directory.path()) else { return };
    let settings = SpoolSettings {
        directory: directory.path().join("spool"),
        full: Full::DropNewest,
        segment: 60_000,
        ..settings(directory.path())
    };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let reader = writer.register("one").unwrap();
    for number in 0..6 {
        writer.append(&[large(number, "http", 50_000)]);
    }
    let ballast = fill_up(directory.path());
    drop((reader, writer));
    let (mut writer, recovery) = Spool::open(&settings).unwrap();
    assert_eq!(recovery.records_found, 6);
    // One that has a cursor, and one that has no room for a file.
    let (mut one, mut new) = (writer.register("one").unwrap(), writer.register("new").unwrap());
    for reader in [&mut one, &mut new] {
        assert_eq!(read_all(reader, true).len(), 6);
    }
    assert_eq!(files(&settings.directory, "events").len(), 0);
    assert_eq!(writer.append(&[large(6, "http", 50_000)]).records, 1);
    std::fs::remove_file(&ballast).unwrap();
    drop((one, new, writer));
    let (writer, recovery) = Spool::open(&settings).unwrap();
    assert_eq!(recovery.readers, ["new", "one"]);
    for name in ["one", "new"] {
        let mut reader = writer.register(name).unwrap();
        assert_eq!(read_all(&mut reader, true), [(false, 0, 6)], "{name}");
    }
}

/// Counts what is said.
#[derive(Default)]
struct Ear(std::sync::atomic::AtomicUsize);

impl tracing::Subscriber for Ear {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_cursor_that_can_not_be_stored_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { segment: 2000, ..settings(directory.path()) };
    let ear = std::sync::Arc::new(Ear::default());
    let heard = || ear.0.load(std::sync::atomic::Ordering::Relaxed);
    tracing::subscriber::with_default(std::sync::Arc::clone(&ear), || {
        let (mut writer, _) = Spool::open(&settings).unwrap();
        // A disk of which each byte is taken.
        std::os::unix::fs::symlink("/dev/full", directory.path().join("one.cursor")).unwrap();
        let mut reader = writer.register("one").unwrap();
        assert_eq!(heard(), 1);
        for number in 0..20 {
            writer.append(&[large(number, "http", 900)]);
            assert_eq!(read_all(&mut reader, true), [(false, 0, number)]);
        }
        for _ in 0..3 {
            reader.next(1, Duration::from_millis(250));
        }
        assert_eq!(heard(), 1, "told each time");
        // What it has delivered goes all the same.
        assert_eq!(files(directory.path(), "events").len(), 1);
    });
}

#[test]
fn a_full_disk_is_counted_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(directory.path()) else { return };
    let settings = SpoolSettings {
        directory: directory.path().join("spool"),
        full: Full::DropNewest,
        segment: 200 << 10,
        ..settings(directory.path())
    };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let mut reader = writer.register("one").unwrap();
    let ballast = directory.path().join("ballast");
    let mut kept = Vec::new();
    let mut shed = 0;
    for number in 0..30 {
        let done = writer.append(&[large(number, "http", 50_000)]);
        assert_eq!(done.records + done.shed, 1);
        kept.extend((done.records == 1).then_some((false, 0, number)));
        shed += done.shed;
    }
    assert!(shed > 5 && kept.len() > 10, "{shed} of 30");
    let usage = writer.usage();
    assert_eq!(usage.shed, [("http".to_owned(), shed)]);
    assert!(usage.trouble.is_some() && usage.write_errors >= shed);
    assert_eq!(
        usage.bytes,
        files(&settings.directory, "").iter().map(|p| p.metadata().unwrap().len()).sum::<u64>()
    );
    // Alerts displace events.
    let done = writer.append(&[large(30, "alert", 50_000)]);
    assert_eq!((done.alerts, done.shed), (1, 0));
    let dropped = writer.usage().dropped_events;
    assert!(dropped > 0);
    // Nothing but whole records has come out; what is consumed makes room.
    let found = read_all(&mut reader, true);
    assert_eq!(found[0], (true, 0, 30));
    assert_eq!(found[1..], kept[dropped as usize..]);
    assert_eq!(writer.append(&[large(31, "http", 50_000)]).records, 1);
    assert_eq!(writer.usage().trouble, None);
    // Somebody else fills the disk to the last byte; a crash; somebody makes room.
    let _ = std::fs::write(&ballast, vec![0; 2 << 20]);
    assert_eq!(writer.append(&[large(32, "http", 200_000)]).shed, 1);
    drop((reader, writer));
    let (mut writer, recovery) = Spool::open(&settings).unwrap();
    assert_eq!((recovery.records_found, recovery.torn_bytes), (1, 0));
    std::fs::remove_file(&ballast).unwrap();
    let mut reader = writer.register("one").unwrap();
    assert_eq!(writer.append(&[large(33, "http", 200_000)]).records, 1);
    assert_eq!(read_all(&mut reader, true), [(false, 0, 31), (false, 0, 33)]);
}

#[test]
fn nothing_goes_for_what_does_not_fit_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(directory.path()) else { return };
    let settings = SpoolSettings {
        directory: directory.path().join("spool"),
        segment: 8 << 20,
        ..settings(directory.path())
    };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    for number in 0..5 {
        assert_eq!(writer.append(&[large(number, "http", 50_000)]).records, 1);
    }
    let many: Vec<Batch> = (5..45).map(|number| large(number, "http", 50_000)).collect();
    let done = writer.append(&many);
    assert_eq!((done.records, done.shed), (0, 40));
    let usage = writer.usage();
    assert_eq!((usage.appended, usage.shed_total(), usage.lost_total()), (5, 40, 0));
    let mut reader = writer.register("one").unwrap();
    assert_eq!(read_all(&mut reader, true).len(), 5);
    assert_eq!(reader.missed(), 0);
}

#[test]
fn what_was_missed_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { limit: 9_000, segment: 1_200, ..settings(directory.path()) };
    let open = || Spool::open(&settings).unwrap().0;
    let mut writer = open();
    let mut reader = writer.register("one").unwrap();
    (0..12).for_each(|number| _ = writer.append(&[large(number, "http", 1000)]));
    let dropped = writer.usage().lost_total();
    // Nothing of what is left is settled.
    let found = read_all(&mut reader, false).len() as u64;
    assert!(dropped > 0 && found > 0);
    assert_eq!((reader.missed(), found), (dropped, 12 - dropped));
    drop((reader, writer));
    let writer = open();
    let mut reader = writer.register("one").unwrap();
    assert_eq!((read_all(&mut reader, false).len() as u64, reader.missed()), (found, 0));
}

#[test]
fn what_a_reader_has_is_not_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { limit: 9_000, segment: 1_200, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let mut reader = writer.register("one").unwrap();
    let mut places = Vec::new();
    for number in 0..20 {
        writer.append(&[large(number, "http", 1000)]);
        places.push(reader.next(1 << 20, NOW).unwrap().end);
    }
    assert!(writer.usage().records < 20, "segments went");
    assert_eq!(writer.usage().lost_total(), 0);
    places.into_iter().for_each(|place| reader.commit(false, place));
    assert_eq!((reader.missed(), reader.lag().records), (0, 0));
    // What it had and did not settle is missing when it comes back.
    writer.append(&[large(20, "http", 1000)]);
    reader.next(1 << 20, NOW).unwrap();
    drop(reader);
    (21..40).for_each(|number| _ = writer.append(&[large(number, "http", 1000)]));
    let mut reader = writer.register("one").unwrap();
    let found = read_all(&mut reader, true).len() as u64;
    assert_eq!(reader.missed(), 20 - found);
    assert_eq!(writer.usage().lost_total(), 20 - found);
}
