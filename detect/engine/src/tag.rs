//! Tags: packets that are logged after a rule with `tag` matched.

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
    /// Packets seen since.
    pub packets: u32,
    /// Bytes seen since.
    pub bytes: u64,
}

/// Packets that a tag without number logs, and the most for the unit packets.
pub const DEFAULT_PACKETS: u32 = 256;
/// Tags in force at a time on one flow or host.
pub const MAX_TAGS: usize = 10;

impl TagState {
    /// A tag set by the packet at `now`, which is counted.
    pub const fn new(tag: Tag, sid: u32, now: Timestamp) -> Self {
        Self { tag, sid, start: now, packets: 1, bytes: 0 }
    }

    /// Counts a packet; true when it is to be logged, none when the tag is used up.
    pub fn count(&mut self, now: Timestamp, len: usize) -> Option<bool> {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len as u64);
        let over = match self.tag.unit {
            0 => {
                let most = if self.tag.count == 0 { DEFAULT_PACKETS } else { self.tag.count };
                self.packets > most.min(DEFAULT_PACKETS)
            }
            1 => now.seconds().saturating_sub(self.start.seconds()) > u64::from(self.tag.count),
            _ => self.bytes > u64::from(self.tag.count),
        };
        (!over).then_some(true)
    }
}
