//! Parts of one file that come in pieces, on any flow, joined to the whole.
//!
//! A part that starts where the file has got to is appended as it comes; earlier bytes are
//! skipped; later ones wait in memory, within a limit, until the file has got there.

use std::collections::{BTreeMap, HashMap};

use decode::Timestamp;

use super::{File, FileSettings};

/// Limits of the joined files.
#[derive(Clone, Copy, Debug)]
pub struct RangeSettings {
    /// Bytes that may wait, for all files together (`byterange.memcap`).
    pub memory: u64,
    /// Seconds after which an untouched file is forgotten (`byterange.timeout`).
    pub timeout: u64,
}

impl Default for RangeSettings {
    fn default() -> Self {
        Self { memory: 100 << 20, timeout: 60 }
    }
}

/// Cost of an entry beside its bytes.
const ENTRY_COST: u64 = 512;

#[derive(Debug)]
struct Whole {
    file: File,
    /// The largest announced size.
    total: u64,
    /// Bytes that wait, by where they belong.
    waiting: BTreeMap<u64, Vec<u8>>,
    touched: Timestamp,
}

impl Whole {
    /// Appends what fits at the end of the file.
    fn append(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Some(known) = self.file.size.checked_sub(at) else { return false };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.file.append(new);
        }
        true
    }

    /// Moves bytes whose turn has come out of the queue; how many left it.
    fn advance(&mut self) -> u64 {
        let mut moved = 0;
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > self.file.size {
                break;
            }
            let (at, bytes) = first.remove_entry();
            moved += bytes.len() as u64;
            self.append(at, &bytes);
        }
        moved
    }
}

/// A part that is on its way.
#[derive(Debug)]
pub struct RangePart {
    key: Box<[u8]>,
    /// Where its next byte belongs.
    at: u64,
    /// Where its first byte that waits belongs.
    waiting_at: Option<u64>,
}

/// Files that are being put together.
#[derive(Debug, Default)]
pub struct Ranges {
    settings: RangeSettings,
    wholes: HashMap<Box<[u8]>, Whole>,
    used: u64,
    shed: u64,
}

impl Ranges {
    /// None yet.
    pub fn new(settings: RangeSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Memory in use (`http.byterange.memuse`).
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Parts that were given up for lack of memory.
    pub const fn shed(&self) -> u64 {
        self.shed
    }

    /// Starts a part. `key` names the whole (host and name); `total` is its announced size.
    pub fn open(
        &mut self,
        key: &[u8],
        name: &[u8],
        (first, total): (u64, u64),
        settings: &FileSettings,
        now: Timestamp,
    ) -> Option<RangePart> {
        if !self.wholes.contains_key(key) {
            self.expire(now);
            let cost = ENTRY_COST + key.len() as u64;
            if !self.charge(cost) {
                return None;
            }
            let file = File::open(Some(name), settings);
            let whole = Whole { file, total, waiting: BTreeMap::new(), touched: now };
            self.wholes.insert(key.into(), whole);
        }
        let whole = self.wholes.get_mut(key)?;
        whole.total = whole.total.max(total);
        whole.touched = now;
        Some(RangePart { key: key.into(), at: first, waiting_at: None })
    }

    /// More bytes of a part.
    pub fn append(&mut self, part: &mut RangePart, bytes: &[u8], now: Timestamp) {
        let at = part.at;
        part.at = part.at.saturating_add(bytes.len() as u64);
        let Some(whole) = self.wholes.get_mut(&part.key) else { return };
        whole.touched = now;
        if part.waiting_at.is_some_and(|start| !whole.waiting.contains_key(&start)) {
            // The turn of what waited has come meanwhile.
            part.waiting_at = None;
        }
        if part.waiting_at.is_none() && whole.append(at, bytes) {
            return;
        }
        let start = *part.waiting_at.get_or_insert(at);
        let room = self.used.saturating_add(bytes.len() as u64) <= self.settings.memory;
        let queued = whole.waiting.entry(start).or_default();
        // Bytes of another part may wait at the same place: the first to come stay.
        let expected = at.checked_sub(start) == Some(queued.len() as u64);
        if !room {
            self.shed += 1;
        } else if expected {
            queued.extend_from_slice(bytes);
            self.used += bytes.len() as u64;
        }
    }

    /// A part has ended: the whole, when that is complete with it.
    pub fn close(&mut self, part: RangePart, now: Timestamp) -> Option<File> {
        let whole = self.wholes.get_mut(&part.key)?;
        whole.touched = now;
        self.used = self.used.saturating_sub(whole.advance());
        if whole.file.size < whole.total || whole.total == 0 {
            return None;
        }
        let mut whole = self.remove(&part.key)?;
        whole.file.close();
        Some(whole.file)
    }

    /// Forgets files that nothing came for; what they had so far is lost.
    pub fn expire(&mut self, now: Timestamp) {
        let timeout = self.settings.timeout.saturating_mul(1_000_000);
        let old = self.wholes.iter().filter(|(_, whole)| now.since_us(whole.touched) > timeout);
        let old: Vec<_> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            self.remove(&key);
        }
    }

    fn charge(&mut self, cost: u64) -> bool {
        let fits = self.used.saturating_add(cost) <= self.settings.memory;
        if fits {
            self.used += cost;
        } else {
            self.shed += 1;
        }
        fits
    }

    fn remove(&mut self, key: &[u8]) -> Option<Whole> {
        let whole = self.wholes.remove(key)?;
        let waiting: u64 = whole.waiting.values().map(|bytes| bytes.len() as u64).sum();
        self.used = self.used.saturating_sub(ENTRY_COST + key.len() as u64 + waiting);
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use decode::Timestamp;

    use super::{RangeSettings, Ranges};
    use crate::file::{FileSettings, FileState};

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn give(ranges: &mut Ranges, first: u64, bytes: &[u8], total: u64) -> Option<Vec<u8>> {
        let settings = FileSettings::default();
        let mut part = ranges.open(b"host/file", b"/file", (first, total), &settings, NOW)?;
        for piece in bytes.chunks(2) {
            ranges.append(&mut part, piece, NOW);
        }
        let file = ranges.close(part, NOW)?;
        assert_eq!((file.state, file.size), (FileState::Closed, total));
        Some(file.view(0).bytes.to_vec())
    }

    #[test]
    fn parts_in_any_order_make_the_whole() {
        let check = |parts: &[(u64, &[u8])]| {
            let mut ranges = Ranges::new(RangeSettings::default());
            let (last, early) = parts.split_last().unwrap();
            for (first, bytes) in early {
                assert_eq!(give(&mut ranges, *first, bytes, 10), None, "{parts:?}");
            }
            assert_eq!(give(&mut ranges, last.0, last.1, 10).unwrap(), b"0123456789", "{parts:?}");
            assert_eq!(ranges.used(), 0);
        };
        check(&[(0, b"01234"), (5, b"56789")]);
        check(&[(5, b"56789"), (0, b"01234")]);
        check(&[(0, b"0123"), (2, b"234567"), (0, b"01"), (7, b"789")]);
        check(&[(6, b"6789"), (3, b"345"), (3, b"345"), (0, b"012")]);
    }

    #[test]
    fn parts_at_the_same_time() {
        let settings = FileSettings::default();
        let mut ranges = Ranges::new(RangeSettings::default());
        let mut a = ranges.open(b"k", b"n", (0, 6), &settings, NOW).unwrap();
        let mut b = ranges.open(b"k", b"n", (3, 6), &settings, NOW).unwrap();
        ranges.append(&mut b, b"3", NOW);
        ranges.append(&mut a, b"012", NOW);
        let c = ranges.open(b"k", b"n", (0, 6), &settings, NOW).unwrap();
        assert!(ranges.close(c, NOW).is_none());
        ranges.append(&mut b, b"45", NOW);
        assert_eq!(ranges.close(a, NOW).unwrap().view(0).bytes, b"012345");
        assert!(ranges.close(b, NOW).is_none());
    }

    #[test]
    fn memory_and_time_are_limited() {
        let mut ranges = Ranges::new(RangeSettings { memory: 600, timeout: 60 });
        assert_eq!(give(&mut ranges, 100, &[0; 200], 300), None);
        assert!(ranges.used() <= 600 && ranges.shed() > 0);
        let settings = FileSettings::default();
        assert!(ranges.open(b"another", b"n", (0, 9), &settings, NOW).is_none());
        let later = Timestamp::from_seconds(1061);
        assert!(ranges.open(b"another", b"n", (0, 9), &settings, later).is_some());
    }

    proptest::proptest! {
        #[test]
        fn used_memory_is_what_waits(
            parts in proptest::collection::vec((0u64..50, 0usize..20), 0..30),
        ) {
            let mut ranges = Ranges::new(RangeSettings { memory: 700, timeout: 60 });
            for (first, len) in parts {
                give(&mut ranges, first, &vec![0; len], 1000);
                proptest::prop_assert!(ranges.used() <= 700);
            }
            ranges.expire(Timestamp::from_seconds(9999));
            proptest::prop_assert_eq!(ranges.used(), 0);
        }
    }
}
