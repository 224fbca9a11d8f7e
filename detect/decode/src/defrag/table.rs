//! The trackers, found by their packet's key, with limits on their number and memory.

use std::net::IpAddr;

use crate::counters::DefragCounters;
use crate::defrag::overlap::DefragPolicy;
use crate::defrag::tracker::{Fragment, Insertion, Tracker};
use crate::packet::{Packet, VlanIds};
use crate::settings::DefragSettings;
use crate::time::Timestamp;

/// What a tracker and a piece count against the memory limit besides their data.
const TRACKER_COST: u64 = 256;
const PIECE_COST: u64 = 32;
/// Slots that a sweep looks at for each frame.
const SWEEP_STEP: usize = 64;
const NONE: u32 = u32::MAX;

/// What fragments of the same packet have in common; the addresses in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    low: IpAddr,
    high: IpAddr,
    id: u32,
    proto: u8,
    vlan: VlanIds,
}

impl Key {
    pub(super) fn new(packet: &Packet<'_>, id: u32) -> Self {
        Self {
            low: packet.src.min(packet.dst),
            high: packet.src.max(packet.dst),
            id,
            proto: packet.proto,
            vlan: packet.vlan,
        }
    }

    fn hash(&self, seed: u64) -> u64 {
        let words = [words_of(self.low), words_of(self.high)];
        let tail = u64::from(self.id) << 8 | u64::from(self.proto);
        let vlan = self.vlan.ids.iter().fold(0, |hash, &id| hash << 16 | u64::from(id));
        let all = words.as_flattened().iter().copied().chain([tail, vlan]);
        all.fold(seed, |hash, word| mix(hash ^ word))
    }
}

fn words_of(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

/// Spreads every bit of `word` over the result: both halves of a wide product.
fn mix(word: u64) -> u64 {
    let product = u128::from(word ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

/// The table: rows of chained slots.
#[derive(Debug)]
pub(super) struct Table {
    /// First slot of each row.
    rows: Vec<u32>,
    slots: Vec<Option<Tracker>>,
    free: Vec<u32>,
    in_use: usize,
    /// Pieces held by all trackers.
    pieces: usize,
    memuse: u64,
    memcap: u64,
    max_pieces: usize,
    row_count: usize,
    seed: u64,
    /// Where the sweep goes on, where it ends, and the second in which it began.
    sweep_at: usize,
    sweep_end: usize,
    swept_second: u64,
    /// Where the search for a tracker to reuse goes on.
    reuse_at: usize,
}

impl Table {
    pub(super) fn new(settings: &DefragSettings) -> Self {
        let preallocated = if settings.prealloc { settings.trackers as usize } else { 0 };
        Self {
            rows: Vec::new(),
            slots: Vec::with_capacity(preallocated),
            free: Vec::with_capacity(preallocated),
            in_use: 0,
            pieces: 0,
            memuse: 0,
            memcap: settings.memcap,
            max_pieces: settings.max_frags as usize,
            row_count: settings.hash_size.max(1) as usize,
            seed: settings.hash_seed,
            sweep_at: 0,
            sweep_end: 0,
            swept_second: 0,
            reuse_at: 0,
        }
    }

    /// Number of trackers, finished ones that were not swept yet included.
    pub(super) const fn in_use(&self) -> usize {
        self.in_use
    }

    /// The unfinished tracker for `key`. Expired trackers met on the way are freed.
    pub(super) fn find(
        &mut self,
        key: &Key,
        now: Timestamp,
        counters: &mut DefragCounters,
    ) -> Option<u32> {
        let mut index = self.rows.get(self.row_of(key)).copied()?;
        while index != NONE {
            let tracker = self.get(index)?;
            let next = tracker.next;
            if tracker.has_expired(now) {
                self.remove(index);
                counters.wrk_tracker_timeout += 1;
                counters.memuse = self.memuse;
            } else if tracker.key == *key {
                return Some(index);
            }
            index = next;
        }
        None
    }

    /// A new tracker for `key`, at the cost of another one if memory is short.
    pub(super) fn create(
        &mut self,
        key: Key,
        policy: DefragPolicy,
        timeout: u32,
        now: Timestamp,
        counters: &mut DefragCounters,
    ) -> Option<u32> {
        while self.memuse.saturating_add(TRACKER_COST) > self.memcap {
            if !self.reuse(counters) {
                counters.max_trackers_reached += 1;
                return None;
            }
        }
        if self.rows.is_empty() {
            self.rows = vec![NONE; self.row_count];
        }
        let row = self.row_of(&key);
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        let mut tracker = Tracker::new(key, policy, timeout, now);
        let first = self.rows.get_mut(row)?;
        tracker.next = std::mem::replace(first, index);
        *self.slots.get_mut(index as usize)? = Some(tracker);
        self.in_use += 1;
        self.memuse += TRACKER_COST;
        counters.memuse = self.memuse;
        Some(index)
    }

    /// Takes a fragment in; the whole packet if that completes it.
    pub(super) fn insert(
        &mut self,
        index: u32,
        fragment: &Fragment<'_>,
        now: Timestamp,
        counters: &mut DefragCounters,
    ) -> (Insertion, Option<Vec<u8>>) {
        let needed = PIECE_COST + (fragment.payload.len() + fragment.header.len()) as u64;
        let full =
            self.pieces >= self.max_pieces || self.memuse.saturating_add(needed) > self.memcap;
        let Some(tracker) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return (Insertion::Ignored, None);
        };
        let (pieces, cost) = (tracker.pieces(), cost_of(tracker));
        let mut insertion = Insertion::Ignored;
        let mut whole = None;
        if full || tracker.is_full() {
            counters.max_frags_reached += 1;
            tracker.finish();
        } else {
            let overlap = tracker.insert(fragment);
            tracker.touch(now);
            insertion = if overlap { Insertion::Overlap } else { Insertion::Clean };
            whole = tracker.assemble();
            if whole.is_some() {
                tracker.finish();
            }
        }
        self.pieces = self.pieces + tracker.pieces() - pieces;
        self.memuse = self.memuse + cost_of(tracker) - cost;
        counters.memuse = self.memuse;
        (insertion, whole)
    }

    /// Frees expired trackers among the next slots, in a round that begins with each second.
    pub(super) fn sweep(&mut self, now: Timestamp, counters: &mut DefragCounters) {
        if self.sweep_at >= self.sweep_end {
            if now.seconds() <= self.swept_second {
                return;
            }
            self.swept_second = now.seconds();
            (self.sweep_at, self.sweep_end) = (0, self.slots.len());
        }
        let end = self.sweep_end.min(self.sweep_at + SWEEP_STEP);
        for at in self.sweep_at..end {
            let index = at as u32;
            if self.get(index).is_some_and(|tracker| tracker.has_expired(now)) {
                self.remove(index);
                counters.mgr_tracker_timeout += 1;
            }
        }
        self.sweep_at = end;
        counters.memuse = self.memuse;
    }

    /// Frees a tracker for another's sake, wherever the last search ended; false if there is
    /// none.
    fn reuse(&mut self, counters: &mut DefragCounters) -> bool {
        for _ in 0..self.slots.len() {
            let at = self.reuse_at % self.slots.len();
            self.reuse_at = at + 1;
            let Some(finished) = self.get(at as u32).map(|tracker| tracker.finished) else {
                continue;
            };
            self.remove(at as u32);
            if finished {
                counters.tracker_soft_reuse += 1;
            } else {
                counters.tracker_hard_reuse += 1;
            }
            return true;
        }
        false
    }

    fn get(&self, index: u32) -> Option<&Tracker> {
        self.slots.get(index as usize)?.as_ref()
    }

    fn row_of(&self, key: &Key) -> usize {
        (key.hash(self.seed) % self.row_count as u64) as usize
    }

    /// Takes a tracker out of its row and frees its slot.
    fn remove(&mut self, index: u32) {
        let Some(tracker) = self.slots.get_mut(index as usize).and_then(Option::take) else {
            return;
        };
        self.in_use -= 1;
        self.pieces -= tracker.pieces();
        self.memuse -= TRACKER_COST + cost_of(&tracker);
        self.free.push(index);
        let row = self.row_of(&tracker.key);
        let mut link = self.rows.get_mut(row);
        while let Some(next) = link {
            if *next == index {
                *next = tracker.next;
                return;
            }
            let at = *next as usize;
            link = match self.slots.get_mut(at) {
                Some(Some(other)) => Some(&mut other.next),
                _ => None,
            };
        }
    }
}

/// What a tracker's fragments count against the memory limit.
fn cost_of(tracker: &Tracker) -> u64 {
    tracker.pieces() as u64 * PIECE_COST + tracker.data_len() as u64
}
