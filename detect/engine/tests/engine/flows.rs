//! Rules on flows of datagrams: direction, state, bits and integers.

use std::sync::Arc;

use decode::packet::Packet;
use engine::{EngineSettings, Inspector, PacketFacts};
use rules::threshold::ThresholdFile;

use crate::packets::{NONE, Sensor, back, ruleset, ruleset_with, udp, udp_at};

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
    assert_eq!(inspector.refused().groups_renewed, 3, "28,800 packets, 8,192 groups");
}

/// Packets from so many hosts each set a bit; how many could not: of hosts, of pairs.
#[test]
fn bits_of_hosts_and_pairs_have_limits_of_their_own() {
    let text = "alert udp any any -> any any (content:\"a\"; xbits:set,x,track ip_src; sid:1;)\n\
         alert udp any any -> any any (content:\"a\"; xbits:set,y,track ip_pair; sid:2;)\n";
    for (hosts, pairs, refused) in [(0, 0, [9, 9]), (1 << 20, 0, [0, 9]), (0, 1 << 20, [9, 0])] {
        let settings =
            EngineSettings { host_memcap: hosts, pair_memcap: pairs, ..EngineSettings::default() };
        let mut sensor =
            Sensor::with(ruleset_with(text, settings, &ThresholdFile::default(), |_| ()));
        for host in 1..=9 {
            let mut packet = udp(b"a");
            packet.src = [10, 1, 0, host].into();
            assert_eq!(sensor.alone(&packet), [1, 2]);
        }
        let counts = sensor.inspector.refused();
        assert_eq!([counts.host_bits, counts.pair_bits], refused);
    }
}

#[test]
fn tags_of_hosts_log_packets_and_give_way() {
    let mut sensor = sensor(&["content:\"a\"; tag:host,2,seconds,src;"]);
    let from = |host: u16, text: &'static [u8], second| {
        let [high, low] = host.to_be_bytes();
        Packet { src: [10, 2, high, low].into(), ..udp_at(text, second) }
    };
    assert_eq!(sensor.in_flow(&from(1, b"a", 0)).1.tagged, None);
    assert_eq!(sensor.in_flow(&from(1, b"b", 1)).1.tagged, Some(1));
    assert_eq!(sensor.in_flow(&from(2, b"b", 1)).1.tagged, None);
    assert_eq!(sensor.in_flow(&back(from(1, b"b", 2))).1.tagged, Some(1));
    assert_eq!(sensor.in_flow(&from(1, b"b", 3)).1.tagged, None);
    for host in 0..=4096 {
        sensor.alone(&from(host, b"a", 10));
    }
    assert_eq!(sensor.inspector.refused().host_tags, 1);
    assert_eq!(sensor.in_flow(&from(4096, b"b", 11)).1.tagged, None);
    // Those before are over, though no packet of their hosts came.
    sensor.alone(&from(5000, b"a", 13));
    assert_eq!(sensor.in_flow(&from(5000, b"b", 13)).1.tagged, Some(1));
    assert_eq!(sensor.inspector.refused().host_tags, 1);
}
