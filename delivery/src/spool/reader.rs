//! A reader: alerts first, from where it has committed, and never in the writer's way.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::codec::records;
use super::cursor::{self, Handed};
use super::files::{self, Lane};
use super::segment::{Scanner, Step};
use super::state::{Known, Shared, Unread};
use super::usage::Lag;
use super::{Frame, Position, SpoolError};

/// What has been committed is stored no more often than this, unless it lets go of a segment.
const STORED_EVERY: Duration = Duration::from_millis(200);
/// Bytes that a frame may gather from smaller ones.
const MOST: usize = 16 << 20;
/// Times that a place is tried before it is given up.
const ATTEMPTS: u32 = 8;
/// Time between them.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads the spool for one receiver. What it has read it must commit; what it has not committed
/// comes again after a restart.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    name: String,
    places: [Place; 2],
    handed: Handed,
    /// True when something is committed that is not stored.
    is_dirty: bool,
    stored: Instant,
    attempts: u32,
    counts: Counts,
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
}

impl Reader {
    /// Begins to read.
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Result<Self, SpoolError> {
        if name.is_empty() || name.len() > 64 {
            return Err(SpoolError::Name(name.to_owned()));
        }
        let directory = &shared.directory;
        let path = files::of_reader(directory, name, ".cursor");
        let failed = |source| SpoolError::File { path: path.clone(), source };
        let handed = Handed::open(directory, name).map_err(failed)?;
        let mut state = shared.state();
        let known = state.readers.iter().position(|reader| reader.name == name);
        if known.is_some_and(|at| state.readers[at].present) {
            return Err(SpoolError::Registered(name.to_owned()));
        }
        let cursor = known.map_or_else(|| state.oldest(), |at| state.readers[at].committed);
        let reader =
            Known { name: name.to_owned(), present: true, committed: cursor, stored: cursor };
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
            is_dirty: false,
            stored: Instant::now(),
            attempts: 0,
            counts: Counts::default(),
        };
        opened.store(shared.forced).map_err(failed)?;
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
                Ok(()) => self.attempts = 0,
                Err(error) => {
                    if !self.try_again(lane, unread, &error, deadline) {
                        return false;
                    }
                }
            }
            if !frame.is_empty() {
                return true;
            }
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
        place.read = place.read.max(position);
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

    /// True when the writer is gone and nothing is left to read.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.state();
        let mut lanes = self.places.iter().zip(&state.lanes);
        state.closed && lanes.all(|(place, segments)| segments.behind(&place.read).is_none())
    }

    /// Waits for something to read.
    fn wait(&mut self, deadline: Option<Instant>) -> Option<(Lane, Unread)> {
        loop {
            {
                let mut state = self.shared.state();
                for lane in Lane::ALL {
                    let place = &self.places[lane as usize];
                    if let Some(unread) = state.lanes[lane as usize].behind(&place.read) {
                        return Some((lane, unread));
                    }
                }
                let left =
                    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if state.closed || left.is_some_and(|left| left.is_zero()) {
                    return None;
                }
                let mut pause = left.unwrap_or(Duration::from_secs(3600));
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
            self.counts.missed += header.first.saturating_sub(place.read.records);
            place.read.records = header.end();
            frame.again = header.first < place.again;
            frame.end = place.read;
            if frame.again {
                self.counts.doubled += u64::from(header.records);
            }
        }
        frame.alerts = lane == Lane::Alerts;
        place.furthest = place.furthest.max(place.read);
        self.handed.raise(lane as usize, place.read.records);
        Ok(())
    }

    /// After a failure: waits a little, gives the segment up after some attempts. False when the
    /// time is over.
    fn try_again(
        &mut self,
        lane: Lane,
        unread: Unread,
        error: &io::Error,
        deadline: Option<Instant>,
    ) -> bool {
        let place = &mut self.places[lane as usize];
        let is_gone = error.kind() == io::ErrorKind::NotFound;
        // It may have been dropped since it was looked up; then it is not listed any more.
        if is_gone {
            let state = self.shared.state();
            let still = state.lanes[lane as usize].behind(&place.read);
            if still.is_none_or(|still| still.number != unread.number) {
                return true;
            }
        }
        self.counts.errors += 1;
        self.attempts += 1;
        place.file = None;
        if is_gone || self.attempts >= ATTEMPTS {
            let path = files::segment(&self.shared.directory, lane, unread.number);
            tracing::warn!("spool: {} can't be read, it is passed over: {error}", path.display());
            (place.read.segment, place.read.offset) = (unread.number, unread.end);
            self.attempts = 0;
            return true;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        std::thread::sleep(left.map_or(PAUSE, |left| left.min(PAUSE)));
        left.is_none_or(|left| !left.is_zero())
    }

    fn store_or_tell(&mut self, forced: bool) {
        if let Err(error) = self.store(forced) {
            tracing::warn!("spool: cursor of {} can't be stored: {error}", self.name);
        }
    }

    /// Stores what is committed, and lets go of segments that nobody needs any more.
    fn store(&mut self, forced: bool) -> io::Result<()> {
        let cursor = [self.places[0].committed, self.places[1].committed];
        self.stored = Instant::now();
        cursor::store(&self.shared.directory, &self.name, &cursor, forced)?;
        self.is_dirty = false;
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.stored = cursor;
        }
        drop(state);
        self.shared.collect();
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.is_dirty {
            self.store_or_tell(self.shared.forced);
        }
        let mut state = self.shared.state();
        if let Some(known) = state.readers.iter_mut().find(|reader| reader.name == self.name) {
            known.present = false;
        }
    }
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
