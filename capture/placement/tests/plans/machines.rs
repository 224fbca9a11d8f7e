//! Builds the facts of machines that tests plan for.

use std::collections::BTreeMap;

use placement::{
    Channels, Cpu, CpuSet, Facts, Feature, Flow, Function, HugePages, Interface, Interrupt,
    Machine, Node, Pause, Process, Rings, Rss, Transform,
};

/// A machine of alike sockets; CPUs are numbered as Linux does, second threads after all first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sockets: u32,
    pub(crate) nodes_per_socket: u32,
    pub(crate) cores_per_node: u32,
    pub(crate) threads: u32,
    pub(crate) cores_per_cache: u32,
}

impl Shape {
    pub(crate) fn new(sockets: u32, cores_per_node: u32, threads: u32) -> Self {
        let cores_per_cache = cores_per_node;
        Self { sockets, nodes_per_socket: 1, cores_per_node, threads, cores_per_cache }
    }

    pub(crate) fn machine(self) -> Machine {
        let nodes = self.sockets * self.nodes_per_socket;
        let cores = nodes * self.cores_per_node;
        let cpu = |id: u32| {
            let core = id % cores;
            Cpu {
                id,
                core,
                socket: core / (self.nodes_per_socket * self.cores_per_node),
                node: Some(core / self.cores_per_node),
                cluster: Some(core / self.cores_per_cache * self.cores_per_cache),
            }
        };
        let node = |id: u32| Node {
            id,
            memory_mib: 65_536,
            free_mib: 60_000,
            huge_pages: vec![HugePages { size_kib: 2048, total: 2048, free: 2048 }],
            distances: (0..nodes).map(|other| (other, self.distance(id, other))).collect(),
        };
        Machine {
            cpus: (0..cores * self.threads).map(cpu).collect(),
            nodes: (0..nodes).map(node).collect(),
            ..Machine::default()
        }
    }

    pub(crate) fn facts(self, interfaces: Vec<Interface>) -> Facts {
        let machine = self.machine();
        Facts {
            kernel: "6.12.41".to_owned(),
            process: Process {
                allowed: machine.cpus.iter().map(|cpu| cpu.id).collect(),
                capabilities: Some(u64::MAX),
                ..Process::default()
            },
            machine,
            interfaces,
            notes: Vec::new(),
        }
    }

    fn distance(self, one: u32, other: u32) -> u32 {
        match (one == other, one / self.nodes_per_socket == other / self.nodes_per_socket) {
            (true, _) => 10,
            (false, true) => 12,
            (false, false) => 32,
        }
    }
}

/// A card with all that a driver can tell, as it comes: as many queues as it has, offloads on.
pub(crate) fn card(
    name: &str,
    driver: &str,
    node: Option<u32>,
    speed: u32,
    queues: u32,
) -> Interface {
    let number: u32 = name.bytes().map(u32::from).sum();
    let on = Feature { on: true, fixed: false };
    let offloads = ["rx-gro", "rx-vlan-hw-parse", "tx-vlan-hw-insert", "rx-checksum"]
        .into_iter()
        .chain(["tx-tcp-segmentation", "tx-generic-segmentation", "rx-hashing"])
        .map(|feature| (feature.to_owned(), on));
    let mut interface = Interface {
        name: name.to_owned(),
        mac: Some("52:54:00:00:00:01".to_owned()),
        driver: Some(driver.to_owned()),
        pci: Some(format!("0000:{:02x}:00.0", number % 200)),
        function: Function::Plain,
        node,
        carrier: Some(true),
        up: true,
        mtu: 1500,
        speed: Some(speed),
        channels: Some(Channels { combined: queues, max_combined: queues, ..Channels::default() }),
        rings: Some(Rings { rx: 512, tx: 512, max_rx: 4096, max_tx: 4096 }),
        rss: Some(Rss {
            function: "toeplitz".to_owned(),
            transform: Transform::None,
            key: "be".repeat(52),
            indirection: (0..queues).cycle().take(128).collect(),
        }),
        flow_hash: Flow::ALL.into_iter().map(|flow| (flow, "sd".to_owned())).collect(),
        offloads: offloads.collect::<BTreeMap<_, _>>(),
        pause: Some(Pause { autonegotiate: true, rx: true, tx: true }),
        interrupts: (0..queues)
            .map(|queue| Interrupt {
                irq: number % 100 * 100 + queue,
                name: format!("{driver}-{name}-TxRx-{queue}"),
                queue: Some(queue),
                affinity: CpuSet::from_iter([0]),
            })
            .collect(),
        ..Interface::default()
    };
    set_queues(&mut interface, queues);
    interface
}

/// A card whose queues are what they are.
pub(crate) fn fixed_queues(mut interface: Interface, queues: u32) -> Interface {
    interface.channels = None;
    interface.interrupts.truncate(queues as usize);
    set_queues(&mut interface, queues);
    interface
}

/// A virtual function of the card at that address.
pub(crate) fn virtual_function(
    mut interface: Interface,
    (parent_pci, parent): (&str, Option<&str>),
    index: Option<u32>,
    (trust, spoof_check): (Option<bool>, Option<bool>),
) -> Interface {
    interface.function = Function::Virtual {
        parent_pci: parent_pci.to_owned(),
        parent: parent.map(str::to_owned),
        index,
        trust,
        spoof_check,
    };
    interface
}

fn set_queues(interface: &mut Interface, queues: u32) {
    interface.rx_queues = queues;
    interface.tx_queues = queues;
}
