//! A reader's files: how far it has committed, and how far it has read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::Position;
use super::codec::LARGEST_NUMBER;
use super::files;

const MAGIC: &[u8; 8] = b"cursor 1";

/// The places of both lanes up to which everything is committed.
pub(super) type Cursor = [Position; 2];

/// Reads a reader's cursor; a damaged one counts as none.
pub(super) fn load(directory: &Path, reader: &str) -> Option<Cursor> {
    let path = files::of_reader(directory, reader, ".cursor");
    let bytes = files::read_small(&path, 256).ok()??;
    let cursor = decode(&bytes);
    if cursor.is_none() {
        let path = path.display();
        tracing::warn!("spool: {path} is damaged: {reader} begins with the oldest record");
    }
    cursor
}

/// Writes a reader's cursor.
pub(super) fn store(
    directory: &Path,
    reader: &str,
    cursor: &Cursor,
    forced: bool,
) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for position in cursor {
        for number in [position.segment, position.offset, position.records] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    files::replace(&files::of_reader(directory, reader, ".cursor"), &bytes, forced)
}

/// Removes a reader's files.
pub(super) fn forget(directory: &Path, reader: &str) {
    for suffix in [".cursor", ".handed"] {
        files::remove(&files::of_reader(directory, reader, suffix));
    }
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
}

impl Handed {
    /// The marks that are kept for a reader, without opening them for writing.
    pub(super) fn load(directory: &Path, reader: &str) -> [u64; 2] {
        let path = files::of_reader(directory, reader, ".handed");
        let bytes = files::read_small(&path, 64).ok().flatten().unwrap_or_default();
        let marks: [u64; 2] = checked(&bytes, 0).unwrap_or_default();
        marks.map(|mark| if mark > LARGEST_NUMBER / 4 { 0 } else { mark })
    }

    /// The marks of a reader.
    pub(super) fn open(directory: &Path, reader: &str) -> io::Result<Self> {
        let path = files::of_reader(directory, reader, ".handed");
        let marks = Self::load(directory, reader);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(Self { file: Some(file), marks })
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
        if let Err(error) = file.write_all_at(&bytes, 0) {
            tracing::warn!("spool: what has been read can't be taken down: {error}");
            self.file = None;
        }
    }
}
