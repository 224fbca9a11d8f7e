//! Crashes: files cut at each byte, garbage behind, damage in the middle.

use std::fs;
use std::path::Path;

use super::*;

/// The spool as a crash of the process would leave it.
pub(super) fn copy(directory: &Path) -> tempfile::TempDir {
    let to = folder();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// A spool with some frames in one segment; the ends of the frames.
fn some_frames() -> (tempfile::TempDir, Vec<usize>) {
    let directory = folder();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    let mut ends = Vec::new();
    for number in 0..4 {
        writer.append(&[batch(0, 2 * number, &["http", "dns"])]);
        ends.push(writer.usage().bytes as usize);
    }
    (directory, ends)
}

/// Opens what a crash has left; `expected` sequence numbers must come, then what is appended.
fn check(directory: &Path, expected: &[u64], what: &str) -> Recovery {
    let (mut writer, recovery) = Spool::open(&settings(directory)).unwrap();
    assert!(recovery.records_found >= expected.len() as u64, "{what}");
    let mut reader = writer.register("one").unwrap();
    writer.append(&[batch(0, 100, &["tls"])]);
    let found: Vec<u64> = read_all(&mut reader, false).iter().map(|record| record.2).collect();
    let all: Vec<u64> = expected.iter().copied().chain([100]).collect();
    assert_eq!(found, all, "{what}");
    drop((reader, writer));
    // And once more, with what has been added.
    let (writer, _) = Spool::open(&settings(directory)).unwrap();
    let mut reader = writer.register("one").unwrap();
    let found: Vec<u64> = read_all(&mut reader, true).iter().map(|record| record.2).collect();
    assert_eq!(found, all, "{what}, again");
    recovery
}

#[test]
fn a_write_may_end_at_any_byte() {
    let (made, ends) = some_frames();
    let path = files(made.path(), "events").remove(0);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(Some(&bytes.len()), ends.last());
    let garbage: [&[u8]; 4] = [b"", &[0; 100], &[0xff; 50], &bytes[..30]];
    let directory = folder();
    for length in 0..=bytes.len() {
        let behind = garbage[length % 4];
        let both = [&[][..], behind];
        for behind in &both[usize::from(behind.is_empty())..] {
            let _ = fs::remove_dir_all(directory.path());
            fs::create_dir_all(directory.path()).unwrap();
            let file = directory.path().join("events-00000001.spool");
            fs::write(&file, [&bytes[..length], behind].concat()).unwrap();
            let whole = ends.iter().filter(|end| **end <= length).count();
            let expected: Vec<u64> = (0..2 * whole as u64).collect();
            let what = format!("{length} bytes and {} more", behind.len());
            let recovery = check(directory.path(), &expected, &what);
            let good = whole.checked_sub(1).map_or(0, |last| ends[last]);
            let torn = (length + behind.len() - good) as u64;
            assert_eq!((recovery.torn_bytes, recovery.damaged), (torn, 0), "{what}");
        }
    }
}

#[test]
fn damage_in_the_middle_costs_one_frame() {
    let (made, ends) = some_frames();
    let bytes = fs::read(files(made.path(), "events").remove(0)).unwrap();
    // In each of the header's fields and at some places of the body of the second frame.
    for at in (ends[0]..ends[1]).filter(|at| at - ends[0] < 36 || at % 7 == 0) {
        let directory = folder();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        fs::write(directory.path().join("events-00000001.spool"), &damaged).unwrap();
        let recovery = check(directory.path(), &[0, 1, 4, 5, 6, 7], &format!("byte {at}"));
        assert_eq!((recovery.damaged, recovery.torn_bytes), (1, 0));
    }
    // In an older segment the reader meets it; it knows how many records are missing.
    let directory = copy(made.path());
    let mut damaged = bytes;
    damaged[ends[0] + 40] ^= 1;
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    writer.append(&[batch(0, 8, &["http"])]);
    drop(writer);
    fs::write(directory.path().join("events-00000001.spool"), &damaged).unwrap();
    let (writer, recovery) = Spool::open(&settings(directory.path())).unwrap();
    assert_eq!((recovery.records_found, recovery.damaged), (9, 0));
    let mut reader = writer.register("one").unwrap();
    assert_eq!(read_all(&mut reader, true).len(), 7);
    assert_eq!((reader.damaged(), reader.missed()), (1, 2));
}

#[test]
fn records_can_not_pass_for_frames() {
    let (made, _) = some_frames();
    let inner = fs::read(files(made.path(), "events").remove(0)).unwrap();
    let directory = folder();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    // Not even records that are no JSON, as long as the frame around them is whole or its
    // header is.
    let mut bytes: Vec<u8> = inner.iter().copied().filter(|byte| *byte != b'\n').collect();
    bytes.push(b'\n');
    writer.append(&[Batch { worker: 0, first: 50, bytes }]);
    writer.append(&[batch(0, 51, &["http"])]);
    drop(writer);
    let path = files(directory.path(), "events").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[38] ^= 1;
    fs::write(&path, bytes).unwrap();
    check(directory.path(), &[51], "damaged around");
}

#[test]
fn files_of_others_and_damaged_cursors_do_no_harm() {
    let (made, _) = some_frames();
    let (writer, _) = Spool::open(&settings(made.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    assert_eq!(read_all(&mut reader, true).len(), 8);
    drop((reader, writer));
    for (file, bytes) in [
        ("one.cursor", &b"cursor 1 what?"[..]),
        ("one.handed", b"x"),
        ("lock", b"not a number"),
        ("events-x.spool", b"?"),
        ("alerts-00000009.spool", b""),
        ("alerts-00000007.spool", b"garbage"),
        ("sequences.new", b"1 2"),
        ("notes.txt", b""),
    ] {
        fs::write(made.path().join(file), bytes).unwrap();
    }
    fs::create_dir(made.path().join("events-00000005.spool")).unwrap();
    check(made.path(), &[0, 1, 2, 3, 4, 5, 6, 7][..0], "all consumed before");
    assert!(made.path().join("notes.txt").exists());
    assert!(!made.path().join("sequences.new").exists());
}

#[test]
fn what_was_read_before_a_crash_is_known_as_such() {
    let directory = folder();
    let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    writer.append(&[batch(0, 0, &["http", "dns"])]);
    let frame = reader.next(1, NOW).unwrap();
    // The commit is not stored yet when the crash comes.
    reader.commit(false, frame.end);
    writer.append(&[batch(0, 2, &["http"])]);
    let crashed = copy(directory.path());
    let (writer, _) = Spool::open(&settings(crashed.path())).unwrap();
    let mut reader = writer.register("one").unwrap();
    let frames = [reader.next(1 << 20, NOW).unwrap(), reader.next(1 << 20, NOW).unwrap()];
    assert_eq!(frames.each_ref().map(|frame| (frame.again, frame.len())), [(true, 2), (false, 1)]);
    assert_eq!(reader.maybe_doubled(), 2);
}
