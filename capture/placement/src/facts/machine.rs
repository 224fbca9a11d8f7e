//! CPUs, caches, NUMA nodes and huge pages, from sysfs.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Cpu, HugePages, Machine, Node};
use crate::{cpus::CpuSet, tree::Tree};

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";

pub(crate) fn gather(tree: &Tree) -> Machine {
    let nodes = nodes(tree);
    let online: CpuSet = tree
        .value(format!("{CPUS}/online"))
        .unwrap_or_else(|| tree.numbered(CPUS, "cpu").into_iter().collect());
    let node_of = node_of_cpus(tree, &nodes);
    // Without NUMA all memory is one node, as the kernel itself has it.
    let only = if nodes.len() == 1 { nodes.first().map(|node| node.id) } else { None };
    let cpus = online.iter().map(|id| cpu(tree, id, node_of.get(&id).copied().or(only))).collect();
    Machine {
        cpus,
        nodes,
        isolated: tree.value(format!("{CPUS}/isolated")).unwrap_or_default(),
        irqbalance: runs(tree, "irqbalance"),
    }
}

/// The file that sets how many huge pages of a size a node has.
pub(crate) fn huge_page_file(tree: &Tree, node: u32, size_kib: u64) -> PathBuf {
    let folder = format!("hugepages/hugepages-{size_kib}kB/nr_hugepages");
    let of_node = tree.path(format!("{NODES}/node{node}/{folder}"));
    if of_node.exists() { of_node } else { tree.path(format!("sys/kernel/mm/{folder}")) }
}

fn cpu(tree: &Tree, id: u32, node: Option<u32>) -> Cpu {
    let folder = format!("{CPUS}/cpu{id}");
    let siblings: CpuSet =
        tree.value(format!("{folder}/topology/thread_siblings_list")).unwrap_or_default();
    Cpu {
        id,
        core: siblings.first().unwrap_or(id),
        socket: tree.value(format!("{folder}/topology/physical_package_id")).unwrap_or(0),
        node,
        cluster: last_level_cache(tree, &folder),
    }
}

/// The lowest CPU of those that share the largest cache of this one.
fn last_level_cache(tree: &Tree, folder: &str) -> Option<u32> {
    let caches = format!("{folder}/cache");
    let mut last: Option<(u32, CpuSet)> = None;
    for index in tree.numbered(&caches, "index") {
        let cache = format!("{caches}/index{index}");
        let Some(level) = tree.value::<u32>(format!("{cache}/level")) else { continue };
        let Some(shared) = tree.value::<CpuSet>(format!("{cache}/shared_cpu_list")) else {
            continue;
        };
        if last.as_ref().is_none_or(|(highest, _)| level > *highest) {
            last = Some((level, shared));
        }
    }
    last.and_then(|(_, shared)| shared.first())
}

fn nodes(tree: &Tree) -> Vec<Node> {
    let online: Option<CpuSet> = tree.value(format!("{NODES}/online"));
    let ids: Vec<u32> = match online {
        Some(online) => online.iter().collect(),
        None => tree.numbered(NODES, "node"),
    };
    if ids.is_empty() {
        let memory = tree.text("proc/meminfo").unwrap_or_default();
        return vec![Node {
            id: 0,
            memory_mib: mib(&memory, "MemTotal:"),
            free_mib: mib(&memory, "MemFree:"),
            huge_pages: huge_pages(tree, "sys/kernel/mm/hugepages"),
            distances: BTreeMap::from([(0, 10)]),
        }];
    }
    ids.iter().map(|id| node(tree, *id, &ids)).collect()
}

fn node(tree: &Tree, id: u32, ids: &[u32]) -> Node {
    let folder = format!("{NODES}/node{id}");
    let memory = tree.text(format!("{folder}/meminfo")).unwrap_or_default();
    let distances = tree.text(format!("{folder}/distance")).unwrap_or_default();
    let distances = distances.split_whitespace().map_while(|text| text.parse().ok());
    Node {
        id,
        memory_mib: mib(&memory, "MemTotal:"),
        free_mib: mib(&memory, "MemFree:"),
        huge_pages: huge_pages(tree, &format!("{folder}/hugepages")),
        distances: ids.iter().copied().zip(distances).collect(),
    }
}

fn node_of_cpus(tree: &Tree, nodes: &[Node]) -> BTreeMap<u32, u32> {
    let mut node_of = BTreeMap::new();
    for node in nodes {
        let cpus: CpuSet =
            tree.value(format!("{NODES}/node{}/cpulist", node.id)).unwrap_or_default();
        node_of.extend(cpus.iter().map(|cpu| (cpu, node.id)));
    }
    node_of
}

/// A row of a `meminfo` file, where the key stands alone or behind `Node N`.
fn mib(meminfo: &str, key: &str) -> u64 {
    let row = meminfo.lines().find_map(|line| line.split_once(key)).map(|(_, rest)| rest);
    let kib = row.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn huge_pages(tree: &Tree, folder: &str) -> Vec<HugePages> {
    let mut sizes: Vec<HugePages> = tree
        .names(folder)
        .iter()
        .filter_map(|name| {
            let size_kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let total = tree.value(format!("{folder}/{name}/nr_hugepages"))?;
            let free = tree.value(format!("{folder}/{name}/free_hugepages")).unwrap_or(0);
            Some(HugePages { size_kib, total, free })
        })
        .collect();
    sizes.sort_unstable_by_key(|pages| pages.size_kib);
    sizes
}

fn runs(tree: &Tree, program: &str) -> bool {
    let is_process = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
    tree.names("proc")
        .iter()
        .filter(is_process)
        .any(|process| tree.text(format!("proc/{process}/comm")).as_deref() == Some(program))
}
