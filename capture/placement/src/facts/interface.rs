//! One interface: its device, node, SR-IOV function, queues, rings, offloads and interrupts.

use std::path::Path;

use super::{Function, Interface, Outlook, interrupts};
use crate::{cpus::CpuSet, netlink::Link, setting::Flow, tree::Tree};

const IFF_UP: u32 = 0x1;
const IFF_PROMISC: u32 = 0x100;

/// Reads what sysfs and, on the running host, the kernel say of an interface; nothing when there
/// is no such interface.
pub(crate) fn gather(tree: &Tree, outlook: &Outlook, name: &str) -> Option<Interface> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    let folder = format!("sys/class/net/{name}");
    if !tree.exists(&folder) {
        return None;
    }
    let link = outlook.links.iter().find(|link| link.name == name);
    let device = pci_folder(tree, &folder);
    let flags = hexadecimal(&tree.text(format!("{folder}/flags")).unwrap_or_default());
    let mut interface = Interface {
        name: name.to_owned(),
        altnames: link.map(|link| link.altnames.clone()).unwrap_or_default(),
        mac: tree.text(format!("{folder}/address")).filter(|mac| !mac.is_empty()),
        driver: tree
            .link_name(format!("{folder}/device/driver"))
            .or_else(|| link.and_then(|link| link.kind.clone())),
        pci: device.as_deref().and_then(address_in),
        node: node(tree, &folder, device.as_deref()),
        local_cpus: local_cpus(tree, &folder, device.as_deref()),
        up: flags & IFF_UP != 0,
        // The file can't be read while the interface is down.
        carrier: tree.value::<u32>(format!("{folder}/carrier")).map(|carrier| carrier != 0),
        promiscuous: flags & IFF_PROMISC != 0 || link.is_some_and(|link| link.promiscuity > 0),
        mtu: tree.value(format!("{folder}/mtu")).unwrap_or(0),
        // -1 or 4294967295 where the link is down or has no speed.
        speed: tree.value::<u32>(format!("{folder}/speed")).filter(|s| (1..u32::MAX).contains(s)),
        rx_queues: count(&tree.numbered(format!("{folder}/queues"), "rx-")),
        tx_queues: count(&tree.numbered(format!("{folder}/queues"), "tx-")),
        interrupts: interrupts::gather(tree, name, device.as_deref()),
        ..Interface::default()
    };
    if let Some(device) = &device {
        interface.function = function(tree, outlook, device);
    }
    ask_driver(outlook, &mut interface);
    Some(interface)
}

/// What only the driver can say, where there is one to ask.
fn ask_driver(outlook: &Outlook, interface: &mut Interface) {
    let Some(ethtool) = &outlook.ethtool else { return };
    let name = &interface.name;
    if interface.driver.is_none() {
        interface.driver = ethtool.driver(name).ok().filter(|driver| !driver.is_empty());
    }
    interface.channels = ethtool.channels(name).ok();
    interface.rings = ethtool.rings(name).ok();
    // Drivers without a receive hash may still name a function.
    interface.rss = ethtool.rss(name).ok().filter(|rss| !rss.indirection.is_empty());
    interface.pause = ethtool.pause(name).ok();
    interface.coalescing = ethtool.coalescing(name).ok();
    interface.offloads = ethtool.offloads(name).unwrap_or_default();
    for flow in Flow::ALL {
        let fields = ethtool.flow_hash(name, flow).unwrap_or_default();
        if !fields.is_empty() {
            interface.flow_hash.insert(flow, fields);
        }
    }
}

/// The folder, below the root, of the PCI function behind the interface. Some drivers put a bus
/// of their own between (virtio), so it is the last PCI address on the device's real path.
fn pci_folder(tree: &Tree, folder: &str) -> Option<String> {
    let real = tree.real(format!("{folder}/device"))?;
    let below_root = real.strip_prefix(tree.real("")?).ok()?.to_owned();
    below_root
        .ancestors()
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_pci_address))
        .and_then(Path::to_str)
        .map(str::to_owned)
}

fn address_in(folder: &str) -> Option<String> {
    folder.rsplit('/').next().map(str::to_owned)
}

/// Whether the text is a PCI address with its domain, `0000:81:00.1`.
pub(crate) fn is_pci_address(text: &str) -> bool {
    let hexadecimal = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut parts = text.splitn(3, ':');
    let (Some(domain), Some(bus), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some((device, function)) = rest.split_once('.') else { return false };
    hexadecimal(domain, 4..=8)
        && hexadecimal(bus, 2..=2)
        && hexadecimal(device, 2..=2)
        && hexadecimal(function, 1..=1)
}

/// The node of the device or of the PCI function that carries it; firmware that doesn't know
/// says -1.
fn node(tree: &Tree, folder: &str, device: Option<&str>) -> Option<u32> {
    let own = format!("{folder}/device/numa_node");
    let of_device = device.map(|device| format!("{device}/numa_node"));
    [Some(own), of_device].into_iter().flatten().find_map(|file| tree.value::<u32>(file))
}

fn local_cpus(tree: &Tree, folder: &str, device: Option<&str>) -> CpuSet {
    let own = format!("{folder}/device/local_cpulist");
    let of_device = device.map(|device| format!("{device}/local_cpulist"));
    [Some(own), of_device]
        .into_iter()
        .flatten()
        .find_map(|file| tree.value::<CpuSet>(file))
        .unwrap_or_default()
}

fn function(tree: &Tree, outlook: &Outlook, device: &str) -> Function {
    if let Some(parent_pci) = tree.link_name(format!("{device}/physfn")) {
        let parent = tree.names(format!("{device}/physfn/net")).into_iter().next();
        let index = tree.numbered(format!("{device}/physfn"), "virtfn").into_iter().find(|index| {
            tree.link_name(format!("{device}/physfn/virtfn{index}")) == address_in(device)
        });
        let seen = vf_of(outlook, parent.as_deref(), index);
        let (trust, spoof_check) = seen.unwrap_or((None, None));
        return Function::Virtual { parent_pci, parent, index, trust, spoof_check };
    }
    match tree.value::<u32>(format!("{device}/sriov_numvfs")) {
        Some(functions) => Function::Physical { functions },
        None => Function::Plain,
    }
}

fn vf_of(
    outlook: &Outlook,
    parent: Option<&str>,
    index: Option<u32>,
) -> Option<(Option<bool>, Option<bool>)> {
    let link: &Link = outlook.links.iter().find(|link| Some(link.name.as_str()) == parent)?;
    let vf = link.functions.iter().find(|vf| Some(vf.index) == index)?;
    Some((vf.trust, vf.spoof_check))
}

fn count(numbers: &[u32]) -> u32 {
    u32::try_from(numbers.len()).unwrap_or(u32::MAX)
}

fn hexadecimal(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_told_from_other_names() {
        for (text, expected) in [
            ("0000:81:00.1", true),
            ("10000:e1:00.0", true),
            ("0000:AF:1f.7", true),
            ("81:00.1", false),
            ("virtio2", false),
            ("pci0000:00", false),
            ("0000:81:00", false),
            ("0000:81:00.10", false),
            ("zzzz:81:00.0", false),
        ] {
            assert_eq!(is_pci_address(text), expected, "{text}");
        }
    }
}
