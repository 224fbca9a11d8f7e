//! The spool of records: any bytes as its files, and damage to files that it has written.
//!
//! The first byte says which: below 128 the rest is the files themselves, parted by `|`; otherwise
//! it is damage to a spool of some frames, three bytes a piece: place (two) and what is laid over.
#![no_main]

use std::fs;
use std::path::Path;
use std::time::Duration;

use delivery::record::Batch;
use delivery::spool::{Full, Spool, SpoolSettings, Sync};
use libfuzzer_sys::fuzz_target;

/// Records that the spool is made of before it is damaged.
const RECORDS: u64 = 10;

fn settings(directory: &Path) -> SpoolSettings {
    SpoolSettings {
        directory: directory.to_path_buf(),
        limit: 1 << 20,
        segment: 512,
        age: None,
        sync: Sync::Never,
        full: Full::DropOldest,
    }
}

fn batch(first: u64) -> Batch {
    let bytes = b"{\"event_type\":\"alert\"}\n{\"event_type\":\"http\",\"http\":{}}\n".to_vec();
    Batch { worker: 1, first, bytes }
}

fn damage(directory: &Path, data: &[u8]) {
    {
        let (mut writer, _) = Spool::open(&settings(directory)).expect("an empty folder");
        let mut reader = writer.register("one").expect("a new reader");
        for number in 0..RECORDS / 2 {
            writer.append(&[batch(2 * number)]);
        }
        if let Some(frame) = reader.next(1, Duration::ZERO) {
            reader.commit(frame.alerts, frame.end);
        }
    }
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("a folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.ends_with("lock"))
        .collect();
    files.sort();
    let mut contents: Vec<Vec<u8>> =
        files.iter().map(|path| fs::read(path).unwrap_or_default()).collect();
    for piece in data.chunks_exact(3) {
        let mut at = usize::from(u16::from_le_bytes([piece[0], piece[1]]));
        for content in &mut contents {
            match content.get_mut(at) {
                // The place of the last byte: cut off before it.
                Some(_) if piece[2] == 0xaa => content.truncate(at),
                Some(byte) => *byte = piece[2],
                None => {
                    at -= content.len();
                    continue;
                }
            }
            break;
        }
    }
    for (path, content) in files.iter().zip(&contents) {
        fs::write(path, content).expect("written");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, data)) = data.split_first() else { return };
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let directory = place.join(format!("fuzz-spool-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a folder");
    if kind < 128 {
        let names = ["events-00000001.spool", "events-00000002.spool", "alerts-00000001.spool"];
        let others = ["one.cursor", "one.handed", "sequences"];
        let parts = data.splitn(6, |byte| *byte == b'|');
        for (name, part) in names.iter().chain(&others).zip(parts) {
            fs::write(directory.join(name), part).expect("written");
        }
    } else {
        damage(&directory, data);
    }
    let (mut writer, _) = Spool::open(&settings(&directory)).expect("any bytes may lie there");
    let mut reader = writer.register("one").expect("a reader");
    let first = writer.next_sequence(1).min(1 << 60);
    let done = writer.append(&[batch(first)]);
    assert_eq!((done.records, done.shed), (2, 0));
    let mut frames = 0;
    while let Some(frame) = reader.next(1 << 16, Duration::ZERO) {
        assert!(!frame.is_empty() && frame.bytes.len() <= 1 << 20);
        for index in 0..frame.len() {
            assert!(frame.record(index).is_some());
        }
        reader.commit(frame.alerts, frame.end);
        frames += 1;
        assert!(frames < 10_000);
    }
    drop((reader, writer));
    let _ = fs::remove_dir_all(&directory);
});
