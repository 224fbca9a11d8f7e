//! Rules on flows of datagrams: direction, state, bits and integers.

use std::sync::Arc;

use engine::{Inspector, PacketFacts};

use crate::packets::{NONE, Sensor, back, ruleset, udp, udp_at};

fn sensor(rules: &[&str]) -> Sensor {
    let text: String = (1..)
        .zip(rules)
        .map(|(sid, o)| format!("alert udp any any -> any any (msg:\"x\"; {o} sid:{sid};)\n"))
        .collect();
    Sensor::new(&text)
}

#[test]
fn flow_words_go_by_direction_and_state() {
    let mut sensor = sensor(&[
        "flow:to_server; content:\"a\";",
        "flow:to_client; content:\"a\";",
        "flow:established; content:\"a\";",
        "flow:not_established; content:\"a\";",
        "flow:stateless; content:\"a\";",
        "content:\"a\";",
    ]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [1, 4, 5, 6]);
    assert_eq!(sensor.in_flow(&back(udp(b"a"))).0, [2, 3, 5, 6]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [1, 3, 5, 6]);
    assert_eq!(sensor.alone(&udp(b"a")), [5, 6], "no flow, no direction");
}

#[test]
fn flow_bits_are_seen_by_later_rules_of_the_packet() {
    let mut sensor = sensor(&[
        "content:\"a\"; flowbits:isset,x;",
        "content:\"a\"; flowbits:set,x;",
        "content:\"b\"; flowbits:isset,x;",
        "content:\"b\"; flowbits:isnotset,x;",
        "content:\"c\"; flowbits:unset,x;",
        "content:\"d\"; flowbits:toggle,x;",
        "content:\"b\"; flowbits:isset,x|y;",
        "content:\"b\"; flowbits:isnotset,x|y;",
    ]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [4, 8]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [2, 1]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [3, 7]);
    assert_eq!(sensor.in_flow(&udp(b"c")).0, [5]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [4, 8]);
    assert_eq!(sensor.in_flow(&udp(b"d")).0, [6]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [3, 7]);
    assert_eq!(sensor.in_flow(&udp(b"d")).0, [6]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [4, 8]);
    assert_eq!(sensor.alone(&udp(b"b")), NONE, "bits need a flow");
}

#[test]
fn bits_are_set_by_silent_matches_too() {
    let mut sensor =
        sensor(&["content:\"a\"; flowbits:set,x; noalert;", "content:\"a\"; flowbits:isset,x;"]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [2]);
}

#[test]
fn integers_count() {
    let mut sensor = sensor(&[
        "content:\"a\"; flowint:nn,+,1; noalert;",
        "content:\"a\"; flowint:nn,>,2;",
        "content:\"a\"; flowint:nn,==,2;",
        "content:\"b\"; flowint:mm,isnotset;",
        "content:\"b\"; flowint:mm,<,5;",
        "content:\"c\"; flowint:mm,=,nn;",
        "content:\"d\"; flowint:nn,-,1; noalert;",
    ]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, NONE);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [3]);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [2]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [4], "comparing what is unset fails");
    assert_eq!(sensor.in_flow(&udp(b"c")).0, [6]);
    assert_eq!(sensor.in_flow(&udp(b"b")).0, [5]);
    assert_eq!(sensor.in_flow(&udp(b"d")).0, NONE);
    assert_eq!(sensor.in_flow(&udp(b"a")).0, [2]);
}

#[test]
fn bits_of_hosts_expire() {
    let mut sensor = sensor(&[
        "content:\"a\"; xbits:set,x,track ip_src,expire 3;",
        "content:\"b\"; xbits:isset,x,track ip_src;",
        "content:\"c\"; hostbits:set,h,src;",
        "content:\"d\"; hostbits:isset,h,src;",
        "content:\"e\"; xbits:set,x,track ip_src,expire 10;",
    ]);
    assert_eq!(sensor.alone(&udp_at(b"a", 0)), [1]);
    assert_eq!(sensor.alone(&udp_at(b"e", 2)), [5], "does not refresh");
    assert_eq!(sensor.alone(&udp_at(b"b", 3)), [2]);
    assert_eq!(sensor.alone(&udp_at(b"b", 4)), NONE);
    assert_eq!(sensor.alone(&udp_at(b"c", 4)), [3]);
    assert_eq!(sensor.alone(&udp_at(b"d", 300)), [4]);
    assert_eq!(sensor.alone(&udp_at(b"d", 305)), NONE);
}

#[test]
fn an_extended_bit_is_checked_before_it_is_set() {
    let rules =
        ["content:\"a\"; xbits:set,x,track ip_src;", "content:\"a\"; xbits:isset,x,track ip_src;"];
    let mut sensor = sensor(&rules);
    assert_eq!(sensor.alone(&udp(b"a")), [1]);
    assert_eq!(sensor.alone(&udp(b"a")), [2, 1]);
}

#[test]
fn groups_made_anew_lose_no_rule() {
    // More kinds of packets than groups are kept.
    let ports: Vec<String> = (1..=120).map(|port| format!("{}", port * 10)).collect();
    let mut text = String::new();
    for (sid, port) in (1..).zip(&ports) {
        text += &format!("alert udp any {port} -> any any (content:\"a\"; sid:{sid};)\n");
        text += &format!("alert udp any any -> any {port} (content:\"a\"; sid:{};)\n", 1000 + sid);
    }
    let rules = Arc::new(ruleset(&text));
    let mut inspector = Inspector::new(Arc::clone(&rules));
    for _ in 0..2 {
        for src in 1..=120u16 {
            for dst in 1..=120u16 {
                let mut packet = udp(b"a");
                (packet.src_port, packet.dst_port) = (src * 10, dst * 10);
                inspector.inspect(&packet, None, &PacketFacts::default());
                let found: Vec<u32> = inspector
                    .queue
                    .alerts
                    .iter()
                    .map(|a| rules.get(a.found.rule).unwrap().rule.sid)
                    .collect();
                assert_eq!(found, [u32::from(src), 1000 + u32::from(dst)]);
            }
        }
    }
}
