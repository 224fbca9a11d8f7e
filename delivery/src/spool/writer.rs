//! The writer: appends records, keeps to the limits, and forces to the disk what it has been told.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::codec::Encoder;
use super::cursor;
use super::files::{self, Lane};
use super::recovery::{Found, Recovery};
use super::sequences::Sequences;
use super::state::{Lags, Segment, Shared};
use super::told::Told;
use super::usage::{Appended, Kinds, Usage};
use super::{Full, LARGEST_RECORD, Reader, SpoolError, SpoolSettings, Sync};
use crate::record::Batch;

/// Bytes of a frame, unless a record is longer: what comes again at least when one is not
/// committed.
const FRAME: u64 = 256 << 10;
/// Bytes of a write.
const WRITE: u64 = 8 << 20;
/// Records of a segment are at most this part of their greatest age apart, so that they go in time.
const PARTS_OF_AGE: u32 = 8;

/// Writes the spool; there is one.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    settings: SpoolSettings,
    lanes: [Output; 2],
    sequences: Sequences,
    kinds: Kinds,
    /// Counts so far; what can be looked up is filled in by [`Writer::usage`].
    counts: Usage,
    synced: Instant,
    is_directory_dirty: bool,
    told: Told,
    is_open: bool,
}

/// A lane's file that grows.
#[derive(Debug)]
struct Output {
    file: Option<File>,
    /// Number of the file, or of the one to be made.
    number: u64,
    length: u64,
    /// Number of the next record.
    next: u64,
    encoder: Encoder,
    is_dirty: bool,
    oldest: u64,
    trouble: Option<String>,
}

impl Writer {
    /// From what was found on opening.
    pub(super) fn new(settings: &SpoolSettings, found: Found) -> (Self, Recovery) {
        let mut settings = settings.clone();
        // Room is made by whole segments, so there must be several.
        settings.segment = settings.segment.min(settings.limit / 8).max(1);
        let frame = FRAME.min(settings.segment) as usize;
        let lanes = Lane::ALL.map(|lane| {
            let next = found.shared.state().lane(lane).next;
            let number = found.numbers[lane as usize];
            let (encoder, file, trouble) = (Encoder::new(frame), None, None);
            Output { file, number, length: 0, next, encoder, is_dirty: false, oldest: 0, trouble }
        });
        let mut writer = Self {
            shared: Arc::new(found.shared),
            counts: Usage { limit: settings.limit, ..Usage::default() },
            settings,
            lanes,
            sequences: found.sequences,
            kinds: Kinds::default(),
            synced: Instant::now(),
            is_directory_dirty: false,
            told: Told::default(),
            is_open: true,
        };
        // The limit may be lower than last time.
        writer.make_room(Lane::Alerts, 0);
        (writer, found.recovery)
    }

    /// Appends records, alerts to their own files. What finds no room or can't be written is
    /// counted; the next call tries again.
    pub fn append(&mut self, batches: &[Batch]) -> Appended {
        let now = milliseconds();
        let mut is_reserved = true;
        for batch in batches {
            let end = batch.first.saturating_add(batch.count());
            is_reserved &= self.sequences.reach(batch.worker, end);
        }
        if !is_reserved {
            self.reserve();
        }
        for output in &mut self.lanes {
            output.encoder.begin(output.next, now);
        }
        let most = WRITE.min(self.settings.segment) as usize;
        let mut done = Appended::default();
        for record in batches.iter().flat_map(Batch::records) {
            if record.bytes.len() > LARGEST_RECORD {
                self.kinds.add(record.kind());
                done.shed += 1;
                continue;
            }
            let lane = Lane::of(record.is_alert());
            let encoder = &mut self.lanes[lane as usize].encoder;
            encoder.push(&record);
            if encoder.bytes().len() >= most {
                self.flush(lane, now, &mut done);
            }
        }
        for lane in Lane::ALL {
            self.flush(lane, now, &mut done);
        }
        if self.settings.sync == Sync::Always {
            self.sync();
        }
        done
    }

    /// Does what is due: forcing to the disk, dropping what is too old, reserving numbers. To be
    /// called several times in an interval of [`Sync::Every`], at least once a second.
    pub fn tick(&mut self, now: Instant) {
        if let Sync::Every(interval) = self.settings.sync
            && now.saturating_duration_since(self.synced) >= interval
        {
            self.synced = now;
            self.sync();
        }
        if let Some(age) = self.settings.age {
            self.expire(age);
        }
        if self.sequences.is_short() {
            self.reserve();
        }
    }

    /// Forces to the disk what has been written.
    pub fn sync(&mut self) {
        for lane in Lane::ALL {
            let output = &mut self.lanes[lane as usize];
            if output.is_dirty
                && let Some(file) = &output.file
            {
                output.is_dirty = false;
                let result = file.sync_data();
                if !self.is_synced(result) {
                    // What the kernel could not write it may have dropped, and would say so once.
                    self.seal(lane);
                }
            }
        }
        if std::mem::take(&mut self.is_directory_dirty) {
            let result = files::sync_directory(&self.shared.directory);
            self.is_synced(result);
        }
    }

    /// The first sequence number that a worker may use; it must not number from anywhere else.
    pub fn next_sequence(&self, worker: u16) -> u64 {
        self.sequences.next(worker)
    }

    /// Takes down that a worker has used the numbers below `next` for records that will never be
    /// appended, so that they show as a loss and don't come again.
    pub fn reach_sequence(&mut self, worker: u16, next: u64) {
        if !self.sequences.reach(worker, next) {
            self.reserve();
        }
    }

    /// A reader, which goes on behind what it has committed; a new one begins with the oldest.
    ///
    /// # Errors
    /// [`SpoolError::Registered`] while there is one of this name; [`SpoolError::Name`];
    /// [`SpoolError::File`] when its files can't be written.
    pub fn register(&self, name: &str) -> Result<Reader, SpoolError> {
        Reader::open(&self.shared, name)
    }

    /// Forgets readers that are not named, so that nothing is kept for them; those that are being
    /// used stay. Returns who was forgotten.
    pub fn forget_readers_except(&mut self, names: &[&str]) -> Vec<String> {
        let mut forgotten = Vec::new();
        self.shared.state().readers.retain(|reader| {
            let stays = reader.present || names.contains(&reader.name.as_str());
            if !stays {
                forgotten.push(reader.name.clone());
            }
            stays
        });
        for name in &forgotten {
            cursor::forget(&self.shared.directory, name);
        }
        self.shared.collect();
        forgotten
    }

    /// Readers that are not named, for which something is kept all the same.
    pub fn readers_except(&self, names: &[&str]) -> Vec<String> {
        let state = self.shared.state();
        let others = state.readers.iter().filter(|reader| !names.contains(&reader.name.as_str()));
        others.map(|reader| reader.name.clone()).collect()
    }

    /// What readers have before them, to be asked at any time.
    pub(crate) fn lags(&self) -> Lags {
        Lags::of_all(&self.shared)
    }

    /// The spool's state.
    pub fn usage(&self) -> Usage {
        let mut usage = self.counts.clone();
        usage.shed.clone_from(&self.kinds.0);
        usage.trouble = self.lanes.iter().find_map(|output| output.trouble.clone());
        let state = self.shared.state();
        usage.bytes = state.bytes();
        let mut oldest = None;
        for segment in state.lanes.iter().flat_map(|lane| &lane.list) {
            usage.segments += 1;
            usage.records += segment.end.saturating_sub(segment.first);
            if segment.length > 0 {
                oldest = Some(oldest.unwrap_or(u64::MAX).min(segment.oldest));
            }
        }
        usage.oldest_age =
            oldest.map(|time| Duration::from_millis(milliseconds().saturating_sub(time)));
        usage
    }

    /// Ends: forces everything to the disk and stores the exact sequence numbers, so that the next
    /// start leaves no hole. Dropping does the same and tells no errors.
    ///
    /// # Errors
    /// [`SpoolError::File`] when the numbers can't be stored; the next start leaves a hole then.
    pub fn close(mut self) -> Result<(), SpoolError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SpoolError> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        for lane in Lane::ALL {
            self.seal(lane);
        }
        if self.settings.sync != Sync::Never {
            self.sync();
        }
        let stored = self.sequences.close();
        self.shared.state().closed = true;
        self.shared.arrived.notify_all();
        self.shared.collect();
        let path = self.shared.directory.join("sequences");
        stored.map_err(|why| SpoolError::File { path, why })
    }

    fn reserve(&mut self) {
        if let Err(error) = self.sequences.reserve() {
            self.counts.reserve_errors += 1;
            self.counts.write_errors += 1;
            self.tell(|| format!("sequence numbers can't be reserved: {error}"));
        }
    }

    fn is_synced(&mut self, result: io::Result<()>) -> bool {
        if let Err(error) = &result {
            self.counts.sync_errors += 1;
            self.tell(|| format!("data can't be forced to the disk: {error}"));
        }
        result.is_ok()
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told.is_due() {
            tracing::warn!("spool: {}: {}", self.shared.directory.display(), what());
        }
    }

    /// Writes what has been encoded for a lane.
    fn flush(&mut self, lane: Lane, now: u64, done: &mut Appended) {
        let output = &mut self.lanes[lane as usize];
        output.encoder.close();
        let (bytes, records) = (output.encoder.bytes().len() as u64, output.encoder.records());
        if records == 0 {
            return;
        }
        if self.make_room(lane, bytes) && self.write_or_displace(lane, now) {
            self.counts.appended += records;
            done.records += records;
            done.bytes += bytes;
            done.alerts += if lane == Lane::Alerts { records } else { 0 };
        } else {
            done.shed += records;
            let kinds = &mut self.kinds;
            self.lanes[lane as usize].encoder.each(|record| kinds.add(record.kind()));
        }
        let output = &mut self.lanes[lane as usize];
        output.encoder.begin(output.next, now);
    }

    /// Writes; when the disk is full, again after dropping what would go first at the limit.
    /// Nothing is dropped when that would not make enough room.
    fn write_or_displace(&mut self, lane: Lane, now: u64) -> bool {
        let mut result = self.write(lane, now);
        let wanted = self.lanes[lane as usize].encoder.bytes().len() as u64;
        let mut freed = 0;
        while freed < wanted
            && result.as_ref().is_err_and(files::is_full)
            && self.may_go(lane) >= wanted - freed
            && let Some(victim) = self.victim(lane)
        {
            self.counts.write_errors += 1;
            let before = self.shared.state().bytes();
            self.drop_oldest(victim);
            freed += before.saturating_sub(self.shared.state().bytes());
            result = self.write(lane, now);
        }
        let trouble = &mut self.lanes[lane as usize].trouble;
        match result {
            Ok(()) => {
                if trouble.take().is_some() {
                    tracing::info!("spool: records can be written again");
                }
                true
            }
            Err(error) => {
                *trouble = Some(error.to_string());
                self.counts.write_errors += 1;
                self.tell(|| format!("records can't be written: {error}"));
                false
            }
        }
    }

    fn write(&mut self, lane: Lane, now: u64) -> io::Result<()> {
        let output = &self.lanes[lane as usize];
        let size = output.encoder.bytes().len() as u64;
        let apart = self.settings.age.map(|age| (age / PARTS_OF_AGE).as_millis() as u64);
        let is_old = apart.is_some_and(|apart| now.saturating_sub(output.oldest) > apart);
        if output.length > 0 && (output.length + size > self.settings.segment || is_old) {
            self.seal(lane);
        }
        if self.lanes[lane as usize].file.is_none() {
            self.begin_segment(lane)?;
        }
        let output = &mut self.lanes[lane as usize];
        let Some(file) = &output.file else { return Ok(()) };
        if let Err(error) = file.write_all_at(output.encoder.bytes(), output.length) {
            // Nothing half written may stay; where it can't be cut off, nothing may follow it.
            if file.set_len(output.length).is_err() {
                self.seal(lane);
            }
            return Err(error);
        }
        if output.length == 0 {
            output.oldest = now;
        }
        let records = output.encoder.records();
        output.length += size;
        output.next += records;
        output.is_dirty = true;
        let mut state = self.shared.state();
        state.lane(lane).grow(size, records, now);
        if state.waiting > 0 {
            self.shared.arrived.notify_all();
        }
        Ok(())
    }

    fn begin_segment(&mut self, lane: Lane) -> io::Result<()> {
        let output = &mut self.lanes[lane as usize];
        let path = files::segment(&self.shared.directory, lane, output.number);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if file.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            output.number += 1;
        }
        output.file = Some(file?);
        output.length = 0;
        self.is_directory_dirty = self.settings.sync != Sync::Never;
        let (number, first, end) = (output.number, output.next, output.next);
        let (length, before, oldest, newest, sealed) = (0, 0, 0, 0, false);
        let segment = Segment { number, length, before, first, end, oldest, newest, sealed };
        self.shared.state().lane(lane).push(segment);
        Ok(())
    }

    /// Ends the segment that grows.
    fn seal(&mut self, lane: Lane) {
        let output = &mut self.lanes[lane as usize];
        let Some(file) = output.file.take() else { return };
        let number = output.number;
        output.number += 1;
        if std::mem::take(&mut output.length) == 0 {
            // Nothing could be written to it.
            self.shared.state().lane(lane).list.pop_back();
            files::remove(&files::segment(&self.shared.directory, lane, number));
            return;
        }
        if std::mem::take(&mut output.is_dirty) && self.settings.sync != Sync::Never {
            self.is_synced(file.sync_data());
        }
        if let Some(last) = self.shared.state().lane(lane).list.back_mut() {
            last.sealed = true;
        }
        self.shared.collect();
    }

    /// Keeps to the limit. False when there is no room for so many bytes, and none is to be made.
    fn make_room(&mut self, lane: Lane, bytes: u64) -> bool {
        loop {
            let all = self.shared.state().bytes();
            if all.saturating_add(bytes) <= self.settings.limit {
                return true;
            }
            let is_enough =
                all.saturating_sub(self.may_go(lane)).saturating_add(bytes) <= self.settings.limit;
            let victim = if is_enough { self.victim(lane) } else { None };
            self.tell(|| match victim {
                Some(_) => "it is full: the oldest records go".to_owned(),
                None => "it is full: records find no room".to_owned(),
            });
            let Some(victim) = victim else { return false };
            self.drop_oldest(victim);
        }
    }

    /// Bytes that may be dropped for records of a lane.
    fn may_go(&self, lane: Lane) -> u64 {
        let mut state = self.shared.state();
        let (all, alerts) = (state.bytes(), state.lane(Lane::Alerts).bytes);
        match (lane, self.settings.full) {
            (Lane::Alerts, Full::DropOldest) => all,
            (Lane::Events, Full::DropNewest) => 0,
            _ => all - alerts,
        }
    }

    /// Whose oldest segment goes for records of a lane: alerts go last, and only for alerts.
    fn victim(&self, lane: Lane) -> Option<Lane> {
        let mut state = self.shared.state();
        let has_events = state.lane(Lane::Events).bytes > 0;
        let has_alerts = state.lane(Lane::Alerts).bytes > 0;
        match (lane, self.settings.full) {
            (Lane::Events, Full::DropOldest) | (Lane::Alerts, _) if has_events => {
                Some(Lane::Events)
            }
            (Lane::Alerts, Full::DropOldest) if has_alerts => Some(Lane::Alerts),
            _ => None,
        }
    }

    fn drop_oldest(&mut self, lane: Lane) {
        let dropped = self.remove_oldest(lane);
        match lane {
            Lane::Alerts => self.counts.dropped_alerts += dropped,
            Lane::Events => self.counts.dropped_events += dropped,
        }
    }

    /// Removes a lane's oldest segment; tells how many of its records somebody has not read.
    fn remove_oldest(&mut self, lane: Lane) -> u64 {
        let grows = self.shared.state().lane(lane).list.front().is_some_and(|s| !s.sealed);
        if grows {
            // What is removed needs no forcing to the disk.
            self.lanes[lane as usize].is_dirty = false;
            self.seal(lane);
        }
        let mut state = self.shared.state();
        let Some(segment) = state.lane(lane).pop() else { return 0 };
        let unread = state.unread(lane, &segment);
        drop(state);
        files::remove(&files::segment(&self.shared.directory, lane, segment.number));
        unread
    }

    fn expire(&mut self, age: Duration) {
        let limit = milliseconds().saturating_sub(age.as_millis() as u64);
        for lane in Lane::ALL {
            loop {
                let mut state = self.shared.state();
                let oldest = state.lane(lane).list.front();
                let is_old = oldest.is_some_and(|s| s.length > 0 && s.newest < limit);
                drop(state);
                if !is_old {
                    break;
                }
                self.counts.expired += self.remove_oldest(lane);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!("{error}");
        }
    }
}

fn milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}
