//! The hash: what meets, what spreads, what is seen on the way.

use proptest::prelude::*;
use steer::{HashSettings, Link, Steering, Tunnels, steering};

use crate::craft::*;

fn named(name: &str, from: u8, to: u8) -> Vec<u8> {
    frames(from, to).into_iter().find(|(other, _)| *other == name).expect(name).1
}

#[test]
fn both_directions_have_one_hash() {
    for settings in all_settings(0x1234_5678) {
        for ((name, there), (_, back)) in frames(5, 77).into_iter().zip(frames(77, 5)) {
            // Only the addresses and ports of a frame that has both sides turned count.
            if name.contains("error") || name.contains("exceeded") || name.starts_with("wrong") {
                continue;
            }
            // The source port of these carriers is made of the inner flow: it is not turned.
            if settings.ports && (name.contains("vxlan") || name.contains("geneve")) {
                continue;
            }
            let of = |frame: &[u8]| settings.steering(Link::Ethernet, frame);
            assert_eq!(of(&there), of(&back), "{name} {settings:?}");
        }
    }
}

/// Frames of one name meet those of another.
#[track_caller]
fn check_meet(settings: HashSettings, one: &str, other: &str, meet: bool) {
    let of = |name: &str| settings.steering(Link::Ethernet, &named(name, 5, 77));
    let (a, b) = (of(one), of(other));
    assert_eq!(a.hash == b.hash, meet, "{one} {a:?}, {other} {b:?}, {settings:?}");
}

#[test]
fn what_belongs_together_meets() {
    let outer = HashSettings { seed: 9, ..HashSettings::default() };
    let plain = "tcp over ipv4";
    for other in [
        "udp over ipv4",
        "options",
        "first fragment",
        "last fragment",
        "icmp error",
        "qinq",
        "old tag",
        "three tags",
        "pppoe",
        "mpls",
        "echo",
        "icmp error without ports",
    ] {
        check_meet(outer, plain, other, true);
    }
    for other in ["cut icmp error", "gre", "vxlan", "arp", "four tags", "short header", "4in6"] {
        check_meet(outer, plain, other, false);
    }
    for other in ["later fragment of ipv6", "hop-by-hop", "tag", "mpls ipv6", "4in6"] {
        check_meet(outer, "tcp over ipv6", other, true);
    }
    let inner = HashSettings { tunnels: Tunnels::Inner, ..outer };
    for other in [
        "gre",
        "gre bridge",
        "gre tag",
        "erspan i",
        "erspan ii",
        "vxlan",
        "vxlan of a tag",
        "vxlan of an error",
        "vxlan of a fragment",
        "geneve",
        "gre in vxlan",
        "four tunnels",
        "ip in ip",
        "4in6",
    ] {
        check_meet(inner, plain, other, true);
    }
    for other in ["five tunnels", "fragment of gre", "gre with routes", "vxlan of arp"] {
        check_meet(inner, plain, other, false);
    }
    for other in ["6in4", "gre with fields", "vxlan of ipv6", "geneve of ip"] {
        check_meet(inner, "tcp over ipv6", other, true);
    }
    let ports = HashSettings { ports: true, ..outer };
    check_meet(ports, plain, "udp over ipv4", true);
    check_meet(ports, plain, "icmp error", true);
    check_meet(ports, plain, "first fragment", false);
    check_meet(ports, "tcp over ipv6", "atomic fragment", true);
    check_meet(ports, "tcp over ipv6", "eight extensions", true);
    check_meet(ports, "tcp over ipv6", "nine extensions", false);
    check_meet(ports, "tcp over ipv6", "out of reach", false);
    let vlans = HashSettings { vlans: true, ..outer };
    check_meet(vlans, plain, "old tag", false);
    check_meet(vlans, "old tag", "three tags", false);
    check_meet(vlans, plain, "mpls", true);
}

#[test]
fn flags_say_what_was_seen() {
    let check = |tunnels, name, (tunnel, fragment, ip): (bool, bool, bool)| {
        let settings = HashSettings { seed: 1, tunnels, ..HashSettings::default() };
        let found = settings.steering(Link::Ethernet, &named(name, 5, 77));
        assert_eq!((found.tunnel, found.fragment, found.ip), (tunnel, fragment, ip), "{name}");
        assert!(ip || found.hash == 0, "{name}");
    };
    for tunnels in [Tunnels::Outer, Tunnels::Inner] {
        check(tunnels, "tcp over ipv4", (false, false, true));
        check(tunnels, "first fragment", (false, true, true));
        check(tunnels, "last fragment", (false, true, true));
        check(tunnels, "fragment of ipv6", (false, true, true));
        check(tunnels, "atomic fragment", (false, false, true));
        check(tunnels, "fragment of gre", (true, true, true));
        check(tunnels, "gre", (true, false, true));
        check(tunnels, "gre version 1", (true, false, true));
        check(tunnels, "vxlan of a fragment", (true, tunnels == Tunnels::Inner, true));
        check(tunnels, "geneve", (true, false, true));
        check(tunnels, "arp", (false, false, false));
        check(tunnels, "four tags", (false, false, false));
        check(tunnels, "short header", (false, false, false));
        check(tunnels, "mpls ethernet", (false, false, false));
    }
}

#[test]
fn raw_frames_are_those_behind_ethernet() {
    for name in ["tcp over ipv4", "vxlan", "tcp over ipv6", "last fragment", "icmp error"] {
        let frame = named(name, 5, 77);
        for settings in all_settings(77) {
            let raw = settings.steering(Link::Raw, &frame[14..]);
            assert_eq!(raw, settings.steering(Link::Ethernet, &frame), "{name}");
        }
    }
    assert_eq!(steering(1, Link::Raw, &[0; 40]), Steering::default());
    assert_eq!(steering(1, Link::Raw, &[]), Steering::default());
}

/// Pearson's statistic of counts that should be even.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = counts.iter().sum::<u32>() as f64 / counts.len() as f64;
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

#[test]
fn workers_get_even_shares() {
    // Neighbours talk to a few servers, as networks are; every pair is one flow.
    let pairs: Vec<Vec<u8>> = (0..64u8)
        .flat_map(|client| (0..64u8).map(move |server| (client, server)))
        .map(|(client, server)| {
            let pair = ([10, 0, 3, client].into(), [10, 0, 4, server].into());
            ethernet(&[], 0x0800, &ipv4(pair, TCP, &[]))
        })
        .collect();
    let pairs6: Vec<Vec<u8>> = (0..64u16)
        .flat_map(|client| (0..64u16).map(move |server| (client, server + 1000)))
        .map(|(client, server)| {
            let pair = (end6(client, 0).address, end6(server, 0).address);
            ethernet(&[], 0x86dd, &ipv6(pair, TCP, &[]))
        })
        .collect();
    for pairs in [pairs, pairs6] {
        for seed in [0, 1, 0xdead_beef, 0xffff_ffff] {
            for workers in [2u32, 3, 4, 7, 8, 16, 31, 64] {
                let mut counts = vec![0; workers as usize];
                for frame in &pairs {
                    counts[steering(seed, Link::Ethernet, frame).worker(workers) as usize] += 1;
                }
                // Mean plus more than five standard deviations of the distribution.
                let freedom = f64::from(workers - 1);
                let bound = freedom + 5.5 * (2.0 * freedom).sqrt() + 8.0;
                let found = chi_square(&counts);
                assert!(found < bound, "{workers} workers, seed {seed}: {found} {counts:?}");
            }
        }
    }
}

#[test]
fn shedding_keeps_its_share_of_every_worker() {
    let mut kept = [0u32; 4];
    let mut all = [0u32; 4];
    for n in 0..8000u32 {
        let pair = ((0x0a00_0000 + n).into(), [192, 0, 2, 1].into());
        let found = steering(3, Link::Raw, &ipv4(pair, TCP, &[]));
        let worker = found.worker(4) as usize;
        all[worker] += 1;
        kept[worker] += u32::from(found.is_kept(300));
        assert!(found.is_kept(1000) && !found.is_kept(0));
    }
    for (kept, all) in kept.iter().zip(all) {
        let share = f64::from(*kept) / f64::from(all);
        assert!((0.26..0.34).contains(&share), "{share}");
    }
    assert!(Steering::default().is_kept(0));
    assert_eq!(Steering { hash: 7, ..Steering::default() }.worker(0), 0);
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        seed in any::<u32>(),
    ) {
        for settings in all_settings(seed) {
            for link in [Link::Ethernet, Link::Raw] {
                let found = settings.steering(link, &bytes);
                prop_assert!(found.ip || found == Steering::default());
            }
        }
    }

    #[test]
    fn spoilt_frames_have_an_answer(random in 1u64.., which in 0usize..1000, seed in any::<u32>()) {
        let table = frames(5, 77);
        let (_, frame) = &table[which % table.len()];
        let mut random = Random(random);
        for settings in all_settings(seed) {
            let bytes = spoilt(frame, &mut random);
            let found = settings.steering(Link::Ethernet, &bytes);
            prop_assert!(found.ip || found == Steering::default());
        }
    }

    #[test]
    fn any_pair_meets_in_both_directions(
        a in any::<u32>(), b in any::<u32>(), from in any::<u16>(), to in any::<u16>(),
        seed in any::<u32>(), ports in any::<bool>(),
    ) {
        let settings = HashSettings { seed, ports, ..HashSettings::default() };
        let there = ipv4((a.into(), b.into()), TCP, &tcp(from, to, 2, &[]));
        let back = ipv4((b.into(), a.into()), TCP, &tcp(to, from, 0x12, &[]));
        prop_assert_eq!(
            settings.steering(Link::Raw, &there),
            settings.steering(Link::Raw, &back)
        );
    }
}
