//! Classes of addresses and ports agree with the sets they were made of.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use engine::classes::{AddressClasses, PortClasses};
use proptest::prelude::*;
use rules::{AddressSet, PortSet, Variables};

use crate::packets::{Sensor, udp};

fn addresses(text: &str) -> AddressSet {
    AddressSet::parse(text, &Variables::default()).unwrap()
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u8..4, any::<u8>()).prop_map(|(a, b)| IpAddr::from([10, 0, a, b])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        (0u16..4, any::<u8>()).prop_map(|(a, b)| {
            IpAddr::from([0x2001, 0xdb8, a, 0, 0, 0, 0, u16::from(b)])
        }),
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

proptest! {
    #[test]
    fn addresses_are_members_of_their_sets(
        texts in proptest::collection::vec(address_set(), 1..20),
        places in proptest::collection::vec(address(), 1..40),
    ) {
        let sets: Vec<AddressSet> = texts.iter().map(|t| addresses(t)).collect();
        let classes = AddressClasses::new(sets.iter());
        for set in &sets {
            for place in &places {
                let holds = classes.holds(classes.class(*place), classes.number(set));
                prop_assert_eq!(holds, set.contains(*place), "{} {:?}", place, texts);
            }
        }
    }

    #[test]
    fn ports_are_members_of_their_sets(
        texts in proptest::collection::vec(port_set(), 1..20),
        near in proptest::collection::vec(0u16..600, 1..40),
        far in any::<u16>(),
    ) {
        let parse = |text: &String| PortSet::parse(text, &Variables::default()).unwrap();
        let sets: Vec<PortSet> = texts.iter().map(parse).collect();
        let classes = PortClasses::new(sets.iter());
        for set in &sets {
            for place in near.iter().chain([&far, &0, &65535]) {
                let holds = classes.holds(classes.class(*place), classes.number(set));
                prop_assert_eq!(holds, set.contains(*place), "{} {:?}", place, texts);
            }
        }
    }
}

#[test]
fn more_than_sixteen_bits_of_classes_are_told_apart() {
    let text = |n: u32| Ipv4Addr::from(0x0a00_0000 + 2 * n).to_string();
    let sets: Vec<AddressSet> = (0..70_000).map(|n| addresses(&text(n))).collect();
    let classes = AddressClasses::new(sets.iter());
    for (n, set) in sets.iter().enumerate().step_by(997).chain(sets.iter().enumerate().skip(65_530)) {
        let own = classes.class(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + 2 * n as u32)));
        let next = classes.class(IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + 2 * n as u32)));
        assert!(classes.holds(own, classes.number(set)), "{n}");
        assert!(!classes.holds(next, classes.number(set)), "{n}");
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
