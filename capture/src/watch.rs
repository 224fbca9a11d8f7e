//! A directory into which captures are put while it is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::{Batch, ReadError, Received, Sequence, Source, SourceStatistics};

/// How a directory is watched; names and defaults are those of Suricata 8's `pcap-file` section.
#[derive(Clone, Copy, Debug)]
pub struct WatchSettings {
    /// Directories within it are read as well (`recursive`).
    pub recursive: bool,
    /// So long a file must have been left alone before it is read (`delay`).
    pub delay: Duration,
    /// Time between two looks (`poll-interval`).
    pub poll: Duration,
    /// Files are removed once they have been read without a fault (`delete-when-done`).
    pub delete: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        let (delay, poll) = (Duration::from_secs(30), Duration::from_secs(5));
        Self { recursive: false, delay, poll, delete: false }
    }
}

/// Reads the files of a directory in the order of their time, then waits for new ones, forever.
pub struct Watch {
    directory: PathBuf,
    settings: WatchSettings,
    /// Time of the last file that was taken; older ones are never taken.
    newest: Option<SystemTime>,
    next_look: Instant,
    /// The files taken so far.
    files: Sequence,
}

/// Longest wait of one call, so that its caller can look after other things.
const NAP: Duration = Duration::from_millis(100);
/// Directories within directories are followed down to here.
const DEEPEST: usize = 64;

impl Watch {
    /// Begins with the files that are there.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn new(directory: &Path, settings: WatchSettings) -> Result<Self, ReadError> {
        let mut watch = Self {
            directory: directory.to_owned(),
            settings,
            newest: None,
            next_look: Instant::now(),
            files: Sequence::new(Vec::new()).deleting(settings.delete),
        };
        watch.look(SystemTime::now())?;
        Ok(watch)
    }

    /// Takes in the files that came since the last look.
    fn look(&mut self, now: SystemTime) -> Result<(), ReadError> {
        self.next_look = Instant::now() + self.settings.poll;
        let before = now.checked_sub(self.settings.delay).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut found = Vec::new();
        list(&self.directory, self.settings.recursive, 0, &mut found)?;
        found.retain(|(time, _)| *time <= before && self.newest.is_none_or(|last| *time > last));
        found.sort();
        if let Some((time, _)) = found.last() {
            self.newest = Some(*time);
        }
        self.files.extend(found.into_iter().map(|(_, path)| path));
        Ok(())
    }
}

fn list(
    directory: &Path,
    recursive: bool,
    depth: usize,
    found: &mut Vec<(SystemTime, PathBuf)>,
) -> Result<(), ReadError> {
    let failed = |cause| ReadError::List { directory: directory.display().to_string(), cause };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        // What went away meanwhile is not there.
        let Ok(about) = fs::metadata(&path) else { continue };
        if about.is_file() {
            found.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
        } else if about.is_dir() && recursive && depth < DEEPEST && !path.is_symlink() {
            // A directory that went away, or may not be read, hides no others.
            let _ = list(&path, recursive, depth + 1, found);
        }
    }
    Ok(())
}

impl Source for Watch {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        loop {
            match self.files.receive(max) {
                Ok(Received::End) => {}
                other => return other,
            }
            let now = Instant::now();
            if now < self.next_look {
                thread::sleep(NAP.min(self.next_look - now));
                return Ok(Received::Idle);
            }
            self.look(SystemTime::now())?;
        }
    }

    fn batch(&self) -> Batch<'_> {
        self.files.batch()
    }

    fn statistics(&self) -> SourceStatistics {
        self.files.statistics()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, LinkType, write_pcap};

    fn put(directory: &Path, name: &str, frames: usize) {
        let link_type = LinkType(1);
        let bytes = &[7; 60];
        let (interface, file) = (0, 0);
        let (timestamp_us, wire_len, no_checksum) = (1, 60, false);
        let frame =
            Frame { timestamp_us, bytes, wire_len, link_type, interface, file, no_checksum };
        let file = write_pcap(Vec::new(), link_type, std::iter::repeat_n(frame, frames)).unwrap();
        fs::write(directory.join(name), file).unwrap();
    }

    /// Frames until nothing comes for a while.
    fn frames(watch: &mut Watch) -> usize {
        let (mut frames, mut idle) = (0, 0);
        while idle < 3 {
            match watch.receive(64).unwrap() {
                Received::Frames => (frames, idle) = (frames + watch.batch().len(), 0),
                Received::Idle => idle += 1,
                Received::End => panic!("a watch has no end"),
            }
        }
        frames
    }

    #[test]
    fn files_that_come_later_are_read_once_and_removed_if_wanted() {
        for delete in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            put(directory.path(), "one", 3);
            let zero = Duration::ZERO;
            let settings = WatchSettings { delay: zero, poll: zero, delete, recursive: true };
            let settings = WatchSettings { poll: Duration::from_millis(1), ..settings };
            let mut watch = Watch::new(directory.path(), settings).unwrap();
            assert_eq!(frames(&mut watch), 3);
            thread::sleep(Duration::from_millis(20));
            fs::create_dir(directory.path().join("within")).unwrap();
            put(directory.path(), "within/two", 5);
            assert_eq!(frames(&mut watch), 5);
            assert_eq!(frames(&mut watch), 0);
            assert_eq!(directory.path().join("one").exists(), !delete);
            assert_eq!(directory.path().join("within/two").exists(), !delete);
        }
    }

    #[test]
    fn a_file_that_may_still_grow_waits() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "young", 3);
        let poll = Duration::from_millis(1);
        let settings = WatchSettings { poll, ..WatchSettings::default() };
        let mut watch = Watch::new(directory.path(), settings).unwrap();
        assert_eq!(frames(&mut watch), 0);
        watch.look(SystemTime::now() + Duration::from_secs(31)).unwrap();
        assert_eq!(frames(&mut watch), 3);
    }
}
