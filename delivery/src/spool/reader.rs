//! A reader: alerts first, from where it has committed, and never in the writer's way.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::codec::records;
use super::cursor::{Cursor, CursorFile, Handed};
use super::files::{self, Lane};
use super::segment::{Scanner, Step};
use super::state::{Known, Shared, Unread};
use super::told::Told;
use super::usage::Lag;
use super::{Frame, Position, SpoolError};

/// What has been committed is stored no more often than this, unless it lets go of a segment.
const STORED_EVERY: Duration = Duration::from_millis(200);
/// Bytes that a frame may gather from smaller ones.
const MOST: usize = 16 << 20;
/// How long a segment that can't be read is tried before it is passed over.
const GIVE_UP: Duration = Duration::from_secs(300);
/// Time between attempts: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Gaps of a lane that are remembered until all before them is committed.
const GAPS: usize = 64;

/// Reads the spool for one receiver. What it has read it must commit; what it has not committed
/// comes again after a restart.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    name: String,
    places: [Place; 2],
    handed: Handed,
    cursor: CursorFile,
    /// What is read counts as handed over only once somebody says so.
    hands_over_later: bool,
    /// True when something is committed that is not stored.
    is_dirty: bool,
    stored: Instant,
    counts: Counts,
    told_storing: Told,
    told_reading: Told,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    missed: u64,
    damaged: u64,
    doubled: u64,
    errors: u64,
}

/// A reader's place in a lane.
#[derive(Debug, Default)]
struct Place {
    read: Position,
    /// The furthest that has been read, before going back.
    furthest: Position,
    committed: Position,
    /// Records below have been read before.
    again: u64,
    file: Option<(u64, File)>,
    scanner: Scanner,
    trouble: Option<Trouble>,
    /// Records that are gone and were counted as missed: the first of them, and the place behind.
    /// What is committed up to them goes on behind them, so that they are counted once.
    gaps: VecDeque<(u64, Position)>,
}

/// Why a place is not read at the moment.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    /// The first attempt that failed because of the file.
    since: Instant,
    /// When it is tried again, and how long after the last attempt that is.
    next: Instant,
    pause: Duration,
}

impl Reader {
    /// Begins to read.
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Result<Self, SpoolError> {
        if name.is_empty() || name.len() > 64 {
            return Err(SpoolError::Name(name.to_owned()));
        }
        let directory = &shared.directory;
        let path = files::of_reader(directory, name, ".cursor");
        let failed = |why| SpoolError::File { path: path.clone(), why };
        let handed = Handed::open(directory, name).map_err(failed)?;
        let mut state = shared.state();
        let known = state.readers.iter().position(|reader| reader.name == name);
        if known.is_some_and(|at| state.readers[at].present) {
            return Err(SpoolError::Registered(name.to_owned()));
        }
        let cursor = known.map_or_else(|| state.oldest(), |at| state.readers[at].committed);
        let read = [cursor[0].records, cursor[1].records];
        let reader =
            Known { name: name.to_owned(), present: true, committed: cursor, stored: cursor, read };
        match known.and_then(|at| state.readers.get_mut(at)) {
            Some(known) => *known = reader,
            None => state.readers.push(reader),
        }
        drop(state);
        let marks = handed.marks();
        let places = Lane::ALL.map(|lane| {
            let (position, again) = (cursor[lane as usize], marks[lane as usize]);
            let (read, furthest, committed) = (position, position, position);
            Place { read, furthest, committed, again, ..Place::default() }
        });
        let mut opened = Self {
            shared: Arc::clone(shared),
            name: name.to_owned(),
            places,
            handed,
            cursor: CursorFile::new(directory, name),
            hands_over_later: false,
            is_dirty: false,
            stored: Instant::now(),
            counts: Counts::default(),
            told_storing: Told::default(),
            told_reading: Told::default(),
        };
        if let Err(error) = opened.store(shared.forced) {
            // A disk that is full must not keep a sensor from starting, nor one that fails where
            // there is a cursor that says the same.
            if known.is_none() && !files::is_full(&error) {
                return Err(failed(error));
            }
            opened.is_dirty = true;
            opened.tell_storing(&error);
        }
        Ok(opened)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What comes next, alerts before other records; waits for it if need be. Frames on disk are
    /// put together to up to `most_bytes`; a single one may be longer. None when nothing came in
    /// time, or when nothing is left and the writer is gone.
    pub fn next(&mut self, most_bytes: usize, patience: Duration) -> Option<Frame> {
        let mut frame = Frame::default();
        self.next_into(&mut frame, most_bytes, patience).then_some(frame)
    }

    /// As [`Reader::next`], with memory that is used again.
    pub fn next_into(&mut self, frame: &mut Frame, most_bytes: usize, patience: Duration) -> bool {
        frame.bytes.clear();
        frame.marks.clear();
        let most = most_bytes.min(MOST);
        let deadline = Instant::now().checked_add(patience);
        loop {
            if self.is_dirty && self.stored.elapsed() >= STORED_EVERY {
                self.store_or_tell(false);
            }
            let Some((lane, unread)) = self.wait(deadline) else { return false };
            match self.fill(lane, unread, frame, most) {
                Ok(()) => self.places[lane as usize].trouble = None,
                Err(error) => self.put_off(lane, unread, &error),
            }
            if !frame.is_empty() {
                return true;
            }
        }
    }

    /// From now on what is read counts as handed to a receiver only with [`Reader::hand_over`].
    pub(crate) fn hands_over_later(&mut self) {
        self.hands_over_later = true;
    }

    /// The receiver may have all records of a lane below this number.
    pub(crate) fn hand_over(&mut self, alerts: bool, records: u64) {
        self.handed.raise(Lane::of(alerts) as usize, records);
    }

    /// Stores what is committed if it is not.
    pub(crate) fn put_down(&mut self) {
        if self.is_dirty {
            self.store_or_tell(self.shared.forced);
        }
    }

    /// Says that all records up to a place are settled, in the files of alerts or in the others:
    /// they won't come again. A place that has not been read, or is committed already, changes
    /// nothing.
    pub fn commit(&mut self, alerts: bool, position: Position) {
        let lane = Lane::of(alerts);
        let place = &mut self.places[lane as usize];
        if position <= place.committed || position > place.furthest {
            return;
        }
        place.committed = position;
        place.pass_gaps();
        place.read = place.read.max(place.committed);
        let position = place.committed;
        self.is_dirty = true;
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.committed[lane as usize] = position;
        }
        let releases = state.would_release(&self.name);
        drop(state);
        if releases || self.stored.elapsed() >= STORED_EVERY {
            self.store_or_tell(releases && self.shared.forced);
        }
    }

    /// Goes back to what is committed: everything behind comes again.
    pub fn rewind(&mut self) {
        for (place, mark) in self.places.iter_mut().zip(self.handed.marks()) {
            place.read = place.committed;
            place.again = mark;
        }
    }

    /// What it has not committed.
    pub fn lag(&self) -> Lag {
        let state = self.shared.state();
        let mut lag = Lag::default();
        for (place, segments) in self.places.iter().zip(&state.lanes) {
            let of_lane = segments.lag(&place.committed);
            lag.records += of_lane.records;
            lag.bytes += of_lane.bytes;
        }
        lag
    }

    /// Records that were gone before it had read them: dropped, too old, or damaged.
    pub fn missed(&self) -> u64 {
        self.counts.missed
    }

    /// Damaged places that it has met and skipped.
    pub fn damaged(&self) -> u64 {
        self.counts.damaged
    }

    /// Records that it has read once more, of which the receiver may have some twice.
    pub fn maybe_doubled(&self) -> u64 {
        self.counts.doubled
    }

    /// Times that a segment could not be read.
    pub fn read_errors(&self) -> u64 {
        self.counts.errors
    }

    /// True when there is something that can't be read at the moment and is tried again.
    pub(crate) fn is_held_up(&self) -> bool {
        let state = self.shared.state();
        let mut lanes = self.places.iter().zip(&state.lanes);
        lanes.any(|(place, segments)| {
            place.trouble.is_some() && segments.behind(&place.read).is_some()
        })
    }

    /// True when the writer is gone and nothing is left to read.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.state();
        let mut lanes = self.places.iter().zip(&state.lanes);
        state.closed && lanes.all(|(place, segments)| segments.behind(&place.read).is_none())
    }

    /// Waits for something to read. A place that is tried again later holds up only its own lane.
    fn wait(&mut self, deadline: Option<Instant>) -> Option<(Lane, Unread)> {
        loop {
            {
                let mut state = self.shared.state();
                let now = Instant::now();
                let mut next: Option<Instant> = None;
                for lane in Lane::ALL {
                    let place = &self.places[lane as usize];
                    let unread = state.lanes[lane as usize].behind(&place.read);
                    let Some(unread) = unread else { continue };
                    match place.trouble.map(|trouble| trouble.next).filter(|next| *next > now) {
                        None => return Some((lane, unread)),
                        Some(time) => next = Some(next.map_or(time, |next| next.min(time))),
                    }
                }
                let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
                let is_over = state.closed && next.is_none();
                if is_over || left.is_some_and(|left| left.is_zero()) {
                    return None;
                }
                let mut pause = left.unwrap_or(Duration::from_secs(3600));
                if let Some(next) = next {
                    pause = pause.min(next.saturating_duration_since(now));
                }
                if self.is_dirty {
                    pause = pause.min(STORED_EVERY.saturating_sub(self.stored.elapsed()));
                }
                state.waiting += 1;
                let woken = self.shared.arrived.wait_timeout(state, pause);
                woken.unwrap_or_else(std::sync::PoisonError::into_inner).0.waiting -= 1;
            }
            if self.is_dirty && self.stored.elapsed() >= STORED_EVERY {
                self.store_or_tell(false);
            }
        }
    }

    /// Reads frames of a segment; leaves `frame` empty when it can't read any of what is there.
    fn fill(
        &mut self,
        lane: Lane,
        unread: Unread,
        frame: &mut Frame,
        most: usize,
    ) -> io::Result<()> {
        let Unread { number, offset, end } = unread;
        let place = &mut self.places[lane as usize];
        if place.file.as_ref().is_none_or(|(open, _)| *open != number) {
            place.file = None;
            place.scanner.clear();
            let path = files::segment(&self.shared.directory, lane, number);
            place.file = Some((number, File::open(path)?));
        }
        let Some((_, file)) = &place.file else { return Ok(()) };
        (place.read.segment, place.read.offset) = (number, offset);
        while place.read.offset < end {
            let at = place.read.offset;
            if !frame.is_empty() {
                let header = place.scanner.header(file, at, end);
                let joins = header.ok().flatten().is_some_and(|header| {
                    frame.bytes.len() + header.body as usize <= most
                        && (header.first < place.again) == frame.again
                });
                if !joins {
                    break;
                }
            }
            let found = match place.scanner.next(file, at, end) {
                Ok(Step::Frame(found)) => found,
                Err(error) if frame.is_empty() => return Err(error),
                // Next time, when there is nothing that could get lost with it.
                Err(_) => break,
                Ok(Step::End { .. }) => {
                    self.counts.damaged += 1;
                    place.read.offset = end;
                    break;
                }
            };
            let header = found.header;
            place.read.offset = found.end;
            self.counts.damaged += u64::from(found.damage);
            if !take(place.scanner.body(&found), header.records, frame) {
                self.counts.damaged += 1;
                continue;
            }
            if header.first > place.read.records {
                self.counts.missed += header.first - place.read.records;
                let behind = Position { segment: number, offset: at, records: header.first };
                place.gaps.push_back((place.read.records, behind));
                if place.gaps.len() > GAPS {
                    place.gaps.pop_front();
                }
            }
            place.read.records = header.end();
            frame.again = header.first < place.again;
            frame.end = place.read;
            if frame.again {
                self.counts.doubled += u64::from(header.records);
            }
        }
        self.is_dirty |= place.pass_gaps();
        frame.alerts = lane == Lane::Alerts;
        place.furthest = place.furthest.max(place.read);
        if !self.hands_over_later {
            self.handed.raise(lane as usize, place.read.records);
        }
        let (read, committed) = (place.read.records, place.committed);
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.read[lane as usize] = read;
            known.committed[lane as usize] = committed;
        }
        Ok(())
    }

    /// After a failure: the place is tried again later. It is passed over when the file is gone,
    /// or can't be read for long.
    fn put_off(&mut self, lane: Lane, unread: Unread, error: &io::Error) {
        let place = &mut self.places[lane as usize];
        let is_gone = error.kind() == io::ErrorKind::NotFound;
        // It may have been dropped since it was looked up; then it is not listed any more.
        if is_gone {
            let state = self.shared.state();
            let still = state.lanes[lane as usize].behind(&place.read);
            if still.is_none_or(|still| still.number != unread.number) {
                place.trouble = None;
                return;
            }
        }
        self.counts.errors += 1;
        place.file = None;
        let now = Instant::now();
        let before = place.trouble.filter(|_| !is_shortage(error));
        let since = before.map_or(now, |trouble| trouble.since);
        let path = files::segment(&self.shared.directory, lane, unread.number);
        if is_gone || now.saturating_duration_since(since) >= GIVE_UP {
            tracing::warn!("spool: {} can't be read, it is passed over: {error}", path.display());
            (place.read.segment, place.read.offset) = (unread.number, unread.end);
            place.trouble = None;
            return;
        }
        let pause = place.trouble.map_or(PAUSE, |trouble| (trouble.pause * 2).min(LONGEST_PAUSE));
        place.trouble = Some(Trouble { since, next: now + pause, pause });
        if self.told_reading.is_due() {
            tracing::warn!("spool: {} can't be read, it is tried again: {error}", path.display());
        }
    }

    fn store_or_tell(&mut self, forced: bool) {
        if let Err(error) = self.store(forced) {
            self.tell_storing(&error);
        }
    }

    fn tell_storing(&mut self, error: &io::Error) {
        if self.told_storing.is_due() {
            tracing::warn!("spool: cursor of {} can't be stored: {error}", self.name);
        }
    }

    /// Stores what is committed, and lets go of segments that nobody needs any more.
    fn store(&mut self, forced: bool) -> io::Result<()> {
        let cursor = [self.places[0].committed, self.places[1].committed];
        self.stored = Instant::now();
        let mut done = self.cursor.store(&cursor, forced);
        if done.as_ref().is_err_and(files::is_full) {
            // A cursor that is not on the disk yet needs room, and so does any on a file system
            // that writes nothing in place. What is let go of has been delivered: after a crash it
            // would come again, and counts as missed instead.
            self.release(cursor);
            // A file that is gone takes up room as long as it is open.
            self.places.iter_mut().for_each(|place| place.file = None);
            done = self.cursor.store(&cursor, forced);
        }
        done?;
        self.is_dirty = false;
        self.release(cursor);
        Ok(())
    }

    fn release(&self, cursor: Cursor) {
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.stored = cursor;
        }
        drop(state);
        self.shared.collect();
    }
}

impl Place {
    /// Goes on behind records that are gone if all before them is committed; true when it did.
    fn pass_gaps(&mut self) -> bool {
        let before = self.committed;
        while let Some((first, behind)) = self.gaps.front().copied()
            && first <= self.committed.records
        {
            self.gaps.pop_front();
            self.committed = self.committed.max(behind);
        }
        self.committed > before
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.put_down();
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.present = false;
            // What it has read and not committed will be read again.
            known.read = known.committed.map(|position| position.records);
        }
    }
}

/// True when it is not the file that lacks something, but the process or the system: it passes,
/// and no other file could be read either.
fn is_shortage(error: &io::Error) -> bool {
    let is_limit = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    is_limit || error.kind() == io::ErrorKind::OutOfMemory
}

/// Adds a body's records to a frame; adds nothing when it does not hold as many as it should.
fn take(body: &[u8], count: u32, frame: &mut Frame) -> bool {
    let (bytes, marks) = (frame.bytes.len(), frame.marks.len());
    for record in records(body) {
        frame.bytes.extend_from_slice(record.bytes);
        frame.marks.push((record.worker, record.sequence, frame.bytes.len() as u32));
    }
    if frame.marks.len() - marks == count as usize {
        return true;
    }
    frame.bytes.truncate(bytes);
    frame.marks.truncate(marks);
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Spool;
    use super::super::tests::{NOW, batch, files as segments, read_all, settings};
    use super::*;

    /// A spool with an alert and another record, and a folder in place of the file with the alert.
    fn unreadable() -> (tempfile::TempDir, super::super::Writer, Reader) {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
        let reader = writer.register("one").unwrap();
        writer.append(&[batch(0, 0, &["alert", "http"])]);
        let path = segments(directory.path(), "alerts").remove(0);
        fs::rename(&path, directory.path().join("aside")).unwrap();
        fs::create_dir(&path).unwrap();
        (directory, writer, reader)
    }

    #[test]
    fn a_file_that_can_not_be_read_is_tried_for_a_while() {
        let (directory, mut writer, mut reader) = unreadable();
        // It holds up only its own lane, and is not tried each time that somebody asks.
        assert_eq!(read_all(&mut reader, true), [(false, 0, 1)]);
        for _ in 0..100 {
            assert!(reader.next(1 << 20, NOW).is_none());
        }
        assert!((1..=4).contains(&reader.read_errors()), "{}", reader.read_errors());
        assert!(reader.is_held_up() && !reader.is_finished());
        // Also at the end.
        writer.append(&[batch(0, 2, &["alert"])]);
        writer.close().unwrap();
        assert!(reader.next(1 << 20, Duration::from_millis(1)).is_none());
        let path = directory.path().join("alerts-00000001.spool");
        fs::remove_dir(&path).unwrap();
        fs::rename(directory.path().join("aside"), &path).unwrap();
        let frame = reader.next(1 << 20, Duration::from_secs(10)).unwrap();
        assert_eq!((frame.alerts, frame.len()), (true, 2));
        assert!(!reader.is_held_up() && reader.is_finished());
        assert_eq!((reader.missed(), reader.damaged()), (0, 0));
    }

    #[test]
    fn in_the_end_it_is_passed_over() {
        let (directory, mut writer, mut reader) = unreadable();
        assert_eq!(read_all(&mut reader, true), [(false, 0, 1)]);
        let long = reader.places[0].trouble.unwrap();
        let age = |by: Duration, reader: &mut Reader| {
            let since = long.since.checked_sub(by).unwrap();
            reader.places[0].trouble = Some(Trouble { since, next: since, ..long });
            assert!(reader.next(1 << 20, NOW).is_none());
            reader.is_held_up()
        };
        assert!(age(GIVE_UP / 2, &mut reader));
        assert!(!age(GIVE_UP, &mut reader));
        assert_eq!(reader.read_errors(), 3);
        // What comes later is read, and tells what is missing.
        let path = directory.path().join("alerts-00000001.spool");
        fs::remove_dir(&path).unwrap();
        fs::rename(directory.path().join("aside"), &path).unwrap();
        writer.append(&[batch(0, 2, &["alert"])]);
        assert_eq!(read_all(&mut reader, true), [(true, 0, 2)]);
        assert_eq!(reader.missed(), 1);
    }

    #[test]
    fn a_shortage_is_not_the_file_s_fault() {
        let check = |number: i32| is_shortage(&io::Error::from_raw_os_error(number));
        assert!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].into_iter().all(check));
        assert!(![libc::EIO, libc::EISDIR, libc::ENOENT, libc::EACCES].into_iter().any(check));
        let (_directory, _writer, mut reader) = unreadable();
        let (unread, error) =
            (Unread { number: 1, offset: 0, end: 9 }, io::Error::from_raw_os_error(libc::EMFILE));
        for _ in 0..20 {
            let trouble = reader.places[0].trouble;
            let since = Instant::now().checked_sub(GIVE_UP * 2).unwrap();
            reader.places[0].trouble = trouble.map(|trouble| Trouble { since, ..trouble });
            reader.put_off(Lane::Alerts, unread, &error);
        }
        let trouble = reader.places[0].trouble.unwrap();
        assert_eq!((trouble.pause, reader.read_errors()), (LONGEST_PAUSE, 20));
    }
}
