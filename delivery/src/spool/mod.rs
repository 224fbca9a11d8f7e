//! The spool: batches of records on disk, written once and read by each sink at its own pace.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::record::Record;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Full {
    /// The oldest segment.
    #[default]
    DropOldest,
    /// What comes now.
    DropNewest,
}

/// A place behind a batch. Alerts and other records have files of their own, so it has two parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

/// Records read from the spool.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// True when it comes from the files of alerts.
    pub alerts: bool,
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
