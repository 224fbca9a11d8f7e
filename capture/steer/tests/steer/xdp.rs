//! The XDP program, run by the kernel on frames made by hand, and on an interface.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use steer::{
    Action, AttachMode, Counters, Error, FlowKey, HashSettings, Link, Loaded, Prefix, Program,
    ProgramSettings, ShuntSettings, Shunts, Tags, Tunnels, read_metadata,
};

use crate::craft::*;
use crate::system;

const DROP: u32 = 1;
const PASS: u32 = 2;
const REDIRECT: u32 = 4;

/// A socket of AF_XDP, which the table of sockets takes although it is bound to nothing.
fn socket() -> Option<OwnedFd> {
    match system::xdp_socket() {
        Ok(socket) if system::is_root() => Some(socket),
        Ok(_) => skip("needs root"),
        Err(cause) => skip(&format!("no AF_XDP sockets: {cause}")),
    }
}

fn skip<T>(why: &str) -> Option<T> {
    eprintln!("skipped: {why}");
    None
}

fn loaded(settings: &ProgramSettings<'_>, socket: &OwnedFd) -> Loaded {
    let loaded = Loaded::new(settings).unwrap_or_else(|error| panic!("{error}"));
    loaded.set_socket(0, socket.as_fd()).expect("a socket");
    loaded
}

#[test]
fn the_kernel_computes_the_same_hash() {
    let Some(socket) = socket() else { return };
    let shunts = Shunts::new(ShuntSettings { capacity: 16, vlans: true }).unwrap();
    let mut random = Random(0xfeed_beef_1234_5678);
    for hash in all_settings(0x5eed_1234) {
        for (multi_buffer, shunts) in [(false, None), (true, Some(&shunts))] {
            let settings = ProgramSettings { hash, multi_buffer, shunts, ..Default::default() };
            let program = loaded(&settings, &socket);
            let check = |name: &str, frame: &[u8]| {
                let trial = program.run(frame).unwrap_or_else(|error| panic!("{name}: {error}"));
                let expected = hash.steering(Link::Ethernet, frame);
                assert_eq!(trial.action, REDIRECT, "{name}");
                assert_eq!(trial.metadata, Some(expected), "{name} {hash:?} {frame:x?}");
            };
            for (name, frame) in frames(5, 77).iter().chain(&frames(77, 5)) {
                check(name, frame);
                for _ in 0..20 {
                    check(name, &spoilt(frame, &mut random));
                }
            }
        }
    }
}

#[test]
fn every_frame_is_counted_once() {
    let Some(socket) = socket() else { return };
    let program = loaded(&ProgramSettings::default(), &socket);
    let mut expected = Counters::default();
    for (name, frame) in frames(5, 77) {
        program.run(&frame).unwrap();
        let found = HashSettings::default().steering(Link::Ethernet, &frame);
        expected.received += 1;
        expected.redirected += 1;
        expected.fragments += u64::from(found.fragment);
        let malformed = ["short header", "wrong version", "wrong version of ipv6"].contains(&name);
        expected.malformed += u64::from(malformed);
        expected.not_ip += u64::from(!found.ip && !malformed);
    }
    assert_eq!(program.counters().unwrap(), expected);
    assert!(expected.not_ip >= 4 && expected.fragments >= 4);
    program.run(&ethernet(&[], 0x0800, &[0x45; 19])).unwrap();
    assert_eq!(program.counters().unwrap().malformed, expected.malformed + 1);
}

#[test]
fn a_queue_without_a_socket_is_counted() {
    let Some(_socket) = socket() else { return };
    for (empty_slot, action) in [(Action::Pass, PASS), (Action::Drop, DROP)] {
        let program = Loaded::new(&ProgramSettings { empty_slot, ..Default::default() }).unwrap();
        for (_, frame) in frames(1, 2) {
            let trial = program.run(&frame).unwrap();
            assert_eq!((trial.action, trial.metadata), (action, None));
        }
        let counters = program.counters().unwrap();
        assert_eq!(counters.empty_slot, counters.received);
        assert_eq!(counters.redirected, 0);
    }
}

#[test]
fn metadata_of_another_load_are_not_taken() {
    let Some(socket) = socket() else { return };
    let frame = ethernet(&[], 0x0806, &[1; 28]);
    let program = loaded(&ProgramSettings::default(), &socket);
    assert!(program.run(&frame).unwrap().metadata.is_some());
    let stale = [0xab; steer::METADATA_LEN];
    assert_eq!(read_metadata(7, &stale), None);
    assert!(matches!(program.set_socket(1024, socket.as_fd()), Err(Error::Queue { .. })));
}

fn key<A: Into<IpAddr>>(from: End<A>, to: End<A>, protocol: u8, tags: &[u16]) -> FlowKey {
    FlowKey {
        source: from.address.into(),
        destination: to.address.into(),
        source_port: from.port,
        destination_port: to.port,
        protocol,
        tags: Tags::new(tags),
        tunnels: 0,
    }
}

fn within(tunnels: u8, flow: FlowKey) -> FlowKey {
    FlowKey { tunnels, ..flow }
}

const ACK: u8 = 0x10;
const PUSH: u8 = 0x08;

#[test]
fn shunted_flows_are_dropped_and_counted() {
    let Some(socket) = socket() else { return };
    let shunts = Shunts::new(ShuntSettings { capacity: 100, vlans: false }).unwrap();
    let settings = ProgramSettings { shunts: Some(&shunts), ..Default::default() };
    // Two NICs, one table: the directions come in apart.
    let nics = [loaded(&settings, &socket), loaded(&settings, &socket)];
    for (a, b) in
        [(end4(9, 5000), end4(3, 443)), (end4(3, 5000), end4(9, 443)), (end4(3, 9), end4(3, 7))]
    {
        let there = ethernet(&[], 0x0800, &tcp4(a, b, ACK, &[7; 100]));
        let back = ethernet(&[(0x8100, 7)], 0x0800, &tcp4(b, a, ACK | PUSH, &[7; 10]));
        let actions = |frame: &[u8]| nics.each_ref().map(|nic| nic.run(frame).unwrap().action);
        assert_eq!(actions(&there), [REDIRECT; 2]);
        let flow = key(a, b, TCP, &[]);
        assert_eq!(shunts.get(&flow).unwrap(), None);
        shunts.insert(&flow).unwrap();
        assert_eq!(actions(&there), [DROP; 2]);
        assert_eq!(nics[0].run(&there).unwrap().action, DROP);
        shunts.insert(&flow).unwrap();
        assert_eq!(nics[1].run(&back).unwrap().action, DROP);
        for flags in [0x02, 0x12, 0x11, 0x04, 0x14] {
            for ends in [(a, b), (b, a)] {
                let frame = ethernet(&[], 0x0800, &tcp4(ends.0, ends.1, flags, &[]));
                assert_eq!(actions(&frame), [REDIRECT; 2], "{flags:x}");
            }
        }
        let others = [
            tcp4(End { port: a.port + 1, ..a }, b, ACK, &[]),
            ipv4((a.address, b.address), UDP, &udp(a.port, b.port, &[1])),
            ipv4_with((a.address, b.address), TCP, 0x2000, &[], &tcp(a.port, b.port, ACK, &[])),
            tcp4(a, b, ACK, &[])[..33].to_vec(),
            unreachable(1, a.address, &tcp4(a, b, ACK, &[])),
        ];
        for other in others {
            assert_eq!(actions(&ethernet(&[], 0x0800, &other)), [REDIRECT; 2]);
        }
        let found = shunts.get(&flow).unwrap().expect("shunted");
        assert_eq!((found.forward.packets, found.forward.bytes), (3, 3 * there.len() as u64));
        assert_eq!((found.backward.packets, found.backward.bytes), (1, back.len() as u64));
        assert_eq!((found.forward.tcp_flags, found.backward.tcp_flags), (ACK, ACK | PUSH));
        assert!(found.last_seen > 0);
        let turned = shunts.remove(&key(b, a, TCP, &[])).unwrap().expect("shunted");
        assert_eq!((turned.forward, turned.backward), (found.backward, found.forward));
        assert_eq!(shunts.get(&flow).unwrap(), None);
        assert_eq!(shunts.remove(&flow).unwrap(), None);
        assert_eq!(actions(&there), [REDIRECT; 2]);
    }
    let counters = nics.each_ref().map(|nic| nic.counters().unwrap());
    assert_eq!(counters.map(|counters| counters.shunted), [6, 6]);
    assert_eq!(counters.map(|counters| counters.control_of_shunted), [30, 30]);
    assert_eq!(counters[0].shunted_bytes, 6 * 154);
    assert_eq!(counters[0].received, counters[0].redirected + counters[0].shunted);
}

/// Of the frames named, those are dropped whose flow is that of the inner packet.
#[test]
fn shunted_flows_are_found_in_tunnels() {
    let Some(socket) = socket() else { return };
    let (a, b) = (end4(5, 1030), end4(77, 1102));
    let (c, d) = (end6(5, 1030), end6(77, 1102));
    let plain = tcp4(a, b, ACK, b"GET / HTTP/1.1\r\n").len() as u64;
    let check = |vlans: bool, flow: FlowKey, name: &str, bytes: Option<u64>| {
        let shunts = Shunts::new(ShuntSettings { capacity: 4, vlans }).unwrap();
        shunts.insert(&flow).unwrap();
        let settings = ProgramSettings { shunts: Some(&shunts), ..Default::default() };
        let program = loaded(&settings, &socket);
        let frames: HashMap<_, _> = frames(5, 77).into_iter().collect();
        let action = program.run(&frames[name]).unwrap().action;
        assert_eq!(action, if bytes.is_some() { DROP } else { REDIRECT }, "{name} {flow:?}");
        let found = shunts.get(&flow).unwrap().expect("stays");
        assert_eq!(found.forward.bytes, bytes.unwrap_or(0), "{name} {flow:?}");
        assert_eq!(found.backward.packets, 0, "{name}");
    };
    let (tcp4, tcp6) = (key(a, b, TCP, &[]), key(c, d, TCP, &[]));
    let udp6 = key(c, d, UDP, &[]);
    for (name, tunnels) in [
        ("ip in ip", 1),
        ("4in6", 1),
        ("gre", 1),
        ("gre bridge", 1),
        ("gre tag", 1),
        ("erspan i", 1),
        ("erspan ii", 1),
        ("vxlan", 1),
        ("geneve", 1),
        ("gre in vxlan", 2),
        ("four tunnels", 4),
        ("vxlan of a tag", 1),
    ] {
        check(false, within(tunnels, tcp4), name, Some(plain));
        // The same flow without tunnels, or within others, is another one.
        check(false, tcp4, name, None);
        check(false, within(3, tcp4), name, None);
    }
    for name in ["6in4", "gre with fields", "vxlan of ipv6", "geneve of ip"] {
        check(true, within(1, tcp6), name, Some(plain + 20));
    }
    for name in
        ["five tunnels", "gre with routes", "vxlan of an error", "icmp error", "fragment of gre"]
    {
        (0..5).for_each(|tunnels| check(false, within(tunnels, tcp4), name, None));
    }
    for name in ["hop-by-hop", "routing and options", "authentication", "atomic fragment"] {
        let frame = frames(5, 77).into_iter().find(|(other, _)| *other == name).unwrap().1;
        check(false, udp6, name, Some(frame.len() as u64));
    }
    for name in ["fragment of ipv6", "nine extensions", "out of reach"] {
        check(false, udp6, name, None);
    }
    check(true, key(a, b, TCP, &[100, 7]), "qinq", Some(plain + 14 + 8));
    check(true, key(a, b, TCP, &[1, 2, 3]), "three tags", Some(plain + 14 + 12));
    check(true, within(1, key(a, b, TCP, &[3, 7])), "vxlan of a tag", Some(plain));
    check(true, within(1, key(a, b, TCP, &[9])), "gre tag", Some(plain));
    check(true, tcp4, "qinq", None);
    check(true, key(a, b, TCP, &[7, 100]), "qinq", None);
    check(false, key(a, b, TCP, &[7, 100]), "qinq", Some(plain + 14 + 8));
}

#[test]
fn padding_of_a_carrier_is_no_part_of_the_inner_packet() {
    let Some(socket) = socket() else { return };
    let (a, b) = (end4(5, 1030), end4(77, 1102));
    let shunts = Shunts::new(ShuntSettings { capacity: 4, vlans: false }).unwrap();
    let flows = [0, 1].map(|tunnels| within(tunnels, key(a, b, TCP, &[])));
    flows.iter().for_each(|flow| shunts.insert(flow).unwrap());
    let program = loaded(&ProgramSettings { shunts: Some(&shunts), ..Default::default() }, &socket);
    let inner = tcp4(a, b, ACK, &[]);
    let mut frame = ethernet(&[], 0x0800, &ipv4((a.address, b.address), 4, &inner));
    frame.extend([0; 20]);
    assert_eq!(program.run(&frame).unwrap().action, DROP);
    let mut frame = ethernet(&[], 0x0800, &inner);
    frame.extend([0; 6]);
    assert_eq!(program.run(&frame).unwrap().action, DROP);
    for (flow, bytes) in flows.iter().zip([60, 40]) {
        let found = shunts.get(flow).unwrap().unwrap();
        assert_eq!((found.forward.packets, found.forward.bytes), (1, bytes));
    }
}

#[test]
fn the_table_of_flows_can_be_walked_and_has_a_limit() {
    if socket().is_none() {
        return;
    }
    let shunts = Shunts::new(ShuntSettings { capacity: 64, vlans: true }).unwrap();
    assert_eq!(shunts.capacity(), 64);
    let flows: Vec<FlowKey> = (0..8).map(|n| key(end6(n, 7), end6(99, 443), TCP, &[n])).collect();
    flows.iter().for_each(|flow| shunts.insert(flow).unwrap());
    let mut seen = Vec::new();
    shunts.for_each(|flow, found| seen.push((*flow, found.last_seen))).unwrap();
    seen.sort_by_key(|(flow, _)| flow.source);
    let expected: Vec<_> = (0..8)
        .map(|n| (key(end6(n, 7), end6(99, 443), TCP, if n == 0 { &[] } else { &[1] }), n))
        .map(|(flow, n)| if n == 0 { flow } else { FlowKey { tags: Tags::new(&[n]), ..flow } })
        .map(|flow| (flow, 0))
        .collect();
    assert_eq!(seen, expected);
    for n in 0..1000 {
        shunts.insert(&key(end6(n, 7), end6(98, 443), TCP, &[])).unwrap();
    }
    let mut count = 0;
    shunts.for_each(|_, _| count += 1).unwrap();
    assert!((1..=64).contains(&count), "{count}");
}

#[test]
fn shed_load_is_whole_flows() {
    let Some(socket) = socket() else { return };
    let hash = HashSettings { seed: 5, ..HashSettings::default() };
    let program = loaded(&ProgramSettings { hash, ..Default::default() }, &socket);
    let arp = ethernet(&[], 0x0806, &[1; 28]);
    for permille in [1000, 300, 0] {
        program.set_shed(permille).unwrap();
        let mut kept = 0;
        for host in 0..=255 {
            let (a, b) = (end4(host, 4000), end4(7, 80));
            let there = ethernet(&[], 0x0800, &tcp4(a, b, ACK, &[1; 9]));
            let back = ethernet(&[], 0x0800, &tcp4(b, a, ACK, &[1; 99]));
            let actions = [&there, &back].map(|frame| program.run(frame).unwrap().action);
            let is_kept = hash.steering(Link::Ethernet, &there).is_kept(permille);
            assert_eq!(actions, [if is_kept { REDIRECT } else { DROP }; 2], "{host} {permille}");
            kept += u32::from(is_kept);
        }
        let expected = permille * 256 / 1000;
        assert!(kept.abs_diff(expected) < 40, "{kept} {expected}");
        assert_eq!(program.run(&arp).unwrap().action, REDIRECT);
    }
    let counters = program.counters().unwrap();
    assert_eq!(counters.received, counters.redirected + counters.shed);
    assert!(counters.shed > 512);
}

#[test]
fn excluded_networks_are_not_inspected() {
    let Some(socket) = socket() else { return };
    let prefix = |address: &str, length| Prefix { address: address.parse().unwrap(), length };
    let exclude = vec![
        prefix("192.0.2.64", 26),
        prefix("192.0.2.5", 32),
        prefix("10.1.0.0", 16),
        prefix("2001:db8:7::", 64),
    ];
    for (excluded, action) in [(Action::Pass, PASS), (Action::Drop, DROP)] {
        let settings = ProgramSettings { exclude: exclude.clone(), excluded, ..Default::default() };
        let program = loaded(&settings, &socket);
        let of = |packet: &[u8], kind| program.run(&ethernet(&[], kind, packet)).unwrap().action;
        let of4 = |a, b| of(&tcp4(end4(a, 1), end4(b, 2), ACK, &[]), 0x0800);
        assert_eq!(of4(1, 2), REDIRECT);
        assert_eq!(of4(1, 64), action);
        assert_eq!(of4(127, 1), action);
        assert_eq!(of4(128, 63), REDIRECT);
        assert_eq!((of4(5, 1), of4(1, 5), of4(4, 6)), (action, action, REDIRECT));
        assert_eq!(of(&tcp6(end6(1, 1), end6(2, 1), ACK, &[]), 0x86dd), action);
        let other = ("2001:db8:8::1".parse().unwrap(), "2001:db8:8::2".parse().unwrap());
        assert_eq!(of(&ipv6(other, TCP, &[0; 20]), 0x86dd), REDIRECT);
        let outside = ("10.1.2.3".parse().unwrap(), "10.2.0.1".parse().unwrap());
        assert_eq!(of(&ipv4(outside, 4, &tcp4(end4(1, 1), end4(2, 2), ACK, &[])), 0x0800), action);
        let counters = program.counters().unwrap();
        assert_eq!(counters.excluded, 6);
        assert_eq!(counters.received, counters.redirected + counters.excluded);
    }
    let wrong = ProgramSettings { exclude: vec![prefix("1.2.3.4", 33)], ..Default::default() };
    assert!(matches!(Loaded::new(&wrong), Err(Error::Prefix { .. })));
}

#[test]
fn an_interface_runs_the_program_until_it_is_dropped() {
    if socket().is_none() {
        return;
    }
    system::between_interfaces(attached);
}

#[test]
fn tables_serve_without_capabilities() {
    let Some(socket) = socket() else { return };
    let shunts = Shunts::new(ShuntSettings { capacity: 4, vlans: false }).unwrap();
    let program = loaded(&ProgramSettings { shunts: Some(&shunts), ..Default::default() }, &socket);
    let flow = key(end4(1, 1), end4(2, 2), TCP, &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            system::give_up_capabilities().unwrap();
            assert!(Loaded::new(&ProgramSettings::default()).is_err(), "needs capabilities");
            shunts.insert(&flow).unwrap();
            assert!(shunts.get(&flow).unwrap().is_some());
            shunts.for_each(|_, _| ()).unwrap();
            assert!(shunts.remove(&flow).unwrap().is_some());
            program.set_shed(500).unwrap();
            assert_eq!(program.counters().unwrap(), Counters::default());
        });
    });
}

fn is_attached() -> bool {
    system::ip("-details link show one").expect("a link").contains("prog/xdp")
}

/// The first interface runs the program, the second one sends.
fn attached(interface: u32, peer: u32) {
    let settings = ProgramSettings {
        interface,
        empty_slot: Action::Drop,
        hash: HashSettings { tunnels: Tunnels::Inner, ..HashSettings::default() },
        ..Default::default()
    };
    let program = Program::load(&settings).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((program.mode(), program.tried()), (AttachMode::Native, &[][..]));
    assert!(is_attached());
    let frame = ethernet(&[], 0x0800, &tcp4(end4(1, 1), end4(2, 2), ACK, &[7; 50]));
    let before = program.counters().expect("counters");
    for _ in 0..25 {
        system::send(peer, &frame).expect("sent");
    }
    let after = system::wait_for(|| {
        let counters = program.counters().expect("counters");
        (counters.received >= before.received + 25).then_some(counters)
    });
    let after = after.expect("frames arrive");
    assert_eq!(after.empty_slot, after.received);

    let Err(Error::Attach { tried, .. }) = Program::load(&settings) else {
        panic!("attached twice")
    };
    let errors: Vec<i32> = tried.iter().map(|attempt| attempt.errno).collect();
    assert_eq!(errors, [libc::EBUSY, libc::EEXIST], "{tried:?}");
    assert!(tried[0].reason.contains("another XDP program"), "{tried:?}");
    drop(program);
    assert!(system::wait_for(|| (!is_attached()).then_some(())).is_some());

    system::ip("link set one mtu 9000").expect("a large MTU");
    system::ip("link set two mtu 9000").expect("a large MTU");
    let native = ProgramSettings { modes: &[AttachMode::Native], ..settings.clone() };
    let Err(error) = Program::load(&native) else { panic!("attached to a large MTU") };
    assert!(error.to_string().contains("MTU is too large"), "{error}");
    let either = Program::load(&settings).expect("generic");
    assert_eq!(either.mode(), AttachMode::Generic);
    assert_eq!(either.tried()[0].errno, libc::ERANGE);
    drop(either);
    let several = ProgramSettings { multi_buffer: true, ..native.clone() };
    let program = Program::load(&several).unwrap_or_else(|error| panic!("{error}"));
    let large = ethernet(&[], 0x0800, &tcp4(end4(1, 1), end4(2, 2), ACK, &[7; 8900]));
    let before = program.counters().expect("counters").received;
    system::send(peer, &large).expect("sent");
    let seen = || program.counters().expect("counters").received > before;
    assert!(system::wait_for(|| seen().then_some(())).is_some());
    drop(program);

    let absent = ProgramSettings { interface: 0x7fff_0000, ..settings };
    let Err(Error::Attach { tried, .. }) = Program::load(&absent) else { panic!("no interface") };
    assert_eq!(tried.len(), 2);
}
