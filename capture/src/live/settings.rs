//! Settings of live capture: interfaces, how frames are had from them, and how they are put in order.

use std::net::IpAddr;

use steer::HashSettings;

/// Sockets that are kept for an interface that comes back.
const SPARES: u8 = 3;

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
    /// Flows that the XDP programs may keep to themselves; none: they deliver everything.
    pub shunts: Option<ShuntSettings>,
    /// Number that tells the groups of packet sockets of this process from those of others.
    pub group: u16,
}

/// The table of flows that need no inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuntSettings {
    /// Flows that find room; the one that was quiet for longest gives way.
    pub capacity: u32,
    /// The same flow in two VLANs is two flows.
    pub vlans: bool,
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
    /// The NUMA node for the memory of AF_XDP, best that of the NIC; none: wherever the kernel
    /// puts it.
    pub node: Option<u32>,
    /// So many packet sockets of each worker are kept for when the interface is removed and comes
    /// back: each time takes one. They are opened at the start, when the process still may.
    pub spares: u8,
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits its addresses have in common.
    pub length: u8,
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
    /// Frames from or to these networks are dropped before they cost anything.
    pub exclude: Vec<Prefix>,
    /// So many thousandths of the flows are dropped from the start.
    pub shed_permille: Option<u32>,
    /// Workers poll the NIC instead of interrupts: for how many microseconds, and for how many
    /// frames at a time.
    pub busy_poll: Option<(u32, u32)>,
}

impl Default for PacketSettings {
    fn default() -> PacketSettings {
        PacketSettings { block_size: 1 << 20, blocks: 32, block_timeout_ms: 10, snap_length: None }
    }
}

impl Default for XdpSettings {
    fn default() -> XdpSettings {
        let (ring, chunks) = (4096, 12288);
        XdpSettings {
            workers: Vec::new(),
            ring,
            chunks,
            zero_copy: true,
            generic: false,
            exclude: Vec::new(),
            shed_permille: None,
            busy_poll: None,
        }
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
            node: None,
            spares: SPARES,
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
