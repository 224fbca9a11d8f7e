//! A lane of AF_XDP: the frames of one queue of an interface, and who owns their flows.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use afpacket::Promiscuous;
use afxdp::{Area, Frame, Queue};
use rustix::time::{ClockId, clock_gettime};
use steer::{HashSettings, Link, METADATA_LEN, read_metadata};

use super::figures::{LaneFigures, add};
use super::hand_over::{Bytes, Exchange, Passed};
use super::lane::{Lent, Place, Wanted};
use super::order::{Arrivals, Held};
use super::steerer::Steerer;

/// Frames taken from a queue at a time.
const WINDOW: usize = 64;
/// Buffers for packets of several frames that a lane keeps for reuse.
const SPARE_BUFFERS: usize = 64;
/// Longest packet that is put together.
const LONGEST_PACKET: usize = 1 << 16;

/// Such packets that may be in use at a time.
const JOINED_LIMIT: usize = 1024;

/// A queue, and where its frames belong.
#[derive(Debug)]
pub(super) struct XdpLane {
    queue: Queue,
    /// It steers for as long as there are lanes.
    steerer: Arc<Steerer>,
    /// The interface receives frames for other hosts for as long as there are lanes.
    _promiscuous: Option<Arc<Promiscuous>>,
    area: Area,
    /// Index of the area.
    area_number: u16,
    pub(super) interface: u32,
    hash: HashSettings,
    workers: u32,
    own: u16,
    frames: Vec<Frame>,
    /// Frames on their way back to the queue.
    back: Vec<Frame>,
    /// A packet of several frames of which more is to come.
    joining: Option<Joining>,
    spare: Vec<Vec<u8>>,
    /// Packets of several frames that are in use.
    joined: usize,
    /// Those for which there was no room.
    refused: u64,
    /// When the last packet arrived.
    newest_ns: u64,
    /// The queue had more than was taken.
    has_more: bool,
    /// Nanoseconds from the kernel's monotonic clock to 1970's.
    offset_ns: u64,
}

/// What an [`XdpLane`] is made of.
#[derive(Debug)]
pub(super) struct XdpLaneSettings {
    pub(super) queue: Queue,
    pub(super) area_number: u16,
    pub(super) interface: u32,
    pub(super) steerer: Arc<Steerer>,
    pub(super) hash: HashSettings,
    pub(super) workers: usize,
    pub(super) own: usize,
    pub(super) promiscuous: Option<Arc<Promiscuous>>,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
struct Route {
    owner: usize,
    timestamp_ns: u64,
}

/// A packet whose last frame has not come.
#[derive(Debug)]
struct Joining {
    /// None: there is no room for it.
    bytes: Option<Vec<u8>>,
    /// By the first frame, which has the headers.
    route: Route,
    wire_len: u32,
}

/// A packet.
struct Packet {
    bytes: Bytes,
    route: Route,
    wire_len: u32,
}

impl XdpLane {
    pub(super) fn new(settings: XdpLaneSettings) -> XdpLane {
        let XdpLaneSettings { queue, area_number, interface, steerer, hash, workers, own, .. } =
            settings;
        let _promiscuous = settings.promiscuous;
        let area = queue.area().clone();
        XdpLane {
            queue,
            area,
            area_number,
            interface,
            steerer,
            _promiscuous,
            hash,
            workers: workers as u32,
            own: own as u16,
            frames: Vec::with_capacity(WINDOW),
            back: Vec::with_capacity(WINDOW),
            joining: None,
            spare: Vec::with_capacity(SPARE_BUFFERS),
            joined: 0,
            refused: 0,
            newest_ns: 0,
            has_more: false,
            offset_ns: clock_offset(),
        }
    }

    /// Takes what waits in the queue: own frames are held, the others go to their owners. Says up
    /// to when everything has been taken.
    pub(super) fn drain(
        &mut self,
        lane: u16,
        wanted: Wanted,
        order: &mut Arrivals<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) -> u64 {
        let before = order.len();
        loop {
            let count = self.drain_some(lane, wanted, order, exchange, figures);
            self.has_more = count == WINDOW;
            if !self.has_more {
                return wanted.seen_ns;
            }
            if !wanted.all || order.len() - before >= wanted.room {
                // Pieces of a packet that is not whole yet have brought nothing further.
                return self.newest_ns;
            }
        }
    }

    fn drain_some(
        &mut self,
        lane: u16,
        wanted: Wanted,
        order: &mut Arrivals<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) -> usize {
        let mut frames = std::mem::take(&mut self.frames);
        let count = self.queue.receive(&mut frames, WINDOW);
        for frame in frames.drain(..) {
            let Some(packet) = self.packet(frame, wanted.seen_ns, figures) else { continue };
            self.newest_ns = packet.route.timestamp_ns;
            self.deliver(lane, packet, order, exchange, figures);
        }
        self.frames = frames;
        self.settle();
        self.queue.refill();
        count
    }

    /// Whether the queue had more than was taken last.
    pub(super) fn is_pending(&self) -> bool {
        self.has_more
    }

    /// Holds a packet, or passes it on.
    fn deliver(
        &mut self,
        lane: u16,
        packet: Packet,
        order: &mut Arrivals<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) {
        let Packet { bytes, route, wire_len } = packet;
        let lent = Lent {
            captured: bytes.of(&self.area).len() as u32,
            bytes,
            interface: self.interface,
            from: self.own,
            area: self.area_number,
        };
        let timestamp_ns = route.timestamp_ns;
        if route.owner == usize::from(self.own) {
            let (captured, place) = (lent.captured, Place::Xdp(lent));
            let held = Held { timestamp_ns, wire_len, captured, lane, place };
            order.hold(usize::from(lane), held);
            return;
        }
        match exchange.pass(route.owner, Passed { timestamp_ns, wire_len, lane, lent }) {
            Ok(()) => add(&figures.handed_over, 1),
            Err(passed) => {
                add(&figures.hand_over_full, 1);
                self.give_back(passed.lent.bytes);
            }
        }
    }

    /// A packet, once all its frames are here.
    fn packet(&mut self, mut frame: Frame, seen_ns: u64, figures: &LaneFigures) -> Option<Packet> {
        let more = frame.continues();
        let length = self.area.bytes(&frame).len() as u32;
        let mut joining = match self.joining.take() {
            Some(joining) => joining,
            None => {
                let route = self.route(&mut frame, seen_ns);
                if !more {
                    return Some(Packet { bytes: Bytes::Frame(frame), route, wire_len: length });
                }
                let bytes = (self.joined < JOINED_LIMIT).then(|| {
                    self.joined += 1;
                    let mut buffer = self.spare.pop().unwrap_or_default();
                    buffer.clear();
                    buffer
                });
                self.refused += u64::from(bytes.is_none());
                Joining { bytes, route, wire_len: 0 }
            }
        };
        if let Some(bytes) = &mut joining.bytes {
            let part = self.area.bytes(&frame);
            let room = LONGEST_PACKET.saturating_sub(bytes.len()).min(part.len());
            bytes.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        joining.wire_len = joining.wire_len.saturating_add(length);
        add(&figures.joined_frames, 1);
        self.back.push(frame);
        if more {
            self.joining = Some(joining);
            return None;
        }
        let Joining { bytes, route, wire_len } = joining;
        Some(Packet { bytes: Bytes::Joined(bytes?), route, wire_len })
    }

    /// Whose a frame is, and when it came.
    fn route(&self, frame: &mut Frame, seen_ns: u64) -> Route {
        // A driver without room for metadata leaves those of an older packet there.
        let metadata = self.area.take_before::<METADATA_LEN>(frame);
        let metadata = metadata.and_then(|bytes| read_metadata(self.steerer.magic(), &bytes));
        let (steering, timestamp_ns) = match metadata {
            Some(metadata) => (metadata.steering, metadata.time_ns.wrapping_add(self.offset_ns)),
            None => (self.hash.steering(Link::Ethernet, self.area.bytes(frame)), seen_ns),
        };
        Route { owner: steering.worker(self.workers) as usize, timestamp_ns }
    }

    /// Bytes of this lane are not needed any more. Goes with [`settle`](Self::settle).
    #[inline]
    pub(super) fn give_back(&mut self, bytes: Bytes) {
        match bytes {
            Bytes::Frame(frame) => self.back.push(frame),
            Bytes::Joined(buffer) => {
                self.joined = self.joined.saturating_sub(1);
                if self.spare.len() < SPARE_BUFFERS {
                    self.spare.push(buffer);
                }
            }
        }
    }

    /// Gives frames back to the queue, many at a time.
    pub(super) fn settle(&mut self) {
        if !self.back.is_empty() {
            self.queue.give_back(self.back.drain(..));
        }
    }

    /// Before waiting: the kernel may have to be told of free frames.
    pub(super) fn wake(&mut self) -> std::io::Result<()> {
        self.queue.refill();
        self.queue.wake_if_needed()
    }

    /// The queue on an interface that went away is of no more use.
    fn is_down(&mut self) -> bool {
        self.queue.wait(std::time::Duration::ZERO).is_err()
    }

    /// Publishes what the kernel counted. Says whether the interface is down or gone.
    pub(super) fn publish(&mut self, figures: &LaneFigures) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        // The clock of 1970 is set now and then.
        self.offset_ns = clock_offset();
        if let Ok(counts) = self.queue.statistics() {
            figures.ring_drops.store(counts.rx_ring_full.saturating_add(self.refused), Relaxed);
            figures.kernel_drops.store(counts.rx_dropped, Relaxed);
            figures.fill_empty.store(counts.rx_fill_ring_empty, Relaxed);
        }
        // Not those of the kernel: it refuses free chunks, and no frame is lost by that.
        figures.invalid.store(self.queue.counters().invalid_descriptors, Relaxed);
        self.is_down()
    }
}

impl AsFd for XdpLane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Nanoseconds from the kernel's monotonic clock to 1970's.
pub(super) fn clock_offset() -> u64 {
    let monotonic = || {
        let time = clock_gettime(ClockId::Monotonic);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    };
    // The thread may lose its CPU in between: the closest of some readings counts.
    let reading = |_| {
        let before = monotonic();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let taken = monotonic().saturating_sub(before);
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        (taken, now.saturating_sub(before + taken / 2))
    };
    (0..4).map(reading).min().map_or(0, |(_, offset)| offset)
}
