//! A lane of packet sockets: the frames of an interface that the kernel deals out to one worker.

use afpacket::{Frame, Ring};

use super::PacketSettings;
use super::figures::LaneFigures;

/// Frames taken from the ring at a time.
const WINDOW: usize = 256;

/// A ring, and how much of its present window is still in use.
#[derive(Debug)]
pub(super) struct PacketLane {
    ring: Ring,
    pub(super) interface: u32,
    timeout_ns: u64,
    /// Frames of the window that were not given back yet.
    outstanding: usize,
    /// When the last of them arrived.
    newest_ns: u64,
}

impl PacketLane {
    pub(super) fn new(ring: Ring, interface: u32, settings: &PacketSettings) -> PacketLane {
        let timeout_ns = u64::from(settings.block_timeout_ms) * 1_000_000;
        PacketLane { ring, interface, timeout_ns, outstanding: 0, newest_ns: 0 }
    }

    pub(super) fn link_type(&self) -> u16 {
        self.ring.link_type()
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Publishes what the kernel counted, and whether the interface is there.
    pub(super) fn publish(&mut self, figures: &LaneFigures) {
        use std::sync::atomic::Ordering::Relaxed;
        if let Ok(counts) = self.ring.statistics() {
            figures.offered.store(counts.packets, Relaxed);
            figures.ring_drops.store(counts.drops, Relaxed);
            figures.invalid.store(counts.unread, Relaxed);
        }
        figures.down.store(self.ring.check().is_err(), Relaxed);
    }

    /// Moves on to the next window when the last one has been given back: calls `take` for each
    /// of its frames with its index. Says up to when all frames have been delivered, given that
    /// at `seen_ns` the ring holds what arrived before.
    pub(super) fn drain(&mut self, seen_ns: u64, mut take: impl FnMut(u32, Frame<'_>)) -> u64 {
        if self.outstanding == 0 {
            self.outstanding = self.ring.next_frames(WINDOW);
            for (index, frame) in self.ring.frames().enumerate() {
                self.newest_ns = self.newest_ns.max(frame.timestamp_ns);
                take(index as u32, frame);
            }
        }
        match self.outstanding {
            // The kernel may hold back a block that is not full.
            0 => seen_ns.saturating_sub(self.timeout_ns),
            _ => self.newest_ns,
        }
    }

    pub(super) fn bytes(&self, index: u32) -> &[u8] {
        self.ring.frame(index as usize).map_or(&[], |frame| frame.bytes)
    }

    /// A frame of the window is not needed any more.
    pub(super) fn give_back(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }
}
