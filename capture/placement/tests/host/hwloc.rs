//! Facts and plans from hwloc, of a machine in a file and of this one.

use std::path::Path;

use placement::{Facts, FactsError, Plan, Sources, Topology, Wishes};

fn two_sockets() -> Sources {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/two-sockets.xml");
    Sources { root: "/".into(), topology: Topology::HwlocFile(path) }
}

#[test]
fn cards_cores_and_caches_come_from_the_file() {
    let names = ["ens1f0".to_owned(), "ens0f0".to_owned()];
    let facts = Facts::gather(&two_sockets(), &names).unwrap();
    assert_eq!(facts.machine.cpus.len(), 16);
    assert_eq!(facts.machine.nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(facts.machine.nodes[0].memory_mib, 64_000_000_000 >> 20);
    let cpu = facts.machine.cpu(11).unwrap();
    assert_eq!((cpu.core, cpu.socket, cpu.node, cpu.cluster), (10, 1, Some(1), Some(8)));
    assert_eq!(facts.process.allowed.to_string(), "0-15");
    let card = facts.interface("ens1f0").unwrap();
    assert_eq!(card.node, Some(1));
    assert_eq!(card.local_cpus.to_string(), "8-15");
    assert_eq!(card.pci.as_deref(), Some("0000:81:00.0"));
    assert_eq!(card.mac.as_deref(), Some("02:00:00:00:00:81"));
    assert_eq!(facts.interface("ens0f0").unwrap().node, Some(0));

    let wishes = Wishes { interfaces: vec!["ens1f0".to_owned()], ..Wishes::default() };
    let plan = Plan::make(&facts, &wishes);
    let cpus: Vec<u32> = plan.workers.iter().map(|worker| worker.cpu).collect();
    assert_eq!(cpus, [8, 10, 12, 14]);
    assert_eq!(plan.management.cpus.to_string(), "0-1");
}

#[test]
fn what_the_file_lacks_is_an_error() {
    let error = Facts::gather(&two_sockets(), &["ens9".to_owned()]).unwrap_err();
    assert!(matches!(error, FactsError::NoInterface { .. }), "{error}");
    let other = tempfile::tempdir().unwrap();
    let of_file = |text: Option<&str>| {
        let path = other.path().join("machine.xml");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        Sources { root: "/".into(), topology: Topology::HwlocFile(path) }
    };
    for text in [None, Some(""), Some("no topology"), Some("<topology version=\"2.0\">")] {
        let error = Facts::gather(&of_file(text), &[]).unwrap_err();
        assert!(error.to_string().contains("machine.xml"), "{error}");
    }
}

#[test]
fn this_machine_is_the_same_by_hwloc_and_by_sysfs() {
    let gather = |topology| {
        Facts::gather(&Sources { root: "/".into(), topology }, &["lo".to_owned()]).unwrap()
    };
    let (by_hwloc, by_sysfs) = (gather(Topology::Hwloc), gather(Topology::Sysfs));
    let places = |facts: &Facts| {
        let of = |cpu: &placement::Cpu| (cpu.id, cpu.core, cpu.node);
        facts.machine.cpus.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(places(&by_hwloc), places(&by_sysfs));
    assert_eq!(by_hwloc.process.allowed, by_sysfs.process.allowed);
}
