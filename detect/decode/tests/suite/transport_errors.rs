//! Transport layers: which packet sets which events, and whether it gets a flow.

use crate::frames::*;

/// A packet's expectation: events, whether it is invalid, whether it asks for a flow.
type Expected<'e> = (&'e [&'e str], bool, bool);

fn check(packet_bytes: &[u8], (names, invalid, flow): Expected<'_>) {
    let packet = only(101, packet_bytes);
    assert_eq!(events(&packet), names, "{packet_bytes:02x?}");
    assert_eq!(packet.flags.invalid, invalid, "{names:?} {packet_bytes:02x?}");
    assert_eq!(packet.flags.wants_flow, flow, "{names:?} {packet_bytes:02x?}");
}

const GOOD: Expected<'static> = (&[], false, true);

#[test]
fn tcp_header() {
    let check = |bytes: &[u8], expected| check(&ipv4(6, bytes), expected);
    check(&tcp(&[], b"x"), GOOD);
    check(&tcp(&[], &[])[..19], (&["tcp.pkt_too_small"], true, false));
    let with_offset = |offset: u8| {
        let mut bytes = tcp(&[], &[1, 1, 1, 0]);
        bytes[12] = offset << 4;
        bytes
    };
    check(&with_offset(7), (&["tcp.hlen_too_small"], true, false));
    check(&with_offset(4), (&["tcp.invalid_optlen"], true, false));
    check(&with_offset(6), GOOD);
}

#[test]
fn tcp_options() {
    let check = |options: &[u8], expected| check(&ipv4(6, &tcp(options, &[])), expected);
    let odd: Expected<'_> = (&["tcp.opt_invalid_len"], false, true);
    let bad: Expected<'_> = (&["tcp.opt_invalid_len"], true, true);
    let twice: Expected<'_> = (&["tcp.opt_duplicate"], false, true);
    check(&[1, 1, 1, 0], GOOD);
    check(&[1, 1, 1, 3], GOOD);
    check(&[3, 1, 1, 1], bad);
    check(&[3, 5, 1, 1], bad);
    check(&[3, 3, 7, 1], GOOD);
    check(&[3, 4, 7, 7], odd);
    check(&[2, 4, 5, 0xb4], GOOD);
    check(&[2, 3, 5, 1], odd);
    check(&[4, 3, 5, 1], odd);
    check(&[8, 4, 5, 1], odd);
    check(&[5, 4, 5, 1], odd);
    check(&[5, 2, 1, 1], GOOD);
    check(&[34, 3, 1, 1], odd);
    check(&[34, 2, 1, 1], GOOD);
    check(&[34, 5, 1, 1, 1, 1, 1, 1], odd);
    check(&[253, 3, 1, 1], odd);
    check(&[254, 4, 0xf9, 0x89], GOOD);
    check(&[19, 4, 0, 0], bad);
    check(&[29, 3, 0, 1], bad);
    check(&[29, 4, 0, 1], GOOD);
    check(&[2, 4, 5, 0xb4, 2, 4, 5, 0xb4], twice);
    check(&[3, 3, 7, 3, 3, 7, 4, 2], twice);
    check(&[4, 2, 4, 2], twice);
    check(&[34, 2, 254, 4, 0xf9, 0x89, 1, 1], twice);
}

#[test]
fn udp_header() {
    let check = |bytes: &[u8], expected| check(&ipv4(17, bytes), expected);
    check(&udp(1, 2, b"x"), GOOD);
    check(&udp(1, 2, &[])[..7], (&["udp.hlen_too_small"], true, false));
    check(&udp(1, 2, b"xyz")[..10], (&["udp.pkt_too_small"], true, false));
    let mut short = udp(1, 2, b"x");
    short[5] = 7;
    check(&short, (&["udp.len_invalid"], true, false));
}

#[test]
fn sctp_and_esp() {
    check(&ipv4(132, &[0; 12]), GOOD);
    check(&ipv4(132, &[0; 11]), (&["sctp.pkt_too_small"], true, false));
    check(&ipv4(50, &[0; 8]), GOOD);
    check(&ipv4(50, &[0; 7]), (&["esp.pkt_too_small"], true, false));
    check(&ipv4(2, &[0x11; 8]), (&[], false, false));
}

#[test]
fn icmp4_messages() {
    let message =
        |kind: u8, code: u8, rest: &[u8]| ipv4(1, &join(&[&[kind, code, 0, 0, 0, 1, 0, 2], rest]));
    let error_of = |proto, rest: &[u8]| ipv4(proto, rest);
    check(&message(8, 0, b"ping"), GOOD);
    check(&ipv4(1, &[8, 0, 0, 0, 0, 0, 0]), (&["icmpv4.pkt_too_small"], true, false));
    check(&message(10, 0, &[]), (&["icmpv4.unknown_type"], false, true));
    check(&message(99, 0, &[]), (&["icmpv4.unknown_type"], false, true));
    for (kind, code) in [(0, 1), (8, 1), (15, 1), (17, 2)] {
        check(&message(kind, code, &[]), (&["icmpv4.unknown_code"], false, true));
    }
    for (kind, code) in [(3, 16), (4, 1), (5, 4), (11, 2), (12, 1)] {
        let bytes = message(kind, code, &error_of(17, &udp(1, 2, &[])));
        check(&bytes, (&["icmpv4.unknown_code"], false, false));
    }
    check(&message(3, 3, &error_of(17, &udp(1, 2, &[]))), GOOD);
    check(&message(3, 3, &error_of(1, &[0; 8])), (&[], false, false));
    check(&message(11, 0, &error_of(17, &udp(1, 2, &[]))), (&[], false, false));
    check(&message(3, 3, &[]), (&[], false, false));
    check(&message(3, 3, &[0x45]), (&["icmpv4.ipv4_trunc_pkt"], true, false));
    check(&message(4, 0, &[]), (&["icmpv4.ipv4_trunc_pkt"], true, false));
    check(&message(3, 3, &[0x60; 20]), (&["icmpv4.ipv4_unknown_ver"], true, false));
    check(&message(13, 0, &[0; 11]), (&["icmpv4.ipv4_trunc_pkt"], false, true));
    check(&message(13, 0, &[0; 12]), GOOD);
    let advertisement = |rest: &[u8]| ipv4(1, &join(&[&[9, 0, 0, 0, 1, 2, 0, 9], rest]));
    check(&advertisement(&[0; 8]), GOOD);
    check(&advertisement(&[0; 7]), (&["icmpv4.ipv4_trunc_pkt"], false, true));
}

#[test]
fn icmp6_messages() {
    let message =
        |kind: u8, code: u8, rest: &[u8]| ipv6(58, &join(&[&[kind, code, 0, 0, 0, 0, 0, 0], rest]));
    check(&message(128, 0, b"ping"), GOOD);
    check(&ipv6(58, &[128, 0, 0, 0, 0, 0, 0]), (&["icmpv6.pkt_too_small"], true, false));
    let unknown: Expected<'_> = (&["icmpv6.unknown_code"], false, true);
    for (kind, code) in [(1, 7), (2, 1), (3, 2), (4, 3), (128, 1), (129, 1), (135, 1), (145, 1)] {
        check(&message(kind, code, &[]), unknown);
    }
    for (kind, code) in [(138, 3), (139, 3), (140, 3), (155, 4), (155, 133), (149, 1)] {
        check(&message(kind, code, &[]), unknown);
    }
    for (kind, code) in [(138, 255), (140, 2), (155, 3), (155, 132), (150, 7)] {
        check(&message(kind, code, &[]), GOOD);
    }
    let embedded = ipv6(17, &udp(1, 2, &[]));
    check(&message(1, 4, &embedded), GOOD);
    check(&message(1, 4, &embedded[..39]), (&["icmpv6.ipv6_trunc_pkt"], true, false));
    check(&message(3, 0, &[0x45; 40]), (&["icmpv6.ipv6_unknown_version"], true, false));
    let hop_limit: Expected<'_> = (&["icmpv6.mld_message_with_invalid_hl"], false, true);
    check(&message(131, 0, &[0; 16]), hop_limit);
    let mut right = message(131, 0, &[0; 16]);
    right[7] = 1;
    check(&right, GOOD);
    for kind in [5, 99, 102, 126, 160, 199, 202, 255] {
        check(&message(kind, 0, &[]), (&["icmpv6.unassigned_type"], false, true));
    }
    for kind in [100, 101, 200, 201] {
        check(&message(kind, 0, &[]), (&["icmpv6.experimentation_type"], false, true));
    }
    for kind in [0, 127] {
        check(&message(kind, 0, &[]), (&["icmpv6.unknown_type"], false, true));
    }
}

#[test]
fn gre_headers() {
    let check = |bytes: &[u8], names: &[&str]| {
        check(&ipv4(47, bytes), (names, !names.is_empty(), false));
    };
    check(&[0, 0, 8], &["gre.pkt_too_small"]);
    check(&[0, 2, 8, 0], &["gre.wrong_version"]);
    check(&[1, 0, 8, 0], &["gre.version0_recur"]);
    check(&[0, 8, 8, 0], &["gre.version0_flags"]);
    check(&[0xb0, 0, 8, 0, 0, 0, 0, 0], &["gre.version0_hdr_too_big"]);
    check(&[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 9], &["gre.version0_malformed_sre_hdr"]);
    check(&[0x80, 1, 0x88, 0x0b], &["gre.version1_chksum"]);
    check(&[0x40, 1, 0x88, 0x0b], &["gre.version1_route"]);
    check(&[0x08, 1, 0x88, 0x0b], &["gre.version1_ssr"]);
    check(&[0x01, 1, 0x88, 0x0b], &["gre.version1_recur"]);
    check(&[0x20, 0x41, 0x88, 0x0b], &["gre.version1_flags"]);
    check(&[0x20, 1, 8, 0], &["gre.version1_wrong_protocol"]);
    check(&[0x00, 1, 0x88, 0x0b], &["gre.version1_no_key"]);
    check(&[0x30, 0x81, 0x88, 0x0b, 0, 1, 0, 0, 0, 0, 0, 0], &["gre.version1_hdr_too_big"]);
    check(&[0x20, 1, 0x88, 0x0b, 0, 0, 0, 0], &[]);
    check(&[0, 0, 0x12, 0x34], &[]);
}

#[test]
fn ip_in_ipv6() {
    let check = |next: u8, inner: &[u8], name: &str| {
        check(&ipv6(next, inner), (&[name], true, false));
    };
    check(4, &[0x45; 19], "ipv6.ipv4_in_ipv6_too_small");
    check(4, &[0x65; 20], "ipv6.ipv4_in_ipv6_wrong_version");
    check(41, &[0x60; 39], "ipv6.ipv6_in_ipv6_too_small");
    check(41, &[0x45; 40], "ipv6.ipv6_in_ipv6_wrong_version");
}
