//! Live capture: frames of network interfaces, each flow in one worker, in the order of arrival.
//!
//! Every worker has a [`LiveSource`] of its own, with lanes that frames come in through. An
//! interface with packet sockets is a lane of every worker: the kernel deals out flows by our
//! hash. An interface with AF_XDP has a lane for each queue, at one worker, which hands over what
//! belongs to others.
//!
//! - **Order.** The frames of a lane are in order by themselves; those of several lanes are put in
//!   order by the time of their arrival, and wait until every lane has said that it has none that
//!   came before. A packet socket holds back a block that is not full: its lane looks whether
//!   there is something in it. Who has one lane, to whom nobody hands over, never waits.
//! - **Limits.** At most half of a ring's blocks, and of the chunks of AF_XDP, are held for the
//!   sake of order. Beyond that, and after [`OrderSettings::longest_us`], frames go on without the
//!   others and are counted (`impatient`). A worker that stands still so holds up nobody.
//! - **Memory.** The chunks of AF_XDP are in one area for each NUMA node that is asked for
//!   ([`LiveInterface::node`]); frames of any area may go to any worker.
//! - **Interfaces that go.** One that goes down and up again is captured from as before, with
//!   either method. One that is removed and comes back under its name is another one to the
//!   kernel. Since the process may have given up its privileges by then, every worker has spare
//!   packet sockets from the start ([`LiveInterface::spares`]); with those the workers go on when
//!   all of them have joined the new group, also where it was AF_XDP before: programs cannot be
//!   attached any more, so that nothing is shunted, excluded or shed there. What arrives between
//!   is not seen. The figures tell: `down`, `reopened`.

mod comeback;
mod figures;
mod hand_over;
mod lane;
mod order;
mod packet;
mod settings;
mod source;
mod steerer;
mod steering;
mod xdp;

use std::sync::Arc;

use afpacket::{Fanout, FanoutKind, Ring, RingSettings, Spare};
use afxdp::Area;
use steer::{Tunnels, fanout_program};

pub use figures::{LaneFigures, LaneSnapshot, WorkerFigures};
pub use settings::{
    LiveInterface, LiveSettings, Method, OrderSettings, PacketSettings, Prefix, ShuntSettings,
    XdpSettings,
};
pub use source::LiveSource;
pub(crate) use source::Shown;
pub use steer::Counters as SteererCounters;
pub use steerer::{ShuntedFlow, ShuntedTotals, Shunts, Steerer};

use comeback::{Comeback, Meeting, Terms};
use hand_over::Exchange;
use lane::Lane;
use packet::PacketLane;
use source::Parts;
use steering::{Memory, XdpLanes};

/// So many frames of AF_XDP may always be held, however little memory there is.
const LEAST_HELD: usize = 64;
const OUTER: &str = "hash.tunnels: inner is for AF_XDP: here the frames of a tunnel go to one worker, \
                     and not to the one that AF_XDP would choose";
const COMEBACK: &str = "if it is removed and comes back, packet sockets take over";

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
    /// The table of flows that are not delivered, if there is one.
    pub shunts: Option<Arc<Shunts>>,
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
        memory.shunts(settings)?;
        memory.reserve(settings);
        for (number, interface) in settings.interfaces.iter().enumerate() {
            interfaces.push(match by_xdp(settings, number, &mut memory, &mut lanes)? {
                Ok(opened) => opened,
                Err(notes) => {
                    by_packet_sockets(settings, interface, number, &mut lanes)?;
                    Opened::packet(&interface.name, notes)
                }
            });
        }
        let steered = interfaces.iter().any(|one| one.steerer.is_some());
        if !steered {
            // Nobody receives to it.
            memory.areas.clear();
        }
        if settings.hash.tunnels == Tunnels::Inner && settings.workers > 1 {
            let by_sockets = interfaces.iter_mut().filter(|one| one.steerer.is_none());
            by_sockets.for_each(|one| one.notes.push(OUTER.to_owned()));
        }
        let sources = sources(settings, lanes, &memory);
        let shunts = memory.shunts.filter(|_| steered);
        Ok(Live { sources, interfaces, shunts })
    }
}

/// Captures from an interface by AF_XDP; if that is not wanted or not to be had, says what there
/// is to note.
fn by_xdp(
    settings: &LiveSettings,
    number: usize,
    memory: &mut Memory,
    lanes: &mut [Vec<Lane>],
) -> Result<Result<Opened, Vec<String>>, LiveError> {
    let Some(interface) = settings.interfaces.get(number) else { return Ok(Err(Vec::new())) };
    if interface.method == Method::Packet {
        return Ok(Err(Vec::new()));
    }
    match steering::open(settings, number, memory) {
        Ok(XdpLanes { lanes: found, mut opened }) => {
            for (worker, lane) in found {
                if let Some(own) = lanes.get_mut(worker) {
                    own.push(lane);
                }
            }
            match comebacks(settings, interface, number) {
                Ok(comebacks) => {
                    opened.notes.extend((!comebacks.is_empty()).then(|| COMEBACK.to_owned()));
                    for (own, comeback) in lanes.iter_mut().zip(comebacks) {
                        let (number, blocks) = (number as u32, interface.packet.blocks);
                        let lane = PacketLane::in_reserve(number, blocks, Some(comeback));
                        own.push(Lane::Packet(lane));
                    }
                }
                Err(error) => opened.notes.push(format!("no spare sockets: {error}")),
            }
            Ok(Ok(opened))
        }
        Err(reason) if interface.method == Method::Xdp => {
            Err(LiveError::NoXdp { interface: interface.name.clone(), reason })
        }
        Err(reason) => {
            let mut notes = vec![format!("no AF_XDP: {reason}")];
            if !interface.xdp.exclude.is_empty() || interface.xdp.shed_permille.is_some() {
                notes.push("nothing is excluded or shed: that takes AF_XDP".to_owned());
            }
            Ok(Err(notes))
        }
    }
}

/// Captures from an interface by packet sockets, one of each worker.
fn by_packet_sockets(
    settings: &LiveSettings,
    interface: &LiveInterface,
    number: usize,
    lanes: &mut [Vec<Lane>],
) -> Result<(), LiveError> {
    let terms = terms(settings, interface, number);
    let rings = Ring::open_group(&RingSettings { fanout: terms.group, ..terms.ring })?;
    let mut comebacks = comebacks(settings, interface, number)?.into_iter();
    for (own, ring) in lanes.iter_mut().zip(rings) {
        let blocks = interface.packet.blocks;
        let lane = PacketLane::new(ring, number as u32, blocks, comebacks.next());
        own.push(Lane::Packet(lane));
    }
    Ok(())
}

/// What each worker needs to go on with an interface that was removed and is back; nothing if
/// that is not wanted.
fn comebacks(
    settings: &LiveSettings,
    interface: &LiveInterface,
    number: usize,
) -> Result<Vec<Comeback>, afpacket::Error> {
    if interface.spares == 0 {
        return Ok(Vec::new());
    }
    let terms = Arc::new(terms(settings, interface, number));
    let meeting = Arc::new(Meeting::default());
    let comeback = |worker| {
        let spares = (0..interface.spares).map(|_| Spare::open()).collect::<Result<_, _>>()?;
        Ok(Comeback::new(Arc::clone(&terms), Arc::clone(&meeting), worker, spares))
    };
    (0..terms.workers).map(comeback).collect()
}

/// How packet sockets on an interface are opened.
fn terms(settings: &LiveSettings, interface: &LiveInterface, number: usize) -> Terms {
    let workers = u16::try_from(settings.workers).unwrap_or(u16::MAX);
    let program = fanout_program(&settings.hash).into_iter();
    let program = program.map(|one| afpacket::Instruction {
        code: one.code,
        jt: one.jt,
        jf: one.jf,
        k: one.k,
    });
    let group = Fanout {
        group: settings.group.wrapping_add(number as u16),
        members: workers,
        kind: FanoutKind::Program(program.collect()),
        defragment: false,
        rollover: false,
    };
    Terms {
        ring: RingSettings {
            block_size: interface.packet.block_size,
            blocks: interface.packet.blocks,
            block_timeout_ms: interface.packet.block_timeout_ms,
            snap_length: interface.packet.snap_length,
            promiscuous: interface.promiscuous,
            ..RingSettings::new(interface.name.as_str())
        },
        group: (workers > 1).then_some(group),
        step: u16::try_from(settings.interfaces.len()).unwrap_or(1),
        workers,
    }
}

/// How many frames of a worker's lanes others may have, so that with those which it holds itself
/// some are left to receive to.
fn most_lent(settings: &LiveSettings, lanes: &[Lane]) -> usize {
    let queues = lanes.iter().filter(|lane| lane.hands_over());
    let interface = |lane: &Lane| settings.interfaces.get(lane.interface() as usize);
    let lent = queues.filter_map(interface).map(|LiveInterface { xdp, .. }| {
        let free = xdp.chunks.saturating_sub(xdp.ring) as usize;
        (free / 8 * 5).max(LEAST_HELD)
    });
    lent.sum()
}

/// A source for each worker out of its lanes.
fn sources(settings: &LiveSettings, lanes: Vec<Vec<Lane>>, memory: &Memory) -> Vec<LiveSource> {
    let slots = settings.hand_over.max(2);
    let most_held = (memory.chunks() / settings.workers.max(1) / 2).max(LEAST_HELD);
    let most_lent: Vec<usize> = lanes.iter().map(|own| most_lent(settings, own)).collect();
    let handing: Vec<usize> = most_lent
        .iter()
        .zip(&lanes)
        .map(|(lent, own)| own.len() * usize::from(*lent > 0))
        .collect();
    let areas: Arc<[Area]> = memory.areas.clone().into();
    let exchanges = Exchange::between(slots, &most_lent);
    let parts = |((own, lanes), exchange)| Parts {
        own,
        lanes,
        order: settings.order,
        exchange,
        areas: Arc::clone(&areas),
        handing: handing.clone(),
        most_held,
    };
    (0..).zip(lanes).zip(exchanges).map(parts).map(LiveSource::new).collect()
}
