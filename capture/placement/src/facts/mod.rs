//! What the host is like: CPUs, memory nodes, what this process may use, and the interfaces.

#[cfg(feature = "hwloc")]
mod hwloc;
mod interface;
mod interrupts;
mod limits;
mod machine;

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    cpus::CpuSet,
    ethtool::Ethtool,
    netlink::{self, Link},
    setting::{Flow, Transform},
    tree::Tree,
};

pub(crate) use interface::{gather as gather_interface, is_pci_address};
pub(crate) use machine::{gather as machine, huge_page_file};

/// Where facts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `/` for this host, or a folder with copies of `sys` and `proc`.
    pub root: PathBuf,
    /// What says how CPUs, nodes and cards hang together.
    pub topology: Topology,
}

/// What says how CPUs, nodes and cards hang together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// sysfs below the root.
    #[default]
    Sysfs,
    /// hwloc's view of this host; needs the `hwloc` feature.
    Hwloc,
    /// An hwloc XML file, of this host or of another one; needs the `hwloc` feature. Interfaces
    /// that this host lacks are taken from the file.
    HwlocFile(PathBuf),
}

/// All that a plan is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The kernel's release, such as `6.8.0-45-generic`.
    pub kernel: String,
    /// CPUs and memory.
    pub machine: Machine,
    /// What this process may use of them.
    pub process: Process,
    /// The interfaces asked for.
    pub interfaces: Vec<Interface>,
    /// What could not be found out, a line each.
    pub notes: Vec<String>,
}

/// CPUs and memory of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The online CPUs in ascending order.
    pub cpus: Vec<Cpu>,
    /// The NUMA nodes in ascending order; one when the machine has no NUMA.
    pub nodes: Vec<Node>,
    /// CPUs that the kernel's scheduler leaves alone (`isolcpus=`).
    pub isolated: CpuSet,
    /// Whether irqbalance runs here, which moves interrupts to where it likes.
    pub irqbalance: bool,
}

/// One logical CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The kernel's number.
    pub id: u32,
    /// The physical core, named by the lowest CPU on it: hyper-thread siblings share it.
    pub core: u32,
    /// The socket.
    pub socket: u32,
    /// The NUMA node.
    pub node: Option<u32>,
    /// The CPUs that share a last-level cache, named by the lowest of them.
    pub cluster: Option<u32>,
}

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free memory in MiB.
    pub free_mib: u64,
    /// Reserved huge pages by size.
    pub huge_pages: Vec<HugePages>,
    /// How far the other nodes are (10 = itself), by node.
    pub distances: BTreeMap<u32, u32>,
}

/// Huge pages of one size on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugePages {
    /// The size of one page in KiB: 2048 or 1048576.
    pub size_kib: u64,
    /// How many are reserved.
    pub total: u64,
    /// How many of them nobody uses.
    pub free: u64,
}

/// What this process may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// CPUs that threads may be pinned to: the affinity and the container's cpuset.
    pub allowed: CpuSet,
    /// The container's CPU limit in thousandths of a CPU.
    pub quota: Option<u64>,
    /// The limit of locked memory in bytes; nothing when unlimited.
    pub locked_memory: Option<u64>,
    /// The effective capabilities as a bit mask; nothing when unknown.
    pub capabilities: Option<u64>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// Alternative names.
    pub altnames: Vec<String>,
    /// The hardware address, `aa:bb:cc:dd:ee:ff`.
    pub mac: Option<String>,
    /// The driver; of a virtual interface its kind, such as `veth`.
    pub driver: Option<String>,
    /// The PCI address, `0000:81:00.0`.
    pub pci: Option<String>,
    /// Whether it is a function of an SR-IOV card, and which.
    pub function: Function,
    /// The NUMA node; nothing when the host doesn't say.
    pub node: Option<u32>,
    /// The CPUs near it, as its bus says.
    pub local_cpus: CpuSet,
    /// Whether it is set up.
    pub up: bool,
    /// Whether there is a link; nothing when it is not up.
    pub carrier: Option<bool>,
    /// Whether it receives what is not addressed to it.
    pub promiscuous: bool,
    /// The longest payload of a frame.
    pub mtu: u32,
    /// The link's speed in Mbit/s.
    pub speed: Option<u32>,
    /// Receive queues in use.
    pub rx_queues: u32,
    /// Transmit queues in use.
    pub tx_queues: u32,
    /// Counts of channels (queues) that can be changed.
    pub channels: Option<Channels>,
    /// Sizes of descriptor rings.
    pub rings: Option<Rings>,
    /// How frames are spread over receive queues.
    pub rss: Option<Rss>,
    /// The fields hashed for it per kind of flow, in ethtool's letters (`sdfn`).
    pub flow_hash: BTreeMap<Flow, String>,
    /// Offloads that matter to capture, by the kernel's name.
    pub offloads: BTreeMap<String, Feature>,
    /// Ethernet flow control.
    pub pause: Option<Pause>,
    /// Interrupt moderation.
    pub coalescing: Option<Coalescing>,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
}

/// What an interface is on an SR-IOV card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Not such a card, or a virtual interface.
    #[default]
    Plain,
    /// The physical function.
    Physical {
        /// How many virtual functions it has.
        functions: u32,
    },
    /// A virtual function.
    Virtual {
        /// The PCI address of the physical function.
        parent_pci: String,
        /// The physical function's interface, where it is visible.
        parent: Option<String>,
        /// The number of this function.
        index: Option<u32>,
        /// Whether the physical function trusts it, so that it may be promiscuous.
        trust: Option<bool>,
        /// Whether the card drops what it sends from other addresses than its own.
        spoof_check: Option<bool>,
    },
}

/// Counts of channels, which are queues with an interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Channels {
    /// Channels that only receive.
    pub rx: u32,
    /// Channels that only send.
    pub tx: u32,
    /// Channels for other things.
    pub other: u32,
    /// Channels that do both.
    pub combined: u32,
    /// The most of `rx`.
    pub max_rx: u32,
    /// The most of `tx`.
    pub max_tx: u32,
    /// The most of `combined`.
    pub max_combined: u32,
}

/// Sizes of descriptor rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rings {
    /// Receive descriptors per queue.
    pub rx: u32,
    /// Transmit descriptors per queue.
    pub tx: u32,
    /// The most of `rx`.
    pub max_rx: u32,
    /// The most of `tx`.
    pub max_tx: u32,
}

/// How a card spreads frames over receive queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rss {
    /// The hash function, such as `toeplitz`.
    pub function: String,
    /// What is done to the addresses before.
    pub transform: Transform,
    /// The key in hexadecimal.
    pub key: String,
    /// The queue of each slot of the indirection table.
    pub indirection: Vec<u32>,
}

/// One offload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Whether it is on.
    pub on: bool,
    /// Whether it can't be changed.
    pub fixed: bool,
}

/// Ethernet flow control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whether both sides agree on it by themselves.
    pub autonegotiate: bool,
    /// Whether pause frames received are obeyed.
    pub rx: bool,
    /// Whether pause frames are sent.
    pub tx: bool,
}

/// Interrupt moderation for receiving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coalescing {
    /// Microseconds that an interrupt may be put off.
    pub rx_usecs: u32,
    /// Whether the driver chooses for itself.
    pub adaptive_rx: bool,
}

/// One interrupt of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    /// The kernel's number.
    pub irq: u32,
    /// The driver's name for it.
    pub name: String,
    /// The queue that it belongs to.
    pub queue: Option<u32>,
    /// The CPUs that may take it.
    pub affinity: CpuSet,
}

/// Facts that could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// No such interface.
    #[error("no interface `{name}` here; there is {present}")]
    NoInterface {
        /// The name asked for.
        name: String,
        /// The names that exist.
        present: String,
    },
    /// The program was built without hwloc.
    #[error("this program was built without hwloc (cargo feature `hwloc`)")]
    NoHwloc,
    /// hwloc could not say.
    #[error("hwloc: {0}")]
    Hwloc(String),
    /// No CPU was found below the root.
    #[error("no online cpu found in {0}")]
    NoCpus(PathBuf),
}

impl Facts {
    /// Reads what there is to know for these interfaces.
    ///
    /// # Errors
    /// An interface or the topology asked for does not exist; what else can't be read is left
    /// out and said in [`Facts::notes`].
    pub fn gather(sources: &Sources, interfaces: &[String]) -> Result<Self, FactsError> {
        let tree = Tree::new(&sources.root);
        let mut notes = Vec::new();
        let outlook = Outlook::new(&tree, &mut notes);
        let view = hwloc_view(&sources.topology)?;
        let mut machine = machine::gather(&tree);
        if let Some(view) = &view {
            view.place(&mut machine);
        }
        if machine.cpus.is_empty() {
            return Err(FactsError::NoCpus(tree.path("sys/devices/system/cpu")));
        }
        let mut found = Vec::new();
        for name in interfaces {
            let here = interface::gather(&tree, &outlook, name);
            let placed = match &view {
                Some(view) => view.interface(name, here),
                None => here,
            };
            found.push(placed.ok_or_else(|| no_interface(&tree, name))?);
        }
        let process = match &sources.topology {
            // What this process may do here says nothing of another machine.
            Topology::HwlocFile(_) => limits::of_machine(&machine),
            _ => limits::gather(&tree, &machine),
        };
        let kernel = tree.text("proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self { kernel, machine, process, interfaces: found, notes })
    }

    /// The interface of that name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// Whether the kernel is of this version or later.
    #[must_use]
    pub fn kernel_since(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.kernel.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|digits| digits.parse::<u32>().ok());
        match (next(), next()) {
            (Some(has_major), Some(has_minor)) => (has_major, has_minor) >= (major, minor),
            _ => false,
        }
    }
}

impl Machine {
    /// The CPU of that number.
    #[must_use]
    pub fn cpu(&self, id: u32) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }

    /// The node of that number.
    #[must_use]
    pub fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The online CPUs.
    #[must_use]
    pub fn online(&self) -> CpuSet {
        self.cpus.iter().map(|cpu| cpu.id).collect()
    }
}

impl Interface {
    /// How many receive queues are in use, at least one.
    #[must_use]
    pub fn queues(&self) -> u32 {
        let channels = self.channels.map_or(0, |c| c.rx.saturating_add(c.combined));
        if channels > 0 { channels } else { self.rx_queues.max(1) }
    }

    /// How many receive queues there may be.
    #[must_use]
    pub fn max_queues(&self) -> u32 {
        let most = self.channels.map_or(0, |c| c.max_combined.max(c.max_rx));
        most.max(self.queues())
    }
}

/// What of an interface is not in sysfs: the kernel's own answers, on the running host only.
pub(crate) struct Outlook {
    ethtool: Option<Ethtool>,
    links: Vec<Link>,
}

impl Outlook {
    pub(crate) fn new(tree: &Tree, notes: &mut Vec<String>) -> Self {
        if !tree.is_host() {
            return Self { ethtool: None, links: Vec::new() };
        }
        let ethtool = Ethtool::open()
            .inspect_err(|error| notes.push(format!("no socket to ask drivers: {error}")))
            .ok();
        let links = netlink::links().unwrap_or_else(|error| {
            notes.push(format!("the kernel did not list its interfaces: {error}"));
            Vec::new()
        });
        Self { ethtool, links }
    }
}

fn no_interface(tree: &Tree, name: &str) -> FactsError {
    let present = tree.names("sys/class/net");
    let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
    FactsError::NoInterface { name: name.to_owned(), present }
}

#[cfg(feature = "hwloc")]
fn hwloc_view(topology: &Topology) -> Result<Option<hwloc::View>, FactsError> {
    Ok(match topology {
        Topology::Sysfs => None,
        Topology::Hwloc => Some(hwloc::View::of_host()?),
        Topology::HwlocFile(path) => Some(hwloc::View::of_file(path)?),
    })
}

#[cfg(not(feature = "hwloc"))]
fn hwloc_view(topology: &Topology) -> Result<Option<NoView>, FactsError> {
    match topology {
        Topology::Sysfs => Ok(None),
        Topology::Hwloc | Topology::HwlocFile(_) => Err(FactsError::NoHwloc),
    }
}

/// What stands for hwloc's view in a program without hwloc: there is none.
#[cfg(not(feature = "hwloc"))]
enum NoView {}

#[cfg(not(feature = "hwloc"))]
impl NoView {
    fn place(&self, _machine: &mut Machine) {
        match *self {}
    }

    fn interface(&self, _name: &str, _here: Option<Interface>) -> Option<Interface> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kernel: &str, version: (u32, u32), expected: bool) {
        let facts = Facts { kernel: kernel.to_owned(), ..Facts::default() };
        assert_eq!(facts.kernel_since(version.0, version.1), expected, "{kernel} {version:?}");
    }

    #[test]
    fn kernel_releases_compare_by_number() {
        check("6.8.0-45-generic", (6, 8), true);
        check("6.18.44", (6, 8), true);
        check("6.1.0", (6, 8), false);
        check("5.15.0", (6, 1), false);
        check("7.0-rc1", (6, 15), true);
        check("", (0, 0), false);
        check("strange", (0, 0), false);
    }
}
