//! What is to be set on each interface: queues, rings, offloads, receive hash, interrupts.

use super::{
    Capture, Home, InterfacePlan, InterruptPlace, Plan, Step, Wishes, Worker, rings::Queues,
};
use crate::{
    cpus::CpuSet,
    facts::{Coalescing, Facts, Interface, Pause},
    setting::{Flow, HashKey, Indirection, Setting, Transform},
};

/// Microseconds that all rings of an interface together should last at line rate.
pub(super) const RINGS_LAST: u64 = 250;
/// A frame of 64 bytes takes so many bits on the wire, with preamble and gap.
const SMALLEST_FRAME_BITS: u64 = 672;
/// Where the speed is not known.
const USUAL_RING: u32 = 2048;
const SMALLEST_RING: u32 = 512;
/// What XDP keeps free in front of a frame.
const XDP_HEADROOM: u32 = 256;
/// Ethernet header, two VLAN tags and checksum.
const LINK_OVERHEAD: u32 = 26;
const FEWEST_FRAMES: u32 = 8192;
const MOST_FRAMES: u32 = 1 << 20;

/// Offloads, whether capture can't do without the change, and why it is off.
const OFFLOADS: [(&str, Need, &str); 10] = [
    ("rx-lro", Need::Always, "segments joined by the card are not what was on the wire"),
    ("rx-gro-hw", Need::Always, "segments joined by the card are not what was on the wire"),
    ("rx-gro", Need::Packet, "segments joined by the kernel are not what was on the wire"),
    ("rx-gro-list", Need::Packet, "segments joined by the kernel are not what was on the wire"),
    ("rx-vlan-hw-parse", Need::Xdp, "a tag that the card takes off never reaches XDP"),
    ("rx-vlan-filter", Need::Never, "frames of all VLANs are to be seen"),
    ("tx-tcp-segmentation", Need::Never, "what this host sends is seen before it is cut"),
    ("tx-tcp6-segmentation", Need::Never, "what this host sends is seen before it is cut"),
    ("tx-generic-segmentation", Need::Never, "what this host sends is seen before it is cut"),
    ("tx-vlan-hw-insert", Need::Never, "what this host sends is seen before it is tagged"),
];

/// When a change of an offload is one that capture can't do without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    Xdp,
    Packet,
    Never,
}

/// Drivers with a symmetric transform of the receive hash, and the kernel since which.
const TRANSFORMS: [(&str, (u32, u32), Transform); 3] = [
    ("ice", (6, 8), Transform::SymmetricXor),
    ("iavf", (6, 8), Transform::SymmetricXor),
    ("mlx5_core", (6, 15), Transform::SymmetricOrXor),
];

pub(super) fn interface(home: &Home, queues: Queues, wishes: &Wishes) -> InterfacePlan {
    let of = home.interface;
    let (frame_bytes, why_frames) = frame_size(of, wishes);
    InterfacePlan {
        name: of.name.clone(),
        driver: of.driver.clone(),
        pci: of.pci.clone(),
        node: home.node,
        speed: of.speed,
        queues: queues.count,
        why: queues.why,
        frame_bytes,
        frames_per_ring: frames_per_ring(of, queues.count, wishes),
        why_frames,
    }
}

/// All that the interface should be, in an order in which each step leaves the earlier ones be:
/// drivers make queues, tables and interrupts anew when their number changes.
pub(super) fn steps(facts: &Facts, home: &Home, wishes: &Wishes, plan: &mut Plan) {
    let of = home.interface;
    let queues = plan.interfaces.iter().find(|one| one.name == of.name).map_or(1, |one| one.queues);
    let mut steps = Vec::new();
    offloads(of, wishes, &mut steps);
    channels(of, queues, wishes, &mut steps);
    rings(of, queues, wishes, &mut steps);
    let name = of.name.clone();
    let up = Setting::Up { interface: name.clone(), up: true };
    steps.push((up, true, "nothing is received while it is down".to_owned()));
    receive_hash(facts, of, queues, &mut steps);
    if of.pause.is_some() {
        let why = "a sensor drops and counts; it must not slow down the network";
        let setting = Setting::Pause { interface: name.clone(), pause: Pause::default() };
        steps.push((setting, false, why.to_owned()));
    }
    if let (Some(rx_usecs), Some(_)) = (wishes.coalesce_usecs, of.coalescing) {
        let coalescing = Coalescing { rx_usecs, adaptive_rx: true };
        let setting = Setting::Coalescing { interface: name.clone(), coalescing };
        steps.push((setting, false, "as asked: fewer interrupts under load".to_owned()));
    }
    if wishes.promiscuous {
        let setting = Setting::Promiscuous { interface: name, on: true };
        let why = "mirrored traffic is addressed to others".to_owned();
        steps.push((setting, true, why));
    }
    plan.steps.extend(steps.into_iter().map(|step| made(facts, step)));
}

/// Brings each queue's interrupts to where its worker is.
pub(super) fn interrupts(facts: &Facts, homes: &[Home], wishes: &Wishes, plan: &mut Plan) {
    let mut steps = Vec::new();
    for home in homes {
        let of = home.interface;
        if of.interrupts.iter().all(|interrupt| interrupt.queue.is_none()) {
            continue;
        }
        let mut rings: Vec<(u32, &Worker)> = Vec::new();
        for worker in &plan.workers {
            let own = worker.rings.iter().filter(|ring| ring.interface == of.name);
            rings.extend(own.map(|ring| (ring.queue, worker)));
        }
        rings.sort_unstable_by_key(|(queue, _)| *queue);
        for (queue, worker) in rings {
            let Some((cpus, why)) = interrupt_cpus(facts, wishes, plan, queue, worker) else {
                continue;
            };
            let setting = Setting::QueueInterrupts { interface: of.name.clone(), queue, cpus };
            steps.push(made(facts, (setting, false, why)));
        }
    }
    plan.steps.extend(steps);
}

/// Whether frames are taken by AF_XDP.
pub(super) fn is_xdp(wishes: &Wishes) -> bool {
    wishes.capture != Capture::Packet
}

/// The receive descriptors that the interface will have per queue.
pub(super) fn ring_size(of: &Interface, queues: u32, wishes: &Wishes) -> Option<(u32, String)> {
    let rings = of.rings.filter(|rings| rings.max_rx > 0)?;
    if let Some(wished) = wishes.rx_ring {
        let size = wished.clamp(1, rings.max_rx);
        let why = if size == wished { "as asked" } else { "as near as the driver allows" };
        return Some((size, why.to_owned()));
    }
    let wanted = match of.speed {
        Some(speed) => {
            let frames = frames_in(RINGS_LAST, speed).div_ceil(u64::from(queues.max(1)));
            u32::try_from(frames.next_power_of_two()).unwrap_or(u32::MAX).max(SMALLEST_RING)
        }
        None => USUAL_RING,
    };
    // A larger ring does no harm that would be worth a reset of the link.
    let size = wanted.clamp(rings.rx.min(rings.max_rx), rings.max_rx);
    let why = match of.speed {
        Some(speed) => format!(
            "{} last {} µs of 64-byte frames at {}",
            super::cores::counted(queues as usize, "ring"),
            lasting(size, queues, speed),
            speed_text(speed)
        ),
        None => "the speed is unknown".to_owned(),
    };
    Some((size, why))
}

/// Microseconds that the rings of all queues last when the smallest frames come at line rate.
pub(super) fn lasting(size: u32, queues: u32, speed: u32) -> u64 {
    let frames = u64::from(size) * u64::from(queues);
    frames.saturating_mul(SMALLEST_FRAME_BITS).checked_div(u64::from(speed)).unwrap_or(u64::MAX)
}

/// A speed as people write it.
pub(super) fn speed_text(mbits: u32) -> String {
    if mbits >= 1000 && mbits.is_multiple_of(100) {
        let gbits = format!("{}.{}", mbits / 1000, mbits % 1000 / 100);
        format!("{} Gbit/s", gbits.strip_suffix(".0").unwrap_or(&gbits))
    } else {
        format!("{mbits} Mbit/s")
    }
}

fn frames_in(microseconds: u64, speed: u32) -> u64 {
    microseconds.saturating_mul(u64::from(speed)) / SMALLEST_FRAME_BITS
}

fn frame_size(of: &Interface, wishes: &Wishes) -> (u32, String) {
    let headroom = if is_xdp(wishes) { XDP_HEADROOM } else { 64 };
    let longest = of.mtu.saturating_add(LINK_OVERHEAD).saturating_add(headroom);
    let holds = |size: u32| format!("{size} bytes hold a frame of MTU {}", of.mtu);
    match longest {
        0..=2048 => (2048, holds(2048)),
        2049..=4096 => (4096, holds(4096)),
        _ => (4096, format!("MTU {} is longer than a page: frames come in parts", of.mtu)),
    }
}

fn frames_per_ring(of: &Interface, queues: u32, wishes: &Wishes) -> u32 {
    if let Some(wished) = wishes.frames_per_ring {
        return wished.clamp(64, MOST_FRAMES);
    }
    // A ring's worth with the card, as many waiting, and twice that being inspected.
    let ring = ring_size(of, queues, wishes).map_or(USUAL_RING, |(size, _)| size);
    ring.saturating_mul(4).clamp(FEWEST_FRAMES, MOST_FRAMES).next_power_of_two()
}

type Draft = (Setting, bool, String);

fn made(facts: &Facts, (setting, required, why): Draft) -> Step {
    Step { now: setting.now(facts), setting, required, why }
}

fn offloads(of: &Interface, wishes: &Wishes, steps: &mut Vec<Draft>) {
    let xdp = is_xdp(wishes);
    for (feature, need, why) in OFFLOADS {
        // What the packet socket hands over beside the frame has the tag.
        if need == Need::Xdp && !xdp {
            continue;
        }
        // The driver has no such feature, or it can't be changed (which is warned of).
        if of.offloads.get(feature).is_none_or(|state| state.fixed) {
            continue;
        }
        let required = match need {
            Need::Always => true,
            Need::Xdp => xdp,
            Need::Packet => !xdp,
            Need::Never => false,
        };
        let feature = feature.to_owned();
        let setting = Setting::Offload { interface: of.name.clone(), feature, on: false };
        steps.push((setting, required, why.to_owned()));
    }
}

/// The offloads that should be off, are on, and can't be changed.
pub(super) fn stuck_offloads(of: &Interface, wishes: &Wishes) -> Vec<&'static str> {
    OFFLOADS
        .iter()
        .filter(|(_, need, _)| match need {
            Need::Always => true,
            Need::Xdp => is_xdp(wishes),
            Need::Packet => !is_xdp(wishes),
            Need::Never => false,
        })
        .filter(|(name, _, _)| of.offloads.get(*name).is_some_and(|s| s.on && s.fixed))
        .map(|(name, _, _)| *name)
        .collect()
}

fn channels(of: &Interface, queues: u32, wishes: &Wishes, steps: &mut Vec<Draft>) {
    let Some(now) = of.channels else { return };
    let interface = of.name.clone();
    let setting = if now.max_combined > 0 {
        Setting::Channels { interface, rx: 0, tx: 0, combined: queues }
    } else {
        let tx = if wishes.transmit { queues.min(now.max_tx) } else { now.tx };
        Setting::Channels { interface, rx: queues, tx, combined: 0 }
    };
    let settled = of.max_queues() == of.queues() && queues == of.queues();
    if !settled {
        steps.push((setting, true, "each queue has a worker, and no frame goes elsewhere".into()));
    }
}

fn rings(of: &Interface, queues: u32, wishes: &Wishes, steps: &mut Vec<Draft>) {
    let (Some(now), Some((rx, why))) = (of.rings, ring_size(of, queues, wishes)) else { return };
    let tx = wishes.tx_ring.map_or(now.tx, |wished| wished.clamp(1, now.max_tx.max(1)));
    steps.push((Setting::Rings { interface: of.name.clone(), rx, tx }, false, why));
}

fn receive_hash(facts: &Facts, of: &Interface, queues: u32, steps: &mut Vec<Draft>) {
    let Some(rss) = of.rss.as_ref().filter(|_| queues > 1) else { return };
    let interface = of.name.clone();
    let driver = of.driver.as_deref().unwrap_or_default();
    let known = TRANSFORMS
        .iter()
        .find(|(name, since, _)| *name == driver && facts.kernel_since(since.0, since.1));
    let (transform, key, why) = match known {
        Some((_, _, transform)) => {
            (*transform, HashKey::Unchanged, format!("{driver} hashes both directions alike"))
        }
        None if rss.key.is_empty() => {
            (Transform::None, HashKey::Unchanged, "all queues get their share".to_owned())
        }
        None => {
            let why = "under this key both directions of a flow hash alike";
            (Transform::None, HashKey::Symmetric, why.to_owned())
        }
    };
    let toeplitz = transform != Transform::None || key == HashKey::Symmetric;
    let function = if toeplitz { "toeplitz".to_owned() } else { String::new() };
    let indirection = Indirection::Even(queues);
    let setting = Setting::ReceiveHash { interface, function, transform, key, indirection };
    steps.push((setting, false, why));
    for flow in Flow::ALL.iter().filter(|flow| of.flow_hash.contains_key(flow)) {
        let (interface, fields) = (of.name.clone(), "sdfn".to_owned());
        let setting = Setting::FlowHash { interface, flow: *flow, fields };
        let why = "addresses and ports spread flows better than addresses alone";
        steps.push((setting, false, why.to_owned()));
    }
}

fn interrupt_cpus(
    facts: &Facts,
    wishes: &Wishes,
    plan: &Plan,
    queue: u32,
    worker: &Worker,
) -> Option<(CpuSet, String)> {
    let one = |cpu: u32| CpuSet::from_iter([cpu]);
    let with_worker = (one(worker.cpu), "to the worker that serves the queue".to_owned());
    match &wishes.interrupts {
        InterruptPlace::Unchanged => None,
        InterruptPlace::Worker => Some(with_worker),
        InterruptPlace::Cpus(cpus) => {
            let cpus: Vec<u32> = cpus.intersection(&facts.machine.online()).iter().collect();
            let turn = (queue as usize).checked_rem(cpus.len())?;
            Some((one(*cpus.get(turn)?), "as asked".to_owned()))
        }
        InterruptPlace::Sibling => {
            let taken = |cpu: u32| {
                plan.management.cpus.contains(cpu) || plan.workers.iter().any(|w| w.cpu == cpu)
            };
            let idle = facts
                .machine
                .cpus
                .iter()
                .find(|cpu| cpu.core == worker.core && cpu.id != worker.cpu && !taken(cpu.id));
            Some(idle.map_or(with_worker, |cpu| {
                (
                    one(cpu.id),
                    "to the idle sibling of the queue's worker, which has the same caches"
                        .to_owned(),
                )
            }))
        }
    }
}
