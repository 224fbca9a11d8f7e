//! The spool: batches of records on disk, written once and read by each sink at its own pace.
//!
//! A folder with segment files in two lanes, `alerts-00000001.spool` and `events-00000001.spool`;
//! a cursor for each reader, `NAME.cursor`, and how far it has read, `NAME.handed`; the reserved
//! sequence numbers, `sequences`; whose the channels are, `channels`; and `lock`, which keeps a
//! second process out. A reader's files are written in place: on a full disk, too, it can say what
//! is no longer needed. Delivery is at least once: what was read and not committed comes again
//! after a restart, marked as such.

mod channels;
mod codec;
mod cursor;
mod files;
mod reader;
mod recovery;
mod segment;
mod sequences;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod usage;
mod writer;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use self::channels::Channels;
pub use self::reader::Reader;
pub use self::recovery::Recovery;
pub(crate) use self::state::Lags;
pub(crate) use self::told::Told;
pub use self::usage::{Appended, Lag, Usage};
pub use self::writer::Writer;
use crate::record::Record;

/// Bytes that a record may have; longer ones are shed and counted.
pub const LARGEST_RECORD: usize = codec::LARGEST_BODY - codec::MARK;

/// A spool on disk; [`Spool::open`] gives its writer.
#[derive(Debug)]
pub enum Spool {}

/// Why a spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or the folder can't be made, read or written.
    #[error("spool: {path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why. Its text is in ours: it is no further cause.
        why: io::Error,
    },
    /// Another process has it, or a reader of this process that has outlived its writer.
    #[error("spool: {directory} is in use{}", by(*.pid))]
    Locked {
        /// The spool's folder.
        directory: PathBuf,
        /// Which process, if it can be told.
        pid: Option<u32>,
    },
    /// A reader's name that is empty or longer than 64 bytes.
    #[error("spool: {0:?} can't be a reader's name: it needs 1 to 64 bytes")]
    Name(String),
    /// A reader of this name is there already.
    #[error("spool: there is a reader named {0} already")]
    Registered(String),
}

impl Spool {
    /// Opens a spool, making its folder if need be, and puts right what a crash has left.
    ///
    /// # Errors
    /// [`SpoolError::Locked`] when it is in use; [`SpoolError::File`] when the folder or its files
    /// can't be read.
    pub fn open(settings: &SpoolSettings) -> Result<(Writer, Recovery), SpoolError> {
        let found = recovery::recover(settings)?;
        Ok(Writer::new(settings, found))
    }
}

/// Where the spool is, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its folder.
    pub directory: PathBuf,
    /// Bytes that it may take on disk.
    pub limit: u64,
    /// Bytes of a segment file.
    pub segment: u64,
    /// Records that are older go, delivered or not; none: they stay.
    pub age: Option<Duration>,
    /// When written data is forced to the disk.
    pub sync: Sync,
    /// What goes when it is full.
    pub full: Full,
}

impl SpoolSettings {
    /// Makes the folder, readable for its owner only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make_directory(&self) -> Result<(), SpoolError> {
        files::make(&self.directory)
    }

    /// What of the folder is the spool's own: its files, those of records that were refused, and
    /// the folder itself if nothing else is in it.
    pub fn belongings(&self) -> Vec<PathBuf> {
        files::belongings(&self.directory)
    }
}

/// When written data is forced to the disk; a crash of the process loses nothing that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the kernel likes.
    Never,
    /// At this interval.
    Every(Duration),
    /// After each batch.
    Always,
}

/// What goes when the spool is full. Alerts go last in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Full {
    /// The oldest segment.
    #[default]
    DropOldest,
    /// What comes now.
    DropNewest,
}

/// A place behind a frame, in the files of alerts or in those of other records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
    /// Records of its lane before it, counted from when the spool was made.
    pub records: u64,
}

/// Records read from the spool.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// True when it comes from the files of alerts.
    pub alerts: bool,
    /// True when it has been read before without being committed: the receiver may know it.
    pub again: bool,
    /// The place behind it, which a sink commits once all its records are settled.
    pub end: Position,
    /// The records, one behind the other, without line ends.
    pub bytes: Vec<u8>,
    /// Worker, sequence number and end in `bytes` of each.
    pub marks: Vec<(u16, u64, u32)>,
}

impl Frame {
    /// How many records it has.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Keeps only the records that are wanted, and no memory for the others.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(&Record<'_>) -> bool) {
        let (mut start, mut size, mut count) = (0, 0, 0);
        for at in 0..self.marks.len() {
            let (worker, sequence, end) = self.marks[at];
            let range = start..end as usize;
            start = range.end;
            let bytes = self.bytes.get(range.clone());
            if bytes.is_some_and(|bytes| is_wanted(&Record { worker, sequence, bytes })) {
                let length = range.len();
                if range.start != size {
                    self.bytes.copy_within(range, size);
                }
                size += length;
                self.marks[count] = (worker, sequence, size as u32);
                count += 1;
            }
        }
        if count < self.marks.len() {
            self.bytes.truncate(size);
            self.bytes.shrink_to_fit();
            self.marks.truncate(count);
            self.marks.shrink_to_fit();
        }
    }

    /// One of its records.
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        let &(worker, sequence, end) = self.marks.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.marks.get(before)?.2,
            None => 0,
        };
        let bytes = self.bytes.get(start as usize..end as usize)?;
        Some(Record { worker, sequence, bytes })
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Sync {
    /// `never`, `always`, or a time such as `1 s` or `200 ms`.
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        match text.as_str() {
            "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            other => crate::duration::parse(other).map(Self::Every).map_err(|why| {
                serde::de::Error::custom(format!("never, always or a time such as 1 s: {why}"))
            }),
        }
    }
}
