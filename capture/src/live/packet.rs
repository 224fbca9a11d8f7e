//! A lane of packet sockets: the frames of an interface that the kernel deals out to one worker.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;

use afpacket::{Error, Frame, Ring, Statistics};

use super::comeback::Comeback;
use super::figures::{LaneFigures, add};

/// Frames taken from the ring at a time.
const WINDOW: usize = 256;
/// LINKTYPE_ETHERNET, for a lane that has no ring.
const ETHERNET: u16 = 1;

/// A ring, and what of it is in use; or only what it takes to get one when the interface comes
/// back.
#[derive(Debug)]
pub(super) struct PacketLane {
    ring: Option<Ring>,
    pub(super) interface: u32,
    comeback: Option<Comeback>,
    /// It has a ring only if the interface comes back: until then others capture.
    in_reserve: bool,
    /// The interface is not there any more.
    is_gone: bool,
    /// The kernel must have some blocks to fill; so many may be held.
    most_blocks: usize,
    /// Frames that were taken and not given back.
    outstanding: usize,
    /// There are frames, and no more blocks may be held.
    pub(super) is_full: bool,
    /// When the last frame arrived.
    newest_ns: u64,
    /// Up to when there were no frames that the kernel had not handed over.
    clear_ns: u64,
    /// What rings before this one counted.
    earlier: Statistics,
}

impl PacketLane {
    /// A lane with a ring of so many blocks.
    pub(super) fn new(ring: Ring, interface: u32, blocks: u32, comeback: Option<Comeback>) -> Self {
        let lane = Self::in_reserve(interface, blocks, comeback);
        Self { ring: Some(ring), in_reserve: false, ..lane }
    }

    /// A lane for an interface of AF_XDP that goes away and comes back.
    pub(super) fn in_reserve(interface: u32, blocks: u32, comeback: Option<Comeback>) -> Self {
        Self {
            ring: None,
            interface,
            comeback,
            in_reserve: true,
            is_gone: false,
            most_blocks: (blocks as usize / 2).max(1),
            outstanding: 0,
            is_full: false,
            newest_ns: 0,
            clear_ns: 0,
            earlier: Statistics::default(),
        }
    }

    pub(super) fn link_type(&self) -> u16 {
        self.ring.as_ref().map_or(ETHERNET, Ring::link_type)
    }

    /// Whether frames come in through it.
    pub(super) fn is_active(&self) -> bool {
        self.ring.is_some()
    }

    /// Frames that were taken and not given back.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// The socket, if it is worth waiting for: while blocks are held it always says that there
    /// is something.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.ring.as_ref().filter(|ring| ring.in_hand() == 0).map(Ring::as_fd)
    }

    /// Publishes what the kernel counted. Says whether the interface is down or gone.
    pub(super) fn publish(&mut self, figures: &LaneFigures) -> bool {
        if let Some(ring) = &mut self.ring
            && let Ok(counts) = ring.statistics()
        {
            figures.offered.store(self.earlier.packets + counts.packets, Relaxed);
            figures.ring_drops.store(self.earlier.drops + counts.drops, Relaxed);
            figures.invalid.store(self.earlier.unread + counts.unread, Relaxed);
        }
        match &self.ring {
            Some(ring) => match ring.check() {
                Ok(()) => false,
                Err(error) => {
                    self.is_gone = matches!(error, Error::InterfaceGone { .. });
                    true
                }
            },
            None => {
                if self.in_reserve && !self.is_gone {
                    self.is_gone = self.comeback.as_ref().is_some_and(Comeback::is_gone);
                }
                self.is_gone
            }
        }
    }

    /// Looks whether an interface that is gone has come back, and goes on with it. Says whether
    /// it wants to do more soon.
    pub(super) fn tend(&mut self, now_ns: u64, figures: &LaneFigures) -> bool {
        if !self.is_gone || self.comeback.is_none() {
            return false;
        }
        if !self.retire(figures) {
            return true;
        }
        let Some(comeback) = &mut self.comeback else { return false };
        figures.stranded.store(comeback.is_exhausted(), Relaxed);
        if let Some(ring) = comeback.go_on(now_ns) {
            self.ring = Some(ring);
            self.is_gone = false;
            self.clear_ns = 0;
            add(&figures.reopened, 1);
            figures.down.store(false, Relaxed);
            return false;
        }
        comeback.is_meeting()
    }

    /// Moves on to further frames unless enough are held: calls `take` for each with its block and
    /// its place there. With `all` as many as there are and may be. Says up to when all frames
    /// have been taken, given that at `seen_ns` the ring holds what arrived before.
    pub(super) fn drain(
        &mut self,
        seen_ns: u64,
        all: bool,
        mut take: impl FnMut(u32, u32, Frame<'_>),
    ) -> u64 {
        let Some(ring) = &mut self.ring else { return u64::MAX };
        self.is_full = false;
        loop {
            if self.outstanding >= WINDOW && !all {
                return self.newest_ns;
            }
            let Some(taken) = ring.take(WINDOW, self.most_blocks) else { break };
            for (index, frame) in (taken.first..).zip(ring.taken(taken)) {
                self.newest_ns = frame.timestamp_ns;
                take(taken.block, index, frame);
            }
            self.outstanding += taken.count as usize;
        }
        if ring.has_frames() {
            self.is_full = true;
            return self.newest_ns;
        }
        // Frames may wait in a block that the kernel has not handed over.
        if !ring.is_pending() {
            self.clear_ns = seen_ns;
        }
        self.clear_ns.max(self.newest_ns)
    }

    /// Whether there are frames to come, of those that have arrived.
    pub(super) fn is_pending(&self) -> bool {
        self.ring.as_ref().is_some_and(Ring::is_pending)
    }

    /// Nothing more comes in.
    pub(super) fn close(&self) {
        if let Some(ring) = &self.ring {
            // An interface that is gone brings nothing.
            let _ = ring.close();
        }
    }

    /// A frame that was taken.
    #[inline]
    pub(super) fn frame(&self, block: u32, index: u32) -> Option<Frame<'_>> {
        self.ring.as_ref()?.taken_frame(block, index)
    }

    /// A frame of a block is not needed any more.
    #[inline]
    pub(super) fn give_back(&mut self, block: u32) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some(ring) = &mut self.ring {
            ring.give_back(block, 1);
        }
    }

    /// Closes the ring on an interface that is gone once its last frames were taken and given
    /// back.
    fn retire(&mut self, figures: &LaneFigures) -> bool {
        let Some(ring) = &mut self.ring else { return true };
        if self.outstanding > 0 || ring.is_pending() {
            return false;
        }
        if let Ok(counts) = ring.statistics() {
            self.earlier.packets += counts.packets;
            self.earlier.drops += counts.drops;
            self.earlier.unread += counts.unread;
            figures.offered.store(self.earlier.packets, Relaxed);
            figures.ring_drops.store(self.earlier.drops, Relaxed);
            figures.invalid.store(self.earlier.unread, Relaxed);
        }
        self.ring = None;
        true
    }
}
