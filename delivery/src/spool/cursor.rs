//! A reader's files: how far it has committed, and how far it has read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Position;
use super::codec::LARGEST_NUMBER;
use super::files;
use super::told::Told;

const MAGIC: &[u8; 8] = b"cursor 1";
/// A cursor as it is stored: the magic, six numbers, and a check.
const LENGTH: usize = MAGIC.len() + 6 * 8 + 4;
/// From one slot of the file to the next: a sector, so that no write can tear both.
const SLOT: usize = 512;
/// How many slots there are.
const SLOTS: u64 = 2;

/// The places of both lanes up to which everything is committed.
pub(super) type Cursor = [Position; 2];

/// Reads a reader's cursor; a damaged one counts as none.
pub(super) fn load(directory: &Path, reader: &str) -> Option<Cursor> {
    let path = files::of_reader(directory, reader, ".cursor");
    let bytes = files::read_small(&path, SLOTS * SLOT as u64).ok()??;
    if bytes.is_empty() {
        // Made, and never written: the disk was full, or a crash came between.
        return None;
    }
    let found = newest(&bytes);
    if found.is_none() {
        let path = path.display();
        tracing::warn!("spool: {path} is damaged: {reader} begins with the oldest record");
    }
    found.map(|(_, cursor)| cursor)
}

/// A reader's cursor on disk. It is written in place, as a full disk has no room for another file,
/// and into two slots in turn: when a crash cuts a write short, the other slot is there.
#[derive(Debug)]
pub(super) struct CursorFile {
    path: PathBuf,
    file: Option<File>,
    /// The slot that is written next.
    slot: u64,
    /// False until the file has all of its room on the disk.
    is_whole: bool,
}

impl CursorFile {
    /// Of a reader; the file is opened, or made, when something is stored.
    pub(super) fn new(directory: &Path, reader: &str) -> Self {
        let path = files::of_reader(directory, reader, ".cursor");
        Self { path, file: None, slot: 0, is_whole: false }
    }

    /// Writes the cursor, which is nowhere behind the one that was written before.
    pub(super) fn store(&mut self, cursor: &Cursor, forced: bool) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        let bytes = encode(cursor);
        let other = SLOTS - 1 - self.slot;
        let slots = [self.slot, other];
        // The first time both, so that later no more room is needed.
        for slot in &slots[..if self.is_whole { 1 } else { slots.len() }] {
            file.write_all_at(&bytes, slot * SLOT as u64)?;
        }
        if forced {
            file.sync_data()?;
            if !self.is_whole
                && let Some(directory) = self.path.parent()
            {
                files::sync_directory(directory)?;
            }
        }
        self.is_whole = true;
        self.slot = other;
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path)?;
        let mut bytes = [0; SLOT + LENGTH];
        self.is_whole = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(error),
        };
        self.slot = newest(&bytes).map_or(0, |(slot, _)| SLOTS - 1 - slot);
        self.file = Some(file);
        Ok(())
    }
}

/// Removes a reader's files.
pub(super) fn forget(directory: &Path, reader: &str) {
    for suffix in [".cursor", ".handed"] {
        files::remove(&files::of_reader(directory, reader, suffix));
    }
}

/// The later of the cursors in a file, and its slot. A cursor never goes back: the later one is
/// the greater.
fn newest(bytes: &[u8]) -> Option<(u64, Cursor)> {
    let slots = (0..).zip(bytes.chunks(SLOT));
    let cursors = slots.filter_map(|(slot, bytes)| Some((slot, decode(bytes.get(..LENGTH)?)?)));
    cursors.max_by_key(|(_, cursor)| *cursor)
}

fn encode(cursor: &Cursor) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend_from_slice(MAGIC);
    for position in cursor {
        for number in [position.segment, position.offset, position.records] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Cursor> {
    let numbers: [u64; 6] = checked(bytes.strip_prefix(MAGIC)?, crc32c::crc32c(MAGIC))?;
    let [segment, offset, records, ..] = numbers;
    let alerts = Position { segment, offset, records };
    let [.., segment, offset, records] = numbers;
    let events = Position { segment, offset, records };
    let fits = numbers.iter().all(|&number| number <= LARGEST_NUMBER / 4);
    fits.then_some([alerts, events])
}

/// Numbers with their check, which goes on from another one.
fn checked<const N: usize>(bytes: &[u8], check: u32) -> Option<[u64; N]> {
    let (numbers, rest) = bytes.split_at_checked(N * 8)?;
    if rest != crc32c::crc32c_append(check, numbers).to_le_bytes() {
        return None;
    }
    let mut all = [0; N];
    for (number, eight) in all.iter_mut().zip(numbers.chunks_exact(8)) {
        *number = u64::from_le_bytes(eight.try_into().ok()?);
    }
    Some(all)
}

/// How many records of each lane have been read, kept with each reading: written in place, so it
/// is right after a crash of the process, and may be behind after one of the machine.
#[derive(Debug)]
pub(super) struct Handed {
    file: Option<File>,
    marks: [u64; 2],
    told: Told,
}

impl Handed {
    /// The marks that are kept for a reader, without opening them for writing.
    pub(super) fn load(directory: &Path, reader: &str) -> [u64; 2] {
        let path = files::of_reader(directory, reader, ".handed");
        let bytes = files::read_small(&path, 64).ok().flatten().unwrap_or_default();
        let marks: [u64; 2] = checked(&bytes, 0).unwrap_or_default();
        marks.map(|mark| if mark > LARGEST_NUMBER / 4 { 0 } else { mark })
    }

    /// The marks of a reader. A disk that has no room for the file is no reason to stop: without
    /// it fewer records are known as read before.
    pub(super) fn open(directory: &Path, reader: &str) -> io::Result<Self> {
        let path = files::of_reader(directory, reader, ".handed");
        let marks = Self::load(directory, reader);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = match options.open(&path) {
            Ok(file) => Some(file),
            Err(error) if files::is_full(&error) => {
                tracing::warn!("spool: {} can't be made: {error}", path.display());
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { file, marks, told: Told::default() })
    }

    /// How many records of each lane have been read.
    pub(super) fn marks(&self) -> [u64; 2] {
        self.marks
    }

    /// Takes down that a lane has been read up to a record. Marks that can't be written only
    /// make that fewer records are known as read before.
    pub(super) fn raise(&mut self, lane: usize, records: u64) {
        let Some(mark) = self.marks.get_mut(lane) else { return };
        if records <= *mark {
            return;
        }
        *mark = records;
        let Some(file) = &self.file else { return };
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.marks[0].to_le_bytes());
        bytes[8..16].copy_from_slice(&self.marks[1].to_le_bytes());
        let check = crc32c::crc32c(&bytes[..16]);
        bytes[16..].copy_from_slice(&check.to_le_bytes());
        if let Err(error) = file.write_all_at(&bytes, 0)
            && self.told.is_due()
        {
            tracing::warn!("spool: what has been read can't be taken down: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn cursor(number: u64) -> Cursor {
        let alerts = Position { segment: 1, offset: number, records: number };
        let events = Position { segment: 2 + number, offset: 0, records: 7 };
        [alerts, events]
    }

    #[test]
    fn a_write_that_is_cut_short_leaves_the_cursor_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.cursor");
        let mut before: Option<Vec<u8>> = None;
        for number in 0..5 {
            // Also when the file is opened again in between.
            let mut file = CursorFile::new(directory.path(), "one");
            for number in [2 * number, 2 * number + 1] {
                file.store(&cursor(number), number % 3 == 0).unwrap();
                let bytes = fs::read(&path).unwrap();
                assert_eq!(load(directory.path(), "one"), Some(cursor(number)));
                let Some(last) = before.replace(bytes.clone()) else { continue };
                assert_eq!(bytes.len(), last.len(), "no more room is needed");
                let changed: Vec<usize> =
                    (0..last.len()).filter(|&n| last[n] != bytes[n]).collect();
                assert!(changed[0] / SLOT == changed[changed.len() - 1] / SLOT, "{changed:?}");
                let begin = changed[0] / SLOT * SLOT;
                for cut in 1..LENGTH {
                    let mut torn = last.clone();
                    torn[begin..begin + cut].copy_from_slice(&bytes[begin..begin + cut]);
                    torn[begin + cut..begin + LENGTH].fill(0x5a);
                    fs::write(&path, &torn).unwrap();
                    let found = load(directory.path(), "one");
                    assert_eq!(found, Some(cursor(number - 1)), "{number} cut at {cut}");
                }
                fs::write(&path, &bytes).unwrap();
            }
        }
    }

    #[test]
    fn a_file_with_one_slot_gets_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.cursor");
        for (bytes, expected) in [
            (encode(&cursor(3)), Some(cursor(3))),
            (Vec::new(), None),
            (encode(&cursor(3))[..LENGTH - 1].to_vec(), None),
            (b"garbage".repeat(100), None),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(load(directory.path(), "one"), expected);
            let mut file = CursorFile::new(directory.path(), "one");
            file.store(&cursor(4), false).unwrap();
            file.store(&cursor(5), false).unwrap();
            assert_eq!(load(directory.path(), "one"), Some(cursor(5)));
        }
    }
}
