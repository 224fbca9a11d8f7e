//! Cores, caches, nodes and the places of network cards from hwloc: of this host or a file.

use std::{collections::BTreeMap, error::Error, path::Path};

use hwlocality::{
    Topology,
    cpu::cpuset::CpuSet as HwlocCpus,
    object::{
        TopologyObject,
        attributes::ObjectAttributes,
        types::{OSDeviceType, ObjectType},
    },
    topology::builder::TypeFilter,
};

use super::{Cpu, FactsError, HugePages, Interface, Machine, Node};
use crate::cpus::CpuSet;

/// What hwloc says of a machine.
pub(super) struct View {
    cpus: Vec<Cpu>,
    nodes: Vec<Node>,
    cards: Vec<Interface>,
    /// Whether it is another machine's, of which sysfs says nothing.
    foreign: bool,
}

impl View {
    pub(super) fn of_host() -> Result<Self, FactsError> {
        let topology = Topology::builder()
            .with_io_type_filter(TypeFilter::KeepImportant)
            .map_err(failed)?
            .build()
            .map_err(failed)?;
        Ok(Self::of(&topology, false))
    }

    pub(super) fn of_file(path: &Path) -> Result<Self, FactsError> {
        let named = |error: &dyn Error| FactsError::Hwloc(format!("{}: {error}", path.display()));
        // Read here, as the crate takes a file that can't be opened for a bug of hwloc's.
        let xml = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        let topology = Topology::builder()
            .with_io_type_filter(TypeFilter::KeepImportant)
            .map_err(failed)?
            .from_xml(&xml)
            .map_err(|error| named(&error))?
            .build()
            .map_err(|error| named(&error))?;
        Ok(Self::of(&topology, true))
    }

    /// Puts hwloc's CPUs and nodes in place of those of sysfs, of which counts of huge pages and
    /// distances are kept where it is the same machine.
    pub(super) fn place(&self, machine: &mut Machine) {
        let from_sysfs = std::mem::take(&mut machine.nodes);
        machine.cpus.clone_from(&self.cpus);
        machine.nodes.clone_from(&self.nodes);
        if self.foreign {
            machine.isolated = CpuSet::new();
            machine.irqbalance = false;
            return;
        }
        for node in &mut machine.nodes {
            if let Some(own) = from_sysfs.iter().find(|own| own.id == node.id) {
                node.clone_from(own);
            }
        }
    }

    /// The interface as found here, with hwloc's place for it; or, in another machine's file, what
    /// the file says.
    pub(super) fn interface(&self, name: &str, here: Option<Interface>) -> Option<Interface> {
        let card = self.cards.iter().find(|card| card.name == name);
        if self.foreign {
            return card.cloned();
        }
        let mut interface = here?;
        // A virtual interface is no device of hwloc's, and keeps what sysfs says.
        if let Some(card) = card {
            interface.node = card.node.or(interface.node);
            if !card.local_cpus.is_empty() {
                interface.local_cpus.clone_from(&card.local_cpus);
            }
        }
        Some(interface)
    }

    fn of(topology: &Topology, foreign: bool) -> Self {
        let nodes: Vec<&TopologyObject> =
            topology.objects_with_type(ObjectType::NUMANode).collect();
        Self {
            cpus: cpus(topology, &nodes),
            nodes: nodes.iter().filter_map(|object| node(object)).collect(),
            cards: topology
                .objects_with_type(ObjectType::OSDevice)
                .filter_map(|device| card(device, &nodes))
                .collect(),
            foreign,
        }
    }
}

fn cpus(topology: &Topology, nodes: &[&TopologyObject]) -> Vec<Cpu> {
    let mut node_of = BTreeMap::new();
    for object in nodes {
        let Some(id) = index(object) else { continue };
        node_of.extend(set(object.cpuset().as_deref()).iter().map(|cpu| (cpu, id)));
    }
    let mut cpus: Vec<Cpu> = topology
        .objects_with_type(ObjectType::PU)
        .filter_map(|unit| {
            let id = index(unit)?;
            let above = |kind| unit.first_ancestor_with_type(kind);
            let lowest = |object: &TopologyObject| set(object.cpuset().as_deref()).first();
            let cluster = [ObjectType::L3Cache, ObjectType::L2Cache].into_iter().find_map(above);
            Some(Cpu {
                id,
                core: above(ObjectType::Core).and_then(lowest).unwrap_or(id),
                socket: above(ObjectType::Package).and_then(index).unwrap_or(0),
                node: node_of.get(&id).copied(),
                cluster: cluster.and_then(lowest),
            })
        })
        .collect();
    cpus.sort_unstable_by_key(|cpu| cpu.id);
    cpus
}

fn node(object: &TopologyObject) -> Option<Node> {
    let mut node = Node { id: index(object)?, ..Node::default() };
    if let Some(ObjectAttributes::NUMANode(memory)) = object.attributes() {
        node.memory_mib = memory.local_memory().map_or(0, |bytes| bytes.get() >> 20);
        node.huge_pages = memory
            .page_types()
            .iter()
            .map(|pages| (pages.size().get() >> 10, pages.count()))
            .filter(|(size_kib, _)| *size_kib >= 2048)
            .map(|(size_kib, count)| HugePages { size_kib, total: count, free: count })
            .collect();
    }
    Some(node)
}

fn card(device: &TopologyObject, nodes: &[&TopologyObject]) -> Option<Interface> {
    let Some(ObjectAttributes::OSDevice(attributes)) = device.attributes() else { return None };
    if attributes.device_type() != OSDeviceType::Network {
        return None;
    }
    let place = device.first_non_io_ancestor()?;
    let local_cpus = set(place.cpuset().as_deref());
    let near: Vec<u32> = nodes
        .iter()
        .filter(|node| {
            place.nodeset().is_some_and(|set| node.os_index().is_some_and(|i| set.is_set(i)))
        })
        .filter_map(|node| index(node))
        .collect();
    Some(Interface {
        name: device.name()?.to_str().ok()?.to_owned(),
        mac: device.info("Address").and_then(|mac| mac.to_str().ok()).map(str::to_owned),
        pci: device.ancestors().find_map(pci_address),
        // Below the whole machine hwloc lists what has no place of its own.
        node: if let [only] = near.as_slice() { Some(*only) } else { None },
        local_cpus,
        rx_queues: 1,
        tx_queues: 1,
        mtu: 1500,
        ..Interface::default()
    })
}

fn pci_address(object: &TopologyObject) -> Option<String> {
    let Some(ObjectAttributes::PCIDevice(pci)) = object.attributes() else { return None };
    let (domain, bus) = (pci.domain(), pci.bus_id());
    Some(format!("{domain:04x}:{bus:02x}:{:02x}.{:x}", pci.bus_device(), pci.function()))
}

fn index(object: &TopologyObject) -> Option<u32> {
    object.os_index().and_then(|index| u32::try_from(index).ok())
}

fn set(cpus: Option<&HwlocCpus>) -> CpuSet {
    // A set without an end holds CPUs that don't exist.
    let Some(cpus) = cpus.filter(|cpus| cpus.weight().is_some()) else { return CpuSet::new() };
    cpus.iter_set().filter_map(|cpu| u32::try_from(usize::from(cpu)).ok()).collect()
}

fn failed(error: impl Error) -> FactsError {
    FactsError::Hwloc(error.to_string())
}
