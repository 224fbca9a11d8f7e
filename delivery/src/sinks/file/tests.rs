//! Tests of the sink of files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::record::Batch;
use crate::sinks::SinkSettings;

const NOW: u64 = 1_795_325_400;

fn sink(folder: &Path, path: &str, more: &str) -> Files {
    let yaml = format!("{{path: '{}/{path}'{more}}}", folder.display());
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    settings.files("north").unwrap()
}

/// One that lives at a time of the test's choosing.
fn timed(folder: &Path, path: &str, more: &str) -> (Files, Arc<AtomicU64>) {
    let (mut files, time) = (sink(folder, path, more), Arc::new(AtomicU64::new(NOW)));
    let clock = Arc::clone(&time);
    files.clock = Box::new(move || clock.load(Ordering::Relaxed));
    files.now = NOW;
    (files, time)
}

fn line(kind: &str, number: u64) -> String {
    format!(
        r#"{{"timestamp":"2026-11-22T05:30:00.000000+0000","event_type":"{kind}","n":{number}}}"#
    )
}

fn offer(files: &mut Files, kind: &str, numbers: std::ops::Range<u64>) {
    let lines: String = numbers.clone().map(|number| line(kind, number) + "\n").collect();
    let batch = Batch { worker: 3, first: numbers.start, bytes: lines.into_bytes() };
    let records: Vec<_> = batch.records().collect();
    assert_eq!(files.offer(&records, numbers.start).unwrap(), records.len());
}

fn settle(files: &mut Files) -> Result<u64, Trouble> {
    let mut settled = Settled::default();
    files.finish();
    let outcome = files.settle(Duration::ZERO, &mut settled);
    assert!(settled.refused.is_empty());
    outcome.map(|()| settled.delivered.iter().map(|(first, end)| end - first).sum())
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let name = path.to_str().unwrap();
    let name = name.strip_suffix(".part").unwrap_or(name);
    let mut text = String::new();
    if bytes.is_empty() {
        return text;
    }
    if name.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else if name.ends_with(".zst") {
        text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// All files below a folder, by their path from there.
fn files_in(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, read(&path));
            }
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    files_in(folder).into_keys().collect()
}

/// Numbers of the records in all files; every line must be whole.
fn numbers(folder: &Path) -> Vec<u64> {
    let mut numbers = Vec::new();
    for (name, text) in files_in(folder) {
        assert!(text.is_empty() || text.ends_with('\n'), "{name} is torn");
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("a whole record");
            numbers.push(record["n"].as_u64().unwrap());
        }
    }
    numbers.sort_unstable();
    numbers
}

#[test]
fn records_name_their_file_and_never_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let mut files =
        sink(&base, "{sensor}/{yyyy}/{event_type}-{worker}.json", ", directory-mode: '0711'");
    for (at, kind) in ["http", "../../../etc/x", "..", "a/b", "nul\\u0000"].iter().enumerate() {
        let at = at as u64;
        offer(&mut files, kind, at..at + 1);
    }
    offer(&mut files, &"x".repeat(500), 5..6);
    assert_eq!(settle(&mut files).unwrap(), 6);
    let long = format!("base/north/2026/{}-3.json", "x".repeat(64));
    let mut want: Vec<String> = ["http", "_._.._.._etc_x", "_.", "a_b", "nul_u0000"]
        .iter()
        .map(|name| format!("base/north/2026/{name}-3.json"))
        .collect();
    want.push(long);
    want.sort();
    assert_eq!(names(folder.path()), want);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&base.join("north/2026")), 0o711);
    assert_eq!(mode(&base.join("north/2026/http-3.json")), 0o640);
}

#[test]
fn files_are_rotated_by_size_and_removed_beyond_what_is_kept() {
    let check = |more: &str, want: &[&str], left: u64| {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, time) = timed(folder.path(), "eve.json", more);
        let length = line("http", 10).len() as u64 + 1;
        assert_eq!(length, 75, "sizes below are made for this");
        for at in 10..19 {
            offer(&mut files, "http", at..at + 1);
            settle(&mut files).unwrap();
            time.fetch_add(u64::from(at % 2 == 0), Ordering::Relaxed);
        }
        drop(files);
        assert_eq!(names(folder.path()), want);
        assert_eq!(numbers(folder.path()), (left..19).collect::<Vec<_>>());
    };
    check("", &["eve.json"], 10);
    check(
        ", rotate: {size: 225 B, keep: 2}",
        &["eve-20261122T053002Z.json", "eve-20261122T053003Z.json", "eve.json"],
        10,
    );
    check(
        ", rotate: {size: 75 B, keep: 3}",
        &[
            "eve-20261122T053003Z-2.json",
            "eve-20261122T053004Z-2.json",
            "eve-20261122T053004Z.json",
            "eve.json",
        ],
        15,
    );
    check(", rotate: {size: 10 B, keep-bytes: 100 B}", &["eve-20261122T053004Z-2.json"], 18);
    check(", rotate: {size: 1 MiB}", &["eve.json"], 10);
}

#[test]
fn files_are_rotated_by_the_clock() {
    let check = |more: &str, ending: &str, current: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, time) = timed(folder.path(), "eve.json", more);
        offer(&mut files, "http", 0..2);
        settle(&mut files).unwrap();
        // 05:30:00 to 05:59:59 is of one hour, the next second of another.
        time.store(NOW + 1799, Ordering::Relaxed);
        settle(&mut files).unwrap();
        assert_eq!(names(folder.path()), [current]);
        time.store(NOW + 1800, Ordering::Relaxed);
        settle(&mut files).unwrap();
        assert_eq!(names(folder.path()), [format!("eve-20261122T060000Z.json{ending}")]);
        // Nothing is made, and nothing rotated, without records.
        time.store(NOW + 9000, Ordering::Relaxed);
        settle(&mut files).unwrap();
        offer(&mut files, "http", 2..3);
        settle(&mut files).unwrap();
        assert_eq!(files_in(folder.path()).len(), 2);
        drop(files);
        assert!(!names(folder.path()).iter().any(|name| name.ends_with(".part")));
        assert_eq!(numbers(folder.path()), [0, 1, 2]);
    };
    check(", rotate: {every: 1 h}", "", "eve.json");
    check(", compression: gzip", ".gz", "eve.json.gz.part");
    check(", compression: zstd, level: 5, rotate: {every: 1 h}", ".zst", "eve.json.zst.part");
}

#[test]
fn a_file_of_an_earlier_hour_is_finished_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let old = File::create(folder.path().join("eve.json")).unwrap();
    std::io::Write::write_all(&mut &old, (line("dns", 0) + "\n").as_bytes()).unwrap();
    old.set_modified(UNIX_EPOCH + Duration::from_secs(NOW - 3600)).unwrap();
    drop(old);
    let (mut files, _) = timed(folder.path(), "eve.json", ", rotate: {every: 1 h}");
    offer(&mut files, "dns", 1..2);
    settle(&mut files).unwrap();
    assert_eq!(names(folder.path()), ["eve-20261122T053000Z.json", "eve.json"]);
    assert_eq!(read(&folder.path().join("eve.json")), line("dns", 1) + "\n");
}

#[test]
fn what_a_crash_left_is_cut_and_gone_on_with() {
    let check = |before: &[u8], more: &str, name: &str, want: &[u64], cut: u64| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), before).unwrap();
        let mut files = sink(folder.path(), "eve.json", more);
        offer(&mut files, "http", 7..8);
        settle(&mut files).unwrap();
        assert_eq!(files.figures.cut, cut, "{more}");
        files.outputs.clear();
        assert_eq!(numbers(folder.path()), want, "{more}");
    };
    let one = line("http", 1) + "\n";
    check(b"", "", "eve.json", &[7], 0);
    check(one.as_bytes(), "", "eve.json", &[1, 7], 0);
    check((one.clone() + "{\"n\":").as_bytes(), "", "eve.json", &[1, 7], 5);
    check(b"{\"n\":", "", "eve.json", &[7], 5);
    for (kind, name) in [("gzip", "eve.json.gz.part"), ("zstd", "eve.json.zst.part")] {
        let more = format!(", compression: {kind}");
        let compression = if kind == "gzip" { Compression::Gzip } else { Compression::Zstd };
        let mut encoder = Encoder::new(compression, None).unwrap();
        let frame = encoder.encode(one.as_bytes()).unwrap().to_vec();
        let two = [&frame[..], &frame[..frame.len() - 1]].concat();
        check(&frame, &more, name, &[1, 7], 0);
        check(&two, &more, name, &[1, 7], frame.len() as u64 - 1);
        check(&frame[..frame.len() / 2], &more, name, &[7], frame.len() as u64 / 2);
        check(&[0; 3], &more, name, &[7], 3);
    }
}

#[test]
fn a_foreign_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("eve.json.zst.part"), "something of value").unwrap();
    let (mut files, _) = timed(folder.path(), "eve.json", ", compression: zstd");
    offer(&mut files, "http", 0..1);
    settle(&mut files).unwrap();
    let aside = folder.path().join("eve-20261122T053000Z.json.zst.damaged");
    assert_eq!(fs::read(&aside).unwrap(), b"something of value");
    fs::remove_file(aside).unwrap();
    drop(files);
    assert_eq!(numbers(folder.path()), [0]);
}

#[test]
fn a_file_that_was_moved_is_noticed_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = sink(folder.path(), "eve.json", "");
    let (path, moved) = (folder.path().join("eve.json"), folder.path().join("moved.json"));
    offer(&mut files, "http", 0..1);
    settle(&mut files).unwrap();
    fs::rename(&path, &moved).unwrap();
    offer(&mut files, "http", 1..2);
    settle(&mut files).unwrap();
    assert_eq!(names(folder.path()), ["moved.json"]);
    // What was taken before goes to the old file.
    offer(&mut files, "http", 2..3);
    files.reopen();
    offer(&mut files, "http", 3..4);
    assert_eq!(settle(&mut files).unwrap(), 2);
    assert_eq!(read(&moved), (0..3).map(|at| line("http", at) + "\n").collect::<String>());
    assert_eq!(read(&path), line("http", 3) + "\n");
}

#[test]
fn a_file_that_somebody_else_moved_is_not_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, time) = timed(folder.path(), "eve.json", ", rotate: {every: 1 h}");
    offer(&mut files, "http", 0..1);
    settle(&mut files).unwrap();
    fs::rename(folder.path().join("eve.json"), folder.path().join("moved.json")).unwrap();
    fs::write(folder.path().join("eve.json"), line("http", 1) + "\n").unwrap();
    time.store(NOW + 3600, Ordering::Relaxed);
    settle(&mut files).unwrap();
    assert_eq!(names(folder.path()), ["eve.json", "moved.json"]);
}

#[test]
fn open_files_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = sink(folder.path(), "{event_type}.json", ", open-files: 2");
    for (at, kind) in ["a", "b", "a", "c", "a", "b"].iter().enumerate() {
        offer(&mut files, kind, at as u64..at as u64 + 1);
        assert!(files.outputs.len() <= 2);
    }
    assert_eq!(settle(&mut files).unwrap(), 6);
    // `c` put out `b`, the older one; then `b` put out `c`.
    assert_eq!(files.figures.closed, 2);
    assert_eq!(numbers(folder.path()), (0..6).collect::<Vec<_>>());
}

#[test]
fn what_can_not_be_written_to_is_said() {
    let check = |prepare: &dyn Fn(&Path), part: &str, is_lasting: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f/eve.json");
        prepare(&path);
        let mut files = sink(folder.path(), "f/eve.json", "");
        let batch = Batch { worker: 0, first: 0, bytes: (line("a", 0) + "\n").into_bytes() };
        let records: Vec<_> = batch.records().collect();
        assert_eq!(files.offer(&records, 0), Ok(0));
        let trouble = settle(&mut files).unwrap_err();
        assert!(trouble.what.contains(part), "{trouble}");
        assert!(trouble.what.contains(path.parent().unwrap().to_str().unwrap()), "{trouble}");
        assert_eq!(trouble.is_lasting, is_lasting, "{trouble}");
        files.forget();
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(path.parent().unwrap()).or_else(|_| fs::remove_file(&path)).unwrap();
        }
        assert_eq!(files.offer(&records, 0), Ok(1));
        assert_eq!(settle(&mut files), Ok(1));
    };
    let folder = |path: &Path| fs::create_dir(path.parent().unwrap()).unwrap();
    check(&|path| fs::create_dir_all(path).unwrap(), "directory", true);
    check(&|path| fs::write(path.parent().unwrap(), "").unwrap(), "not a directory", true);
    check(
        &|path| {
            folder(path);
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        },
        "no regular file",
        true,
    );
}

#[test]
fn two_sinks_do_not_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other) =
        (sink(folder.path(), "eve.json", ""), sink(folder.path(), "eve.json", ""));
    offer(&mut one, "http", 0..1);
    settle(&mut one).unwrap();
    let batch = Batch { worker: 0, first: 0, bytes: (line("a", 1) + "\n").into_bytes() };
    let records: Vec<_> = batch.records().collect();
    assert_eq!(other.offer(&records, 0), Ok(0));
    assert!(settle(&mut other).unwrap_err().what.contains("another sink"));
    other.forget();
    drop(one);
    assert_eq!(other.offer(&records, 0), Ok(1));
    assert_eq!(settle(&mut other), Ok(1));
    assert_eq!(numbers(folder.path()), [0, 1]);
}

#[test]
fn settings_are_checked() {
    let check = |yaml: &str, is_good: bool| {
        let settings = serde_saphyr::from_str::<Settings>(yaml).map_err(|e| e.to_string());
        let built = settings.and_then(|settings| settings.files("s").map(|_| ()));
        assert_eq!(built.is_ok(), is_good, "{yaml}: {built:?}");
    };
    check("{path: eve.json}", true);
    check("{path: eve.json, sync: 1 s, mode: 0600, rotate: {every: 1 d, size: 1 GiB}}", true);
    for wrong in [
        "{}",
        "{path: ''}",
        "{path: /var/log/}",
        "{path: ..}",
        "{path: 'a{b}'}",
        "{path: a, open-files: 0}",
        "{path: a, level: 3}",
        "{path: a, compression: lz4}",
        "{path: a, compression: gzip, level: 10}",
        "{path: a, rotate: {every: 100 ms}}",
        "{path: a, rotate: {every: 1500 ms}}",
        "{path: a, rotate: {size: 0}}",
        "{path: a, rotate: {kept: 1}}",
        "{path: a, batch-size: 0}",
        "{path: a, mode: rw}",
    ] {
        check(wrong, false);
    }
}

#[test]
fn examples_of_the_documentation_are_good() {
    let text = include_str!("../../../../docs/sinks.md");
    let section = text.split("\n## ").find(|section| section.starts_with("file\n")).unwrap();
    let blocks: Vec<String> = section
        .split("\n\n")
        .filter(|block| block.starts_with("    "))
        .map(|block| block.lines().map(|line| format!("{}\n", &line[4..])).collect())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let settings: SinkSettings = serde_saphyr::from_str(&block).unwrap();
        assert_eq!(settings.kinds(), ["file"]);
        settings.build(&super::super::Surroundings::default()).unwrap();
    }
}

/// Does what a publisher does, with records that are numbered by their tickets.
struct Carrier {
    files: Files,
    batch: Batch,
    done: Vec<bool>,
    next: usize,
    troubles: u64,
}

impl Carrier {
    fn new(files: Files, kinds: &[&str]) -> Self {
        let lines: String = kinds.iter().zip(0..).map(|(kind, at)| line(kind, at) + "\n").collect();
        let batch = Batch { worker: 0, first: 0, bytes: lines.into_bytes() };
        Self { files, batch, done: vec![false; kinds.len()], next: 0, troubles: 0 }
    }

    fn offer(&mut self, count: usize) {
        let records: Vec<_> = self.batch.records().collect();
        let mut left = count;
        while left > 0 && self.next < records.len() {
            if self.done[self.next] {
                self.next += 1;
                continue;
            }
            let run = self.done[self.next..].iter().take(left).take_while(|done| !**done).count();
            let some = &records[self.next..self.next + run];
            let taken = self.files.offer(some, self.next as u64).unwrap();
            self.next += taken;
            left -= taken;
            if taken < run {
                break;
            }
        }
    }

    fn settle(&mut self) -> bool {
        let mut settled = Settled::default();
        let outcome = self.files.settle(Duration::ZERO, &mut settled);
        for ticket in settled.delivered.iter().flat_map(|(first, end)| *first..*end) {
            let was = std::mem::replace(&mut self.done[ticket as usize], true);
            assert!(!was, "{ticket} is settled twice");
        }
        if outcome.is_err() {
            self.troubles += 1;
            self.forget();
        }
        outcome.is_ok()
    }

    fn forget(&mut self) {
        self.files.forget();
        self.next = 0;
    }

    fn is_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Offer(usize),
    Settle,
    Finish,
    Reopen,
    Forget,
    Pass(u64),
    /// Another program holds the file of a kind for a while.
    Lock(usize),
    Unlock,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..30).prop_map(Step::Offer),
        3 => Just(Step::Settle),
        1 => Just(Step::Finish),
        1 => Just(Step::Reopen),
        1 => Just(Step::Forget),
        1 => (0u64..30).prop_map(Step::Pass),
        1 => (0usize..4).prop_map(Step::Lock),
        1 => Just(Step::Unlock),
    ]
}

const KINDS: [&str; 4] = ["http", "dns", "tls", "flow"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_record_is_in_the_files_once(
        kinds in prop::collection::vec(prop::sample::select(&KINDS[..]), 1..120),
        steps in prop::collection::vec(step(), 0..40),
        compression in prop::sample::select(vec!["none", "gzip", "zstd"]),
        sync in prop::sample::select(vec!["never", "always", "1 h", "1 us"]),
        linger in prop::sample::select(vec!["0 s", "1 h"]),
        open_files in 1usize..4,
        batch in prop::sample::select(vec![1, 200, 100_000]),
        size in prop::sample::select(vec![100, 1000, 1 << 30]),
        path in prop::sample::select(vec!["{event_type}.json", "eve.json"]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let more = format!(
            ", compression: {compression}, sync: {sync}, linger: {linger}, \
             open-files: {open_files}, batch-size: {batch} B, rotate: {{size: {size} B, every: 10 s}}"
        );
        let (files, time) = timed(folder.path(), path, &more);
        let mut carrier = Carrier::new(files, &kinds);
        let mut lock = None;
        for step in steps {
            match step {
                Step::Offer(count) => carrier.offer(count),
                Step::Settle => {
                    carrier.settle();
                }
                Step::Finish => carrier.files.finish(),
                Step::Reopen => carrier.files.reopen(),
                Step::Forget => {
                    carrier.settle();
                    carrier.forget();
                }
                Step::Pass(seconds) => {
                    time.fetch_add(seconds, Ordering::Relaxed);
                }
                Step::Lock(at) => {
                    let name = path.replace("{event_type}", KINDS[at]);
                    let name = Name::new(&name, carrier.files.plan.compression).current();
                    let path = folder.path().join(name);
                    lock = File::options().append(true).open(path).ok().filter(|file| {
                        file.try_lock().is_ok()
                    });
                }
                Step::Unlock => lock = None,
            }
        }
        drop(lock);
        for _ in 0..2000 {
            if carrier.is_done() {
                break;
            }
            carrier.offer(usize::MAX);
            carrier.files.finish();
            carrier.settle();
        }
        prop_assert!(carrier.is_done(), "no end");
        drop(carrier);
        prop_assert_eq!(numbers(folder.path()), (0..kinds.len() as u64).collect::<Vec<_>>());
        prop_assert!(!names(folder.path()).iter().any(|name| name.ends_with(".part")));
    }
}

/// A small file system of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None when this may not be done here.
    fn new(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: needs root, to mount a small file system");
        None
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_waited_for_and_leaves_nothing_torn_or_twice() {
    for (compression, sync) in
        [("none", "never"), ("none", "always"), ("none", "1 h"), ("gzip", "never"), ("zstd", "1 h")]
    {
        let Some(disk) = Disk::new(512 << 10) else { return };
        let (folder, ballast) = (disk.path().join("records"), disk.path().join("ballast"));
        let room = if compression == "none" { 400 } else { 508 };
        fs::write(&ballast, vec![0; room << 10]).unwrap();
        let more = format!(
            ", compression: {compression}, sync: {sync}, batch-size: 7000 B, linger: 0 s, \
             rotate: {{size: 50000 B}}"
        );
        let files = sink(&folder, "{event_type}.json", &more);
        let kinds: Vec<&str> =
            (0..3000).map(|at| if at % 7 == 0 { "dns" } else { "http" }).collect();
        let mut carrier = Carrier::new(files, &kinds);
        for _ in 0..5 {
            carrier.offer(usize::MAX);
            carrier.settle();
        }
        assert!(carrier.troubles > 0, "{compression}: the disk did not fill up");
        carrier.offer(usize::MAX);
        let mut settled = Settled::default();
        let trouble = carrier.files.settle(Duration::ZERO, &mut settled).unwrap_err();
        assert!(trouble.what.contains("full") && !trouble.is_lasting, "{trouble}");
        for (first, end) in settled.delivered {
            (first..end).for_each(|ticket| carrier.done[ticket as usize] = true);
        }
        carrier.forget();
        // Whole records only, and each of those that are settled.
        let there = numbers(&folder);
        let told = (0..).zip(&carrier.done).filter(|(_, done)| **done).map(|(at, _)| at);
        assert_eq!(there, told.collect::<Vec<u64>>(), "{compression}, {sync}");
        fs::remove_file(&ballast).unwrap();
        for _ in 0..2000 {
            carrier.offer(usize::MAX);
            carrier.files.finish();
            carrier.settle();
            if carrier.is_done() {
                break;
            }
        }
        drop(carrier);
        assert_eq!(numbers(&folder), (0..3000).collect::<Vec<_>>(), "{compression}, {sync}");
    }
}
