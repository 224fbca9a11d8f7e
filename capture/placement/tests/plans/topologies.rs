//! The plan for each kind of machine is the one on file.

use crate::machines::{Shape, card, fixed_queues, virtual_function};
use placement::{
    Capture, Channels, CpuSet, Facts, HugePageWish, Interface, InterruptPlace, OwnWishes, Plan,
    Wishes,
};

fn check(name: &str, facts: &Facts, wishes: &Wishes) {
    // What is planned from must survive the way through a file.
    let json = serde_json::to_string(facts).unwrap();
    let from_file: Facts = serde_json::from_str(&json).unwrap();
    assert_eq!(&from_file, facts, "{name}");
    let plan = Plan::make(&from_file, wishes);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{name}");
    insta::assert_snapshot!(name, plan.to_string());
}

fn cpus(list: &str) -> CpuSet {
    list.parse().unwrap()
}

fn workers(count: usize) -> Wishes {
    Wishes { workers: Some(count), ..Wishes::default() }
}

fn virtio(name: &str, node: Option<u32>) -> Interface {
    let mut interface = fixed_queues(card(name, "virtio_net", node, 1000, 2), 2);
    interface.channels = Some(Channels { combined: 1, max_combined: 2, ..Channels::default() });
    interface.speed = None;
    interface.rss = None;
    interface.flow_hash.clear();
    interface.pause = None;
    interface
}

#[test]
fn one_socket_one_card() {
    let facts = Shape::new(1, 8, 1).facts(vec![card("ens1", "ice", Some(0), 25_000, 8)]);
    check("one_socket_one_card", &facts, &Wishes::default());
}

#[test]
fn two_sockets_card_on_node_0() {
    let facts = Shape::new(2, 8, 2).facts(vec![card("ens1", "i40e", Some(0), 10_000, 32)]);
    check("two_sockets_card_on_node_0", &facts, &Wishes::default());
}

#[test]
fn two_sockets_card_on_node_1() {
    let facts = Shape::new(2, 8, 2).facts(vec![card("ens1", "i40e", Some(1), 10_000, 32)]);
    check("two_sockets_card_on_node_1", &facts, &Wishes::default());
}

#[test]
fn a_card_on_each_node() {
    let cards = vec![
        card("ens1", "mlx5_core", Some(0), 100_000, 63),
        card("ens2", "mlx5_core", Some(1), 100_000, 63),
    ];
    let mut facts = Shape::new(2, 8, 1).facts(cards);
    facts.kernel = "6.15.0".to_owned();
    check("a_card_on_each_node", &facts, &Wishes::default());
}

#[test]
fn two_ports_of_a_tap_on_one_node() {
    let cards =
        vec![card("tap0", "ice", Some(0), 10_000, 16), card("tap1", "ice", Some(0), 10_000, 16)];
    let facts = Shape::new(1, 6, 2).facts(cards);
    check("two_ports_of_a_tap_on_one_node", &facts, &Wishes::default());
}

#[test]
fn functions_of_one_card_on_node_1() {
    let parent = ("0000:81:00.0", Some("ens1"));
    let of = |name: &str, index, known| {
        let interface = card(name, "iavf", Some(1), 25_000, 4);
        virtual_function(interface, parent, Some(index), known)
    };
    let cards = vec![
        of("ens1v0", 0, (Some(true), Some(false))),
        of("ens1v1", 1, (Some(false), Some(true))),
    ];
    let facts = Shape::new(2, 8, 1).facts(cards);
    check("functions_of_one_card_on_node_1", &facts, &Wishes::default());
}

#[test]
fn a_pod_that_sees_only_its_function() {
    let interface = card("net1", "iavf", Some(1), 25_000, 4);
    let interface = virtual_function(interface, ("0000:81:00.0", None), None, (None, None));
    let mut facts = Shape::new(2, 8, 1).facts(vec![interface]);
    facts.process.allowed = cpus("8-11");
    facts.process.capabilities = Some(1 << 12 | 1 << 13);
    facts.process.locked_memory = Some(8 << 20);
    check("a_pod_that_sees_only_its_function", &facts, &Wishes::default());
}

#[test]
fn hyper_threads_when_cores_run_out() {
    let facts = Shape::new(1, 4, 2).facts(vec![card("ens1", "igc", Some(0), 2_500, 4)]);
    check("hyper_threads_when_cores_run_out", &facts, &workers(5));
    check("hyper_threads_off", &Shape::new(1, 4, 1).facts(facts.interfaces), &workers(5));
}

#[test]
fn four_nodes_per_socket() {
    let shape = Shape {
        sockets: 1,
        nodes_per_socket: 4,
        cores_per_node: 8,
        threads: 2,
        cores_per_cache: 4,
    };
    let facts = shape.facts(vec![card("ens1", "ice", Some(2), 100_000, 64)]);
    check("four_nodes_per_socket", &facts, &Wishes::default());
    check("four_nodes_per_socket_four_workers", &facts, &workers(4));
    check("four_nodes_per_socket_ten_workers", &facts, &workers(10));
}

#[test]
fn a_card_of_no_known_node() {
    let facts = Shape::new(2, 4, 1).facts(vec![card("ens1", "ixgbe", None, 10_000, 8)]);
    check("a_card_of_no_known_node", &facts, &Wishes::default());
}

#[test]
fn a_container_with_4_of_64_cores_on_2_nodes() {
    let mut facts = Shape::new(2, 32, 1).facts(vec![card("net1", "ice", Some(1), 25_000, 64)]);
    facts.process.allowed = cpus("30-33");
    check("a_container_with_4_of_64_cores", &facts, &Wishes::default());
    check("a_container_with_4_of_64_cores_asked_for_8", &facts, &workers(8));
    facts.process.allowed = cpus("4-7");
    check("a_container_away_from_its_card", &facts, &Wishes::default());
}

#[test]
fn a_container_with_a_cpu_limit() {
    let mut facts = Shape::new(1, 16, 1).facts(vec![card("net1", "ice", Some(0), 25_000, 16)]);
    facts.process.quota = Some(2500);
    check("a_container_with_a_cpu_limit", &facts, &Wishes::default());
}

#[test]
fn more_queues_than_cores() {
    let fixed = fixed_queues(card("ens1", "bnxt_en", Some(0), 10_000, 8), 8);
    let facts = Shape::new(1, 4, 1).facts(vec![fixed]);
    check("more_queues_than_cores_fixed", &facts, &Wishes::default());
    let facts = Shape::new(1, 4, 1).facts(vec![card("ens1", "i40e", Some(0), 40_000, 64)]);
    check("more_queues_than_cores", &facts, &Wishes::default());
}

#[test]
fn fewer_queues_than_workers() {
    let cards =
        vec![card("ens1", "igb", Some(0), 1_000, 2), card("ens2", "igb", Some(0), 1_000, 2)];
    let facts = Shape::new(1, 8, 1).facts(cards);
    check("fewer_queues_than_workers", &facts, &Wishes::default());
}

#[test]
fn an_emulated_guest() {
    let of = |name: &str, index| {
        let parent = ("0000:81:00.0", Some("eth0"));
        virtual_function(virtio(name, Some(1)), parent, Some(index), (None, None))
    };
    let mut facts = Shape::new(2, 1, 1).facts(vec![of("eth1", 0), of("eth2", 1)]);
    for node in &mut facts.machine.nodes {
        node.huge_pages.clear();
        node.free_mib = 800;
    }
    check("an_emulated_guest", &facts, &Wishes::default());
}

#[test]
fn isolated_cpus_and_missing_huge_pages() {
    let mut facts = Shape::new(2, 8, 2).facts(vec![card("ens1", "i40e", Some(1), 40_000, 64)]);
    facts.machine.isolated = cpus("10-15,26-31");
    facts.machine.irqbalance = true;
    for node in &mut facts.machine.nodes {
        for pages in &mut node.huge_pages {
            (pages.total, pages.free) = (16, 8);
        }
    }
    let wishes = Wishes {
        huge_pages: HugePageWish::Reserve,
        interrupts: InterruptPlace::Sibling,
        coalesce_usecs: Some(100),
        ..Wishes::default()
    };
    check("isolated_cpus_and_missing_huge_pages", &facts, &wishes);
}

#[test]
fn a_virtual_pair_by_packet_socket() {
    let mut pair = fixed_queues(card("veth1", "veth", None, 10_000, 1), 1);
    pair.pci = None;
    pair.rss = None;
    pair.rings = None;
    pair.pause = None;
    pair.flow_hash.clear();
    pair.interrupts.clear();
    pair.up = false;
    pair.carrier = None;
    pair.mtu = 9000;
    let wishes = Wishes { capture: Capture::Packet, ..Wishes::default() };
    check(
        "a_virtual_pair_by_packet_socket",
        &Shape::new(1, 2, 1).facts(vec![pair.clone()]),
        &wishes,
    );
    check("a_virtual_pair_on_one_cpu", &Shape::new(1, 1, 1).facts(vec![pair]), &Wishes::default());
}

#[test]
fn an_interface_may_have_wishes_of_its_own() {
    let cards = ["ens1", "ens2"].map(|name| card(name, "i40e", Some(0), 10_000, 8));
    let facts = Shape::new(1, 8, 1).facts(cards.to_vec());
    let own =
        OwnWishes { queues: Some(2), capture: Some(Capture::Packet), promiscuous: Some(false) };
    let wishes =
        Wishes { queues: Some(4), own: [("ens2".to_owned(), own)].into(), ..Wishes::default() };
    let plan = Plan::make(&facts, &wishes);
    let of = |name: &str| {
        let queues = plan.interfaces.iter().find(|one| one.name == name).unwrap().queues;
        let steps = plan.steps.iter().map(|step| step.setting.to_string());
        let steps: Vec<String> = steps.filter(|step| step.contains(name)).collect();
        let has = |word: &str| steps.iter().any(|step| step.contains(word));
        // XDP needs tags in frames, a packet socket does not.
        (queues, has("promisc on"), has("rx-vlan-hw-parse"))
    };
    assert_eq!(of("ens1"), (4, true, true));
    assert_eq!(of("ens2"), (2, false, false));
}

#[test]
fn cpus_given_by_hand() {
    let facts = Shape::new(2, 8, 2).facts(vec![card("ens1", "i40e", Some(0), 10_000, 32)]);
    let wishes = Wishes {
        worker_cpus: Some(cpus("1-3,40")),
        management: Some(cpus("0,8")),
        queues: Some(2),
        rx_ring: Some(8192),
        ..Wishes::default()
    };
    check("cpus_given_by_hand", &facts, &wishes);
}
