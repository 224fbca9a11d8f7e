//! The spool from outside: what is appended comes out, through crashes, limits and full disks.

mod crash;
mod limits;
mod model;

use std::time::Duration;

use super::*;
use crate::record::Batch;

pub(super) const NOW: Duration = Duration::ZERO;

pub(super) fn settings(directory: &std::path::Path) -> SpoolSettings {
    SpoolSettings {
        directory: directory.to_path_buf(),
        limit: 64 << 20,
        segment: 1 << 20,
        age: None,
        sync: Sync::Never,
        full: Full::DropOldest,
    }
}

/// A folder in memory if there is such: some tests force thousands of files to the disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A batch with one record for each kind.
pub(super) fn batch(worker: u16, first: u64, kinds: &[&str]) -> Batch {
    let mut bytes = String::new();
    for (at, kind) in kinds.iter().enumerate() {
        let number = first + at as u64;
        bytes.push_str(&format!("{{\"event_type\":\"{kind}\",\"of\":\"{worker}/{number}\"}}\n"));
    }
    Batch { worker, first, bytes: bytes.into_bytes() }
}

/// A batch of one record of about so many bytes.
pub(super) fn large(first: u64, kind: &str, size: usize) -> Batch {
    let fill = "x".repeat(size);
    let bytes = format!("{{\"event_type\":\"{kind}\",\"fill\":\"{fill}\"}}\n").into_bytes();
    Batch { worker: 0, first, bytes }
}

/// Everything that a reader has before it, as (alert, worker, sequence), committed or not.
pub(super) fn read_all(reader: &mut Reader, commits: bool) -> Vec<(bool, u16, u64)> {
    let mut all = Vec::new();
    while let Some(frame) = reader.next(1 << 20, NOW) {
        for index in 0..frame.len() {
            let record = frame.record(index).unwrap();
            assert_eq!(record.is_alert(), frame.alerts);
            all.push((frame.alerts, record.worker, record.sequence));
        }
        if commits {
            reader.commit(frame.alerts, frame.end);
        }
    }
    all
}

pub(super) fn files(directory: &std::path::Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(prefix) && name.ends_with(".spool")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn alerts_come_first_and_records_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, recovery) = Spool::open(&settings(directory.path())).unwrap();
    assert_eq!(recovery, Recovery::default());
    let mut reader = writer.register("one").unwrap();
    let batches = [batch(1, 5, &["http", "alert", "dns"]), batch(2, 0, &["alert"])];
    let done = writer.append(&batches);
    assert_eq!((done.records, done.alerts, done.shed), (4, 2, 0));
    assert_eq!(done.bytes, writer.usage().bytes);
    let lag = reader.lag();
    assert_eq!((lag.records, lag.bytes), (4, done.bytes));
    let frame = reader.next(1 << 20, NOW).unwrap();
    assert!(frame.alerts && !frame.again);
    let record = frame.record(0).unwrap();
    assert_eq!((record.worker, record.sequence), (1, 6));
    assert_eq!(record.bytes, br#"{"event_type":"alert","of":"1/6"}"#);
    reader.commit(true, frame.end);
    assert_eq!(read_all(&mut reader, true), [(false, 1, 5), (false, 1, 7)]);
    assert_eq!((reader.lag(), reader.missed()), (Lag::default(), 0));
}

#[test]
fn a_frame_keeps_what_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    writer.append(&[batch(3, 0, &["http", "dns", "tls", "dns", "smb", "dns"])]);
    let frame = reader.next(1 << 20, NOW).unwrap();
    let kinds = |frame: &Frame| {
        let records = (0..frame.len()).map(|at| frame.record(at).unwrap());
        let all = records.map(|record| format!("{}{}", record.kind(), record.sequence));
        all.collect::<Vec<_>>().join(" ")
    };
    let check = |wanted: &[u64], expected: &str| {
        let mut frame = frame.clone();
        frame.retain(|record| wanted.contains(&record.sequence));
        assert_eq!((kinds(&frame).as_str(), frame.len()), (expected, wanted.len()));
        let bytes: usize = (0..frame.len()).map(|at| frame.record(at).unwrap().bytes.len()).sum();
        assert_eq!(frame.bytes.len(), bytes);
        assert!(wanted.len() == 6 || frame.bytes.capacity() < frame.bytes.len() + 16);
    };
    check(&[0, 1, 2, 3, 4, 5], "http0 dns1 tls2 dns3 smb4 dns5");
    check(&[1, 3, 5], "dns1 dns3 dns5");
    check(&[0, 5], "http0 dns5");
    check(&[2], "tls2");
    check(&[], "");
}

#[test]
fn readers_come_and_go_by_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let (mut fast, mut slow) = (writer.register("fast").unwrap(), writer.register("a/b").unwrap());
    assert!(matches!(writer.register("fast"), Err(SpoolError::Registered(_))));
    assert!(matches!(writer.register(""), Err(SpoolError::Name(_))));
    writer.append(&[batch(0, 0, &["http", "dns"])]);
    writer.append(&[batch(0, 2, &["tls"])]);
    assert_eq!(read_all(&mut fast, true).len(), 3);
    let first = slow.next(1, NOW).unwrap();
    assert_eq!(first.len(), 2, "frames are not put together beyond the limit");
    slow.commit(false, first.end);
    slow.commit(false, Position { segment: 9, ..first.end });
    assert_eq!(read_all(&mut slow, false).len(), 1);
    drop((fast, slow, writer));

    let (mut writer, recovery) = Spool::open(&settings).unwrap();
    assert_eq!(recovery.readers, ["a/b", "fast"]);
    let mut slow = writer.register("a/b").unwrap();
    assert_eq!((slow.lag().records, slow.maybe_doubled()), (1, 0));
    writer.append(&[batch(0, 3, &["http"])]);
    let again = slow.next(1 << 20, NOW).unwrap();
    assert!(again.again);
    assert_eq!((again.record(0).unwrap().sequence, again.len()), (2, 1), "not with new records");
    let fresh = slow.next(1 << 20, NOW).unwrap();
    assert_eq!((fresh.again, fresh.record(0).unwrap().sequence), (false, 3));
    assert_eq!(slow.maybe_doubled(), 1);
    slow.rewind();
    assert_eq!(read_all(&mut slow, true), [(false, 0, 2), (false, 0, 3)]);
    assert_eq!((slow.maybe_doubled(), slow.lag().records), (3, 0));
    // "fast" is not here; it would hold everything.
    assert_eq!(writer.forget_readers_except(&["a/b"]), ["fast"]);
    assert!(!directory.path().join("fast.cursor").exists());
    let new = writer.register("fast").unwrap();
    assert!(new.lag().records <= 4);
}

#[test]
fn segments_that_all_have_committed_are_removed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { segment: 2000, ..settings(directory.path()) };
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let (mut one, mut two) = (writer.register("one").unwrap(), writer.register("two").unwrap());
    for number in 0..10 {
        writer.append(&[large(number, "http", 900)]);
    }
    assert_eq!(files(directory.path(), "events").len(), 5);
    let mut frames = Vec::new();
    while let Some(frame) = one.next(1, NOW) {
        frames.push(frame);
    }
    assert_eq!(frames.len(), 10);
    let check = |reader: &mut Reader, count: usize, left: usize| {
        let frame = &frames[count - 1];
        reader.next(1 << 20, NOW);
        reader.commit(false, frame.end);
        assert_eq!(files(directory.path(), "events").len(), left, "after {count}");
    };
    check(&mut one, 6, 5);
    while two.next(1 << 20, NOW).is_some() {}
    check(&mut two, 3, 4);
    check(&mut two, 10, 2);
    check(&mut one, 10, 1);
    assert_eq!(writer.usage().segments, 1);
    drop((one, two));
    writer.close().unwrap();
    assert_eq!(files(directory.path(), "events").len(), 0);
    let (mut writer, recovery) = Spool::open(&settings).unwrap();
    assert_eq!((recovery.records_found, recovery.segments), (0, 0));
    // Places go on where they were, or a cursor would pass over what is new.
    writer.append(&[large(10, "http", 10)]);
    let mut one = writer.register("one").unwrap();
    assert_eq!(read_all(&mut one, true), [(false, 0, 10)]);
    assert_eq!(one.missed(), 0);
}

#[test]
fn a_reader_waits_and_is_woken() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    let began = std::time::Instant::now();
    assert!(reader.next(1, Duration::from_millis(30)).is_none());
    assert!(began.elapsed() >= Duration::from_millis(30));
    const COUNT: u64 = 2_000;
    let thread = std::thread::spawn(move || {
        let mut seen = 0;
        while !reader.is_finished() {
            let Some(frame) = reader.next(1 << 16, Duration::from_secs(20)) else { continue };
            for index in 0..frame.len() {
                assert_eq!(frame.record(index).unwrap().sequence, seen);
                seen += 1;
            }
            reader.commit(frame.alerts, frame.end);
        }
        seen
    });
    for number in 0..COUNT {
        writer.append(&[batch(0, number, &["http"])]);
        if number % 500 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    writer.close().unwrap();
    assert_eq!(thread.join().unwrap(), COUNT);
}

#[test]
fn a_spool_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let (writer, _) = Spool::open(&settings).unwrap();
    let refused = Spool::open(&settings).unwrap_err();
    let SpoolError::Locked { pid, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*pid, Some(std::process::id()));
    drop(writer);

    // Another process: flock(1) takes the same kind of lock.
    let lock = directory.path().join("lock");
    let mut child = match std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo locked; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
    {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: needs flock(1): {error}");
            return;
        }
    };
    let mut said = [0; 7];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(matches!(Spool::open(&settings), Err(SpoolError::Locked { .. })));
    drop(child.stdin.take());
    child.wait().unwrap();
    Spool::open(&settings).unwrap();
}

#[test]
fn the_folder_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory.path().join("a/b"));
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let _reader = writer.register("one").unwrap();
    writer.append(&[batch(0, 0, &["alert", "http"])]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.directory), 0o700);
    for entry in std::fs::read_dir(&settings.directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn sequence_numbers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let (mut writer, _) = Spool::open(&settings).unwrap();
    let base = writer.next_sequence(7);
    writer.append(&[batch(7, base, &["http", "http"]), batch(1, base, &["alert"])]);
    writer.reach_sequence(1, base + 4);
    let crashed = crash::copy(directory.path());
    writer.close().unwrap();
    let (writer, _) = Spool::open(&settings).unwrap();
    assert_eq!([7, 1].map(|worker| writer.next_sequence(worker)), [base + 2, base + 4]);
    let settings = SpoolSettings { directory: crashed.path().to_path_buf(), ..settings };
    let (writer, _) = Spool::open(&settings).unwrap();
    for (worker, used) in [(7, 2), (1, 4)] {
        let next = writer.next_sequence(worker);
        assert!((base + used..base + used + 200_000).contains(&next), "{worker}: {next}");
    }
    // Without the file, numbers begin behind all that can have been.
    drop(writer);
    std::fs::remove_file(crashed.path().join("sequences")).unwrap();
    let (writer, _) = Spool::open(&settings).unwrap();
    assert!([7, 1].iter().all(|worker| writer.next_sequence(*worker) > base + 4));
}
