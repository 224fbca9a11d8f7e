//! Live capture: frames of network interfaces, each flow in one worker, in the order of arrival.
//!
//! Every worker has a [`LiveSource`] of its own. An interface is a lane of every worker (packet
//! sockets, among which the kernel deals out flows by our hash) or one of those workers that its
//! queues are given to (AF_XDP), who hand over what belongs to others.

mod figures;
mod hand_over;
mod lane;
mod order;
mod packet;
mod source;
mod steerer;
mod steering;
mod xdp;

use std::sync::Arc;

use afpacket::{Fanout, FanoutKind, Ring, RingSettings};
use afxdp::Area;
use steer::{HashSettings, fanout_program};

pub use figures::{LaneFigures, LaneSnapshot, WorkerFigures};
pub use source::LiveSource;
pub(crate) use source::Shown;
pub use steer::Counters as SteererCounters;
pub use steerer::Steerer;

use hand_over::Exchange;
use lane::Lane;
use order::Order;
use packet::PacketLane;

/// What live capture is opened with.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// Where to capture.
    pub interfaces: Vec<LiveInterface>,
    /// Workers, at least one.
    pub workers: usize,
    /// What decides which worker a frame belongs to.
    pub hash: HashSettings,
    /// How frames of several lanes are put in order.
    pub order: OrderSettings,
    /// Frames that may wait to be handed over, from each worker to each other one.
    pub hand_over: usize,
    /// Number that tells the groups of packet sockets of this process from those of others.
    pub group: u16,
}

/// How frames are had from an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// AF_XDP if the kernel, the driver and this build can, otherwise packet sockets.
    #[default]
    Auto,
    /// AF_XDP and nothing else.
    Xdp,
    /// Packet sockets.
    Packet,
}

/// One interface.
#[derive(Clone, Debug)]
pub struct LiveInterface {
    /// Its name.
    pub name: String,
    /// How frames are had from it.
    pub method: Method,
    /// Packet sockets: settings of each worker's ring.
    pub packet: PacketSettings,
    /// AF_XDP: settings of each queue.
    pub xdp: XdpSettings,
    /// Receive frames for other hosts too.
    pub promiscuous: bool,
}

/// Rings of packet sockets.
#[derive(Clone, Debug)]
pub struct PacketSettings {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks of each worker.
    pub blocks: u32,
    /// After so many milliseconds a block that is not full is handed over.
    pub block_timeout_ms: u32,
    /// Longest part of a frame that is kept; none: all of it.
    pub snap_length: Option<u32>,
}

/// Rings and memory of AF_XDP.
#[derive(Clone, Debug)]
pub struct XdpSettings {
    /// The worker of each queue; empty: queues are spread over the workers.
    pub workers: Vec<usize>,
    /// Descriptors of a receive ring, a power of two.
    pub ring: u32,
    /// Chunks of memory of each queue; at least twice the ring.
    pub chunks: u32,
    /// Ask for zero-copy mode before copy mode.
    pub zero_copy: bool,
    /// Only the generic mode of XDP, which every driver has.
    pub generic: bool,
}

impl Default for PacketSettings {
    fn default() -> PacketSettings {
        PacketSettings { block_size: 1 << 20, blocks: 32, block_timeout_ms: 10, snap_length: None }
    }
}

impl Default for XdpSettings {
    fn default() -> XdpSettings {
        let (ring, chunks) = (4096, 12288);
        XdpSettings { workers: Vec::new(), ring, chunks, zero_copy: true, generic: false }
    }
}

impl LiveInterface {
    /// An interface with settings for a sensor.
    pub fn new(name: impl Into<String>) -> LiveInterface {
        LiveInterface {
            name: name.into(),
            method: Method::Auto,
            packet: PacketSettings::default(),
            xdp: XdpSettings::default(),
            promiscuous: true,
        }
    }
}

/// How frames that come in through several lanes are put in the order of their arrival.
#[derive(Clone, Copy, Debug)]
pub struct OrderSettings {
    /// Between a frame's arrival and its being seen in its lane may pass so many microseconds.
    pub guard_us: u64,
    /// A frame waits at most so many microseconds for those of other lanes.
    pub longest_us: u64,
}

impl Default for OrderSettings {
    fn default() -> OrderSettings {
        OrderSettings { guard_us: 500, longest_us: 100_000 }
    }
}

/// Why an interface cannot be captured from.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// There are no interfaces, or no workers.
    #[error("live capture needs at least one interface and one worker")]
    Nothing,
    /// A packet socket cannot be set up.
    #[error(transparent)]
    Packet(#[from] afpacket::Error),
    /// AF_XDP was asked for and cannot be had.
    #[error("{interface}: no AF_XDP: {reason}")]
    NoXdp {
        /// Its name.
        interface: String,
        /// Why.
        reason: String,
    },
}

/// Opened live capture: a source for each worker.
#[derive(Debug)]
pub struct Live {
    /// The sources, in the order of workers.
    pub sources: Vec<LiveSource>,
    /// What came of each interface.
    pub interfaces: Vec<Opened>,
}

/// How an interface is captured from.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// How, in a few words: `af-packet`, `af-xdp zero-copy native`.
    pub method: String,
    /// What was tried and refused, and other things worth knowing.
    pub notes: Vec<String>,
    /// The program that steers its frames, if it is captured by AF_XDP.
    pub steerer: Option<Arc<Steerer>>,
}

impl Opened {
    fn packet(name: &str, notes: Vec<String>) -> Opened {
        Opened { name: name.to_owned(), method: "af-packet".to_owned(), notes, steerer: None }
    }
}

impl Live {
    /// Opens all interfaces for all workers.
    ///
    /// # Errors
    /// With the interface and the step that failed.
    pub fn open(settings: &LiveSettings) -> Result<Live, LiveError> {
        if settings.interfaces.is_empty() || settings.workers == 0 {
            return Err(LiveError::Nothing);
        }
        let mut lanes: Vec<Vec<Lane>> = Vec::new();
        lanes.resize_with(settings.workers, Vec::new);
        let mut interfaces = Vec::new();
        let mut memory = Memory::default();
        memory.reserve(settings);
        for (number, interface) in settings.interfaces.iter().enumerate() {
            let mut notes = Vec::new();
            if interface.method != Method::Packet {
                match steering::open(settings, number, &mut memory) {
                    Ok(found) => {
                        for (worker, lane) in found.lanes {
                            if let Some(own) = lanes.get_mut(worker) {
                                own.push(lane);
                            }
                        }
                        interfaces.push(found.opened);
                        continue;
                    }
                    Err(reason) if interface.method == Method::Xdp => {
                        let interface = interface.name.clone();
                        return Err(LiveError::NoXdp { interface, reason });
                    }
                    Err(reason) => notes.push(format!("no AF_XDP: {reason}")),
                }
            }
            for (own, ring) in lanes.iter_mut().zip(rings(settings, interface, number)?) {
                own.push(Lane::Packet(PacketLane::new(ring, number as u32, &interface.packet)));
            }
            interfaces.push(Opened::packet(&interface.name, notes));
        }
        let lent = memory.chunks as usize + memory.chunks as usize / 2 + 1;
        let slots = settings.hand_over.max(2);
        let most_held = (memory.chunks as usize / settings.workers / 2).max(4096);
        let exchanges = Exchange::between(settings.workers, slots, lent);
        let sources = (0..).zip(lanes).zip(exchanges).map(|((worker, own), exchange)| {
            let (order, area) = (Order::new(settings.order), memory.area.clone());
            LiveSource::new(worker, own, order, exchange, area, most_held)
        });
        Ok(Live { sources: sources.collect(), interfaces })
    }
}

/// The memory that all queues of AF_XDP share.
#[derive(Debug, Default)]
struct Memory {
    area: Option<Area>,
    chunks: u32,
}

/// The queues of an interface as lanes of workers.
struct XdpLanes {
    lanes: Vec<(usize, Lane)>,
    opened: Opened,
}

/// The packet sockets of an interface, one for each worker.
fn rings(
    settings: &LiveSettings,
    interface: &LiveInterface,
    number: usize,
) -> Result<Vec<Ring>, LiveError> {
    let mut ring = RingSettings::new(interface.name.as_str());
    ring.block_size = interface.packet.block_size;
    ring.blocks = interface.packet.blocks;
    ring.block_timeout_ms = interface.packet.block_timeout_ms;
    ring.snap_length = interface.packet.snap_length;
    ring.promiscuous = interface.promiscuous;
    if settings.workers == 1 {
        return Ok(vec![Ring::open(&ring)?]);
    }
    let program = fanout_program(&settings.hash).into_iter();
    let program = program.map(|one| afpacket::Instruction {
        code: one.code,
        jt: one.jt,
        jf: one.jf,
        k: one.k,
    });
    ring.fanout = Some(Fanout {
        group: settings.group.wrapping_add(number as u16),
        members: u16::try_from(settings.workers).unwrap_or(u16::MAX),
        kind: FanoutKind::Program(program.collect()),
        defragment: false,
        rollover: false,
    });
    Ok(Ring::open_group(&ring)?)
}
