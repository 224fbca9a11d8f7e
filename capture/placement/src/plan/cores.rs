//! Which CPUs the workers get, and which are set apart for management.

use std::collections::BTreeMap;

use super::{Home, Management, Wishes};
use crate::{cpus::CpuSet, facts::Facts};

/// With fewer physical cores than this, none is set apart for management.
const FEWEST_TO_RESERVE: usize = 3;
/// One core is set apart for so many.
const CORES_PER_RESERVED: usize = 16;

/// Workers' CPUs in ascending order, and where the rest runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Staff {
    pub(super) workers: Vec<Place>,
    pub(super) management: Management,
    pub(super) warnings: Vec<String>,
}

/// The CPU of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cpu: u32,
    pub(super) core: u32,
    pub(super) node: Option<u32>,
    pub(super) why: String,
}

/// A physical core with those of its CPUs that may be used.
#[derive(Clone, Debug)]
struct Core {
    id: u32,
    node: Option<u32>,
    cluster: Option<u32>,
    isolated: bool,
    /// Ascending; never empty.
    threads: Vec<u32>,
}

pub(super) fn choose(facts: &Facts, wishes: &Wishes, homes: &[Home]) -> Staff {
    let allowed = facts.process.allowed.intersection(&facts.machine.online());
    let mut staff = Staff::default();
    let pool = pool(wishes, &allowed, &mut staff.warnings);
    let asked = asked(wishes, &pool);
    let nodes = home_nodes(homes);
    let apart = set_apart(facts, wishes, &allowed, &nodes, asked);
    let mut free = match &apart {
        Apart::Cpus(management) => pool.difference(&management.cpus),
        Apart::Rest(_) => pool.clone(),
    };
    if free.is_empty() {
        free = pool;
    }
    let cores = cores(facts, &free);
    let mut places = preferred(facts, &cores, &nodes);
    let most = places.len();
    let count = match asked {
        Some(asked) => {
            if asked > most {
                staff.warnings.push(format!(
                    "{asked} workers were asked for, but only {most} of the allowed cpus \
                     ({allowed}) are left for them: {most} workers"
                ));
            }
            asked
        }
        None => limited_by_quota(facts, default_count(&cores, &nodes), &mut staff.warnings),
    };
    places.truncate(count.clamp(1, most.max(1)));
    explain(&mut places, homes);
    places.sort_unstable_by_key(|place| place.cpu);
    let taken: CpuSet = places.iter().map(|place| place.cpu).collect();
    staff.workers = places;
    staff.management = match apart {
        Apart::Cpus(management) => management,
        Apart::Rest(why) => rest(&allowed, &taken, &why),
    };
    let shared = staff.management.cpus.intersection(&taken);
    if !shared.is_empty() {
        staff.warnings.push(format!("workers share cpu {shared} with management"));
    }
    staff
}

/// The CPUs that workers may have.
fn pool(wishes: &Wishes, allowed: &CpuSet, warnings: &mut Vec<String>) -> CpuSet {
    let Some(wished) = &wishes.worker_cpus else { return allowed.clone() };
    let usable = wished.intersection(allowed);
    let missing = wished.difference(allowed);
    if usable.is_empty() {
        warnings.push(format!("none of the worker cpus {wished} is allowed; using {allowed}"));
        return allowed.clone();
    }
    if !missing.is_empty() {
        warnings.push(format!("worker cpus {missing} are not allowed or not online: left out"));
    }
    usable
}

/// The number of workers that was asked for, by number or by naming their CPUs.
fn asked(wishes: &Wishes, pool: &CpuSet) -> Option<usize> {
    let named = wishes.worker_cpus.as_ref().map(|_| {
        let management = wishes.management.clone().unwrap_or_default();
        pool.difference(&management).len().max(1)
    });
    wishes.workers.or(named)
}

/// The nodes of the interfaces, each once, in the interfaces' order; empty when none is known.
fn home_nodes(homes: &[Home]) -> Vec<u32> {
    let mut nodes = Vec::new();
    for node in homes.iter().filter_map(|home| home.node) {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    // An interface that could be anywhere makes all nodes as good as any.
    if homes.iter().any(|home| home.node.is_none()) { Vec::new() } else { nodes }
}

fn at_home(core: &Core, nodes: &[u32]) -> bool {
    nodes.is_empty() || core.node.is_some_and(|node| nodes.contains(&node))
}

/// What is set apart for management and publishing.
enum Apart {
    /// These CPUs.
    Cpus(Management),
    /// What the workers leave, and why no more.
    Rest(String),
}

/// Sets CPUs apart for management and publishing, unless too few are left.
fn set_apart(
    facts: &Facts,
    wishes: &Wishes,
    allowed: &CpuSet,
    nodes: &[u32],
    asked: Option<usize>,
) -> Apart {
    if let Some(wished) = &wishes.management {
        let cpus = wished.intersection(allowed);
        if cpus.is_empty() {
            return Apart::Rest(format!("none of {wished} is allowed"));
        }
        return Apart::Cpus(Management { cpus, why: "as asked".to_owned() });
    }
    if wishes.worker_cpus.is_some() {
        return Apart::Rest("the workers' cpus were given".to_owned());
    }
    let mut cores = cores(facts, allowed);
    if cores.len() < FEWEST_TO_RESERVE {
        return Apart::Rest(format!("{} to share", counted(cores.len(), "core")));
    }
    let reserve = cores.len().div_ceil(CORES_PER_RESERVED).min(4);
    // Isolated cores were isolated for capture, and cores away from the interfaces are worth less
    // to it; among the rest, the lowest have the kernel's own work already.
    cores.sort_by_key(|core| (core.isolated, at_home(core, nodes), core.id));
    let (apart, rest) = cores.split_at(reserve.min(cores.len()));
    let left: usize = rest.iter().map(|core| core.threads.len()).sum();
    if asked.is_some_and(|asked| asked > left) {
        return Apart::Rest("so many workers were asked for".to_owned());
    }
    let away = !nodes.is_empty() && apart.iter().all(|core| !at_home(core, nodes));
    let why = if away {
        "away from the interfaces, whose node's cores are for workers".to_owned()
    } else if apart.iter().all(|core| !core.isolated) && !facts.machine.isolated.is_empty() {
        "not isolated, and apart from the workers".to_owned()
    } else {
        "the lowest, with the kernel's own work, and apart from the workers".to_owned()
    };
    let cpus = apart.iter().flat_map(|core| core.threads.iter().copied()).collect();
    Apart::Cpus(Management { cpus, why })
}

/// What the workers leave of the allowed CPUs, or all when they leave none.
fn rest(allowed: &CpuSet, taken: &CpuSet, why: &str) -> Management {
    let rest = allowed.difference(taken);
    if rest.is_empty() {
        Management { cpus: allowed.clone(), why: format!("{why}, so with the workers") }
    } else {
        Management { cpus: rest, why: format!("{why}: what the workers leave") }
    }
}

fn cores(facts: &Facts, usable: &CpuSet) -> Vec<Core> {
    let mut cores: BTreeMap<u32, Core> = BTreeMap::new();
    for cpu in facts.machine.cpus.iter().filter(|cpu| usable.contains(cpu.id)) {
        let isolated = facts.machine.isolated.contains(cpu.id);
        let core = cores.entry(cpu.core).or_insert_with(|| Core {
            id: cpu.core,
            node: cpu.node,
            cluster: cpu.cluster,
            isolated: false,
            threads: Vec::new(),
        });
        core.isolated |= isolated;
        core.threads.push(cpu.id);
    }
    let mut cores: Vec<Core> = cores.into_values().collect();
    for core in &mut cores {
        core.threads.sort_unstable();
        core.threads.dedup();
    }
    cores
}

/// One worker per physical core at home, or per core where none is at home; of isolated cores
/// only where there are such.
fn default_count(cores: &[Core], nodes: &[u32]) -> usize {
    let mut home: Vec<&Core> = cores.iter().filter(|core| at_home(core, nodes)).collect();
    if home.is_empty() {
        home = cores.iter().collect();
    }
    let isolated = home.iter().filter(|core| core.isolated).count();
    let count = if isolated > 0 { isolated } else { home.len() };
    count.max(1)
}

fn limited_by_quota(facts: &Facts, count: usize, warnings: &mut Vec<String>) -> usize {
    let Some(quota) = facts.process.quota else { return count };
    let whole = usize::try_from(quota / 1000).unwrap_or(usize::MAX).max(1);
    if whole >= count {
        return count;
    }
    warnings.push(format!(
        "the container's cpu limit of {}.{:03} cpus allows {} to run without pauses, \
         though {count} cores are free",
        quota / 1000,
        quota % 1000,
        counted(whole, "worker")
    ));
    whole
}

/// All places for workers, the best first: own cores at home, own cores elsewhere from near to
/// far, then second threads in the same order. (A core of its own on the next node is worth more
/// than half of one nearby.)
fn preferred(facts: &Facts, cores: &[Core], nodes: &[u32]) -> Vec<Place> {
    let (home, away): (Vec<&Core>, Vec<&Core>) =
        cores.iter().partition(|core| at_home(core, nodes));
    let mut order = in_turn_by_node(home, nodes);
    let distance = |core: &Core| {
        let of = |node: &u32| {
            let from = facts.machine.node(*node)?;
            from.distances.get(&core.node?).copied()
        };
        nodes.iter().filter_map(of).min().unwrap_or(u32::MAX)
    };
    let mut away: Vec<(u32, &Core)> = away.into_iter().map(|core| (distance(core), core)).collect();
    away.sort_by_key(|(distance, core)| (*distance, !core.isolated, core.node, core.id));
    order.extend(away.into_iter().map(|(_, core)| core));
    let most_threads = order.iter().map(|core| core.threads.len()).max().unwrap_or(0);
    let mut places = Vec::new();
    for thread in 0..most_threads {
        for core in &order {
            if let Some(cpu) = core.threads.get(thread) {
                let why = String::new();
                places.push(Place { cpu: *cpu, core: core.id, node: core.node, why });
            }
        }
    }
    places
}

/// The nodes' cores in turn, so that few workers are as many on one node as on the other; on a
/// node, isolated cores first, and the caches in turn, so that few workers have much cache each.
fn in_turn_by_node<'a>(home: Vec<&'a Core>, nodes: &[u32]) -> Vec<&'a Core> {
    let mut by_node: BTreeMap<usize, Vec<&Core>> = BTreeMap::new();
    for core in home {
        let rank = nodes.iter().position(|node| Some(*node) == core.node);
        // Where no node is known to be better, their own order is as good.
        let rank = rank.or_else(|| usize::try_from(core.node?).ok()).unwrap_or(0);
        by_node.entry(rank).or_default().push(core);
    }
    in_turn(by_node.into_values().map(in_turn_by_cache).collect())
}

fn in_turn_by_cache(cores: Vec<&Core>) -> Vec<&Core> {
    let (isolated, rest): (Vec<&Core>, Vec<&Core>) =
        cores.into_iter().partition(|core| core.isolated);
    let mut order = Vec::new();
    for group in [isolated, rest] {
        let mut by_cluster: BTreeMap<Option<u32>, Vec<&Core>> = BTreeMap::new();
        for core in group {
            by_cluster.entry(core.cluster).or_default().push(core);
        }
        order.extend(in_turn(by_cluster.into_values().collect()));
    }
    order
}

fn in_turn<T: Copy>(lists: Vec<Vec<T>>) -> Vec<T> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|at| lists.iter().filter_map(move |list| list.get(at).copied())).collect()
}

/// Says of each place why it was taken, now that it is known who else has its core.
fn explain(places: &mut [Place], homes: &[Home]) {
    let cores: Vec<u32> = places.iter().map(|place| place.core).collect();
    for (at, place) in places.iter_mut().enumerate() {
        let shared = cores.iter().take(at).any(|core| *core == place.core);
        let core = if shared {
            format!("second thread of core {}, as no whole core is left", place.core)
        } else {
            "a core of its own".to_owned()
        };
        let near: Vec<&str> = homes
            .iter()
            .filter(|home| home.node.is_some() && home.node == place.node)
            .map(|home| home.interface.name.as_str())
            .collect();
        place.why = match place.node {
            Some(node) if !near.is_empty() => {
                format!("{core} on node {node} with {}", near.join(", "))
            }
            Some(node) if homes.iter().all(|home| home.node.is_some()) => {
                format!("{core} on node {node}, away from the interfaces")
            }
            Some(node) => format!("{core} on node {node}"),
            None => core,
        };
    }
}

/// A number with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
