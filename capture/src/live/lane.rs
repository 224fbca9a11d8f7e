//! A lane: where frames of one interface come in to one worker.

use std::os::fd::{AsFd, BorrowedFd};

use super::figures::LaneFigures;
use super::hand_over::{Bytes, Exchange};
use super::order::{Arrivals, Held};
use super::packet::PacketLane;
use super::xdp::XdpLane;
use crate::LinkType;

/// Where the bytes of a frame are.
#[derive(Debug)]
pub(super) enum Place {
    /// In a ring of a packet socket: the block, and which of its frames.
    Packet { block: u32, index: u32 },
    /// In the memory of AF_XDP.
    Xdp(Lent),
}

/// Bytes of AF_XDP.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) bytes: Bytes,
    /// How many they are.
    pub(super) captured: u32,
    pub(super) interface: u32,
    /// The worker that has lent it.
    pub(super) from: u16,
    /// Which area they are in.
    pub(super) area: u16,
}

/// One of the kinds of lanes.
#[derive(Debug)]
pub(super) enum Lane {
    /// A packet socket.
    Packet(PacketLane),
    /// A queue of AF_XDP.
    Xdp(XdpLane),
}

/// What a worker takes at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// What arrived before is in the lanes.
    pub(super) seen_ns: u64,
    /// As much as there is: something waits for the frames of other lanes.
    pub(super) all: bool,
    /// So many frames of AF_XDP may be held.
    pub(super) room: usize,
}

impl Lane {
    /// Index of the interface.
    pub(super) fn interface(&self) -> u32 {
        match self {
            Self::Packet(lane) => lane.interface,
            Self::Xdp(lane) => lane.interface,
        }
    }

    pub(super) fn link_type(&self) -> LinkType {
        match self {
            Self::Packet(lane) => LinkType(lane.link_type()),
            Self::Xdp(_) => LinkType::ETHERNET,
        }
    }

    /// Whether frames for other workers may come in through it.
    pub(super) fn hands_over(&self) -> bool {
        matches!(self, Self::Xdp(_))
    }

    /// Whether frames come in through it, and not only if an interface comes back.
    pub(super) fn is_active(&self) -> bool {
        match self {
            Self::Packet(lane) => lane.is_active(),
            Self::Xdp(_) => true,
        }
    }

    /// There are more frames than may be held.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Packet(lane) if lane.is_full)
    }

    /// Frames of packet sockets that were taken and not given back.
    pub(super) fn outstanding(&self) -> usize {
        match self {
            Self::Packet(lane) => lane.outstanding(),
            Self::Xdp(_) => 0,
        }
    }

    /// Adds the frames that wait in the lane to `order`, as those of lane `own`, and passes those
    /// of other workers on. Says up to when all frames have been taken.
    pub(super) fn drain(
        &mut self,
        own: u16,
        wanted: Wanted,
        order: &mut Arrivals<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) -> u64 {
        match self {
            Self::Packet(lane) => lane.drain(wanted.seen_ns, wanted.all, |block, index, frame| {
                let held = Held {
                    timestamp_ns: frame.timestamp_ns,
                    wire_len: frame.wire_len,
                    captured: frame.bytes.len() as u32,
                    lane: own,
                    place: Place::Packet { block, index },
                };
                order.hold(usize::from(own), held);
            }),
            Self::Xdp(lane) => lane.drain(own, wanted, order, exchange, figures),
        }
    }

    /// Whether there are frames to come, of those that have arrived.
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Packet(lane) => lane.is_pending(),
            Self::Xdp(lane) => lane.is_pending(),
        }
    }

    /// Nothing more comes in. What brings frames to queues of AF_XDP is taken away elsewhere.
    pub(super) fn close(&self) {
        if let Self::Packet(lane) = self {
            lane.close();
        }
    }

    /// A frame of a packet socket.
    pub(super) fn frame(&self, block: u32, index: u32) -> Option<afpacket::Frame<'_>> {
        match self {
            Self::Packet(lane) => lane.frame(block, index),
            Self::Xdp(_) => None,
        }
    }

    /// A frame of this lane is not needed any more.
    pub(super) fn give_back(&mut self, place: Place) {
        match (self, place) {
            (Self::Packet(lane), Place::Packet { block, .. }) => lane.give_back(block),
            (Self::Xdp(lane), Place::Xdp(lent)) => lane.give_back(lent.bytes),
            _ => debug_assert!(false, "a frame goes back to the lane it came from"),
        }
    }

    /// After frames were given back.
    pub(super) fn settle(&mut self) {
        if let Self::Xdp(lane) = self {
            lane.settle();
        }
    }

    /// Before waiting.
    pub(super) fn wake(&mut self) {
        if let Self::Xdp(lane) = self {
            // An interface that is down shows in the figures.
            let _ = lane.wake();
        }
    }

    /// What to wait for, if anything.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Packet(lane) => lane.watched(),
            Self::Xdp(lane) => Some(lane.as_fd()),
        }
    }

    /// Publishes what the kernel counted. Says whether the interface is down or gone.
    pub(super) fn publish(&mut self, figures: &LaneFigures) -> bool {
        match self {
            Self::Packet(lane) => lane.publish(figures),
            Self::Xdp(lane) => lane.publish(figures),
        }
    }

    /// Looks after an interface that went away. Says whether there is more to do soon.
    pub(super) fn tend(&mut self, now_ns: u64, figures: &LaneFigures) -> bool {
        match self {
            Self::Packet(lane) => lane.tend(now_ns, figures),
            Self::Xdp(_) => false,
        }
    }
}
