//! Opening: what lies in the folder, what a crash has left half written, where numbers go on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::codec::records;
use super::cursor::{self, Handed};
use super::files::{self, Lane, Named};
use super::segment::{Scanner, Step};
use super::sequences::Sequences;
use super::state::{Known, Segment, Shared, State};
use super::{SpoolError, SpoolSettings, Sync};

/// What was found when the spool was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that are there.
    pub records_found: u64,
    /// Bytes of segment files that are there.
    pub bytes: u64,
    /// Segment files that are there.
    pub segments: u64,
    /// Bytes of a write that was not finished, which were cut off.
    pub torn_bytes: u64,
    /// Records of that write, as far as can be told.
    pub torn_records: u64,
    /// Damaged places that were found and skipped. Only the youngest segments are searched here;
    /// readers count those that they meet.
    pub damaged: u64,
    /// True when the file of sequence numbers was damaged, so that they begin far ahead.
    pub sequences_lost: bool,
    /// Names of readers that have been here before.
    pub readers: Vec<String>,
}

/// What a writer begins with.
#[derive(Debug)]
pub(super) struct Found {
    /// For the writer and its readers.
    pub(super) shared: Shared,
    /// Number of the next segment of each lane.
    pub(super) numbers: [u64; 2],
    /// The workers' numbers.
    pub(super) sequences: Sequences,
    /// For people.
    pub(super) recovery: Recovery,
}

/// Takes the spool's lock and reads what is there.
pub(super) fn recover(settings: &SpoolSettings) -> Result<Found, SpoolError> {
    let directory = &settings.directory;
    let lock = files::lock(directory)?;
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |why| SpoolError::File { path, why }
    };
    let (mut segments, readers) = list(directory).map_err(failed(directory))?;
    let path = directory.join("sequences");
    let (mut sequences, sequences_lost) = Sequences::load(directory).map_err(failed(&path))?;
    let mut recovery = Recovery { sequences_lost, ..Recovery::default() };
    let mut state = State::default();
    let mut numbers = [1; 2];
    let mut scanner = Scanner::default();
    for lane in Lane::ALL {
        let lane_numbers = &mut segments[lane as usize];
        lane_numbers.sort_unstable();
        numbers[lane as usize] = lane_numbers.last().map_or(1, |last| last + 1);
        let mut work = Work { directory, scanner: &mut scanner, recovery: &mut recovery };
        for segment in work.segments(lane, lane_numbers, &mut sequences)? {
            state.lane(lane).push(segment);
        }
    }
    for name in readers {
        let stored = cursor::load(directory, &name).unwrap_or_else(|| state.oldest());
        let handed = Handed::load(directory, &name);
        for lane in Lane::ALL {
            let at = lane as usize;
            // Neither places nor numbers of records may come twice, also when files are lost.
            numbers[at] = numbers[at].max(stored[at].segment + 1);
            let next = &mut state.lane(lane).next;
            *next = (*next).max(stored[at].records).max(handed[at]);
        }
        recovery.readers.push(name.clone());
        let read = stored.map(|position| position.records);
        state.readers.push(Known { name, present: false, committed: stored, stored, read });
    }
    let all = || state.lanes.iter().flat_map(|lane| &lane.list);
    recovery.records_found = all().map(|segment| segment.end.saturating_sub(segment.first)).sum();
    recovery.segments = all().count() as u64;
    recovery.bytes = state.bytes();
    let forced = settings.sync != Sync::Never;
    let shared = Shared::new(directory.clone(), forced, state, lock);
    shared.collect();
    Ok(Found { shared, numbers, sequences, recovery })
}

/// Numbers of the segments of each lane, and names of readers.
fn list(directory: &Path) -> io::Result<([Vec<u64>; 2], Vec<String>)> {
    let mut segments = [Vec::new(), Vec::new()];
    let mut readers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        match entry.file_name().to_str().map_or(Named::Other, files::named) {
            Named::Segment(lane, number) => segments[lane as usize].push(number),
            Named::Cursor(reader) => readers.push(reader),
            Named::Unfinished => files::remove(&entry.path()),
            Named::Other => {}
        }
    }
    readers.sort_unstable();
    readers.dedup();
    Ok((segments, readers))
}

struct Work<'a> {
    directory: &'a Path,
    scanner: &'a mut Scanner,
    recovery: &'a mut Recovery,
}

impl Work<'_> {
    /// The segments of a lane. Only the youngest that can be read is read as a whole; of those
    /// before it only the beginning: they end where the next one begins.
    fn segments(
        &mut self,
        lane: Lane,
        numbers: &[u64],
        sequences: &mut Sequences,
    ) -> Result<Vec<Segment>, SpoolError> {
        let mut segments: Vec<Segment> = Vec::with_capacity(numbers.len());
        for &number in numbers.iter().rev() {
            let path = files::segment(self.directory, lane, number);
            let read = match segments.last() {
                None => self.whole(&path, number, sequences),
                Some(next) => self.start(&path, number, (next.first, next.oldest)),
            };
            match read {
                Ok(Some(segment)) => segments.push(segment),
                // Nothing in it can be read, neither now nor later.
                Ok(None) => files::remove(&path),
                Err(why) => return Err(SpoolError::File { path, why }),
            }
        }
        segments.reverse();
        Ok(segments)
    }

    /// A segment by its first frame, and by number and time of the first record behind it.
    fn start(
        &mut self,
        path: &Path,
        number: u64,
        behind: (u64, u64),
    ) -> io::Result<Option<Segment>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        self.scanner.clear();
        let header = match self.scanner.header(&file, 0, length)? {
            Some(header) => header,
            None => match self.scanner.next(&file, 0, length)? {
                Step::Frame(found) => found.header,
                Step::End { .. } => {
                    self.recovery.damaged += u64::from(length > 0);
                    return Ok(None);
                }
            },
        };
        let (first, oldest) = (header.first, header.time);
        let (end, newest) = (behind.0.max(header.end()), behind.1.max(oldest));
        Ok(Some(Segment { number, length, before: 0, first, end, oldest, newest, sealed: true }))
    }

    /// A segment by all of its frames. What follows the last whole one is cut off.
    fn whole(
        &mut self,
        path: &Path,
        number: u64,
        sequences: &mut Sequences,
    ) -> io::Result<Option<Segment>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        self.scanner.clear();
        let mut start = None;
        let (mut good, mut end, mut newest) = (0, 0, 0);
        // Highest numbers of workers: reserved ones are beyond them, unless reserving failed.
        let mut highest = BTreeMap::new();
        let torn_records = loop {
            match self.scanner.next(&file, good, length)? {
                Step::End { torn_records } => break torn_records,
                Step::Frame(found) => {
                    let header = found.header;
                    start.get_or_insert((header.first, header.time));
                    self.recovery.damaged += u64::from(found.damage);
                    (good, end, newest) = (found.end, header.end(), header.time);
                    for record in records(self.scanner.body(&found)) {
                        let next = highest.entry(record.worker).or_insert(0);
                        *next = record.sequence.saturating_add(1).max(*next);
                    }
                }
            }
        };
        let is_reserved = highest
            .into_iter()
            .fold(true, |all, (worker, next)| sequences.reach(worker, next) && all);
        if !is_reserved && let Err(error) = sequences.reserve() {
            tracing::warn!("spool: sequence numbers can't be reserved: {error}");
        }
        if good < length {
            self.recovery.torn_bytes += length - good;
            self.recovery.torn_records += torn_records;
            file.set_len(good)?;
        }
        Ok(start.map(|(first, oldest)| {
            let (length, end, newest) = (good, end.max(first), newest.max(oldest));
            Segment { number, length, before: 0, first, end, oldest, newest, sealed: true }
        }))
    }
}
