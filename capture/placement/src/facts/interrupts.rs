//! The interrupts of an interface, the queue each belongs to, and the CPUs that take it.

use std::collections::{BTreeMap, BTreeSet};

use super::Interrupt;
use crate::tree::Tree;

/// Words in the name of an interrupt that belongs to no queue.
const NO_QUEUE: [&str; 11] =
    ["async", "ctrl", "config", "admin", "mgmt", "misc", "pages", "cmd", "event", "fdir", "lsc"];

/// The interrupts of the device at the PCI folder, and those that carry the interface's name.
pub(super) fn gather(tree: &Tree, interface: &str, device: Option<&str>) -> Vec<Interrupt> {
    let names = names(&tree.text("proc/interrupts").unwrap_or_default());
    let of_device: BTreeSet<u32> = match device {
        Some(folder) => {
            let numbers = tree.names(format!("{folder}/msi_irqs"));
            let listed: BTreeSet<u32> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
            let legacy = tree.value(format!("{folder}/irq")).filter(|irq| *irq > 0);
            if listed.is_empty() { legacy.into_iter().collect() } else { listed }
        }
        None => BTreeSet::new(),
    };
    names
        .into_iter()
        .filter(|(irq, name)| of_device.contains(irq) || mentions(name, interface))
        .map(|(irq, name)| Interrupt {
            irq,
            queue: queue(&name, interface),
            affinity: tree.value(format!("proc/irq/{irq}/smp_affinity_list")).unwrap_or_default(),
            name,
        })
        .collect()
}

/// The device's name of each numbered interrupt: the last word of its row. (Shared lines list
/// several names; cards worth capturing on do not share lines.)
fn names(table: &str) -> BTreeMap<u32, String> {
    table
        .lines()
        .filter_map(|row| {
            let (number, rest) = row.split_once(':')?;
            let irq = number.trim().parse().ok()?;
            let name = rest.split_whitespace().next_back()?;
            // A row of counters alone has no name.
            (!name.bytes().all(|byte| byte.is_ascii_digit())).then(|| (irq, name.to_owned()))
        })
        .collect()
}

/// Whether a part of the interrupt's name is the interface's name.
fn mentions(name: &str, interface: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    name.match_indices(interface).any(|(start, _)| {
        let before = name.get(..start).and_then(|text| text.chars().next_back());
        let end = start.saturating_add(interface.len());
        let after = name.get(end..).and_then(|text| text.chars().next());
        boundary(before) && boundary(after)
    })
}

/// The queue in a driver's name of an interrupt: `eth0-TxRx-3`, `virtio2-input.1`,
/// `mlx5_comp7@pci:0000:81:00.0`, `ens5-Tx-Rx-0`.
fn queue(name: &str, interface: &str) -> Option<u32> {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.replace(interface, "");
    let lower = name.to_ascii_lowercase();
    if NO_QUEUE.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = lower.get(word.len()..)?;
    // `virtio2` alone is the device's number; a queue's number follows a word of its own.
    let separated = word.ends_with(['-', '.', '_', ':']) || word.contains(['-', '_', '.']);
    if separated { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<u32>) {
        assert_eq!(queue(name, "ens1f0"), expected, "{name}");
    }

    #[test]
    fn queues_are_read_from_the_names_that_drivers_give() {
        check("ens1f0-TxRx-3", Some(3));
        check("ice-ens1f0-TxRx-11", Some(11));
        check("i40e-ens1f0-TxRx-0", Some(0));
        check("ens1f0-Tx-Rx-2", Some(2));
        check("ens1f0-rx-1", Some(1));
        check("virtio2-input.1", Some(1));
        check("virtio2-output.0", Some(0));
        check("mlx5_comp7@pci:0000:81:00.0", Some(7));
        check("mlx5_async0@pci:0000:81:00.0", None);
        check("virtio2-config", None);
        check("virtio2", None);
        check("ens1f0", None);
        check("i40e-0000:81:00.0:misc", None);
        check("ens1f0:lsc", None);
        check("i40e-ens1f0-fdir-TxRx-0", None);
        check("iavf-0000:81:02.0:mbx", None);
    }

    #[test]
    fn rows_of_the_table_are_told_from_counters() {
        let table = "           CPU0       CPU1\n 24:  5  0  PCI-MSIX 0-edge  eth0-TxRx-0\n\
                     NMI:  0  0  Non-maskable interrupts\nERR:  0\n 25:  0  0\n";
        assert_eq!(names(table), BTreeMap::from([(24, "eth0-TxRx-0".to_owned())]));
    }

    #[test]
    fn a_name_is_mentioned_only_as_a_whole() {
        assert!(mentions("eth1-TxRx-0", "eth1"));
        assert!(mentions("ice-eth1-TxRx-0", "eth1"));
        assert!(!mentions("eth10-TxRx-0", "eth1"));
        assert!(!mentions("veth1-0", "eth1"));
    }
}
