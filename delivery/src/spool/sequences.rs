//! Sequence numbers that never come twice: each worker's are reserved on disk before their use.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::files;

/// Numbers that are reserved at a time; more for workers that use them up within a second.
pub(super) const RESERVED: u64 = 65_536;
const MOST_RESERVED: u64 = 1 << 24;
/// Bytes that the file may have: 65,536 workers, with room to spare.
const LARGEST_FILE: u64 = 4 << 20;

/// The numbers of all workers.
#[derive(Debug)]
pub(super) struct Sequences {
    path: PathBuf,
    workers: BTreeMap<u16, Numbers>,
    /// Where workers begin that are not known.
    start: u64,
    step: u64,
    reserved_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// The next one.
    next: u64,
    /// All below are reserved on disk.
    reserved: u64,
}

impl Sequences {
    /// Reads the file; true when it was damaged, so that numbers begin where none can have been.
    pub(super) fn load(directory: &Path) -> io::Result<(Self, bool)> {
        let path = directory.join("sequences");
        let mut workers = BTreeMap::new();
        let mut is_damaged = false;
        // A worker that this folder does not know may have numbers from another one, of which
        // receivers remember the records. Microseconds since 1970: nobody counts faster than that.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let start = now.unwrap_or_default().as_micros() as u64;
        if let Some(bytes) = files::read_small(&path, LARGEST_FILE)? {
            match parse(&bytes) {
                Some(known) => workers = known,
                None => is_damaged = true,
            }
        }
        Ok((Self { path, workers, start, step: RESERVED, reserved_at: None }, is_damaged))
    }

    /// The first number that a worker may use.
    pub(super) fn next(&self, worker: u16) -> u64 {
        self.workers.get(&worker).map_or(self.start, |numbers| numbers.next)
    }

    /// Takes down that a worker has used the numbers below `end`. False when that is more than is
    /// reserved: then [`Sequences::reserve`] must come before they are used any further.
    pub(super) fn reach(&mut self, worker: u16, end: u64) -> bool {
        let start = self.start;
        let numbers = self.workers.entry(worker).or_insert(Numbers { next: start, reserved: 0 });
        numbers.next = numbers.next.max(end);
        numbers.next <= numbers.reserved
    }

    /// True when a worker has used up half of what is reserved for it in this run.
    pub(super) fn is_short(&self) -> bool {
        let half = self.step / 2;
        self.reserved_at.is_some()
            && self.workers.values().any(|n| n.reserved.saturating_sub(n.next) < half)
    }

    /// Reserves numbers for all workers, on disk.
    pub(super) fn reserve(&mut self) -> io::Result<()> {
        let now = Instant::now();
        match self.reserved_at.map(|before| now.duration_since(before)) {
            Some(past) if past < Duration::from_secs(1) => {
                self.step = (self.step * 2).min(MOST_RESERVED);
            }
            Some(past) if past > Duration::from_secs(60) => {
                self.step = (self.step / 2).max(RESERVED);
            }
            _ => {}
        }
        let step = self.step;
        self.store(|numbers| numbers.reserved.max(numbers.next.saturating_add(step)))?;
        for numbers in self.workers.values_mut() {
            numbers.reserved = numbers.reserved.max(numbers.next.saturating_add(step));
        }
        self.reserved_at = Some(now);
        Ok(())
    }

    /// Stores the numbers that really come next: nothing is used any more in this run.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if self.reserved_at.is_none() {
            return Ok(());
        }
        self.store(|numbers| numbers.next)
    }

    fn store(&self, value: impl Fn(&Numbers) -> u64) -> io::Result<()> {
        let mut text = String::new();
        for (worker, numbers) in &self.workers {
            let _ = writeln!(text, "{worker} {}", value(numbers));
        }
        let check = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "check {check:08x}");
        files::replace(&self.path, text.as_bytes(), true)
    }
}

fn parse(bytes: &[u8]) -> Option<BTreeMap<u16, Numbers>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let end = text.rfind("check ")?;
    let (lines, check) = text.split_at_checked(end)?;
    let check = check.strip_prefix("check ")?.strip_suffix('\n')?;
    if u32::from_str_radix(check, 16).ok()? != crc32c::crc32c(lines.as_bytes()) {
        return None;
    }
    let mut workers = BTreeMap::new();
    for line in lines.lines() {
        let (worker, next) = line.split_once(' ')?;
        let next = next.parse().ok()?;
        workers.insert(worker.parse().ok()?, Numbers { next, reserved: next });
    }
    Some(workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(directory: &Path) -> Sequences {
        let (sequences, is_damaged) = Sequences::load(directory).unwrap();
        assert!(!is_damaged);
        sequences
    }

    #[test]
    fn a_clean_end_leaves_no_hole_and_a_crash_none_twice() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = load(directory.path());
        let base = first.next(3);
        assert!(base > 1 << 50, "receivers may know records of another folder");
        assert!(!first.reach(3, base + 10), "nothing is reserved");
        first.reserve().unwrap();
        assert!(first.reach(3, base + 10 + RESERVED));
        assert!(first.is_short());
        assert!(!first.reach(3, base + 11 + RESERVED));
        // As if the process had died here.
        assert_eq!(load(directory.path()).next(3), base + 10 + RESERVED);
        first.close().unwrap();
        let second = load(directory.path());
        assert_eq!(second.next(3), base + 11 + RESERVED);
        assert!(second.next(4) > base, "another worker begins where nobody has been");
    }

    #[test]
    fn a_damaged_file_makes_numbers_begin_far_ahead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sequences");
        for damaged in [&b""[..], b"check 00000001\n", b"1 7\n", b"1 x\ncheck 0\n", b"\xff\xfe"] {
            std::fs::write(&path, damaged).unwrap();
            let (sequences, is_damaged) = Sequences::load(directory.path()).unwrap();
            assert!(is_damaged && sequences.next(0) > 1 << 50, "{damaged:?}");
        }
    }
}
