//! What this process may use: affinity, cpuset, CPU limit, locked memory, capabilities.

use super::{Machine, Process};
use crate::{cpus::CpuSet, tree::Tree};

pub(super) fn gather(tree: &Tree, machine: &Machine) -> Process {
    let status = tree.text("proc/self/status").unwrap_or_default();
    let row = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let groups = Groups::of(tree);
    let affinity: Option<CpuSet> = row("Cpus_allowed_list:").and_then(|list| list.parse().ok());
    let cpuset = groups.cpuset(tree).map(|set| set.intersection(&machine.online()));
    Process {
        allowed: allowed(machine, affinity, cpuset),
        quota: groups.quota(tree),
        locked_memory: locked_memory(tree),
        capabilities: row("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
    }
}

/// All of a machine that this process doesn't run on.
pub(super) fn of_machine(machine: &Machine) -> Process {
    Process { allowed: machine.online(), ..Process::default() }
}

/// The CPUs that threads may be pinned to. A process starts with an affinity that leaves isolated
/// CPUs out, though its cpuset has them and it may pin threads there; an affinity narrower than
/// that was chosen by somebody (taskset, a service's CPUAffinity=) and is kept to.
fn allowed(machine: &Machine, affinity: Option<CpuSet>, cpuset: Option<CpuSet>) -> CpuSet {
    let online = machine.online();
    let affinity = affinity.map_or_else(|| online.clone(), |set| set.intersection(&online));
    let cpuset = cpuset.filter(|set| !set.is_empty()).unwrap_or(online);
    if affinity == cpuset.difference(&machine.isolated) { cpuset } else { affinity }
}

fn locked_memory(tree: &Tree) -> Option<u64> {
    let limits = tree.text("proc/self/limits")?;
    let row = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    row.split_whitespace().next()?.parse().ok()
}

/// The control groups of this process that limit CPUs, as folders of the tree.
struct Groups {
    /// Folders with a cpuset, the innermost first.
    cpuset: Vec<String>,
    /// Folders with a CPU limit, the innermost first.
    cpu: Vec<String>,
}

impl Groups {
    fn of(tree: &Tree) -> Self {
        let mut groups = Self { cpuset: Vec::new(), cpu: Vec::new() };
        let text = tree.text("proc/self/cgroup").unwrap_or_default();
        for line in text.lines() {
            // hierarchy:controllers:path, with no controllers for version 2.
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let has = |name: &str| controllers.split(',').any(|controller| controller == name);
            if controllers.is_empty() {
                for mount in ["sys/fs/cgroup", "sys/fs/cgroup/unified"] {
                    groups.cpuset.extend(upwards(mount, path));
                    groups.cpu.extend(upwards(mount, path));
                }
            }
            if has("cpuset") {
                groups.cpuset.extend(upwards("sys/fs/cgroup/cpuset", path));
            }
            if has("cpu") {
                groups.cpu.extend(upwards("sys/fs/cgroup/cpu", path));
                groups.cpu.extend(upwards("sys/fs/cgroup/cpu,cpuacct", path));
            }
        }
        groups
    }

    fn cpuset(&self, tree: &Tree) -> Option<CpuSet> {
        self.cpuset.iter().find_map(|folder| {
            ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"]
                .iter()
                .find_map(|file| tree.value::<CpuSet>(format!("{folder}/{file}")))
                .filter(|set| !set.is_empty())
        })
    }

    /// The narrowest limit of this group and those around it, in thousandths of a CPU.
    fn quota(&self, tree: &Tree) -> Option<u64> {
        self.cpu.iter().filter_map(|folder| quota_of(tree, folder)).min()
    }
}

fn quota_of(tree: &Tree, folder: &str) -> Option<u64> {
    let (quota, period) = match tree.text(format!("{folder}/cpu.max")) {
        Some(text) => {
            let (quota, period) = text.split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.trim().parse::<u64>().ok()?)
        }
        // Version 1 says -1 where there is no limit, which is no u64.
        None => (
            tree.value(format!("{folder}/cpu.cfs_quota_us"))?,
            tree.value(format!("{folder}/cpu.cfs_period_us"))?,
        ),
    };
    quota.saturating_mul(1000).checked_div(period)
}

/// A group's folder and those around it, up to the mount: in a container the path may be one that
/// only the host sees, while the container's own group is the mount itself.
fn upwards(mount: &str, path: &str) -> Vec<String> {
    let mut folders = Vec::new();
    let mut rest = path.trim_matches('/');
    while !rest.is_empty() && folders.len() < 64 {
        folders.push(format!("{mount}/{rest}"));
        rest = rest.rsplit_once('/').map_or("", |(outer, _)| outer);
    }
    folders.push(mount.to_owned());
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Cpu;

    fn check(affinity: &str, cpuset: Option<&str>, isolated: &str, expected: &str) {
        let cpus = (0..16).map(|id| Cpu { id, core: id, ..Cpu::default() }).collect();
        let machine = Machine { cpus, isolated: isolated.parse().unwrap(), ..Machine::default() };
        let set = |list: &str| list.parse::<CpuSet>().unwrap();
        let allowed = allowed(&machine, Some(set(affinity)), cpuset.map(set));
        assert_eq!(allowed.to_string(), expected, "{affinity} {cpuset:?} {isolated}");
    }

    #[test]
    fn affinity_cpuset_and_isolation_together_say_what_is_allowed() {
        check("0-15", None, "", "0-15");
        check("0-3", Some("0-3"), "", "0-3");
        // Isolated at boot: no process has them in its affinity, all may use them.
        check("0-3", Some("0-15"), "4-15", "0-15");
        check("0-3", None, "4-15", "0-15");
        // A container's cpuset holds some of them.
        check("2-3", Some("2-7"), "4-15", "2-7");
        // Narrowed by hand.
        check("1-2", Some("0-15"), "4-15", "1-2");
        // Pinned on purpose to isolated ones.
        check("4-7", Some("0-15"), "4-15", "4-7");
        // Offline CPUs are nobody's.
        check("0-63", Some("0-63"), "", "0-15");
    }
}
