//! What writer and readers share: which segments there are, and who still needs them.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::Lag;
use super::Position;
use super::cursor::Cursor;
use super::files::{self, Lane};

/// Shared by the writer and its readers. Files are made, read and removed outside of the lock.
#[derive(Debug)]
pub(super) struct Shared {
    /// The spool's folder.
    pub(super) directory: PathBuf,
    /// True when what must outlast a crash of the machine is forced to the disk.
    pub(super) forced: bool,
    /// Wakes readers.
    pub(super) arrived: Condvar,
    state: Mutex<State>,
    /// Keeps the spool locked as long as anybody uses it.
    lock: File,
}

/// The part behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Alerts and events, by [`Lane`].
    pub(super) lanes: [Segments; 2],
    /// Everybody who has a cursor.
    pub(super) readers: Vec<Known>,
    /// Readers that wait.
    pub(super) waiting: usize,
    /// True once the writer is gone.
    pub(super) closed: bool,
}

/// The segments of a lane, oldest first; numbers rise.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Them all; only the last may grow.
    pub(super) list: VecDeque<Segment>,
    /// Bytes of them all.
    pub(super) bytes: u64,
    /// Bytes of them and of all that have been removed since opening.
    pub(super) written: u64,
    /// Number of the next record.
    pub(super) next: u64,
}

/// A segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its number.
    pub(super) number: u64,
    /// Bytes that hold whole frames.
    pub(super) length: u64,
    /// [`Segments::written`] before it.
    pub(super) before: u64,
    /// Number of its first record.
    pub(super) first: u64,
    /// Number behind its last record.
    pub(super) end: u64,
    /// When its first record was written, in milliseconds since 1970.
    pub(super) oldest: u64,
    /// When its last record was written.
    pub(super) newest: u64,
    /// True when it grows no more.
    pub(super) sealed: bool,
}

/// A reader, present or not.
#[derive(Debug)]
pub(super) struct Known {
    /// Its name.
    pub(super) name: String,
    /// True while there is a [`super::Reader`].
    pub(super) present: bool,
    /// What it has committed.
    pub(super) committed: Cursor,
    /// Number behind the last record of each lane that it has read.
    pub(super) read: [u64; 2],
    /// What of that is on disk, or was let go of to make room for it.
    pub(super) stored: Cursor,
}

/// What readers have before them, for whoever is not one of them. It does not keep the spool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lags(Weak<Shared>);

impl Lags {
    /// Of the spool.
    pub(super) fn of_all(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// What a reader has not committed; none when it is not known, or the spool is closed and
    /// nobody uses it any more.
    pub(crate) fn of(&self, name: &str) -> Option<Lag> {
        let shared = self.0.upgrade()?;
        let state = shared.state();
        let reader = state.readers.iter().find(|reader| reader.name == name)?;
        let mut lag = Lag::default();
        for (position, segments) in reader.committed.iter().zip(&state.lanes) {
            let of_lane = segments.lag(position);
            lag.records += of_lane.records;
            lag.bytes += of_lane.bytes;
        }
        Some(lag)
    }
}

/// A piece of a segment that has not been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unread {
    /// The segment.
    pub(super) number: u64,
    /// Where it begins.
    pub(super) offset: u64,
    /// Where it ends.
    pub(super) end: u64,
}

impl Shared {
    /// From what has been found on disk.
    pub(super) fn new(directory: PathBuf, forced: bool, state: State, lock: File) -> Self {
        let (arrived, state) = (Condvar::new(), Mutex::new(state));
        Self { directory, forced, arrived, state, lock }
    }

    /// The state. A thread that panicked leaves it usable: each change is a whole one.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes segments that every reader has committed.
    pub(super) fn collect(&self) {
        for lane in Lane::ALL {
            loop {
                let consumed = self.state().pop_consumed(lane);
                let Some(segment) = consumed else { break };
                files::remove(&files::segment(&self.directory, lane, segment.number));
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A child that is about to become another program may still hold a copy of the file:
        // closing ours would not unlock it then.
        let _ = self.lock.unlock();
    }
}

impl State {
    /// A lane's segments.
    pub(super) fn lane(&mut self, lane: Lane) -> &mut Segments {
        &mut self.lanes[lane as usize]
    }

    /// Where a reader begins that has never been here: before the oldest record.
    pub(super) fn oldest(&self) -> Cursor {
        self.lanes.each_ref().map(|lane| Position { records: lane.first(), ..Position::default() })
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.bytes).sum()
    }

    /// Records of a segment that not every reader has read; all of them without readers. Those
    /// that it has read a reader still delivers when they are gone from the disk.
    pub(super) fn unread(&self, lane: Lane, segment: &Segment) -> u64 {
        let read = self
            .readers
            .iter()
            .map(|reader| reader.read[lane as usize].max(reader.committed[lane as usize].records));
        segment.end.saturating_sub(segment.first.max(read.min().unwrap_or(0)))
    }

    /// True when storing a reader's cursor would let go of a segment, as far as it is up to it.
    pub(super) fn would_release(&self, name: &str) -> bool {
        let Some(reader) = self.readers.iter().find(|reader| reader.name == name) else {
            return false;
        };
        Lane::ALL.into_iter().any(|lane| {
            let segments = &self.lanes[lane as usize];
            let (stored, committed) =
                (reader.stored[lane as usize], reader.committed[lane as usize]);
            let next = segments.list.partition_point(|segment| segment.is_behind(&stored));
            let next = segments.list.get(next);
            next.is_some_and(|segment| segment.sealed && segment.is_behind(&committed))
        })
    }

    fn pop_consumed(&mut self, lane: Lane) -> Option<Segment> {
        let segment = self.lanes[lane as usize].list.front()?;
        let mut readers = self.readers.iter();
        let is_consumed = segment.sealed
            && !self.readers.is_empty()
            && readers.all(|reader| segment.is_behind(&reader.stored[lane as usize]));
        if is_consumed { self.lane(lane).pop() } else { None }
    }
}

impl Segment {
    /// True when a reader that is at a position needs nothing of it.
    fn is_behind(&self, position: &Position) -> bool {
        self.number < position.segment
            || (self.number == position.segment && self.end <= position.records)
    }
}

impl Segments {
    /// Adds one at the end.
    pub(super) fn push(&mut self, mut segment: Segment) {
        segment.before = self.written;
        self.written = self.written.saturating_add(segment.length);
        self.bytes = self.bytes.saturating_add(segment.length);
        self.next = self.next.max(segment.end);
        self.list.push_back(segment);
    }

    /// Takes the oldest away.
    pub(super) fn pop(&mut self) -> Option<Segment> {
        let segment = self.list.pop_front()?;
        self.bytes = self.bytes.saturating_sub(segment.length);
        Some(segment)
    }

    /// Takes down that the last segment has grown.
    pub(super) fn grow(&mut self, bytes: u64, records: u64, now: u64) {
        let Some(last) = self.list.back_mut() else { return };
        if last.length == 0 {
            last.oldest = now;
        }
        last.newest = now;
        last.length += bytes;
        last.end += records;
        self.bytes += bytes;
        self.written += bytes;
        self.next += records;
    }

    /// What comes behind a position.
    pub(super) fn behind(&self, position: &Position) -> Option<Unread> {
        let from = self.list.partition_point(|segment| segment.number < position.segment);
        self.list.range(from..).find_map(|segment| {
            let is_it = segment.number == position.segment;
            let offset = if is_it { position.offset } else { 0 };
            let (number, end) = (segment.number, segment.length);
            (end > offset).then_some(Unread { number, offset, end })
        })
    }

    /// Number of the oldest record that is there, or of the next one.
    pub(super) fn first(&self) -> u64 {
        self.list.front().map_or(self.next, |segment| segment.first)
    }

    /// What lies behind a position.
    pub(super) fn lag(&self, position: &Position) -> Lag {
        let records = self.next.saturating_sub(position.records.max(self.first()));
        let from = self.list.partition_point(|segment| segment.number < position.segment);
        let read = self.list.get(from).map_or(self.written, |segment| {
            let is_it = segment.number == position.segment;
            segment.before + if is_it { position.offset.min(segment.length) } else { 0 }
        });
        Lag { records, bytes: self.written.saturating_sub(read) }
    }
}
