//! AF_XDP on an interface: the program, its sockets on every queue, and their memory.

use std::fs;
use std::os::fd::AsFd;
use std::sync::Arc;

use afpacket::Promiscuous;
use afxdp::{Area, AreaSettings, BusyPoll, HugePages, Mode, Queue, QueueSettings, interface_index};

use super::lane::Lane;
use super::steerer::{Shunts, Steerer, SteererSettings};
use super::xdp::{XdpLane, XdpLaneSettings};
use super::{LiveError, LiveInterface, LiveSettings, Method, Opened};

/// Bytes of a chunk. A frame longer than what headroom leaves of it takes several.
const CHUNK: u32 = 2048;
/// Longest frame that fits into one chunk behind the kernel's headroom.
const FITS: u32 = CHUNK - 256;

/// What all queues of AF_XDP share.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pools: Vec<Pool>,
    pub(super) areas: Vec<Area>,
    pub(super) shunts: Option<Arc<Shunts>>,
}

/// The memory on one NUMA node, or wherever the kernel puts it.
#[derive(Debug)]
struct Pool {
    node: Option<u32>,
    /// Chunks for all interfaces on that node.
    chunks: u32,
    /// Index of the area, once it is made.
    area: Option<u16>,
}

/// The queues of an interface as lanes of workers.
pub(super) struct XdpLanes {
    pub(super) lanes: Vec<(usize, Lane)>,
    pub(super) opened: Opened,
}

impl Memory {
    /// Counts what all interfaces that may have AF_XDP need.
    pub(super) fn reserve(&mut self, settings: &LiveSettings) {
        for one in settings.interfaces.iter().filter(|one| one.method != Method::Packet) {
            let more = queues(&one.name).saturating_mul(one.xdp.chunks);
            match self.pools.iter_mut().find(|pool| pool.node == one.node) {
                Some(pool) => pool.chunks = pool.chunks.saturating_add(more),
                None => self.pools.push(Pool { node: one.node, chunks: more, area: None }),
            }
        }
    }

    /// Chunks of all areas that were made.
    pub(super) fn chunks(&self) -> usize {
        self.areas.iter().map(Area::chunks).sum()
    }

    /// Makes the table of flows that are not delivered, if there is to be one and some interface
    /// may have AF_XDP.
    pub(super) fn shunts(&mut self, settings: &LiveSettings) -> Result<(), LiveError> {
        let Some(wanted) = settings.shunts else { return Ok(()) };
        let able = || settings.interfaces.iter().filter(|one| one.method != Method::Packet);
        let Some(first) = able().next() else { return Ok(()) };
        match Shunts::new(wanted) {
            Ok(shunts) => self.shunts = Some(Arc::new(shunts)),
            Err(reason) if able().any(|one| one.method == Method::Xdp) => {
                return Err(LiveError::NoXdp { interface: first.name.clone(), reason });
            }
            // Why will be said of each interface.
            Err(_) => {}
        }
        Ok(())
    }

    /// The area of a node, made when it is first needed, and its number.
    fn area(&mut self, node: Option<u32>) -> Result<(Area, u16), String> {
        let pool = self.pools.iter_mut().find(|pool| pool.node == node);
        let pool = pool.ok_or("there is no memory for it")?;
        if pool.area.is_none() {
            let settings = AreaSettings {
                chunks: pool.chunks,
                chunk_size: CHUNK,
                headroom: 0,
                unaligned: false,
                huge_pages: HugePages::Try,
                node,
            };
            let area = Area::new(&settings).map_err(|error| error.to_string())?;
            pool.area = Some(u16::try_from(self.areas.len()).map_err(|error| error.to_string())?);
            self.areas.push(area);
        }
        let number = pool.area.unwrap_or_default();
        let area = self.areas.get(usize::from(number)).cloned();
        area.map(|area| (area, number)).ok_or_else(|| "there is no memory for it".to_owned())
    }
}

/// Where the memory of an interface is.
fn memory_note(area: &Area, node: Option<u32>) -> String {
    let pages = if area.has_huge_pages() { "huge pages" } else { "no reserved huge pages" };
    match (node, area.node_error()) {
        (None, _) => format!("memory: {pages}"),
        (Some(node), None) => format!("memory: on NUMA node {node}, {pages}"),
        (Some(node), Some(error)) => {
            format!("memory: {pages}; not tied to NUMA node {node}: {error}")
        }
    }
}

/// Loads the program on an interface and binds a socket to each of its queues.
pub(super) fn open(
    settings: &LiveSettings,
    number: usize,
    memory: &mut Memory,
) -> Result<XdpLanes, String> {
    let interface = settings.interfaces.get(number).ok_or("there is no such interface")?;
    let name = interface.name.as_str();
    let index = interface_index(name).map_err(|error| error.to_string())?;
    let jumbo = mtu(name) + 22 > FITS;
    let steerer = Steerer::load(&SteererSettings {
        interface: index,
        hash: settings.hash,
        buffers: jumbo,
        generic: interface.xdp.generic,
        exclude: &interface.xdp.exclude,
        shunts: memory.shunts.as_deref(),
    })?;
    if let Some(shed) = interface.xdp.shed_permille {
        steerer.set_shed(1000_u32.saturating_sub(shed))?;
    }
    let steerer = Arc::new(steerer);
    let (area, area_number) = memory.area(interface.node)?;
    // Sockets of AF_XDP do not ask for it, and a NIC keeps frames for other hosts to itself.
    let promiscuous = interface.promiscuous.then(|| Promiscuous::hold(name)).transpose();
    let promiscuous = promiscuous.map_err(|error| error.to_string())?.map(Arc::new);
    let mut notes: Vec<String> = steerer.notes().collect();
    notes.push(memory_note(&area, interface.node));
    let mut lanes = Vec::new();
    let mut mode = None;
    for queue in 0..queues(name) {
        let worker = interface.xdp.workers.get(queue as usize).copied();
        let own = worker.unwrap_or(number + queue as usize) % settings.workers.max(1);
        let bound = bind(interface, index, queue, jumbo, &area)?;
        if mode.is_none() {
            mode = Some(bound.mode());
            notes.extend(bound.tried().iter().map(|(mode, why)| format!("no {mode:?}: {why}")));
            if jumbo && !bound.multi_buffer() && interface.method == Method::Auto {
                // They would be lost, and nobody would count them.
                return Err(format!("frames longer than {FITS} bytes need multi-buffer"));
            }
            if jumbo && !bound.multi_buffer() {
                notes.push(format!("frames longer than {FITS} bytes are lost: no multi-buffer"));
            }
        }
        steerer.set_socket(queue, bound.as_fd())?;
        let lane = XdpLane::new(XdpLaneSettings {
            queue: bound,
            area_number,
            interface: number as u32,
            steerer: Arc::clone(&steerer),
            hash: settings.hash,
            workers: settings.workers,
            own,
            promiscuous: promiscuous.clone(),
        });
        lanes.push((own, Lane::Xdp(lane)));
    }
    let copying = match mode {
        Some(Mode::ZeroCopy) => "zero-copy",
        _ => "copy",
    };
    let opened = Opened {
        name: name.to_owned(),
        method: format!("af-xdp {copying} {}", steerer.mode()),
        notes,
        steerer: Some(steerer),
    };
    Ok(XdpLanes { lanes, opened })
}

fn bind(
    interface: &LiveInterface,
    index: u32,
    queue: u32,
    multi_buffer: bool,
    area: &Area,
) -> Result<Queue, String> {
    let modes = match interface.xdp.zero_copy && !interface.xdp.generic {
        true => vec![Mode::ZeroCopy, Mode::Copy],
        false => vec![Mode::Copy],
    };
    let settings = QueueSettings {
        interface: index,
        queue,
        rx: interface.xdp.ring,
        tx: 0,
        fill: interface.xdp.ring,
        completion: 64,
        chunks: interface.xdp.chunks,
        modes,
        need_wakeup: true,
        busy_poll: interface
            .xdp
            .busy_poll
            .map(|(microseconds, budget)| BusyPoll { microseconds, budget }),
        multi_buffer,
    };
    Queue::bind(area, &settings).map_err(|error| error.to_string())
}

/// Receive queues of an interface.
fn queues(name: &str) -> u32 {
    let listed = fs::read_dir(format!("/sys/class/net/{name}/queues"));
    let receive = listed
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("rx-"));
    u32::try_from(receive.count()).unwrap_or(1).max(1)
}

fn mtu(name: &str) -> u32 {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/mtu"));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1500)
}
