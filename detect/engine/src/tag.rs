//! Tags: packets that are logged after a rule with `tag` matched.

use std::collections::HashMap;
use std::net::IpAddr;

use decode::Timestamp;
use rules::rule::Tag;

/// A tag in force.
#[derive(Clone, Copy, Debug)]
pub struct TagState {
    /// What the rule asked for.
    pub tag: Tag,
    /// Rule that set it.
    pub sid: u32,
    /// When it was set.
    pub start: Timestamp,
    /// When it last counted a packet.
    pub last: Timestamp,
    /// Packets seen since.
    pub packets: u32,
    /// Bytes seen since.
    pub bytes: u64,
}

/// Packets that a tag without number logs, and the most for the unit packets.
pub const DEFAULT_PACKETS: u32 = 256;
/// Tags in force at a time on one flow or host.
pub const MAX_TAGS: usize = 10;
/// Most tags of hosts in force at a time.
pub const MAX_HOST_TAGS: usize = 4096;
/// A tag that counted no packet for so many seconds makes room for others, as in Suricata 8.
const IDLE_SECONDS: u64 = 600;

impl TagState {
    /// A tag set by the packet at `now`, which is counted.
    pub const fn new(tag: Tag, sid: u32, now: Timestamp) -> Self {
        Self { tag, sid, start: now, last: now, packets: 1, bytes: 0 }
    }

    /// Counts a packet; true when it is to be logged, none when the tag is used up.
    pub fn count(&mut self, now: Timestamp, len: usize) -> Option<bool> {
        self.last = now;
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len as u64);
        let over = match self.tag.unit {
            0 => {
                let most = if self.tag.count == 0 { DEFAULT_PACKETS } else { self.tag.count };
                self.packets > most.min(DEFAULT_PACKETS)
            }
            1 => self.time_is_over(now),
            _ => self.bytes > u64::from(self.tag.count),
        };
        (!over).then_some(true)
    }

    /// Nothing, or nothing more, is to be expected of it.
    fn is_dead(&self, now: Timestamp) -> bool {
        let idle = now.seconds().saturating_sub(self.last.seconds());
        self.tag.unit == 1 && self.time_is_over(now) || idle > IDLE_SECONDS
    }

    fn time_is_over(&self, now: Timestamp) -> bool {
        now.seconds().saturating_sub(self.start.seconds()) > u64::from(self.tag.count)
    }
}

/// The tags of hosts in force.
#[derive(Debug, Default)]
pub struct HostTags {
    by_address: HashMap<IpAddr, Vec<TagState>>,
    count: usize,
    /// When dead ones were last looked for.
    swept: Timestamp,
    /// Tags that were not set because there were too many.
    pub refused: u64,
}

impl HostTags {
    /// Sets a tag, or sets it anew if its rule had set it; false if there is no room.
    pub fn set(&mut self, address: IpAddr, state: TagState) -> bool {
        let known = self.by_address.get_mut(&address);
        let mine = known.as_ref().map_or(0, |tags| tags.len());
        if let Some(same) = known.and_then(|tags| tags.iter_mut().find(|t| t.sid == state.sid)) {
            *same = state;
            return true;
        }
        if mine >= MAX_TAGS || !self.make_room(state.start) {
            self.refused += 1;
            return false;
        }
        self.by_address.entry(address).or_default().push(state);
        self.count += 1;
        true
    }

    /// Counts a packet on the tags of its hosts; the rule of one that wants it logged.
    pub fn count(&mut self, ends: (IpAddr, IpAddr), now: Timestamp, len: usize) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let source = self.count_host(ends.0, now, len);
        let destination = if ends.0 == ends.1 { None } else { self.count_host(ends.1, now, len) };
        source.or(destination)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// True when there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn count_host(&mut self, address: IpAddr, now: Timestamp, len: usize) -> Option<u32> {
        let tags = self.by_address.get_mut(&address)?;
        let before = tags.len();
        tags.retain_mut(|tag| tag.count(now, len).is_some());
        self.count -= before - tags.len();
        let first = tags.first().map(|tag| tag.sid);
        if tags.is_empty() {
            self.by_address.remove(&address);
        }
        first
    }

    /// True when there is room for one more. A full table is searched for dead ones at most once a
    /// second, since a flood of new addresses fills it again.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.count < MAX_HOST_TAGS {
            return true;
        }
        if now.since_us(self.swept) >= 1_000_000 || now < self.swept {
            self.swept = now;
            self.by_address.retain(|_, tags| {
                tags.retain(|tag| !tag.is_dead(now));
                !tags.is_empty()
            });
            self.count = self.by_address.values().map(Vec::len).sum();
        }
        self.count < MAX_HOST_TAGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + second)
    }

    fn host(number: usize) -> IpAddr {
        IpAddr::from((number as u32).to_be_bytes())
    }

    fn state(unit: u8, count: u32, sid: u32, second: u64) -> TagState {
        TagState::new(Tag { host: true, dst: false, unit, count }, sid, at(second))
    }

    fn full(unit: u8, count: u32) -> HostTags {
        let mut tags = HostTags::default();
        for number in 0..MAX_HOST_TAGS {
            assert!(tags.set(host(number), state(unit, count, 1, 0)));
        }
        assert!(!tags.set(host(MAX_HOST_TAGS), state(unit, count, 1, 0)));
        assert_eq!((tags.len(), tags.refused), (MAX_HOST_TAGS, 1));
        tags
    }

    /// A table full of tags set at second 0 takes another from this second on.
    #[test]
    fn dead_tags_make_room() {
        for (unit, count, first) in [(1, 30, 31), (0, 100, 601), (2, 5000, 601), (1, 9000, 601)] {
            let mut tags = full(unit, count);
            let other = host(MAX_HOST_TAGS);
            assert!(!tags.set(other, state(unit, count, 1, first - 1)), "{unit} {count}");
            assert!(tags.set(other, state(unit, count, 1, first)), "{unit} {count}");
            assert_eq!((tags.len(), tags.refused), (1, 2), "{unit} {count}");
        }
    }

    #[test]
    fn what_still_counts_is_kept() {
        let mut tags = full(0, 100);
        assert_eq!(tags.count((host(7), host(8)), at(500), 60), Some(1));
        assert!(tags.set(host(MAX_HOST_TAGS), state(0, 100, 1, 601)));
        assert_eq!(tags.len(), 3);
        assert_eq!(tags.count((host(9), host(8)), at(602), 60), Some(1));
        assert_eq!(tags.count((host(9), host(10)), at(602), 60), None);
    }

    #[test]
    fn a_full_table_is_searched_once_a_second() {
        let mut tags = full(1, 30);
        // All are dead from second 31 on, but were looked at half a second before.
        for (micros, room) in [(30_500_000, false), (31_499_999, false), (31_500_000, true)] {
            let start = Timestamp(at(0).0 + micros);
            let other = TagState { start, ..state(1, 30, 1, 30) };
            assert_eq!(tags.set(host(MAX_HOST_TAGS), other), room, "{micros}");
        }
    }

    #[test]
    fn a_host_has_few_tags_and_each_ends() {
        let mut tags = HostTags::default();
        for sid in 0..=MAX_TAGS as u32 {
            assert_eq!(tags.set(host(1), state(0, 2 + sid, sid, 0)), sid < MAX_TAGS as u32);
        }
        assert!(tags.set(host(1), state(0, 2, 0, 0)), "set anew");
        assert_eq!((tags.len(), tags.refused), (MAX_TAGS, 1));
        let seen: Vec<_> =
            (0..MAX_TAGS).map(|_| tags.count((host(2), host(1)), at(1), 1)).collect();
        let want: Vec<_> = (0..MAX_TAGS as u32).map(Some).collect();
        assert_eq!(seen, want);
        assert_eq!(tags.count((host(1), host(1)), at(1), 1), None);
        assert!(tags.is_empty() && tags.by_address.is_empty());
    }
}
