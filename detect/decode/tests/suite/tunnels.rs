//! Packets within packets: order, origin, counters, and carriers that are none.

use decode::{DecodeSettings, Decoder, Origin, TunnelPorts};

use crate::frames::*;

/// Decodes and checks the inner packet's origin and that it comes before its carrier.
fn check(bytes: &[u8], origin: Origin, counter_name: &str) {
    let mut decoder = decoder();
    let mut packets = Vec::new();
    decoder.decode(frame(101, bytes, 1), &mut packets);
    assert_eq!(packets.len(), 2, "{origin:?} {bytes:02x?}");
    let (inner, outer) = (&packets[0], &packets[1]);
    assert_eq!((inner.origin, outer.origin), (origin, Origin::Wire));
    assert_eq!((inner.root, outer.root), (Some(1), None));
    assert_eq!((inner.recursion_level, outer.recursion_level), (1, 0));
    assert_eq!((inner.number, outer.number), (0, 1));
    assert_eq!((inner.dst_port, inner.payload()), (2000, &b"data"[..]), "{origin:?}");
    assert!(outer.flags.no_payload_inspection && !inner.flags.no_payload_inspection);
    assert_eq!(counter(&decoder, counter_name), 1, "{counter_name}");
    assert_eq!(counter(&decoder, "decoder.pkts"), 1);
}

/// Decodes and checks that there is no inner packet.
fn check_plain(bytes: &[u8], expected: &[&str]) {
    let packet = only(101, bytes);
    assert_eq!(events(&packet), expected, "{bytes:02x?}");
}

fn datagram6() -> Vec<u8> {
    ipv6(17, &udp(1000, 2000, b"data"))
}

#[test]
fn ip_in_ip() {
    check(&ipv4(4, &datagram()), Origin::Ipv4Tunnel, "decoder.ipv4_in_ipv4");
    check(&ipv4(41, &datagram6()), Origin::Ipv4Tunnel, "decoder.ipv6_in_ipv4");
    check(&ipv6(4, &datagram()), Origin::Ipv6Tunnel, "decoder.ipv4_in_ipv6");
    check(&ipv6(41, &datagram6()), Origin::Ipv6Tunnel, "decoder.ipv6_in_ipv6");
    let bytes = ipv4(4, &[0x45; 30]);
    let outer = only(101, &bytes);
    assert!(outer.flags.wants_flow && !outer.flags.no_payload_inspection);
    let bytes = ipv4(4, &datagram());
    assert!(decode(101, &bytes)[1].flags.wants_flow);
}

#[test]
fn gre() {
    let gre = |header: &[u8], inner: &[u8]| ipv4(47, &join(&[header, inner]));
    let wire = ethernet(0x0800, &datagram());
    let pptp = join(&[&[0x30, 0x81, 0x88, 0x0b, 0, 9], &[0; 10], &[0xff, 3, 0, 0x21], &datagram()]);
    let frames = [
        gre(&[0, 0, 8, 0], &datagram()),
        gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], &datagram()),
        gre(&[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0], &datagram()),
        gre(&[0, 0, 0x86, 0xdd], &datagram6()),
        gre(&[0, 0, 0x65, 0x58], &wire),
        gre(&[0, 0, 0x81, 0], &vlan(9, 0x0800, &datagram())),
        gre(&[0, 0, 0x88, 0x0b], &join(&[&[0, 0x21], &datagram()])),
        gre(&[0, 0, 0x88, 0xbe], &wire),
        gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &join(&[&[0x10, 9, 0, 0, 0, 0, 0, 0], &wire])),
        ipv4(47, &pptp),
    ];
    for bytes in &frames {
        check(bytes, Origin::Gre, "decoder.gre");
        assert!(!decode(101, bytes)[1].flags.wants_flow);
    }
    assert_eq!(decode(101, &frames[5])[0].vlan.as_slice(), [9]);
    assert_eq!(decode(101, &frames[8])[0].vlan.as_slice(), [9]);
    // A mirrored frame of another version, and an acknowledgement of PPTP alone.
    let version_2 = join(&[&[0x20, 9, 0, 0, 0, 0, 0, 0], &wire]);
    check_plain(&gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &version_2), &[]);
    check_plain(&gre(&[0x20, 1, 0x88, 0x0b, 0, 0, 0, 1], &[0, 0x21, 0x45]), &[]);
}

#[test]
fn teredo() {
    let over = |rest: &[u8]| ipv4(17, &udp(40000, 3544, rest));
    check(&over(&datagram6()), Origin::Teredo, "decoder.teredo");
    check(&over(&join(&[&[0; 8], &datagram6()])), Origin::Teredo, "decoder.teredo");
    let bytes = over(&datagram6());
    let packets = decode(101, &bytes);
    assert!(packets[1].flags.tunnel_carrier && packets[1].flags.wants_flow);
    // Wrong length, hop limit 0, an inner packet that is invalid: all plain UDP.
    check_plain(&over(&join(&[&datagram6(), &[0]])), &[]);
    let mut no_hops = datagram6();
    no_hops[7] = 0;
    check_plain(&over(&no_hops), &[]);
    let invalid = over(&ipv6(17, &[0; 4]));
    check_plain(&invalid, &[]);
    let packet = only(101, &invalid);
    assert!(!packet.flags.tunnel_carrier && !packet.flags.no_payload_inspection);
}

#[test]
fn vxlan() {
    let vxlan = |flags: u8, last: u8, inner: &[u8]| {
        ipv4(17, &udp(40000, 4789, &join(&[&[flags, 0, 0, 0, 0, 0, 7, last], inner])))
    };
    let wire = ethernet(0x0800, &datagram());
    check(&vxlan(8, 0, &wire), Origin::Vxlan, "decoder.vxlan");
    check(&vxlan(8, 0, &ethernet(0x86dd, &datagram6())), Origin::Vxlan, "decoder.vxlan");
    let tagged = vxlan(8, 0, &ethernet(0x8100, &vlan(9, 0x0800, &datagram())));
    check(&tagged, Origin::Vxlan, "decoder.vxlan");
    assert_eq!(decode(101, &tagged)[0].vlan.as_slice(), [9]);
    check_plain(&vxlan(0, 0, &wire), &[]);
    check_plain(&vxlan(8, 1, &wire), &[]);
    check_plain(&vxlan(8, 0, &wire[..13]), &[]);
    check_plain(&vxlan(8, 0, &ethernet(0x0806, &[0; 28])), &[]);
    check_plain(&vxlan(8, 0, &ethernet(0x1234, &[])), &["vxlan.unknown_payload_type"]);
}

#[test]
fn geneve() {
    let geneve =
        |header: [u8; 8], rest: &[u8]| ipv4(17, &udp(40000, 6081, &join(&[&header, rest])));
    let wire = ethernet(0x0800, &datagram());
    check(&geneve([0, 0, 0x65, 0x58, 0, 0, 7, 0], &wire), Origin::Geneve, "decoder.geneve");
    check(&geneve([0, 0, 8, 0, 0, 0, 7, 0], &datagram()), Origin::Geneve, "decoder.geneve");
    let option = join(&[&[0, 1, 2, 1, 9, 9, 9, 9], &wire]);
    check(&geneve([2, 0, 0x65, 0x58, 0, 0, 7, 0], &option), Origin::Geneve, "decoder.geneve");
    let short = join(&[&[0, 1, 2, 2, 9, 9, 9, 9], &wire]);
    check_plain(&geneve([2, 0, 0x65, 0x58, 0, 0, 7, 0], &short), &[]);
    check_plain(&geneve([0x40, 0, 0x65, 0x58, 0, 0, 7, 0], &wire), &[]);
    check_plain(&geneve([0, 1, 0x65, 0x58, 0, 0, 7, 0], &wire), &[]);
    check_plain(&geneve([0, 0, 0x12, 0x34, 0, 0, 7, 0], &wire), &["geneve.unknown_payload_type"]);
}

#[test]
fn a_datagram_that_only_looks_like_teredo_may_be_another_tunnel() {
    let wire = ethernet(0x0800, &datagram());
    // Geneve with 6 in the version's nibble cannot be; VXLAN with flags 0x68 can.
    let mut bytes = join(&[&[0x68, 0, 0, 0, 0, 0, 7, 0], &wire]);
    let inner_len = (bytes.len() - 40) as u16;
    bytes[4..6].copy_from_slice(&inner_len.to_be_bytes());
    let settings = DecodeSettings { vxlan: TunnelPorts::list(&[7]), ..DecodeSettings::default() };
    // The bytes that Teredo takes for next header (no known one) and hop limit.
    bytes[6] = 6;
    let mut packets = Vec::new();
    let frame_bytes = ipv4(17, &udp(40000, 7, &bytes));
    let mut decoder = Decoder::new(settings);
    decoder.decode(frame(101, &frame_bytes, 1), &mut packets);
    // Byte 7 is the hop limit of one and the reserved byte of the other: never both.
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[0].origin, Origin::Vxlan);
}

#[test]
fn nested_tunnels_come_innermost_first() {
    let bytes = ethernet(0x0800, &ipv4(41, &ipv6(41, &ipv6(4, &datagram()))));
    let packets = decode(1, &bytes);
    let levels: Vec<_> = packets.iter().map(|packet| packet.recursion_level).collect();
    assert_eq!(levels, [3, 2, 1, 0]);
    let roots: Vec<_> = packets.iter().map(|packet| packet.root).collect();
    assert_eq!(roots, [Some(3), Some(3), Some(3), None]);
}
