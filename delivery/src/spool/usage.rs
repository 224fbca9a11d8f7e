//! What the spool tells about itself, in numbers.

use std::time::Duration;

/// Kinds of events that are counted by name; further ones come under `other`.
const KINDS: usize = 64;

/// What became of records that were to be appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Records that are in the spool now.
    pub records: u64,
    /// How many of them are alerts.
    pub alerts: u64,
    /// Bytes that they take there.
    pub bytes: u64,
    /// Records that found no room, or could not be written.
    pub shed: u64,
}

/// State of the spool, with counts since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the segment files.
    pub bytes: u64,
    /// Bytes that they may have.
    pub limit: u64,
    /// How many segment files there are.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Age of the oldest record.
    pub oldest_age: Option<Duration>,
    /// Records that were appended.
    pub appended: u64,
    /// Records that found no room, or could not be written, by kind of event.
    pub shed: Vec<(String, u64)>,
    /// Alerts that were dropped to make room and that not every reader had read.
    pub dropped_alerts: u64,
    /// Other records that were dropped so.
    pub dropped_events: u64,
    /// Records that grew too old and that not every reader had read.
    pub expired: u64,
    /// Writes that failed, of records and of sequence numbers.
    pub write_errors: u64,
    /// How many of them were to reserve sequence numbers.
    pub reserve_errors: u64,
    /// Times that data could not be forced to the disk.
    pub sync_errors: u64,
    /// Why the last write failed, as long as none has succeeded since.
    pub trouble: Option<String>,
}

impl Usage {
    /// Records that were in the spool and went before every reader had read them.
    pub fn lost_total(&self) -> u64 {
        self.dropped_alerts + self.dropped_events + self.expired
    }

    /// Records that were shed, of all kinds.
    pub fn shed_total(&self) -> u64 {
        self.shed.iter().map(|(_, count)| count).sum()
    }
}

/// What a reader has before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records in the spool that it has not committed.
    pub records: u64,
    /// Bytes that they take there.
    pub bytes: u64,
}

/// Counts by kind of event.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds(pub(super) Vec<(String, u64)>);

impl Kinds {
    /// Counts one.
    pub(super) fn add(&mut self, kind: &str) {
        let kind = if kind.is_empty() { "none" } else { kind };
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| known == kind) {
            *count += 1;
        } else if self.0.len() < KINDS && kind.len() <= 64 {
            self.0.push((kind.to_owned(), 1));
        } else if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| known == "other") {
            *count += 1;
        } else {
            self.0.push(("other".to_owned(), 1));
        }
    }
}
