//! AF_XDP on an interface: the program, its sockets on every queue, and their memory.

use std::fs;
use std::os::fd::AsFd;
use std::sync::Arc;

use afxdp::{Area, AreaSettings, HugePages, Mode, Queue, QueueSettings, interface_index};

use super::lane::Lane;
use super::steerer::Steerer;
use super::xdp::XdpLane;
use super::{LiveInterface, LiveSettings, Memory, Method, Opened, XdpLanes};

/// Bytes of a chunk. A frame longer than what headroom leaves of it takes several.
const CHUNK: u32 = 2048;
/// Longest frame that fits into one chunk behind the kernel's headroom.
const FITS: u32 = CHUNK - 256;

impl Memory {
    /// Counts what all interfaces that may have AF_XDP need.
    pub(super) fn reserve(&mut self, settings: &LiveSettings) {
        let wanted = settings.interfaces.iter().filter(|one| one.method != Method::Packet);
        self.chunks = wanted.map(|one| queues(&one.name).saturating_mul(one.xdp.chunks)).sum();
    }

    /// The area, made when it is first needed.
    fn area(&mut self) -> Result<Area, String> {
        if self.area.is_none() {
            let settings = AreaSettings {
                chunks: self.chunks,
                chunk_size: CHUNK,
                headroom: 0,
                unaligned: false,
                huge_pages: HugePages::Try,
                node: None,
            };
            self.area = Some(Area::new(&settings).map_err(|error| error.to_string())?);
        }
        self.area.clone().ok_or_else(|| "no memory".to_owned())
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
    let mut notes = Vec::new();
    let jumbo = mtu(name) + 22 > FITS;
    let steerer = Steerer::load(index, settings.hash, jumbo, interface.xdp.generic)?;
    let area = memory.area()?;
    notes.extend(steerer.notes());
    let mut lanes = Vec::new();
    let mut mode = None;
    for queue in 0..queues(name) {
        let worker = match interface.xdp.workers.get(queue as usize) {
            Some(worker) => *worker,
            None => (number + queue as usize) % settings.workers,
        };
        let bound = bind(interface, index, queue, jumbo, &area)?;
        if mode.is_none() {
            mode = Some(bound.mode());
            notes.extend(bound.tried().iter().map(|(mode, why)| format!("no {mode:?}: {why}")));
            if jumbo && !bound.multi_buffer() {
                notes.push(format!("frames longer than {FITS} bytes are lost: no multi-buffer"));
            }
        }
        steerer.set_socket(queue, bound.as_fd())?;
        let (interface, magic) = (number as u32, steerer.magic());
        let lane = XdpLane::new(bound, interface, magic, settings.hash, settings.workers, worker);
        lanes.push((worker, Lane::Xdp(lane)));
    }
    let copying = match mode {
        Some(Mode::ZeroCopy) => "zero-copy",
        _ => "copy",
    };
    let opened = Opened {
        name: name.to_owned(),
        method: format!("af-xdp {copying} {}", steerer.mode()),
        notes,
        steerer: Some(Arc::new(steerer)),
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
        busy_poll: None,
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
