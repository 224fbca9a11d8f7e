//! What a ring has counted.

/// Counts since a ring was opened. Nothing is lost without a count: `packets` is the sum of
/// `drops`, `frames`, `unread` and what still waits in the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that the kernel had for this socket (after the filter), with those it dropped.
    pub packets: u64,
    /// Packets that the kernel dropped because no block was free.
    pub drops: u64,
    /// How often the kernel found no free block and stopped filling.
    pub freezes: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Blocks that the kernel handed over.
    pub blocks: u64,
    /// Headers of blocks or frames with impossible values; each ends its block.
    pub malformed: u64,
    /// Frames not delivered because of such a header.
    pub unread: u64,
}

impl Statistics {
    /// Adds what the kernel counted since it was last asked (it starts anew each time). Its drops
    /// are part of its packets.
    pub(crate) fn add_kernel(&mut self, counts: &libc::tpacket_stats_v3) {
        self.packets = self.packets.saturating_add(counts.tp_packets.into());
        self.drops = self.drops.saturating_add(counts.tp_drops.into());
        self.freezes = self.freezes.saturating_add(counts.tp_freeze_q_cnt.into());
    }
}
