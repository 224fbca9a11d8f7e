//! Bits that belong to an address or a pair of addresses and expire: `xbits` and `hostbits`.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use decode::Timestamp;

/// What a bit is kept with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostKey {
    /// One address.
    Host(IpAddr),
    /// Two addresses, in either order; see [`HostKey::pair`].
    Pair(IpAddr, IpAddr),
}

impl HostKey {
    /// The key of two addresses, the same in either order.
    pub fn pair(a: IpAddr, b: IpAddr) -> Self {
        Self::Pair(a.min(b), a.max(b))
    }
}

/// Limits of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostBitsSettings {
    /// Bytes that the table may take.
    pub memcap: u64,
    /// Entries allocated at the start.
    pub prealloc: u32,
}

impl Default for HostBitsSettings {
    fn default() -> Self {
        Self { memcap: 16 << 20, prealloc: 1000 }
    }
}

/// Bits of one key; further ones are refused.
const MAX_BITS: usize = 256;

/// What an entry is taken to cost, its place in the table included.
const ENTRY_COST: u64 = (size_of::<(HostKey, Vec<Bit>)>() + 16) as u64;

/// What a bit is taken to cost.
const BIT_COST: u64 = size_of::<Bit>() as u64;

#[derive(Clone, Copy, Debug)]
struct Bit {
    number: u32,
    /// Valid up to and including this time.
    expiry: Timestamp,
}

/// The bits of hosts and of pairs of hosts.
#[derive(Debug)]
pub struct HostBits {
    entries: HashMap<HostKey, Vec<Bit>, Seed>,
    settings: HostBitsSettings,
    memuse: u64,
    refused: u64,
    /// When expired entries are next swept away.
    sweep: Timestamp,
}

impl HostBits {
    /// An empty table. `seed` keeps senders from choosing their rows.
    pub fn new(settings: HostBitsSettings, seed: u64) -> Self {
        let room = u64::from(settings.prealloc).min(settings.memcap / ENTRY_COST);
        Self {
            entries: HashMap::with_capacity_and_hasher(room as usize, Seed(seed)),
            settings,
            memuse: 0,
            refused: 0,
            sweep: Timestamp::default(),
        }
    }

    /// Sets a bit for `expire` seconds; one that is set keeps its time. False if there is no
    /// memory.
    pub fn set(&mut self, key: HostKey, bit: u32, now: Timestamp, expire: u32) -> bool {
        if self.is_set(key, bit, now) {
            return true;
        }
        let fresh = !self.entries.contains_key(&key);
        let cost = BIT_COST + if fresh { ENTRY_COST } else { 0 };
        if self.memuse + cost > self.settings.memcap {
            self.sweep(now);
        }
        let bits = self.entries.get(&key).map_or(0, Vec::len);
        if self.memuse + cost > self.settings.memcap || bits >= MAX_BITS {
            self.refused += 1;
            return false;
        }
        let expiry = Timestamp(now.0.saturating_add(u64::from(expire) * 1_000_000));
        self.entries.entry(key).or_default().push(Bit { number: bit, expiry });
        self.memuse += if bits == 0 { BIT_COST + ENTRY_COST } else { BIT_COST };
        true
    }

    /// Clears a bit.
    pub fn unset(&mut self, key: HostKey, bit: u32) {
        self.retain(key, |known| known.number != bit);
    }

    /// Sets a bit that is clear and clears one that is set.
    pub fn toggle(&mut self, key: HostKey, bit: u32, now: Timestamp, expire: u32) {
        if self.is_set(key, bit, now) {
            self.unset(key, bit);
        } else {
            self.set(key, bit, now, expire);
        }
    }

    /// True if the bit is set and has not expired; one that has is removed.
    pub fn is_set(&mut self, key: HostKey, bit: u32, now: Timestamp) -> bool {
        let Some(bits) = self.entries.get(&key) else { return false };
        let Some(found) = bits.iter().find(|known| known.number == bit) else { return false };
        let valid = now <= found.expiry;
        if !valid {
            self.unset(key, bit);
        }
        valid
    }

    /// True if no key has a bit.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes in use.
    pub fn memuse(&self) -> u64 {
        self.memuse
    }

    /// Bits that were not set for lack of memory.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Removes what has expired, at most once a second.
    fn sweep(&mut self, now: Timestamp) {
        if now < self.sweep {
            return;
        }
        self.sweep = Timestamp(now.0.saturating_add(1_000_000));
        let mut memuse = 0;
        self.entries.retain(|_, bits| {
            bits.retain(|bit| now <= bit.expiry);
            memuse += if bits.is_empty() { 0 } else { cost(bits.len()) };
            !bits.is_empty()
        });
        self.memuse = memuse;
    }

    fn retain(&mut self, key: HostKey, keep: impl FnMut(&Bit) -> bool) {
        let Some(bits) = self.entries.get_mut(&key) else { return };
        let before = cost(bits.len());
        bits.retain(keep);
        let after = if bits.is_empty() { 0 } else { cost(bits.len()) };
        if after == 0 {
            self.entries.remove(&key);
        }
        self.memuse = self.memuse.saturating_sub(before - after);
    }
}

const fn cost(bits: usize) -> u64 {
    ENTRY_COST + bits as u64 * BIT_COST
}

/// Makes hashers that start from a seed.
#[derive(Clone, Copy, Debug)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Folded multiplication over eight bytes at a time.
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f)
            .wrapping_mul(u128::from(self.0.rotate_left(29) ^ 0xe703_7ed1_a0b4_28db));
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn host(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    #[test]
    fn setting_again_does_not_prolong() {
        let mut bits = HostBits::new(HostBitsSettings::default(), 1);
        let key = HostKey::Host(host(1));
        assert!(bits.set(key, 7, at(0), 3) && bits.set(key, 7, at(2), 10));
        assert!(bits.is_set(key, 7, at(3)));
        assert!(!bits.is_set(key, 7, at(4)));
        assert!(bits.is_empty() && bits.memuse() == 0);
    }

    #[test]
    fn pairs_have_no_order_and_are_not_hosts() {
        let mut bits = HostBits::new(HostBitsSettings::default(), 1);
        bits.set(HostKey::pair(host(1), host(2)), 7, at(0), 30);
        assert!(bits.is_set(HostKey::pair(host(2), host(1)), 7, at(1)));
        assert!(!bits.is_set(HostKey::Host(host(1)), 7, at(1)));
        bits.toggle(HostKey::pair(host(2), host(1)), 7, at(1), 30);
        assert!(bits.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_what_is_shed_counted() {
        let settings = HostBitsSettings { memcap: 4 * cost(1), prealloc: 0 };
        let mut bits = HostBits::new(settings, 1);
        for last in 0..10 {
            bits.set(HostKey::Host(host(last)), 1, at(0), 5);
        }
        assert_eq!(bits.refused(), 6);
        assert!(bits.memuse() <= settings.memcap);
        assert!(bits.set(HostKey::Host(host(20)), 1, at(6), 5), "expired ones make room");
    }
}
