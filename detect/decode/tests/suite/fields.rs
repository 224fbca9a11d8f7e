//! What well-formed packets give: addresses, ports, options, payload. Many of the packets are
//! built by etherparse, so that a misreading shared by builder and decoder cannot hide.

use std::net::IpAddr;

use decode::ipv4::options;
use decode::{IpHeader, Packet, TcpOptions, Transport};
use etherparse::{PacketBuilder, TcpOptionElement};

use crate::frames::*;

const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn tcp_over_ipv4_over_vlan() {
    let builder = PacketBuilder::ethernet2(MAC_A, MAC_B)
        .double_vlan(100.try_into().unwrap(), 200.try_into().unwrap())
        .ipv4(A, B, 63)
        .tcp(1234, 80, 0x0102_0304, 4096)
        .syn()
        .ack(77)
        .options(&[
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Timestamp(11, 22),
            TcpOptionElement::WindowScale(7),
        ])
        .unwrap();
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"hello").unwrap();
    let packet = only(1, &bytes);
    assert_eq!(events(&packet), [""; 0]);
    assert_eq!(packet.vlan.as_slice(), [100, 200]);
    assert_eq!(packet.macs(), Some((MAC_B, MAC_A)));
    assert_eq!((packet.src, packet.dst), (address("10.0.0.1"), address("10.0.0.2")));
    assert_eq!((packet.proto, packet.ttl, packet.ip_version()), (6, 63, 4));
    assert_eq!((packet.src_port, packet.dst_port), (1234, 80));
    assert_eq!(packet.ethertype, 0x0800);
    assert_eq!(packet.payload(), b"hello");
    assert!(packet.flags.wants_flow);
    let tcp = packet.tcp().unwrap();
    assert_eq!((tcp.seq, tcp.ack, tcp.window, tcp.flags), (0x0102_0304, 77, 4096, 0x12));
    let expected = TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamp: Some((11, 22)),
        ..TcpOptions::default()
    };
    assert_eq!(tcp.options, expected);
}

#[test]
fn udp_over_ipv6_with_surplus_bytes() {
    let (src, dst) = ([0xfe; 16], [0xfd; 16]);
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ethernet2(MAC_A, MAC_B).ipv6(src, dst, 5).udp(53, 5353);
    builder.write(&mut bytes, b"query").unwrap();
    bytes.extend([0; 7]);
    let packet = only(1, &bytes);
    assert_eq!((packet.src, packet.dst), (IpAddr::from(src), IpAddr::from(dst)));
    assert_eq!((packet.src_port, packet.dst_port, packet.ttl), (53, 5353, 5));
    assert_eq!(packet.payload(), b"query");
    let IpHeader::V6 { header_len, payload_len, .. } = packet.ip else { panic!() };
    assert_eq!((header_len, payload_len), (40, 13));
}

#[test]
fn tcp_options_one_by_one() {
    let check = |options: &[u8], expected: TcpOptions| {
        let bytes = ipv4(6, &tcp(options, &[]));
        assert_eq!(only(101, &bytes).tcp().unwrap().options, expected, "{options:02x?}");
    };
    let none = TcpOptions::default();
    check(&[], none);
    check(&[3, 3, 15, 1], TcpOptions { window_scale: Some(0), ..none });
    let fast = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    check(&fast, TcpOptions { timestamp: Some((1, 2)), ..none });
    let slow = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1];
    check(&slow, TcpOptions { timestamp: Some((1, 2)), ..none });
    let sack = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    check(&sack, TcpOptions { sack_blocks: 1, sack_offset: 44, ..none });
    check(&[34, 2, 1, 1], TcpOptions { fast_open: true, ..none });
    check(&[253, 4, 0xf9, 0x89], TcpOptions { fast_open: true, ..none });
    check(&[253, 4, 0xf9, 0x88], none);
    check(&[29, 4, 0, 0], TcpOptions { authenticated: true, ..none });
    check(&[2, 4, 1, 0, 2, 4, 2, 0], TcpOptions { mss: Some(256), ..none });
    // Nothing is read behind the end of options.
    check(&[0, 2, 4, 1], none);
}

#[test]
fn tcp_flags_are_counted() {
    let mut decoder = decoder();
    let mut packets = Vec::new();
    let with_flags = |flags: u8| {
        let mut segment = tcp(&[], &[]);
        segment[13] = flags;
        ipv4(6, &segment)
    };
    let frames: Vec<_> = [0x02, 0x12, 0x12, 0x14, 0x30, 0x10].map(with_flags).into();
    for bytes in &frames {
        decoder.decode(frame(101, bytes, 1), &mut packets);
    }
    let mut counted = Vec::new();
    decoder
        .counters()
        .tcp_flags
        .for_each(&mut |name, value| counted.push((name.to_owned(), value)));
    let expected = [("tcp.syn", 1), ("tcp.synack", 2), ("tcp.rst", 1), ("tcp.urg", 1)];
    assert_eq!(counted, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn ipv4_options_are_noted() {
    let check = |bytes: &[u8], expected: u16| {
        let bytes = ipv4_with(17, bytes, 0, 7, &udp(1, 2, &[]));
        let IpHeader::V4 { options, .. } = only(101, &bytes).ip else { panic!() };
        assert_eq!(options, expected, "{bytes:02x?}");
    };
    check(&[], 0);
    check(&[7, 7, 4, 0, 0, 0, 0, 0], options::RR | options::EOL);
    check(
        &[1, 148, 4, 0, 0, 136, 4, 0, 0, 1, 1, 1],
        options::NOP | options::RTRALT | options::SATID,
    );
    check(
        &[131, 7, 4, 0, 0, 0, 0, 1, 137, 7, 4, 0, 0, 0, 0, 1],
        options::LSRR | options::SSRR | options::NOP,
    );
    check(&[130, 3, 0, 133, 3, 0, 1, 1], options::SEC | options::ESEC | options::NOP);
    check(&[68, 8, 5, 0, 0, 0, 0, 0], options::TS);
}

#[test]
fn addresses_survive_bad_ipv4_options_but_no_layer_does() {
    let bytes = ipv4_with(17, &[7, 1, 0, 0], 0, 7, &udp(1, 2, &[]));
    let packet = only(101, &bytes);
    assert!(packet.flags.addresses && !packet.is_ip() && !packet.flags.wants_flow);
    assert_eq!(packet.src, address("10.0.0.1"));
}

#[test]
fn link_layers_lead_to_the_same_packet() {
    let inner = datagram();
    let six = ipv6(17, &udp(1000, 2000, b"data"));
    let linux = |len: usize, at: usize| {
        let mut header = vec![0; len];
        header[at..at + 2].copy_from_slice(&[8, 0]);
        join(&[&header, &inner])
    };
    let customer = join(&[&[0; 16], &[8, 0], &inner]);
    let fabric = join(&[&[0, 0], &ethernet(0x0800, &inner)]);
    let frames: Vec<(u16, Vec<u8>)> = vec![
        (1, ethernet(0x0800, &inner)),
        (1, ethernet(0x86dd, &six)),
        (1, ethernet(0x88a8, &vlan(1, 0x9100, &vlan(2, 0x8100, &vlan(3, 0x0800, &inner))))),
        (1, ethernet(0x88e7, &customer)),
        (1, ethernet(0x8903, &fabric)),
        (1, ethernet(0x8926, &join(&[&[0, 0, 0, 0, 8, 0], &inner]))),
        (1, ethernet(0x8864, &join(&[&[0x11, 0, 0, 1, 0, 0, 0, 0x21], &inner]))),
        (1, ethernet(0x8864, &join(&[&[0x11, 0, 0, 1, 0, 0, 0x57], &six]))),
        (1, ethernet(0x8847, &join(&[&[0, 1, 0, 64, 0, 1, 1, 64], &inner]))),
        (1, ethernet(0x8847, &join(&[&[0, 0, 1, 64], &inner]))),
        (1, ethernet(0x8847, &join(&[&[0, 0, 0x21, 64], &six]))),
        (1, ethernet(0x894f, &join(&[&[0, 2, 2, 3, 0, 0, 1, 1], &ethernet(0x0800, &inner)]))),
        (113, linux(16, 14)),
        (276, linux(20, 0)),
        (104, linux(4, 2)),
        (9, join(&[&[0xff, 3, 0, 0x21], &inner])),
        (9, join(&[&[0, 0x21], &inner])),
        (9, join(&[&[0x21], &inner])),
        (0, join(&[&2_u32.to_ne_bytes(), &inner])),
        (0, join(&[&30_u32.to_ne_bytes(), &six])),
        (12, inner.clone()),
        (101, six.clone()),
        (228, inner.clone()),
        (229, six.clone()),
        (778, inner.clone()),
    ];
    for (link_type, bytes) in &frames {
        let packet = only(*link_type, bytes);
        assert_eq!(events(&packet), [""; 0], "{link_type} {bytes:02x?}");
        assert_eq!((packet.src_port, packet.dst_port), (1000, 2000), "{link_type}");
        assert_eq!(packet.payload(), b"data", "{link_type} {bytes:02x?}");
    }
}

#[test]
fn van_jacobson_frames_carry_tcp_in_protocol_0() {
    let bytes = join(&[&[0, 0x2f], &ipv4(0, &tcp(&[], b"x"))]);
    assert!(only(9, &bytes).tcp().is_some());
    let bytes = join(&[&[0, 0x21], &ipv4(0, &tcp(&[], b"x"))]);
    assert!(only(9, &bytes).tcp().is_none());
}

#[test]
fn arp_fields() {
    let mut bytes = Vec::new();
    let message = [0, 1, 8, 0, 6, 4, 0, 2];
    bytes.extend(message);
    bytes.extend(MAC_A);
    bytes.extend(A);
    bytes.extend(MAC_B);
    bytes.extend(B);
    let bytes = ethernet(0x0806, &bytes);
    let packet = only(1, &bytes);
    let arp = packet.arp().unwrap();
    assert_eq!((arp.opcode, arp.src_mac, arp.dst_mac), (2, MAC_A, MAC_B));
    assert_eq!((arp.src_ip.octets(), arp.dst_ip.octets()), (A, B));
    assert!(!packet.is_ip() && !packet.flags.wants_flow);
}

#[test]
fn icmp_fields() {
    let icmp = |bytes: &[u8]| *only(101, bytes).icmp().unwrap();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(A, B, 64).icmpv4_echo_request(3, 4).write(&mut bytes, b"abc").unwrap();
    let echo = icmp(&bytes);
    assert_eq!((echo.kind, echo.code, echo.id, echo.seq), (8, 0, Some(3), Some(4)));
    assert_eq!(only(101, &bytes).payload(), b"abc");

    let needed = ipv4(1, &join(&[&[3, 4, 0, 0, 0, 0, 5, 0xdc], &ipv4(6, &tcp(&[], &[]))]));
    let needed = icmp(&needed);
    assert_eq!(needed.mtu, Some(1500));
    let embedded = needed.embedded.unwrap();
    assert_eq!((embedded.proto, embedded.ports), (6, Some((1024, 80))));
    assert_eq!((embedded.src, embedded.dst), (address("10.0.0.1"), address("10.0.0.2")));

    let inner = ipv6(17, &udp(9, 10, &[]));
    let too_big = ipv6(58, &join(&[&[2, 0, 0, 0, 0, 0, 5, 0], &inner]));
    let too_big = icmp(&too_big);
    assert_eq!(too_big.mtu, Some(1280));
    assert_eq!(too_big.embedded.unwrap().ports, Some((9, 10)));

    let solicitation = ipv6(58, &[135, 0, 0, 0, 1, 2, 3, 4, 5]);
    assert_eq!(only(101, &solicitation).payload(), [1, 2, 3, 4, 5]);
}

#[test]
fn other_transports() {
    let sctp = ipv4(132, &[0, 7, 0, 8, 1, 2, 3, 4, 0, 0, 0, 0, 9]);
    let packet = only(101, &sctp);
    assert_eq!((packet.src_port, packet.dst_port, packet.payload()), (7, 8, &[9_u8][..]));
    assert_eq!(packet.transport, Transport::Sctp { tag: 0x0102_0304 });
    let esp = ipv4(50, &[1, 2, 3, 4, 0, 0, 0, 1, 9, 9]);
    let packet = only(101, &esp);
    assert_eq!((packet.transport, packet.payload_len), (Transport::Esp { spi: 0x0102_0304 }, 2));
    let transport = |packet: &Packet<'_>| packet.transport;
    assert_eq!(transport(&only(101, &ipv4(2, &[0x11; 8]))), Transport::None);
}
