//! A lane of AF_XDP: the frames of one queue of an interface, and who owns their flows.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use afxdp::{Area, Frame, Queue};
use rustix::time::{ClockId, clock_gettime};
use steer::{HashSettings, Link, METADATA_LEN, read_metadata};

use super::figures::{LaneFigures, add};
use super::hand_over::{Bytes, Exchange, Passed};
use super::lane::Place;
use super::order::{Held, Order};

/// Frames taken from a queue at a time.
const WINDOW: usize = 64;
/// Buffers for packets of several frames that a lane keeps for reuse.
const SPARE_BUFFERS: usize = 64;
/// Longest packet that is put together.
const LONGEST_PACKET: usize = 1 << 16;

/// A queue, and where its frames belong.
#[derive(Debug)]
pub(super) struct XdpLane {
    queue: Queue,
    area: Area,
    pub(super) interface: u32,
    /// What the program marks its metadata with.
    magic: u32,
    hash: HashSettings,
    workers: u32,
    own: usize,
    frames: Vec<Frame>,
    /// A packet of several frames of which more is to come, and when it arrived.
    joining: Option<(Vec<u8>, Route)>,
    spare: Vec<Vec<u8>>,
    /// Nanoseconds from the kernel's monotonic clock to 1970's.
    offset_ns: u64,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
struct Route {
    owner: usize,
    timestamp_ns: u64,
}

impl XdpLane {
    pub(super) fn new(
        queue: Queue,
        interface: u32,
        magic: u32,
        hash: HashSettings,
        workers: usize,
        own: usize,
    ) -> XdpLane {
        let area = queue.area().clone();
        XdpLane {
            queue,
            area,
            interface,
            magic,
            hash,
            workers: workers as u32,
            own,
            frames: Vec::with_capacity(WINDOW),
            joining: None,
            spare: Vec::new(),
            offset_ns: clock_offset(),
        }
    }

    /// Takes what waits in the queue: own frames are held, the others go to their owners. Says up
    /// to when everything has been taken.
    pub(super) fn drain(
        &mut self,
        lane: u16,
        seen_ns: u64,
        order: &mut Order<Place>,
        exchange: &mut Exchange,
        figures: &LaneFigures,
    ) -> u64 {
        let mut frames = std::mem::take(&mut self.frames);
        let count = self.queue.receive(&mut frames, WINDOW);
        let mut newest = 0;
        for frame in frames.drain(..) {
            let route = self.route(&frame, seen_ns);
            newest = route.timestamp_ns;
            let Some((bytes, route)) = self.join(frame, route, figures) else { continue };
            let wire_len = bytes.of(&self.area).len() as u32;
            let timestamp_ns = route.timestamp_ns;
            if route.owner == self.own {
                let place = Place::Xdp { bytes, from: self.own, interface: self.interface };
                order.hold(Held { timestamp_ns, wire_len, lane, place });
                continue;
            }
            let interface = self.interface;
            let passed = Passed { timestamp_ns, wire_len, lane, interface, bytes };
            match exchange.pass(route.owner, passed) {
                Ok(()) => add(&figures.handed_over, 1),
                Err(passed) => {
                    add(&figures.hand_over_full, 1);
                    self.give_back(passed.bytes);
                }
            }
        }
        self.frames = frames;
        self.queue.refill();
        if count == WINDOW { newest } else { seen_ns }
    }

    /// Whose a frame is, and when it came.
    fn route(&self, frame: &Frame, seen_ns: u64) -> Route {
        let metadata = self.area.before::<METADATA_LEN>(frame);
        let metadata = metadata.and_then(|bytes| read_metadata(self.magic, &bytes));
        let (steering, timestamp_ns) = match metadata {
            Some(metadata) => (metadata.steering, metadata.time_ns.wrapping_add(self.offset_ns)),
            None => (self.hash.steering(Link::Ethernet, self.area.bytes(frame)), seen_ns),
        };
        Route { owner: steering.worker(self.workers) as usize, timestamp_ns }
    }

    /// A packet, once all its frames are here.
    fn join(
        &mut self,
        frame: Frame,
        route: Route,
        figures: &LaneFigures,
    ) -> Option<(Bytes, Route)> {
        if self.joining.is_none() && !frame.continues() {
            return Some((Bytes::Frame(frame), route));
        }
        // The first frame has the headers.
        let (mut bytes, route) = self.joining.take().unwrap_or_else(|| {
            let mut buffer = self.spare.pop().unwrap_or_default();
            buffer.clear();
            (buffer, route)
        });
        let more = frame.continues();
        let part = self.area.bytes(&frame);
        if bytes.len() + part.len() <= LONGEST_PACKET {
            bytes.extend_from_slice(part);
        }
        add(&figures.joined_frames, 1);
        self.queue.give_back([frame]);
        if more {
            self.joining = Some((bytes, route));
            return None;
        }
        Some((Bytes::Joined(bytes), route))
    }

    /// Bytes of this lane are not needed any more.
    pub(super) fn give_back(&mut self, bytes: Bytes) {
        match bytes {
            Bytes::Frame(frame) => {
                self.queue.give_back([frame]);
            }
            Bytes::Joined(buffer) if self.spare.len() < SPARE_BUFFERS => self.spare.push(buffer),
            Bytes::Joined(_) => {}
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

    /// Publishes what the kernel counted, and whether the interface is there.
    pub(super) fn publish(&mut self, figures: &LaneFigures) {
        use std::sync::atomic::Ordering::Relaxed;
        // The clock of 1970 is set now and then.
        self.offset_ns = clock_offset();
        figures.down.store(self.is_down(), Relaxed);
        if let Ok(counts) = self.queue.statistics() {
            figures.ring_drops.store(counts.rx_ring_full, Relaxed);
            figures.kernel_drops.store(counts.rx_dropped, Relaxed);
            figures.fill_empty.store(counts.rx_fill_ring_empty, Relaxed);
            figures.invalid.store(counts.rx_invalid_descriptors, Relaxed);
        }
    }
}

impl AsFd for XdpLane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

fn clock_offset() -> u64 {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let since_boot = monotonic.tv_sec as u64 * 1_000_000_000 + monotonic.tv_nsec as u64;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).saturating_sub(since_boot)
}
