//! The plan: which queues, which workers on which CPUs, which memory, what to change, and why.

mod card;
mod cores;
mod memory;
mod rings;
mod text;
mod warnings;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    cpus::CpuSet,
    facts::{Facts, Interface},
    setting::Setting,
};

/// What the user wants; what is left open is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// The interfaces to capture on, by name; all of the facts when empty.
    pub interfaces: Vec<String>,
    /// How many workers; one per physical core of the interfaces' nodes when left open.
    pub workers: Option<usize>,
    /// The CPUs that workers may have; with no number of workers, each gets one.
    pub worker_cpus: Option<CpuSet>,
    /// The CPUs for management and for publishing events; one core is set aside when left open.
    pub management: Option<CpuSet>,
    /// Receive queues per interface.
    pub queues: Option<u32>,
    /// Receive descriptors per queue.
    pub rx_ring: Option<u32>,
    /// Transmit descriptors per queue.
    pub tx_ring: Option<u32>,
    /// Frames of memory per ring.
    pub frames_per_ring: Option<u32>,
    /// How frames are taken from the interface.
    pub capture: Capture,
    /// Whether to receive what is not addressed to the interface.
    pub promiscuous: bool,
    /// Whether frames are also sent (inline).
    pub transmit: bool,
    /// Whether to use huge pages for frames.
    pub huge_pages: HugePageWish,
    /// Which CPU takes a queue's interrupts.
    pub interrupts: InterruptPlace,
    /// Microseconds that receive interrupts may be put off; not touched when left open.
    pub coalesce_usecs: Option<u32>,
    /// What is wanted of single interfaces, by name, in place of what is wanted of all.
    pub own: BTreeMap<String, OwnWishes>,
}

/// What is wanted of one interface; what is left open is as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnWishes {
    /// Receive queues.
    pub queues: Option<u32>,
    /// How frames are taken.
    pub capture: Option<Capture>,
    /// Whether to receive what is not addressed to it.
    pub promiscuous: Option<bool>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            workers: None,
            worker_cpus: None,
            management: None,
            queues: None,
            rx_ring: None,
            tx_ring: None,
            frames_per_ring: None,
            capture: Capture::default(),
            promiscuous: true,
            transmit: false,
            huge_pages: HugePageWish::default(),
            interrupts: InterruptPlace::default(),
            coalesce_usecs: None,
            own: BTreeMap::new(),
        }
    }
}

impl Wishes {
    /// What is wanted of this interface.
    fn of(&self, interface: &str) -> Cow<'_, Self> {
        let Some(own) = self.own.get(interface) else { return Cow::Borrowed(self) };
        Cow::Owned(Self {
            queues: own.queues.or(self.queues),
            capture: own.capture.unwrap_or(self.capture),
            promiscuous: own.promiscuous.unwrap_or(self.promiscuous),
            ..self.clone()
        })
    }
}

/// How frames are taken from the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// AF_XDP; the card writes into the sensor's memory where the driver can.
    #[default]
    ZeroCopy,
    /// AF_XDP with a copy.
    Copy,
    /// AF_PACKET.
    Packet,
}

/// Whether to use huge pages for frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HugePageWish {
    /// Use those that are free.
    #[default]
    Free,
    /// Reserve those that are missing.
    Reserve,
    /// Use none.
    None,
}

/// Which CPU takes a queue's interrupts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptPlace {
    /// The CPU of the worker that serves the queue.
    #[default]
    Worker,
    /// The idle hyper-thread sibling of that CPU, where there is one.
    Sibling,
    /// These CPUs in turn.
    Cpus(CpuSet),
    /// Wherever they are.
    Unchanged,
}

/// Where capture runs, and what of the host is to change for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The interfaces in the order asked for.
    pub interfaces: Vec<InterfacePlan>,
    /// The workers in the order of their CPUs.
    pub workers: Vec<Worker>,
    /// Where everything else runs.
    pub management: Management,
    /// Memory for frames, by node.
    pub memory: Vec<NodeMemory>,
    /// What the host should be like, in the order in which it is brought there.
    pub steps: Vec<Step>,
    /// What is not as good as it could be, a line each.
    pub warnings: Vec<String>,
}

/// One interface of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePlan {
    /// The name.
    pub name: String,
    /// The driver.
    pub driver: Option<String>,
    /// The PCI address.
    pub pci: Option<String>,
    /// The NUMA node.
    pub node: Option<u32>,
    /// The speed in Mbit/s.
    pub speed: Option<u32>,
    /// How many receive queues it will have, each a ring.
    pub queues: u32,
    /// Why so many.
    pub why: String,
    /// The size of a frame of memory in bytes.
    pub frame_bytes: u32,
    /// How many of them each ring has.
    pub frames_per_ring: u32,
    /// Why of that size.
    pub why_frames: String,
}

/// One worker: a thread that inspects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// The number, from 0.
    pub index: usize,
    /// The CPU that it is pinned to.
    pub cpu: u32,
    /// The physical core, named by its lowest CPU.
    pub core: u32,
    /// The NUMA node of the CPU.
    pub node: Option<u32>,
    /// The rings that it serves; without any, others hand frames over to it.
    pub rings: Vec<Ring>,
    /// Frames of memory of its rings.
    pub frames: u32,
    /// That memory in KiB.
    pub memory_kib: u64,
    /// Why this CPU and these rings.
    pub why: String,
}

/// A receive queue of an interface, which one worker serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ring {
    /// The interface.
    pub interface: String,
    /// The queue.
    pub queue: u32,
}

/// Where management and the publishing of events run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Management {
    /// The CPUs.
    pub cpus: CpuSet,
    /// Why these.
    pub why: String,
}

/// Memory for frames on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMemory {
    /// The node; nothing when it is unknown.
    pub node: Option<u32>,
    /// How much in MiB.
    pub mib: u64,
    /// The size of huge pages to use in KiB; nothing for ordinary pages.
    pub huge_page_kib: Option<u64>,
    /// How many of them.
    pub huge_pages: u64,
    /// Why so.
    pub why: String,
}

/// One thing of the host that should be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it should be.
    pub setting: Setting,
    /// What it was when the plan was made; nothing when that is unknown.
    pub now: Option<Setting>,
    /// Whether capture can't do without.
    pub required: bool,
    /// Why it should be so.
    pub why: String,
}

impl Step {
    /// Whether it was so already when the plan was made.
    #[must_use]
    pub fn met(&self) -> bool {
        self.now.as_ref().is_some_and(|now| self.setting.met_by(now))
    }
}

impl Plan {
    /// Makes the plan; the same facts and wishes always give the same.
    #[must_use]
    pub fn make(facts: &Facts, wishes: &Wishes) -> Self {
        let mut warnings = Vec::new();
        let chosen = interfaces(facts, wishes, &mut warnings);
        let homes: Vec<Home> = chosen.iter().map(|interface| Home::of(facts, interface)).collect();
        let staff = cores::choose(facts, wishes, &homes);
        let wanted: Vec<Cow<'_, Wishes>> =
            homes.iter().map(|home| wishes.of(&home.interface.name)).collect();
        let queues: Vec<rings::Queues> = homes
            .iter()
            .zip(&wanted)
            .map(|(home, wanted)| rings::queues(home, wanted, &staff.workers, facts))
            .collect();
        let shares = rings::share(&homes, &queues, &staff.workers);
        let mut plan = Self { management: staff.management.clone(), ..Self::default() };
        for ((home, wanted), queues) in homes.iter().zip(&wanted).zip(queues) {
            plan.interfaces.push(card::interface(home, queues, wanted));
        }
        for (index, (place, rings)) in staff.workers.iter().zip(shares).enumerate() {
            plan.workers.push(worker(&plan.interfaces, index, place, rings));
        }
        memory::plan(facts, wishes, &mut plan);
        for (home, wanted) in homes.iter().zip(&wanted) {
            card::steps(facts, home, wanted, &mut plan);
        }
        card::interrupts(facts, &homes, wishes, &mut plan);
        warnings.extend(staff.warnings);
        warnings::add(facts, wishes, &homes, &plan, &mut warnings);
        plan.warnings = warnings;
        plan
    }

    /// The steps that were not met when the plan was made.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.met())
    }
}

/// An interface and where it is at home.
#[derive(Clone, Copy, Debug)]
struct Home<'a> {
    interface: &'a Interface,
    /// The node, where it is known or there is only one.
    node: Option<u32>,
}

impl<'a> Home<'a> {
    fn of(facts: &Facts, interface: &'a Interface) -> Self {
        Self { interface, node: home_node(facts, interface) }
    }
}

/// The node that an interface is on, as far as it is known.
pub(crate) fn home_node(facts: &Facts, interface: &Interface) -> Option<u32> {
    let told = interface.node.filter(|node| facts.machine.node(*node).is_some());
    told.or_else(|| node_nearby(facts, interface))
}

/// The node of an interface that doesn't tell: the only one there is, or that of all the CPUs
/// that its bus calls near.
fn node_nearby(facts: &Facts, interface: &Interface) -> Option<u32> {
    if let [only] = facts.machine.nodes.as_slice() {
        return Some(only.id);
    }
    let mut nodes =
        interface.local_cpus.iter().filter_map(|cpu| facts.machine.cpu(cpu)).map(|cpu| cpu.node);
    let first = nodes.next().flatten()?;
    nodes.all(|node| node == Some(first)).then_some(first)
}

fn interfaces<'a>(
    facts: &'a Facts,
    wishes: &Wishes,
    warnings: &mut Vec<String>,
) -> Vec<&'a Interface> {
    if wishes.interfaces.is_empty() {
        return facts.interfaces.iter().collect();
    }
    let mut chosen: Vec<&Interface> = Vec::new();
    for name in &wishes.interfaces {
        let found = facts.interfaces.iter().find(|interface| {
            interface.name == *name || interface.altnames.iter().any(|other| other == name)
        });
        match found {
            Some(found) if chosen.iter().any(|one| one.name == found.name) => {}
            Some(found) => chosen.push(found),
            None => warnings.push(format!("{name}: no such interface, nothing is planned for it")),
        }
    }
    chosen
}

fn worker(
    interfaces: &[InterfacePlan],
    index: usize,
    place: &cores::Place,
    rings: Vec<Ring>,
) -> Worker {
    let mut frames = 0_u32;
    let mut bytes = 0_u64;
    for ring in &rings {
        let Some(of) = interfaces.iter().find(|one| one.name == ring.interface) else { continue };
        frames = frames.saturating_add(of.frames_per_ring);
        bytes += u64::from(of.frames_per_ring) * u64::from(of.frame_bytes);
    }
    let why = if rings.is_empty() {
        format!("{}; more workers than queues, so others hand flows over to it", place.why)
    } else {
        place.why.clone()
    };
    Worker {
        index,
        cpu: place.cpu,
        core: place.core,
        node: place.node,
        rings,
        frames,
        memory_kib: bytes / 1024,
        why,
    }
}
