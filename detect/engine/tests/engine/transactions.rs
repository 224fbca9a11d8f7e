//! Rules on transactions, with DNS over UDP.

use decode::packet::Packet;
use decode::{Direction, Timestamp};
use engine::PacketFacts;
use flow::table::Lookup;
use protocol::{AppCounters, Detector, Effects, ProtocolSettings, SessionContext};

use crate::packets::{NONE, Sensor, back, udp};

/// A query for names, one question each.
fn query(id: u16, names: &[&str]) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend([1, 0, 0, names.len() as u8, 0, 0, 0, 0, 0, 0]);
    for name in names {
        for label in name.split('.') {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.extend([0, 0, 1, 0, 1]);
    }
    out
}

/// The answer that the name does not exist.
fn answer(query: &[u8]) -> Vec<u8> {
    let mut out = query.to_vec();
    out[2] |= 0x80;
    out[3] |= 0x83;
    out
}

/// A datagram to the port of DNS servers.
fn dns(payload: &[u8]) -> Packet<'_> {
    Packet { dst_port: 53, ..udp(payload) }
}

/// Inspects a datagram after the protocol's parser has taken it.
fn inspect(sensor: &mut Sensor, packet: &Packet<'_>) -> Vec<(u32, Option<u64>)> {
    let hash = sensor.table.hash(packet).unwrap();
    let found = sensor.table.lookup(packet, hash, &mut Vec::new());
    let (Lookup::Found(id, direction) | Lookup::Created(id, direction)) = found else {
        panic!("no flow");
    };
    let settings = ProtocolSettings::default();
    let detector = Detector::new(&settings);
    let flow = sensor.table.get_mut(id);
    if direction == Direction::ToClient {
        flow.state = flow::FlowState::Established;
    }
    let cx = SessionContext {
        settings: &settings,
        detector: &detector,
        client_port: flow.client_port,
        server_port: flow.server_port,
        server: Some(flow.server),
        timestamp: Timestamp(packet.timestamp.0),
        midstream: false,
        first_data: None,
        limits: [100_000; 2],
    };
    let session = &mut flow.extension.session;
    let (mut effects, mut counters) = (Effects::default(), AppCounters::default());
    session.udp(&cx, direction, packet.payload(), &mut effects, &mut counters);
    let facts = PacketFacts { direction, app_updated: true, ..PacketFacts::default() };
    sensor.inspector.inspect(packet, Some(flow), &facts);
    let rules = sensor.inspector.rules();
    let alerts = sensor.inspector.queue.alerts.iter();
    alerts.map(|a| (rules.get(a.found.rule).unwrap().rule.sid, a.found.tx)).collect()
}

/// Numbers of the rules that alert on a query for two names and on its answer.
fn check(options: &str, want: [bool; 2]) {
    let text = format!("alert dns any any -> any any (msg:\"x\"; {options} sid:1;)");
    let mut sensor = Sensor::new(&text);
    let query = query(7, &["aaa.com", "BBB.org"]);
    let answer = answer(&query);
    let first = inspect(&mut sensor, &dns(&query));
    assert_eq!(!first.is_empty(), want[0], "query: {options}");
    let second = inspect(&mut sensor, &back(dns(&answer)));
    assert_eq!(!second.is_empty(), want[1], "answer: {options}");
}

#[test]
fn buffers_have_instances() {
    for (options, want) in [
        ("dns.query; content:\"aaa.com\"; dns.query; content:\"BBB.org\";", [true, false]),
        ("dns.query; content:\"aaa\"; content:\"BBB\";", [false, false]),
        ("dns.query; content:!\"aaa\";", [true, false]),
        ("dns.query; content:!\"com\"; content:!\"org\";", [false, false]),
        ("dns.query; content:!\"a\"; content:!\"B\";", [false, false]),
        ("dns.query; content:\"bbb\";", [false, false]),
        ("dns.query; content:\"bbb\"; nocase;", [true, false]),
        ("dns.query; to_lowercase; content:\"bbb\";", [true, false]),
        ("dns.query; dotprefix; content:\".aaa\"; startswith;", [true, false]),
        ("dns.query; content:\"aaa.com\"; startswith; endswith;", [true, false]),
        ("dns.query; content:\"aaa\"; endswith;", [false, false]),
        ("dns.query; bsize:7; content:\"org\"; endswith;", [true, false]),
        ("dns.query; bsize:>7;", [false, false]),
        ("dns.query; absent;", [false, false]),
        ("dns.query; pcre:\"/^b+\\.o/i\";", [true, false]),
        ("dns.query; domain; content:\"aaa.com\"; startswith; endswith;", [true, false]),
        ("dns.query; tld; content:\"org\"; startswith; endswith;", [true, false]),
        ("dns.query; content:\"aaa\"; fast_pattern:1,2;", [true, false]),
        ("dns.queries.rrname; content:\"aaa\";", [true, true]),
        // The pattern that is looked for first lies in the payload.
        ("content:\"|03|aaa|03|\"; fast_pattern; dns.query; content:\"BBB\";", [true, false]),
        ("content:\"|03|aab|03|\"; fast_pattern; dns.query; content:\"BBB\";", [false, false]),
    ] {
        check(options, want);
    }
}

/// More instances than are kept between the rules that ask for them.
#[test]
fn every_instance_is_inspected_by_every_rule() {
    let names: Vec<String> = (0..150).map(|n| format!("n{n:03}.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rule = |sid: u32, name: &str| {
        let options = format!("dns.query; to_uppercase; content:\"{name}\"; pcre:\"/^N\\d/\";");
        format!("alert dns any any -> any any ({options} sid:{sid};)\n")
    };
    let mut sensor =
        Sensor::new(&(rule(1, "N000") + &rule(2, "N064") + &rule(3, "N149") + &rule(4, "N150")));
    let found = inspect(&mut sensor, &dns(&query(7, &names)));
    assert_eq!(found, [(1, Some(0)), (2, Some(0)), (3, Some(0))]);
}

#[test]
fn numbers_of_messages_are_compared() {
    for (options, want) in [
        ("dns.opcode:0;", [true, true]),
        ("dns.opcode:!0;", [false, false]),
        ("dns.rcode:3;", [false, true]),
    ] {
        check(options, want);
    }
}

#[test]
fn a_rule_alerts_once_for_each_transaction() {
    let mut sensor = Sensor::new("alert dns any any -> any any (dns.query; content:\"a\"; sid:1;)");
    assert_eq!(inspect(&mut sensor, &dns(&query(1, &["a.com"]))), [(1, Some(0))]);
    assert_eq!(inspect(&mut sensor, &dns(&query(2, &["b.com"]))), []);
    assert_eq!(inspect(&mut sensor, &dns(&query(3, &["a.org"]))), [(1, Some(2))]);
    let late = answer(&query(3, &["a.org"]));
    assert_eq!(inspect(&mut sensor, &back(dns(&late))), []);
}

#[test]
fn a_rule_bound_to_a_protocol_needs_it() {
    let mut sensor = Sensor::new("alert dns any any -> any any (content:\"aaa\"; sid:1;)");
    let packet = query(1, &["aaa.com"]);
    assert_eq!(sensor.alone(&dns(&packet)), NONE);
    assert_eq!(inspect(&mut sensor, &dns(&packet)), [(1, Some(0))], "shows the transaction");
}
