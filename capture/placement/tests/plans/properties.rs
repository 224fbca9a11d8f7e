//! What holds for every plan, whatever the machine and the wishes.

use std::collections::{BTreeMap, BTreeSet};

use placement::{
    Capture, CpuSet, Facts, HugePageWish, Interface, InterruptPlace, Plan, Setting, Wishes, verify,
};
use proptest::{prelude::*, sample::Index};

use crate::machines::{Shape, card, fixed_queues};

fn shapes() -> impl Strategy<Value = Shape> {
    (1_u32..=2, 1_u32..=3, 1_u32..=6, 1_u32..=2, 1_u32..=4).prop_map(
        |(sockets, nodes_per_socket, cores_per_node, threads, cores_per_cache)| Shape {
            sockets,
            nodes_per_socket,
            cores_per_node,
            threads,
            cores_per_cache,
        },
    )
}

fn interfaces() -> impl Strategy<Value = Vec<Interface>> {
    let one = (
        prop::option::of(0_u32..8),
        1_u32..=40,
        any::<bool>(),
        prop::option::of(prop::sample::select(vec![10, 1_000, 25_000, 400_000])),
        prop::sample::select(vec!["ice", "igbvf", "veth", "mlx5_core", "virtio_net"]),
        prop::option::of(0_u32..=10_000),
    );
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let built = all.into_iter().enumerate().map(|(at, what)| {
            let (node, queues, fixed, speed, driver, mtu) = what;
            let mut built = card(&format!("eth{at}"), driver, node, 1000, queues);
            if fixed {
                built = fixed_queues(built, queues);
            }
            built.speed = speed;
            built.mtu = mtu.unwrap_or(1500);
            if queues % 5 == 0 {
                built.rings = None;
                built.rss = None;
                built.offloads.clear();
            }
            built
        });
        built.collect()
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let chosen = prop::collection::vec(any::<Index>(), 1..80);
    let isolated = prop::collection::vec(any::<Index>(), 0..10);
    let quota = prop::option::of(1_u64..20_000);
    (shapes(), interfaces(), chosen, isolated, quota, any::<bool>()).prop_map(
        |(shape, interfaces, chosen, isolated, quota, no_nodes)| {
            let mut facts = shape.facts(interfaces);
            let count = facts.machine.cpus.len();
            let set = |chosen: &[Index]| -> CpuSet {
                chosen.iter().map(|at| u32::try_from(at.index(count)).unwrap()).collect()
            };
            facts.process.allowed = set(&chosen);
            facts.machine.isolated = set(&isolated);
            facts.process.quota = quota;
            if no_nodes {
                facts.machine.nodes.clear();
                facts.machine.cpus.iter_mut().for_each(|cpu| cpu.node = None);
            }
            facts
        },
    )
}

fn cpu_lists() -> impl Strategy<Value = Option<CpuSet>> {
    let list = prop::collection::vec(0_u32..90, 0..12);
    prop::option::of(list.prop_map(|cpus| cpus.into_iter().collect()))
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let numbers = (
        prop::option::of(0_usize..100),
        prop::option::of(0_u32..100),
        prop::option::of(0_u32..10_000),
        prop::option::of(any::<u32>()),
    );
    let lists = (cpu_lists(), cpu_lists(), cpu_lists());
    let capture = prop::sample::select(vec![Capture::ZeroCopy, Capture::Copy, Capture::Packet]);
    let pages =
        prop::sample::select(vec![HugePageWish::Free, HugePageWish::Reserve, HugePageWish::None]);
    (numbers, lists, capture, pages, 0..4).prop_map(|(numbers, lists, capture, pages, place)| {
        let (workers, queues, rx_ring, frames_per_ring) = numbers;
        let (worker_cpus, management, interrupts) = lists;
        let interrupts = match (place, interrupts) {
            (1, _) => InterruptPlace::Sibling,
            (2, Some(cpus)) => InterruptPlace::Cpus(cpus),
            (3, _) => InterruptPlace::Unchanged,
            _ => InterruptPlace::Worker,
        };
        Wishes {
            workers,
            queues,
            rx_ring,
            frames_per_ring,
            worker_cpus,
            management,
            capture,
            huge_pages: pages,
            interrupts,
            ..Wishes::default()
        }
    })
}

/// The facts of a host on which the plan's settings have been made.
fn as_planned(facts: &Facts, plan: &Plan) -> Facts {
    let mut facts = facts.clone();
    for interface in &mut facts.interfaces {
        let name = interface.name.clone();
        for step in plan.steps.iter().filter(|s| s.setting.interface() == Some(&name)) {
            settle(interface, &step.setting);
        }
    }
    for step in &plan.steps {
        if let Setting::HugePages { node, size_kib, pages } = &step.setting {
            let node = facts.machine.nodes.iter_mut().find(|one| one.id == *node).unwrap();
            let of_size = node.huge_pages.iter_mut().find(|p| p.size_kib == *size_kib).unwrap();
            of_size.total = *pages;
        }
    }
    facts
}

fn settle(interface: &mut Interface, setting: &Setting) {
    match setting.clone() {
        Setting::Up { up, .. } => interface.up = up,
        Setting::Promiscuous { on, .. } => interface.promiscuous = on,
        Setting::Channels { rx, tx, combined, .. } => {
            let channels = interface.channels.as_mut().unwrap();
            (channels.rx, channels.tx, channels.combined) = (rx, tx, combined);
        }
        Setting::Rings { rx, tx, .. } => {
            let rings = interface.rings.as_mut().unwrap();
            assert!(rx <= rings.max_rx && tx <= rings.max_tx, "{setting}");
            (rings.rx, rings.tx) = (rx, tx);
        }
        Setting::Offload { feature, on, .. } => {
            let state = interface.offloads.get_mut(&feature).unwrap();
            assert!(!state.fixed, "{setting}");
            state.on = on;
        }
        Setting::ReceiveHash { function, transform, key, indirection, .. } => {
            let rss = interface.rss.as_mut().unwrap();
            if !function.is_empty() {
                rss.function = function;
            }
            rss.transform = transform;
            if key == placement::HashKey::Symmetric {
                rss.key = "6d5a".repeat(26);
            }
            let placement::Indirection::Even(queues) = indirection else { panic!("{setting}") };
            rss.indirection = (0..queues).cycle().take(128).collect();
        }
        Setting::FlowHash { flow, fields, .. } => {
            interface.flow_hash.insert(flow, fields);
        }
        Setting::Pause { pause, .. } => interface.pause = Some(pause),
        Setting::Coalescing { coalescing, .. } => interface.coalescing = Some(coalescing),
        Setting::QueueInterrupts { queue, cpus, .. } => {
            let of_queue = interface.interrupts.iter_mut().filter(|i| i.queue == Some(queue));
            of_queue.for_each(|interrupt| interrupt.affinity.clone_from(&cpus));
        }
        Setting::Interrupt { .. } | Setting::HugePages { .. } => {}
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_plan_is_sound(facts in facts(), wishes in wishes()) {
        let plan = Plan::make(&facts, &wishes);
        prop_assert_eq!(&plan, &Plan::make(&facts, &wishes), "twice the same");
        prop_assert!(!plan.workers.is_empty());
        let mut cpus = BTreeSet::new();
        let mut rings = BTreeSet::new();
        for (index, worker) in plan.workers.iter().enumerate() {
            prop_assert_eq!(worker.index, index);
            prop_assert!(facts.process.allowed.contains(worker.cpu), "cpu {}", worker.cpu);
            prop_assert!(cpus.insert(worker.cpu), "cpu {} twice", worker.cpu);
            for ring in &worker.rings {
                prop_assert!(rings.insert(ring.clone()), "{:?} twice", ring);
            }
        }
        prop_assert!(!plan.management.cpus.is_empty());
        prop_assert_eq!(
            &plan.management.cpus.difference(&facts.process.allowed), &CpuSet::new()
        );
        let mut expected = BTreeSet::new();
        for interface in &plan.interfaces {
            let most = facts.interface(&interface.name).unwrap().max_queues();
            prop_assert!((1..=most).contains(&interface.queues));
            expected.extend((0..interface.queues).map(|queue| placement::Ring {
                interface: interface.name.clone(),
                queue,
            }));
        }
        prop_assert_eq!(rings, expected, "all rings served");
        for step in &plan.steps {
            prop_assert!(!step.why.is_empty());
        }
        prop_assert!(plan.workers.iter().all(|worker| !worker.why.is_empty()));
        prop_assert!(!plan.to_string().is_empty());
    }

    #[test]
    fn rings_are_even_among_the_workers_of_a_node(facts in facts(), wishes in wishes()) {
        let mut facts = facts;
        facts.interfaces.truncate(1);
        let plan = Plan::make(&facts, &wishes);
        let mut by_node: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
        for worker in &plan.workers {
            by_node.entry(worker.node).or_default().push(worker.rings.len());
        }
        let known = plan.interfaces.first().is_some_and(|one| {
            one.node.is_some() && by_node.contains_key(&one.node)
        });
        let groups: Vec<Vec<usize>> = if known {
            by_node.into_values().collect()
        } else {
            vec![by_node.into_values().flatten().collect()]
        };
        for loads in groups {
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", loads);
        }
    }

    #[test]
    fn a_host_that_is_as_planned_has_no_differences(facts in facts(), wishes in wishes()) {
        let plan = Plan::make(&facts, &wishes);
        let after = as_planned(&facts, &plan);
        // Interrupts of queues that only come with more channels are not there to be seen.
        let differences: Vec<String> = verify(&plan, &after)
            .into_iter()
            .filter(|line| !line.ends_with("not known on this host"))
            .collect();
        prop_assert_eq!(differences, Vec::<String>::new());
        // And once there, the same wishes change nothing more.
        let again = Plan::make(&after, &wishes);
        let changes: Vec<String> = again
            .changes()
            .filter(|step| step.now.is_some())
            .filter(|step| !matches!(step.setting, Setting::HugePages { .. }))
            .map(|step| step.setting.to_string())
            .collect();
        prop_assert_eq!(changes, Vec::<String>::new());
    }
}
