//! What a worker's lanes count, for others to read while it works.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of a worker's live capture. Only the worker writes them.
#[derive(Debug)]
pub struct WorkerFigures {
    /// Of each lane, in the order of the interfaces.
    pub lanes: Vec<LaneFigures>,
    /// Rises with each call for frames: a worker whose number stands still is stalled.
    pub turns: AtomicU64,
    /// Frames that waited for others and went on without them.
    pub impatient: AtomicU64,
    /// Frames that came from other workers and were given to the detector.
    pub taken_over: AtomicU64,
    /// Their bytes on the wire.
    pub taken_over_bytes: AtomicU64,
    /// Of all frames that were given out, those that a filter then refused.
    pub filtered: AtomicU64,
}

/// Counters of a lane: of the frames of one interface that one worker takes.
#[derive(Debug, Default)]
pub struct LaneFigures {
    /// Index of the interface in the settings.
    pub interface: u32,
    /// Frames taken and given to the detector.
    pub frames: AtomicU64,
    /// Their bytes on the wire.
    pub bytes: AtomicU64,
    /// Frames that the kernel had for the lane, with those it dropped.
    pub offered: AtomicU64,
    /// Frames lost because the ring had no room.
    pub ring_drops: AtomicU64,
    /// Frames that the kernel could not put into free memory, for lack of it or their length.
    pub kernel_drops: AtomicU64,
    /// How often the kernel found no free memory in the fill ring.
    pub fill_empty: AtomicU64,
    /// Frames of other workers' flows, passed on to them.
    pub handed_over: AtomicU64,
    /// Such frames lost because the other worker's ring was full.
    pub hand_over_full: AtomicU64,
    /// Frames that were parts of longer packets.
    pub joined_frames: AtomicU64,
    /// Frames lost because the kernel's description of them made no sense.
    pub invalid: AtomicU64,
    /// How often the interface was removed, came back, and was taken up again.
    pub reopened: AtomicU64,
    /// The interface is down or gone.
    pub down: AtomicBool,
    /// It is gone, and there are no spare sockets left for when it comes back.
    pub stranded: AtomicBool,
}

/// The counters of a lane at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// Index of the interface.
    pub interface: u32,
    /// Frames given to the detector.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames that the kernel had for the lane.
    pub offered: u64,
    /// Lost for lack of room in the ring.
    pub ring_drops: u64,
    /// Lost for lack of free memory, or by their length.
    pub kernel_drops: u64,
    /// Times that there was no free memory.
    pub fill_empty: u64,
    /// Passed on to other workers.
    pub handed_over: u64,
    /// Lost because another worker's ring was full.
    pub hand_over_full: u64,
    /// Parts of longer packets.
    pub joined_frames: u64,
    /// Lost as senseless.
    pub invalid: u64,
    /// Times that the interface was removed, came back, and was taken up again.
    pub reopened: u64,
    /// The interface is down or gone.
    pub down: bool,
    /// It is gone, and there are no spare sockets left for when it comes back.
    pub stranded: bool,
}

impl WorkerFigures {
    pub(super) fn new(interfaces: impl Iterator<Item = u32>) -> WorkerFigures {
        let lane = |interface| LaneFigures { interface, ..LaneFigures::default() };
        WorkerFigures {
            lanes: interfaces.map(lane).collect(),
            turns: AtomicU64::new(0),
            impatient: AtomicU64::new(0),
            taken_over: AtomicU64::new(0),
            taken_over_bytes: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
        }
    }

    /// So many more of the frames that were given out are refused by a filter. For the worker.
    pub fn add_filtered(&self, frames: u64) {
        add(&self.filtered, frames);
    }
}

impl LaneFigures {
    /// The counters now.
    pub fn snapshot(&self) -> LaneSnapshot {
        LaneSnapshot {
            interface: self.interface,
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            offered: self.offered.load(Relaxed),
            ring_drops: self.ring_drops.load(Relaxed),
            kernel_drops: self.kernel_drops.load(Relaxed),
            fill_empty: self.fill_empty.load(Relaxed),
            handed_over: self.handed_over.load(Relaxed),
            hand_over_full: self.hand_over_full.load(Relaxed),
            joined_frames: self.joined_frames.load(Relaxed),
            invalid: self.invalid.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            down: self.down.load(Relaxed),
            stranded: self.stranded.load(Relaxed),
        }
    }
}

/// Adds to a counter that only this thread writes: no locked instruction is needed.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}
