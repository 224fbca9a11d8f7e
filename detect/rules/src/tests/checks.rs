//! Checks on packets and flows.

use std::borrow::Cow;

use decode::{Direction, Icmp, IpHeader, Packet, Tcp, TcpOptions, Timestamp, Transport, VlanIds};
use protocol::AppProto;

use super::rule;
use crate::keyword::{FlowFacts, SideFacts, Subject};

fn packet() -> Packet<'static> {
    let mut bytes = vec![0u8; 24];
    // An IPv4 header with a record-route option.
    bytes[0] = 0x46;
    bytes[20..24].copy_from_slice(&[7, 3, 4, 0]);
    let mut packet = Packet::new(Cow::Owned(bytes), Timestamp(0), 1, 101);
    packet.ip = IpHeader::V4 {
        header_len: 24,
        total_len: 24,
        tos: 8,
        id: 77,
        fragment: 0x4000,
        options: 0,
    };
    packet.src = "10.0.0.1".parse().unwrap();
    packet.dst = "10.0.0.2".parse().unwrap();
    packet.proto = 6;
    packet.ttl = 64;
    packet.payload_len = 5;
    packet.vlan = VlanIds { ids: [5, 6, 0], count: 2 };
    let options = TcpOptions { mss: Some(1460), window_scale: Some(7), ..TcpOptions::default() };
    packet.transport = Transport::Tcp(Tcp {
        seq: 1000,
        ack: 2000,
        flags: Tcp::SYN | Tcp::ACK | Tcp::ECE,
        window: 512,
        options,
        ..Tcp::default()
    });
    packet
}

fn facts() -> FlowFacts {
    FlowFacts {
        established: true,
        packets: [3, 2],
        bytes: [300, 200],
        start: Timestamp::from_seconds(10),
        last: Timestamp::from_seconds(17),
        tcp: Some([SideFacts { isn: 1, next_seq: 11 }, SideFacts { isn: 5, next_seq: 5 }]),
        proto: AppProto::Http1,
        proto_by_direction: [AppProto::Http1, AppProto::Unknown],
        original_proto: AppProto::Unknown,
        final_proto: AppProto::Http1,
        detection_done: [true, false],
        app_events: 0,
        elephant: false,
    }
}

fn check_on(packet: &Packet<'_>, header: &str, option: &str, expected: bool) {
    let rule = rule(&format!("alert {header} any any -> any any ({option} sid:1;)"));
    let facts = facts();
    let direction = Direction::ToServer;
    let subject = Subject { packet, direction, flow: Some(&facts), knowledge: None };
    assert!(!rule.checks.is_empty(), "{option}");
    let got = rule.checks.iter().all(|check| check.matches(&subject));
    assert_eq!(got, expected, "{option}");
}

#[test]
fn ip_and_tcp() {
    let packet = packet();
    let check = |option: &str, expected| check_on(&packet, "tcp", option, expected);
    check("ttl:64;", true);
    check("ttl:<64;", false);
    check("ttl:63-65;", true);
    check("tos:8;", true);
    check("tos:!8;", false);
    check("id:77;", true);
    check("ipopts:rr;", true);
    check("ipopts:any;", true);
    check("ipopts:lsrr;", false);
    check("fragbits:D;", true);
    check("fragbits:!D;", false);
    check("fragbits:+M;", false);
    check("fragbits:*MD;", true);
    check("fragoffset:0;", true);
    check("sameip;", false);
    check("dsize:5;", true);
    check("dsize:>5;", false);
    check("dsize:4<>6;", true);
    check("flags:SA;", false);
    check("flags:SA,12;", true);
    check("flags:+S;", true);
    check("flags:*FR;", false);
    check("flags:!F;", true);
    check("flags:0;", false);
    check("seq:1000;", true);
    check("ack:1000;", false);
    check("window:512;", true);
    check("window:!512;", false);
    check("tcp.mss:1400-1500;", true);
    check("tcp.wscale:>7;", false);
    check("vlan.id:5;", true);
    check("vlan.id:6,0;", false);
    check("vlan.id:6,-1;", true);
    check("vlan.id:5,all;", false);
    check("vlan.layers:2;", true);
    check("itype:8;", false);
    check_on(&packet, "ip", "ip_proto:6;", true);
    check_on(&packet, "ip", "ip_proto:!tcp;", false);
    check_on(&packet, "ip", "ip_proto:>5;", true);
}

#[test]
fn icmp() {
    let mut packet = packet();
    packet.proto = 1;
    packet.transport =
        Transport::Icmp4(Icmp { kind: 8, code: 0, id: Some(3), seq: Some(4), ..Icmp::default() });
    let check = |option: &str, expected| check_on(&packet, "icmp", option, expected);
    check("itype:8;", true);
    check("itype:<8;", false);
    check("icode:0;", true);
    check("icmp_id:3;", true);
    check("icmp_seq:3;", false);
    check("flags:S;", false);
}

#[test]
fn flows() {
    let packet = packet();
    let check = |option: &str, expected| check_on(&packet, "tcp", option, expected);
    check("stream_size:client,=,10;", true);
    check("stream_size:server,>,0;", false);
    check("stream_size:both,<,11;", true);
    check("stream_size:either,=,0;", true);
    check("flow.age:7;", true);
    check("flow.pkts:toserver,3;", true);
    check("flow.pkts:either,2;", true);
    check("flow.bytes:both,500;", true);
    check("flow.bytes_toclient:>200;", false);
    check("app-layer-protocol:http;", true);
    check("app-layer-protocol:tls;", false);
    check("app-layer-protocol:!tls;", true);
    // Unknown is neither the protocol nor another one.
    check("app-layer-protocol:http,to_client;", false);
    check("app-layer-protocol:!http,to_client;", false);
    check("app-layer-protocol:http,either;", true);
    check("app-layer-protocol:http,final;", true);
    check("app-layer-protocol:http,original;", false);
    check("decode-event:ipv4.pkt_too_small;", false);
}

#[test]
fn checksums() {
    let mut packet = packet();
    let header = |bytes: &mut [u8], sum: [u8; 2]| bytes[10..12].copy_from_slice(&sum);
    let bytes = packet.bytes.to_mut();
    header(bytes, [0, 0]);
    let total: u32 = bytes.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = !(((total & 0xffff) + (total >> 16)) as u16);
    header(bytes, sum.to_be_bytes());
    check_on(&packet, "ip", "ipv4-csum:valid;", true);
    check_on(&packet, "ip", "ipv4-csum:invalid;", false);
    header(packet.bytes.to_mut(), [0, 1]);
    check_on(&packet, "ip", "ipv4-csum:valid;", false);
    check_on(&packet, "ip", "udpv4-csum:invalid;", false);
}

#[test]
fn rules_on_parts_of_protocols_without_a_parser_never_fire() {
    let check = |header: &str, options: &str, expected: &[&str]| {
        let text = format!("alert {header} any any -> any any ({options} sid:1;)");
        let loaded = super::load(&text);
        assert!(loaded.failures.is_empty(), "{text}: {:?}", loaded.failures);
        let names: Vec<&str> = loaded.rules[0].without_parser().iter().map(|p| p.name()).collect();
        assert_eq!(names, expected, "{text}");
    };
    check("smtp", "file.data; content:\"x\";", &["smtp"]);
    check("smtp", "filename:\"x\";", &["smtp"]);
    check("smtp", "filesize:>3;", &["smtp"]);
    check("smtp", "content:\"mail\"; file.data; content:\"x\";", &["smtp"]);
    check("http2", "http.uri; content:\"x\";", &["http2"]);
    check("ftp-data", "filestore;", &["ftp-data"]);
    // The bytes of a stream are there without a parser.
    check("smtp", "content:\"Subject\";", &[]);
    check("smtp", "flow:established; dsize:>3;", &[]);
    // Any of several protocols is enough.
    check("http", "http.uri; content:\"x\";", &[]);
    check("tcp", "file.data; content:\"x\";", &[]);
    check("dns", "dns.query; content:\"x\";", &[]);
    check("tcp", "content:\"x\";", &[]);
}
