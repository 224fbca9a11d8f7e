//! Classes of addresses and ports agree with the sets they were made of.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use engine::Ruleset;
use proptest::prelude::*;

use crate::packets::{Sensor, ruleset, udp};

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u8..4, any::<u8>()).prop_map(|(a, b)| IpAddr::from([10, 0, a, b])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        (0u16..4, any::<u8>())
            .prop_map(|(a, b)| { IpAddr::from([0x2001, 0xdb8, a, 0, 0, 0, 0, u16::from(b)]) }),
    ]
}

fn address_set() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        (0u8..4, any::<u8>(), 16u8..=32).prop_map(|(a, b, len)| format!("10.0.{a}.{b}/{len}")),
        (0u8..4, 0u8..128, 128u8..).prop_map(|(a, b, c)| format!("10.0.{a}.{b}-10.0.{a}.{c}")),
        (0u16..4, 30u8..=128).prop_map(|(a, len)| format!("2001:db8:{a:x}::/{len}")),
        Just("0.0.0.0/0".to_owned()),
        Just("::/0".to_owned()),
    ];
    prop_oneof![
        8 => proptest::collection::vec(one, 1..4).prop_map(|list| format!("[{}]", list.join(","))),
        2 => (0u8..4).prop_map(|a| format!("!10.0.{a}.0/24")),
        1 => Just("any".to_owned()),
    ]
}

fn port_set() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        (1u16..200).prop_map(|p| p.to_string()),
        (1u16..200, 0u16..300).prop_map(|(p, n)| format!("{p}:{}", p + n)),
        (1u16..).prop_map(|p| format!("{p}:")),
    ];
    prop_oneof![
        8 => proptest::collection::vec(one, 1..4).prop_map(|list| format!("[{}]", list.join(","))),
        2 => (1u16..200).prop_map(|p| format!("!{p}")),
        1 => Just("any".to_owned()),
    ]
}

/// Rules with these sources: addresses and ports.
fn sources(sets: &[(String, String)]) -> Ruleset {
    let mut text = String::new();
    for (sid, (addresses, ports)) in (1..).zip(sets) {
        let _ = writeln!(text, "alert udp {addresses} {ports} -> any any (sid:{sid};)");
    }
    ruleset(&text)
}

proptest! {
    #[test]
    fn values_are_members_of_their_sets(
        sets in proptest::collection::vec((address_set(), port_set()), 1..20),
        places in proptest::collection::vec((address(), 0u16..600), 1..40),
        far in any::<u16>(),
    ) {
        let rules = sources(&sets);
        let more = [0, far, 65_535].map(|port| (IpAddr::from([0, 0, 0, 0]), port));
        for compiled in rules.rules() {
            let rule = &compiled.rule;
            for (address, port) in places.iter().chain(&more) {
                let class = rules.addresses.class(*address);
                let holds = rules.addresses.holds(class, compiled.addresses[0]);
                prop_assert_eq!(holds, rule.src.contains(*address), "{} {}", address, rule.text);
                let class = rules.src_ports.class(*port);
                let holds = compiled.ports[0].is_none_or(|n| rules.src_ports.holds(class, n));
                prop_assert_eq!(holds, rule.src_ports.contains(*port), "{} {}", port, rule.text);
            }
        }
    }
}

#[test]
fn more_than_sixteen_bits_of_classes_are_told_apart() {
    let address = |n: u32| Ipv4Addr::from(0x0a00_0000 + n);
    let sets: Vec<_> =
        (0..66_000).map(|n| (address(2 * n).to_string(), "any".to_owned())).collect();
    let rules = sources(&sets);
    for compiled in rules.rules() {
        let n = compiled.rule.sid - 1;
        let own = rules.addresses.class(IpAddr::V4(address(2 * n)));
        let next = rules.addresses.class(IpAddr::V4(address(2 * n + 1)));
        assert!(rules.addresses.holds(own, compiled.addresses[0]), "{n}");
        assert!(!rules.addresses.holds(next, compiled.addresses[0]), "{n}");
    }
}

#[test]
fn address_rules_go_by_address_port_and_direction() {
    let mut text = String::new();
    for (sid, header) in (1..).zip([
        "udp any any -> any any",
        "ip 10.0.0.1 any -> any any",
        "ip 10.0.0.2 any -> any any",
        "udp any any -> any 2000",
        "udp any any -> any 2001",
        "udp 10.0.0.2 any <> 10.0.0.1 any",
        "tcp any any -> any any",
        "udp !10.0.0.1 any -> any any",
        "udp !10.0.0.2 any -> any any",
    ]) {
        let _ = writeln!(text, "alert {header} (sid:{sid};)");
    }
    let mut sensor = Sensor::new(&text);
    assert_eq!(sensor.alone(&udp(b"")), [1, 2, 4, 6, 9]);
    // Of a flow the first packet of each direction, but every packet for negated addresses.
    assert_eq!(sensor.in_flow(&udp(b"")).0, [1, 2, 4, 6, 9]);
    assert_eq!(sensor.in_flow(&udp(b"")).0, [9]);
    let answer = crate::packets::back(udp(b""));
    assert_eq!(sensor.in_flow(&answer).0, [1, 3, 6, 8]);
    assert_eq!(sensor.in_flow(&answer).0, [8]);
}
