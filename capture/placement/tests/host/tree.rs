//! Facts from a copy of `sys` and `proc` that the test writes.

use std::{fs, os::unix::fs::symlink, path::Path};

use placement::{Facts, FactsError, Function, Inventory, Plan, Sources, Topology, Wishes};
use tempfile::TempDir;

/// A folder that looks like the root of a host.
pub(crate) struct Copy(TempDir);

impl Copy {
    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Two sockets of two cores of two threads; a card with two functions on node 1, a virtio card
    /// whose node is not told, and a virtual interface.
    pub(crate) fn two_sockets() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        copy.cpus();
        copy.nodes();
        copy.process();
        copy.card();
        copy.functions();
        copy.virtio();
        copy.interface("sys/devices/virtual/net", "veth7", "02:00:00:00:00:07", "0x1002");
        copy.link("sys/class/net/veth7", "../../devices/virtual/net/veth7");
        // A file beside the interfaces, as the bonding driver makes.
        copy.file("sys/class/net/bonding_masters", "");
        copy
    }

    fn cpus(&self) {
        let cpus = "sys/devices/system/cpu";
        self.file(&format!("{cpus}/online"), "0-7");
        self.file(&format!("{cpus}/isolated"), "2-3,6-7");
        for id in 0..8 {
            let core = id % 4;
            let socket = core / 2;
            let cpu = format!("{cpus}/cpu{id}");
            self.file(&format!("{cpu}/topology/core_id"), &(core % 2).to_string());
            self.file(&format!("{cpu}/topology/physical_package_id"), &socket.to_string());
            let siblings = format!("{core},{}", core + 4);
            self.file(&format!("{cpu}/topology/thread_siblings_list"), &siblings);
            for (index, level, shared) in [
                (0, 1, siblings.clone()),
                (
                    3,
                    3,
                    format!(
                        "{0}-{1},{2}-{3}",
                        socket * 2,
                        socket * 2 + 1,
                        socket * 2 + 4,
                        socket * 2 + 5
                    ),
                ),
                (2, 2, siblings.clone()),
            ] {
                let cache = format!("{cpu}/cache/index{index}");
                self.file(&format!("{cache}/level"), &level.to_string());
                self.file(&format!("{cache}/shared_cpu_list"), &shared);
            }
        }
    }

    fn nodes(&self) {
        let nodes = "sys/devices/system/node";
        self.file(&format!("{nodes}/online"), "0-1");
        for (id, cpus, distance, free) in
            [(0, "0-1,4-5", "10 21", 100), (1, "2-3,6-7", "21 10", 64)]
        {
            let node = format!("{nodes}/node{id}");
            self.file(&format!("{node}/cpulist"), cpus);
            self.file(&format!("{node}/distance"), distance);
            let memory = format!(
                "Node {id} MemTotal:       16777216 kB\nNode {id} MemFree:        {} kB",
                8_388_608 / (id + 1)
            );
            self.file(&format!("{node}/meminfo"), &memory);
            for (size, total, free) in [("1048576", 2, 1), ("2048", 128, free)] {
                let pages = format!("{node}/hugepages/hugepages-{size}kB");
                self.file(&format!("{pages}/nr_hugepages"), &total.to_string());
                self.file(&format!("{pages}/free_hugepages"), &free.to_string());
            }
        }
    }

    fn process(&self) {
        self.file("proc/sys/kernel/osrelease", "6.12.41-amd64");
        self.file("proc/123/comm", "irqbalance");
        self.file(
            "proc/self/status",
            "Name:\tsensor\nCapEff:\t000000c000007000\nCpus_allowed_list:\t0-1,4-5",
        );
        self.file(
            "proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units\n\
             Max locked memory         8388608              8388608              bytes",
        );
        self.file("proc/self/cgroup", "0::/kubepods/pod1/sensor");
        let group = "sys/fs/cgroup/kubepods";
        self.file(&format!("{group}/cpu.max"), "800000 100000");
        self.file(&format!("{group}/pod1/cpu.max"), "350000 100000");
        self.file(&format!("{group}/pod1/sensor/cpu.max"), "max 100000");
        self.file(&format!("{group}/pod1/sensor/cpuset.cpus.effective"), "0-7");
        self.file(
            "proc/interrupts",
            "            CPU0       CPU1\n\
             \x20 90:          1          2  PCI-MSIX-0000:81:00.0 0-edge ice-0000:81:00.0:misc\n\
             \x20 91:          1          2  PCI-MSIX-0000:81:00.0   1-edge      ice-ens1-TxRx-0\n\
             \x20 92:          1          2  PCI-MSIX-0000:81:00.0   2-edge      ice-ens1-TxRx-1\n\
             \x20 93:          1          2  PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0\n\
             \x20 94:          1          2  PCI-MSIX-0000:00:04.0   1-edge      nvme0q1\n\
             NMI:          0          0  Non-maskable interrupts",
        );
        for (irq, cpus) in [(90, "0-7"), (91, "2"), (92, "3,6"), (93, "0-7"), (94, "1")] {
            self.file(&format!("proc/irq/{irq}/smp_affinity_list"), cpus);
        }
    }

    fn card(&self) {
        let device = "sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0";
        self.pci(device, "ice", "1", "2-3,6-7");
        self.file(&format!("{device}/sriov_numvfs"), "2");
        for irq in [90, 91, 92] {
            self.file(&format!("{device}/msi_irqs/{irq}"), "msix");
        }
        self.interface(&format!("{device}/net"), "ens1", "02:00:00:00:00:10", "0x1103");
        self.file(&format!("{device}/net/ens1/speed"), "25000");
        self.link(
            "sys/class/net/ens1",
            "../../devices/pci0000:80/0000:80:01.0/0000:81:00.0/net/ens1",
        );
    }

    fn functions(&self) {
        for (index, driver) in [(0, "iavf"), (1, "vfio-pci")] {
            let address = format!("0000:81:01.{index}");
            let device = format!("sys/devices/pci0000:80/0000:80:01.0/{address}");
            self.pci(&device, driver, "1", "2-3,6-7");
            self.link(&format!("{device}/physfn"), "../0000:81:00.0");
            let parent = "sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0";
            self.link(&format!("{parent}/virtfn{index}"), &format!("../{address}"));
        }
        let device = "sys/devices/pci0000:80/0000:80:01.0/0000:81:01.0";
        self.interface(&format!("{device}/net"), "ens1v0", "02:00:00:00:00:11", "0x1002");
        self.file(&format!("{device}/net/ens1v0/speed"), "-1");
        self.link(
            "sys/class/net/ens1v0",
            "../../devices/pci0000:80/0000:80:01.0/0000:81:01.0/net/ens1v0",
        );
    }

    fn virtio(&self) {
        let device = "sys/devices/pci0000:00/0000:00:03.0";
        self.pci(device, "virtio-pci", "-1", "0-7");
        self.file(&format!("{device}/msi_irqs/93"), "msix");
        let virtio = format!("{device}/virtio2");
        self.link(&format!("{virtio}/driver"), "../../../../bus/virtio/drivers/virtio_net");
        self.interface(&format!("{virtio}/net"), "eth0", "02:00:00:00:00:03", "0x1003");
        self.link("sys/class/net/eth0", "../../devices/pci0000:00/0000:00:03.0/virtio2/net/eth0");
    }

    fn pci(&self, device: &str, driver: &str, node: &str, cpus: &str) {
        self.file(&format!("{device}/numa_node"), node);
        self.file(&format!("{device}/local_cpulist"), cpus);
        self.file(&format!("{device}/class"), "0x020000");
        self.link(&format!("{device}/driver"), &format!("../../../../bus/pci/drivers/{driver}"));
        let (_, address) = device.rsplit_once('/').unwrap();
        let target = device.strip_prefix("sys/").unwrap();
        self.link(&format!("sys/bus/pci/devices/{address}"), &format!("../../../{target}"));
    }

    fn interface(&self, parent: &str, name: &str, mac: &str, flags: &str) {
        let folder = format!("{parent}/{name}");
        self.file(&format!("{folder}/address"), mac);
        self.file(&format!("{folder}/flags"), flags);
        self.file(&format!("{folder}/mtu"), "1500");
        self.file(&format!("{folder}/carrier"), "1");
        for queue in ["rx-0", "rx-1", "tx-0"] {
            self.file(&format!("{folder}/queues/{queue}/name"), "");
        }
        if !parent.contains("virtual") {
            self.link(&format!("{folder}/device"), "../..");
        }
    }
}

fn gather(copy: &Copy, names: &[&str]) -> Result<Facts, FactsError> {
    let sources = Sources { root: copy.root().to_owned(), topology: Topology::Sysfs };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Facts::gather(&sources, &names)
}

#[test]
fn the_machine_is_read() {
    let facts = gather(&Copy::two_sockets(), &[]).unwrap();
    let machine = &facts.machine;
    assert_eq!(facts.kernel, "6.12.41-amd64");
    assert_eq!(machine.online().to_string(), "0-7");
    let cpu = machine.cpu(7).unwrap();
    let place = (cpu.core, cpu.socket, cpu.node, cpu.cluster);
    assert_eq!(place, (3, 1, Some(1), Some(2)));
    assert_eq!(machine.isolated.to_string(), "2-3,6-7");
    assert!(machine.irqbalance);
    let node = machine.node(1).unwrap();
    assert_eq!((node.memory_mib, node.free_mib), (16_384, 4_096));
    assert_eq!(node.distances.get(&0), Some(&21));
    let pages: Vec<_> = node.huge_pages.iter().map(|p| (p.size_kib, p.total, p.free)).collect();
    assert_eq!(pages, [(2048, 128, 64), (1_048_576, 2, 1)]);
}

#[test]
fn what_the_process_may_use_is_read() {
    let facts = gather(&Copy::two_sockets(), &[]).unwrap();
    // The affinity leaves the isolated CPUs out, the cpuset has them.
    assert_eq!(facts.process.allowed.to_string(), "0-7");
    assert_eq!(facts.process.quota, Some(3500));
    assert_eq!(facts.process.locked_memory, Some(8 << 20));
    assert_eq!(facts.process.capabilities, Some(0xc0_0000_7000));
}

#[test]
fn a_cpuset_of_version_1_narrows_what_is_allowed() {
    let copy = Copy::two_sockets();
    copy.file("proc/self/cgroup", "3:cpuset:/docker/x\n2:cpu,cpuacct:/docker/x\n1:name=systemd:/");
    copy.file("proc/self/status", "Cpus_allowed_list:\t1");
    copy.file("sys/fs/cgroup/cpuset/docker/x/cpuset.cpus", "1-3");
    copy.file("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "-1");
    copy.file("sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000");
    let facts = gather(&copy, &[]).unwrap();
    assert_eq!(facts.process.allowed.to_string(), "1-3");
    assert_eq!(facts.process.quota, None);
}

#[test]
fn a_card_is_read() {
    let facts = gather(&Copy::two_sockets(), &["ens1"]).unwrap();
    let card = facts.interface("ens1").unwrap();
    assert_eq!(card.driver.as_deref(), Some("ice"));
    assert_eq!(card.pci.as_deref(), Some("0000:81:00.0"));
    assert_eq!(card.mac.as_deref(), Some("02:00:00:00:00:10"));
    assert_eq!(card.function, Function::Physical { functions: 2 });
    assert_eq!((card.node, card.speed, card.mtu), (Some(1), Some(25_000), 1500));
    assert_eq!((card.up, card.promiscuous, card.carrier), (true, true, Some(true)));
    assert_eq!((card.rx_queues, card.tx_queues), (2, 1));
    assert_eq!(card.local_cpus.to_string(), "2-3,6-7");
    let interrupts: Vec<_> =
        card.interrupts.iter().map(|i| (i.irq, i.queue, i.affinity.to_string())).collect();
    let expected =
        [(90, None, "0-7".to_owned()), (91, Some(0), "2".into()), (92, Some(1), "3,6".into())];
    assert_eq!(interrupts, expected);
}

#[test]
fn functions_and_virtual_interfaces_are_read() {
    let facts = gather(&Copy::two_sockets(), &["ens1v0", "eth0", "veth7"]).unwrap();
    let [function, virtio, pair] = facts.interfaces.as_slice() else { panic!("{facts:?}") };
    let expected = Function::Virtual {
        parent_pci: "0000:81:00.0".to_owned(),
        parent: Some("ens1".to_owned()),
        index: Some(0),
        trust: None,
        spoof_check: None,
    };
    assert_eq!(function.function, expected);
    assert_eq!((function.speed, function.up), (None, false));
    assert_eq!(virtio.driver.as_deref(), Some("virtio_net"));
    assert_eq!(virtio.pci.as_deref(), Some("0000:00:03.0"));
    assert_eq!((virtio.node, virtio.interrupts.len()), (None, 1));
    assert_eq!(virtio.interrupts[0].queue, Some(0));
    assert_eq!((pair.pci.clone(), pair.node, pair.driver.clone()), (None, None, None));
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
}

#[test]
fn workers_go_to_the_isolated_cpus_near_the_card() {
    let facts = gather(&Copy::two_sockets(), &["ens1"]).unwrap();
    let plan = Plan::make(&facts, &Wishes::default());
    let cpus: Vec<u32> = plan.workers.iter().map(|worker| worker.cpu).collect();
    assert_eq!(cpus, [2, 3]);
    assert_eq!(plan.management.cpus.to_string(), "0,4");
    assert!(plan.warnings.iter().any(|line| line.contains("irqbalance")), "{:?}", plan.warnings);
    assert!(!plan.warnings.iter().any(|line| line.contains("CAP_")), "{:?}", plan.warnings);
}

#[test]
fn what_is_not_there_is_an_error() {
    let copy = Copy::two_sockets();
    for name in ["ens9", "", "..", "../class", "ens1/queues"] {
        let error = gather(&copy, &[name]).unwrap_err();
        let FactsError::NoInterface { present, .. } = error else { panic!("{error}") };
        assert!(present.contains("ens1, ens1v0, eth0, veth7"), "{present}");
    }
    let empty = Copy(tempfile::tempdir().unwrap());
    assert!(matches!(gather(&empty, &[]), Err(FactsError::NoCpus(_))));
}

#[test]
fn an_inventory_has_functions_without_an_interface() {
    let inventory = Inventory::read(Copy::two_sockets().root()).unwrap();
    let names: Vec<&str> = inventory.interfaces.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["ens1", "ens1v0", "eth0", "veth7"]);
    let without: Vec<_> = inventory.without.into_iter().collect();
    assert_eq!(without, [("0000:81:01.1".to_owned(), "vfio-pci".to_owned())]);
}
