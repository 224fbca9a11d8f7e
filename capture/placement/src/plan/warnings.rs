//! What is not as good as it could be on this host, and what to do about it.

use super::{
    Capture, Home, HugePageWish, Plan, Wishes,
    card::{self, RINGS_LAST},
    cores::counted,
};
use crate::{
    cpus::CpuSet,
    facts::{Facts, Function, Interface},
    setting::Setting,
};

/// The capabilities that capture takes, by their bit.
const CAPABILITIES: [(u32, &str, Need); 5] = [
    (12, "CAP_NET_ADMIN", Need::Always),
    (13, "CAP_NET_RAW", Need::Always),
    (14, "CAP_IPC_LOCK", Need::Locking),
    (38, "CAP_PERFMON", Need::Xdp),
    (39, "CAP_BPF", Need::Xdp),
];
const CAP_SYS_ADMIN: u32 = 21;

/// When a capability is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    Xdp,
    /// Where more memory is to be locked than is allowed.
    Locking,
}

/// Drivers that are known to receive into an AF_XDP socket's memory without a copy.
const ZERO_COPY: [&str; 9] =
    ["i40e", "ice", "igb", "igc", "ixgbe", "mlx5_core", "stmmac", "tsnep", "virtio_net"];
/// Drivers that are known to have no XDP of their own, only the kernel's slow one.
const NO_XDP: [&str; 3] = ["igbvf", "e1000", "e1000e"];

pub(super) fn add(
    facts: &Facts,
    wishes: &Wishes,
    homes: &[Home],
    plan: &Plan,
    warnings: &mut Vec<String>,
) {
    if plan.workers.is_empty() {
        warnings.push("no cpu is allowed: there are no workers".to_owned());
    }
    for home in homes {
        device(facts, &wishes.of(&home.interface.name), home, plan, warnings);
    }
    across_nodes(facts, homes, plan, warnings);
    workers(facts, plan, warnings);
    memory(facts, wishes, plan, warnings);
    let moves = plan.steps.iter().any(|s| matches!(s.setting, Setting::QueueInterrupts { .. }));
    if facts.machine.irqbalance && moves {
        warnings.push(
            "irqbalance runs and will move the interrupts again: `systemctl stop irqbalance`"
                .to_owned(),
        );
    }
    privileges(facts, wishes, plan, warnings);
}

fn device(facts: &Facts, wishes: &Wishes, home: &Home, plan: &Plan, warnings: &mut Vec<String>) {
    let of = home.interface;
    let name = &of.name;
    if home.node.is_none() && facts.machine.nodes.len() > 1 {
        warnings.push(format!(
            "{name}: the host doesn't tell its NUMA node, so workers may be on the wrong one"
        ));
    }
    if of.carrier == Some(false) {
        warnings.push(format!("{name}: there is no link"));
    }
    virtual_function(of, warnings);
    spreading(of, plan, warnings);
    descriptors(of, wishes, plan, warnings);
    let stuck = card::stuck_offloads(of, wishes);
    if !stuck.is_empty() {
        warnings.push(format!("{name}: {} can't be switched off", stuck.join(", ")));
    }
    let driver = of.driver.as_deref().unwrap_or_default();
    if card::is_xdp(wishes) && NO_XDP.contains(&driver) {
        warnings
            .push(format!("{name}: {driver} has no XDP, so the kernel's slow generic one runs"));
    } else if wishes.capture == Capture::ZeroCopy
        && !driver.is_empty()
        && !ZERO_COPY.contains(&driver)
    {
        warnings.push(format!("{name}: {driver} is not known for zero copy: frames are copied"));
    }
}

fn virtual_function(of: &Interface, warnings: &mut Vec<String>) {
    let Function::Virtual { parent_pci, parent, index, trust, spoof_check } = &of.function else {
        return;
    };
    let name = &of.name;
    let command = format!(
        "`ip link set {} vf {} trust on spoofchk off`",
        parent.as_deref().unwrap_or("PF"),
        index.map_or_else(|| "N".to_owned(), |index| index.to_string()),
    );
    match (trust, spoof_check) {
        (Some(true), Some(false)) => {}
        (Some(false), _) => warnings.push(format!(
            "{name}: its physical function doesn't trust it, so it can't be promiscuous: {command}"
        )),
        (Some(true), Some(true)) => warnings.push(format!(
            "{name}: the card drops what it sends from other addresses (spoofchk): {command}"
        )),
        _ => warnings.push(format!(
            "{name}: whether it may be promiscuous is up to its physical function {parent_pci}, \
             which doesn't tell here: on the host {command}"
        )),
    }
}

fn spreading(of: &Interface, plan: &Plan, warnings: &mut Vec<String>) {
    let name = &of.name;
    let queues = plan.interfaces.iter().find(|one| one.name == *name).map_or(1, |one| one.queues);
    if queues > 1 && of.rss.is_none() {
        warnings.push(format!(
            "{name}: the driver has no receive hash to set, so the directions of a flow may reach \
             different queues; workers hand over to each other"
        ));
    }
}

fn descriptors(of: &Interface, wishes: &Wishes, plan: &Plan, warnings: &mut Vec<String>) {
    let name = &of.name;
    let Some(planned) = plan.interfaces.iter().find(|one| one.name == *name) else { return };
    let (Some(speed), Some((size, _))) = (of.speed, card::ring_size(of, planned.queues, wishes))
    else {
        return;
    };
    let lasting = card::lasting(size, planned.queues, speed);
    if lasting < RINGS_LAST / 2 {
        warnings.push(format!(
            "{name}: {} of {size} descriptors last only {lasting} µs at {}",
            counted(planned.queues as usize, "ring"),
            card::speed_text(speed)
        ));
    }
}

fn across_nodes(facts: &Facts, homes: &[Home], plan: &Plan, warnings: &mut Vec<String>) {
    for home in homes {
        let Some(node) = home.node else { continue };
        let name = &home.interface.name;
        let far: Vec<&super::Worker> = plan
            .workers
            .iter()
            .filter(|worker| worker.node != Some(node))
            .filter(|worker| worker.rings.iter().any(|ring| ring.interface == *name))
            .collect();
        if !far.is_empty() {
            let cpus: CpuSet = far.iter().map(|worker| worker.cpu).collect();
            warnings.push(format!(
                "{name}: on node {node}, but served by cpu {cpus} of another node, as {}",
                missing(facts, node)
            ));
        }
    }
    let nodes: Vec<u32> = homes.iter().filter_map(|home| home.node).collect();
    let elsewhere: CpuSet = plan
        .workers
        .iter()
        .filter(|worker| worker.rings.is_empty())
        .filter(|worker| worker.node.is_some_and(|node| !nodes.contains(&node)))
        .map(|worker| worker.cpu)
        .collect();
    if !elsewhere.is_empty() && nodes.len() == homes.len() {
        warnings.push(format!(
            "workers on cpu {elsewhere} read all their frames across nodes: the interfaces' nodes \
             have no more cores"
        ));
    }
}

fn missing(facts: &Facts, node: u32) -> String {
    let on_node = |cpu: &u32| facts.machine.cpu(*cpu).is_some_and(|cpu| cpu.node == Some(node));
    if facts.process.allowed.iter().any(|cpu| on_node(&cpu)) {
        format!("no cpu of node {node} is left for workers")
    } else {
        format!("no cpu of node {node} is allowed here")
    }
}

fn workers(facts: &Facts, plan: &Plan, warnings: &mut Vec<String>) {
    let shared: CpuSet = plan
        .workers
        .iter()
        .filter(|one| plan.workers.iter().any(|o| o.core == one.core && o.cpu != one.cpu))
        .map(|one| one.cpu)
        .collect();
    if !shared.is_empty() {
        warnings.push(format!("workers on cpu {shared} share cores with each other"));
    }
    let idle = plan.workers.iter().filter(|worker| worker.rings.is_empty()).count();
    if idle > 0 && !plan.interfaces.is_empty() {
        let queues: u32 = plan.interfaces.iter().map(|one| one.queues).sum();
        warnings.push(format!(
            "{} for {}: {} only what others hand over",
            counted(plan.workers.len(), "worker"),
            counted(queues as usize, "queue"),
            if idle == 1 { "1 gets".to_owned() } else { format!("{idle} get") },
        ));
    }
    let cpus: CpuSet = plan.workers.iter().map(|worker| worker.cpu).collect();
    let open = cpus.difference(&facts.machine.isolated);
    // The kernel starts on CPU 0 and keeps work there in any case.
    let isolable = cpus.difference(&CpuSet::from_iter([0]));
    // In a container a cpuset of its own may well be exclusive.
    let confined = facts.process.allowed.len() < facts.machine.cpus.len();
    if !open.is_empty() && !confined && !isolable.is_empty() {
        warnings.push(format!(
            "cpu {open} not isolated: other tasks may run there \
             (kernel parameter `isolcpus={isolable}`)"
        ));
    }
}

fn memory(facts: &Facts, wishes: &Wishes, plan: &Plan, warnings: &mut Vec<String>) {
    for memory in &plan.memory {
        let Some(node) = memory.node.and_then(|node| facts.machine.node(node)) else { continue };
        let wanted = card::is_xdp(wishes) && wishes.huge_pages != HugePageWish::None;
        if memory.huge_page_kib.is_none() && wanted {
            let pages = memory.mib.div_ceil(2);
            let folder = "hugepages/hugepages-2048kB";
            warnings.push(format!(
                "node {}: no huge pages for {} MiB of frames: \
                 `echo {pages} > /sys/devices/system/node/node{}/{folder}/nr_hugepages`",
                node.id, memory.mib, node.id
            ));
        }
        // Reserved pages are not in the free memory; others come out of it.
        if memory.huge_page_kib.is_none() && node.free_mib > 0 && node.free_mib < memory.mib {
            warnings.push(format!(
                "node {}: frames take {} MiB, but only {} MiB are free",
                node.id, memory.mib, node.free_mib
            ));
        }
    }
}

fn privileges(facts: &Facts, wishes: &Wishes, plan: &Plan, warnings: &mut Vec<String>) {
    let Some(has) = facts.process.capabilities else { return };
    let holds = |bit: u32| has >> bit & 1 == 1;
    let mib: u64 = plan.memory.iter().map(|memory| memory.mib).sum();
    let locking = card::is_xdp(wishes)
        && facts.process.locked_memory.is_some_and(|limit| limit / (1 << 20) < mib);
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(bit, _, need)| {
            let needed = match need {
                Need::Always => true,
                Need::Xdp => card::is_xdp(wishes) && !holds(CAP_SYS_ADMIN),
                Need::Locking => locking,
            };
            needed && !holds(*bit)
        })
        .map(|(_, name, _)| *name)
        .collect();
    if !missing.is_empty() {
        warnings.push(format!("this process lacks {}", missing.join(", ")));
    }
}
