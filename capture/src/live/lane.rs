//! A lane: where frames of one interface come in to one worker.

use std::os::fd::{AsFd, BorrowedFd};

use super::figures::LaneFigures;
use super::hand_over::{Bytes, Exchange};
use super::order::{Held, Order};
use super::packet::PacketLane;
use super::xdp::XdpLane;
use crate::LinkType;

/// Where the bytes of a frame are.
#[derive(Debug)]
pub(super) enum Place {
    /// In a ring of a packet socket: the index in its window.
    Packet(u32),
    /// In the memory of AF_XDP; `from` is the worker that has lent it.
    Xdp { bytes: Bytes, from: usize, interface: u32 },
}

/// One of the kinds of lanes.
#[derive(Debug)]
pub(super) enum Lane {
    /// A packet socket.
    Packet(PacketLane),
    /// A queue of AF_XDP.
    Xdp(XdpLane),
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

    /// Adds the frames that wait in the lane to `order`, as those of lane `own`, and passes those
    /// of other workers on. Says up to when all frames have been taken, given that what arrived
    /// before `seen_ns` is in the lane.
    pub(super) fn drain(
        &mut self,
        own: u16,
        seen_ns: u64,
        order: &mut Order<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) -> u64 {
        match self {
            Self::Packet(lane) => lane.drain(seen_ns, |index, frame| {
                order.hold(Held {
                    timestamp_ns: frame.timestamp_ns,
                    wire_len: frame.wire_len,
                    lane: own,
                    place: Place::Packet(index),
                });
            }),
            Self::Xdp(lane) => lane.drain(own, seen_ns, order, exchange, figures),
        }
    }

    /// The bytes of a frame in the window of a packet socket.
    pub(super) fn bytes(&self, index: u32) -> &[u8] {
        match self {
            Self::Packet(lane) => lane.bytes(index),
            Self::Xdp(_) => &[],
        }
    }

    /// A frame of this lane is not needed any more.
    pub(super) fn give_back(&mut self, place: Place) {
        match (self, place) {
            (Self::Packet(lane), Place::Packet(_)) => lane.give_back(),
            (Self::Xdp(lane), Place::Xdp { bytes, .. }) => lane.give_back(bytes),
            _ => debug_assert!(false, "a frame goes back to the lane it came from"),
        }
    }

    /// Before waiting.
    pub(super) fn wake(&mut self) {
        if let Self::Xdp(lane) = self {
            // An interface that is down shows in the figures.
            let _ = lane.wake();
        }
    }

    /// Publishes what the kernel counted, and whether the interface is there.
    pub(super) fn publish(&mut self, figures: &LaneFigures) {
        match self {
            Self::Packet(lane) => lane.publish(figures),
            Self::Xdp(lane) => lane.publish(figures),
        }
    }
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Packet(lane) => lane.ring().as_fd(),
            Self::Xdp(lane) => lane.as_fd(),
        }
    }
}
