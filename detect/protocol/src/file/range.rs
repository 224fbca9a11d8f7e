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

/// Cost of bytes that wait beside themselves: parts may be of one byte each.
const WAITING_COST: u64 = 64;

/// Microseconds between two searches for files whose time is over.
const SEARCH_INTERVAL: u64 = 1_000_000;

#[derive(Debug)]
struct Whole {
    file: File,
    /// The largest announced size.
    total: u64,
    /// Bytes that wait, by where they belong.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// How many there are.
    queued: u64,
    /// Memory that was charged for it.
    charged: u64,
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

    /// Moves bytes whose turn has come out of the queue.
    fn advance(&mut self) {
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > self.file.size {
                break;
            }
            let (at, bytes) = first.remove_entry();
            self.queued = self.queued.saturating_sub(bytes.len() as u64);
            self.append(at, &bytes);
        }
    }

    fn cost(&self, key: &[u8]) -> u64 {
        let waiting = self.queued + self.waiting.len() as u64 * WAITING_COST;
        ENTRY_COST + key.len() as u64 + waiting + self.file.held_len() as u64
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
    searched: Timestamp,
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

    /// Parts and files that were given up for lack of memory (`http.byterange.memcap`).
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
            if now.since_us(self.searched) >= SEARCH_INTERVAL {
                self.expire(now);
            }
            let cost = ENTRY_COST + key.len() as u64;
            if self.used.saturating_add(cost) > self.settings.memory {
                self.shed += 1;
                return None;
            }
            self.used += cost;
            let whole = Whole {
                file: File::open(Some(name), settings),
                total,
                waiting: BTreeMap::new(),
                queued: 0,
                charged: cost,
                touched: now,
            };
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
        if part.waiting_at.is_some() || !whole.append(at, bytes) {
            let start = *part.waiting_at.get_or_insert(at);
            let queued = whole.waiting.entry(start).or_default();
            // Bytes of another part may wait at the same place: the first to come stay.
            if at.checked_sub(start) == Some(queued.len() as u64) {
                queued.extend_from_slice(bytes);
                whole.queued += bytes.len() as u64;
            }
        }
        self.charge(&part.key);
    }

    /// Bytes of a part were lost. Where the file has got to, it has the hole; elsewhere another
    /// part may still bring them.
    pub fn gap(&mut self, part: &mut RangePart, len: u64, now: Timestamp) {
        let at = part.at;
        part.at = part.at.saturating_add(len);
        part.waiting_at = None;
        let Some(whole) = self.wholes.get_mut(&part.key) else { return };
        whole.touched = now;
        if let Some(known) = whole.file.size.checked_sub(at)
            && known < len
        {
            whole.file.gap(len - known);
        }
    }

    /// A part has ended: the whole, when that is complete with it.
    pub fn close(&mut self, part: RangePart, now: Timestamp) -> Option<File> {
        let whole = self.wholes.get_mut(&part.key)?;
        whole.touched = now;
        whole.advance();
        if whole.file.size < whole.total || whole.total == 0 {
            self.charge(&part.key);
            return None;
        }
        let mut whole = self.remove(&part.key)?;
        whole.file.close();
        Some(whole.file)
    }

    /// Forgets files that nothing came for; what they had so far is lost.
    pub fn expire(&mut self, now: Timestamp) {
        self.searched = now;
        let timeout = self.settings.timeout.saturating_mul(1_000_000);
        let old = self.wholes.iter().filter(|(_, whole)| now.since_us(whole.touched) > timeout);
        let old: Vec<_> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            self.remove(&key);
        }
    }

    /// Counts what a file holds by now; one that goes over the limit is given up.
    fn charge(&mut self, key: &[u8]) {
        let Some(whole) = self.wholes.get_mut(key) else { return };
        let cost = whole.cost(key);
        self.used = self.used.saturating_sub(whole.charged).saturating_add(cost);
        whole.charged = cost;
        if self.used > self.settings.memory {
            self.shed += 1;
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Whole> {
        let whole = self.wholes.remove(key)?;
        self.used = self.used.saturating_sub(whole.charged);
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
    fn many_small_parts_cost_more_than_their_bytes() {
        let mut ranges = Ranges::new(RangeSettings { memory: 10_000, timeout: 60 });
        for at in 0..200 {
            give(&mut ranges, 2 + at * 2, b"x", 1000);
        }
        assert!(ranges.shed() > 0 && ranges.used() <= 10_000, "{}", ranges.used());
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
        assert_eq!((ranges.used(), ranges.shed()), (0, 1));
        // What the file holds for rules counts as well.
        assert_eq!(give(&mut ranges, 0, &[0; 200], 300), None);
        assert_eq!((ranges.used(), ranges.shed()), (0, 2));
        let settings = FileSettings::default();
        assert!(ranges.open(b"one", b"n", (0, 9), &settings, NOW).is_some());
        assert!(ranges.open(b"another", b"n", (0, 9), &settings, NOW).is_none());
        let later = Timestamp::from_seconds(1061);
        assert!(ranges.open(b"another", b"n", (0, 9), &settings, later).is_some());
    }

    #[test]
    fn a_hole_in_the_whole() {
        let settings = FileSettings::default();
        let mut ranges = Ranges::new(RangeSettings::default());
        let mut part = ranges.open(b"k", b"n", (0, 6), &settings, NOW).unwrap();
        ranges.append(&mut part, b"01", NOW);
        ranges.gap(&mut part, 2, NOW);
        ranges.append(&mut part, b"45", NOW);
        let file = ranges.close(part, NOW).unwrap();
        assert_eq!((file.state, file.gaps, file.size), (FileState::Truncated, true, 6));
        // A hole further on is filled by another part.
        let mut early = ranges.open(b"k", b"n", (2, 6), &settings, NOW).unwrap();
        ranges.gap(&mut early, 2, NOW);
        ranges.append(&mut early, b"45", NOW);
        assert!(ranges.close(early, NOW).is_none());
        let mut rest = ranges.open(b"k", b"n", (0, 6), &settings, NOW).unwrap();
        ranges.append(&mut rest, b"0123", NOW);
        let file = ranges.close(rest, NOW).unwrap();
        assert_eq!((file.gaps, file.view(0).bytes), (false, b"012345".as_slice()));
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
