//! Link and network layers: which frame sets which events, and which of them make it invalid.

use decode::{DecodeEvent, event};

use crate::frames::*;

/// The wire packet's events, and whether they make it invalid.
fn check(link_type: u16, bytes: &[u8], expected: &[&str], invalid: bool) {
    let packets = decode(link_type, bytes);
    let wire = packets.last().unwrap();
    assert_eq!(events(wire), expected, "link type {link_type}: {bytes:02x?}");
    assert_eq!(wire.flags.invalid, invalid, "{expected:?}");
}

fn check_ethernet(ethertype: u16, rest: &[u8], expected: &[&str], invalid: bool) {
    check(1, &ethernet(ethertype, rest), expected, invalid);
}

#[test]
fn link_layers() {
    check(1, &[0; 13], &["ethernet.pkt_too_small"], true);
    check_ethernet(0x1234, &[], &["ethernet.unknown_ethertype"], false);
    check(113, &[0; 15], &["sll.pkt_too_small"], true);
    check(276, &[0; 19], &["sll2.pkt_too_small"], true);
    check(101, &[0x45; 19], &["ipv4.pkt_too_small"], true);
    check(12, &[0x55; 20], &["ipraw.invalid_ip_version"], false);
    check(0, &[2, 0, 0], &["ltnull.pkt_too_small"], true);
    check(0, &7_u32.to_ne_bytes(), &["ltnull.unsupported_type"], false);
    check(104, &[0x0f, 0, 8], &["chdlc.pkt_too_small"], true);
    check(147, &[1, 2, 3], &[], false);
}

#[test]
fn tags() {
    check_ethernet(0x8100, &[0, 1, 8], &["vlan.header_too_small"], true);
    let unknown = ["ethernet.unknown_ethertype", "vlan.unknown_type"];
    check_ethernet(0x8100, &vlan(5, 0x1234, &[]), &unknown, true);
    let three = vlan(1, 0x88a8, &vlan(2, 0x9100, &vlan(3, 0x8100, &vlan(4, 0x0800, &datagram()))));
    check_ethernet(0x8100, &three, &["vlan.too_many_layers"], false);
    check_ethernet(0x8926, &[0; 5], &["vntag.header_too_small"], true);
    let unknown = ["ethernet.unknown_ethertype", "vntag.unknown_type"];
    check_ethernet(0x8926, &[0, 0, 0, 0, 0x12, 0x34], &unknown, true);
    check_ethernet(0x88e7, &[0; 17], &["ieee8021ah.header_too_small"], true);
    check_ethernet(0x8903, &[0; 15], &["dce.pkt_too_small"], true);
}

#[test]
fn mpls() {
    let label = |label: u32, bottom: u32| (label << 12 | bottom << 8 | 64).to_be_bytes();
    let with = |number, rest: &[u8]| join(&[&label(number, 1), rest]);
    check_ethernet(0x8847, &label(16, 0), &["mpls.header_too_small"], true);
    check_ethernet(0x8848, &with(16, &[0x45, 0, 0]), &["mpls.pkt_too_small"], true);
    check_ethernet(0x8847, &with(1, &datagram()), &["mpls.bad_label_router_alert"], false);
    check_ethernet(0x8847, &with(3, &datagram()), &["mpls.bad_label_implicit_null"], false);
    check_ethernet(0x8847, &with(14, &datagram()), &["mpls.bad_label_reserved"], false);
    check_ethernet(0x8847, &with(16, &[0x50; 8]), &["mpls.unknown_payload_type"], true);
    check_ethernet(0x8847, &with(16, &datagram()), &[], false);
    let wire = join(&[&[0; 4], &ethernet(0x0800, &datagram())]);
    check_ethernet(0x8847, &with(16, &wire), &[], false);
}

#[test]
fn ppp_and_pppoe() {
    check(9, &[], &["ppp.pkt_too_small"], true);
    check(9, &[0xff, 3], &["ppp.pkt_too_small"], true);
    check(9, &[0xff, 3, 0], &["ppp.pkt_too_small"], true);
    check(9, &[0xff, 3, 0, 0x21, 0x45], &["ppp.ip4_pkt_too_small"], true);
    check(9, &[0, 0x57, 0x60], &["ppp.ip6_pkt_too_small"], true);
    check(9, &[0, 0x2f, 0x45], &["ppp.vju_pkt_too_small"], true);
    check(9, &[0x21, 0x45], &["ppp.vju_pkt_too_small"], true);
    check(9, &[0, 0x2b, 0], &["ppp.unsup_proto"], false);
    check(9, &[0xc0, 0x21, 1], &[], false);
    check(9, &[0x70, 0x70, 1], &["ppp.wrong_type"], true);
    check_ethernet(0x8863, &[0x11, 9, 0, 0, 0], &["pppoe.pkt_too_small"], true);
    check_ethernet(0x8863, &[0x11, 1, 0, 0, 0, 0], &["pppoe.wrong_code"], true);
    check_ethernet(0x8863, &[0x11, 9, 0, 0, 0, 4, 1, 1, 0], &["pppoe.malformed_tags"], true);
    check_ethernet(0x8864, &[0x11, 0, 0, 1, 0, 0], &["pppoe.pkt_too_small"], true);
    check_ethernet(0x8864, &[0x11, 0, 0, 1, 0, 1, 0], &["pppoe.pkt_too_small"], true);
    let session = |rest: &[u8]| join(&[&[0x11, 0, 0, 1, 0, 20], rest]);
    check_ethernet(0x8864, &session(&[0, 0x21, 0x45]), &["ppp.ip4_pkt_too_small"], true);
    check_ethernet(0x8864, &session(&[&[0, 0x21], &datagram()[..]].concat()), &[], false);
}

#[test]
fn arp() {
    let good =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    check_ethernet(0x0806, &good, &[], false);
    check_ethernet(0x0806, &good[..7], &["arp.pkt_too_small"], true);
    check_ethernet(0x0806, &good[..27], &["arp.invalid_pkt"], true);
    let with = |at: usize, value| {
        let mut bytes = good;
        bytes[at] = value;
        bytes
    };
    check_ethernet(0x0806, &with(1, 2), &["arp.unsupported_hardware"], true);
    check_ethernet(0x0806, &with(2, 9), &["arp.unsupported_protocol"], true);
    check_ethernet(0x0806, &with(4, 7), &["arp.invalid_hardware_size"], true);
    check_ethernet(0x0806, &with(5, 5), &["arp.invalid_protocol_size"], true);
    check_ethernet(0x0806, &with(7, 5), &["arp.unsupported_opcode"], true);
}

#[test]
fn nsh() {
    let header = |first: [u8; 4], rest: &[u8]| join(&[&first, &[0, 0, 1, 255], rest]);
    let check = |bytes: &[u8], expected: &[&str], invalid| {
        check_ethernet(0x894f, bytes, expected, invalid);
    };
    check(&[0; 7], &["nsh.header_too_small"], true);
    check(&header([0x40, 2, 2, 1], &datagram()), &["nsh.unsupported_version"], false);
    check(&header([0, 1, 2, 1], &datagram()), &["nsh.bad_header_length"], true);
    check(&header([0, 30, 2, 1], &datagram()), &["nsh.bad_header_length"], true);
    check(&header([0, 2, 0, 1], &datagram()), &["nsh.reserved_type"], false);
    check(&header([0, 2, 3, 1], &datagram()), &["nsh.unsupported_type"], false);
    check(&header([0, 2, 2, 9], &datagram()), &["nsh.unknown_payload"], false);
    check(&header([0, 2, 2, 1], &datagram()), &[], false);
    check(&header([0, 6, 1, 1], &join(&[&[0; 16], &datagram()])), &[], false);
}

#[test]
fn ipv4_header() {
    let with = |at: usize, value: u8| {
        let mut bytes = datagram();
        bytes[at] = value;
        bytes
    };
    check_ethernet(0x0800, &datagram()[..19], &["ipv4.pkt_too_small"], true);
    check_ethernet(0x0800, &with(0, 0x55), &["ipv4.wrong_ip_version"], true);
    check_ethernet(0x0800, &with(0, 0x44), &["ipv4.hlen_too_small"], true);
    check_ethernet(0x0800, &with(3, 19), &["ipv4.iplen_smaller_than_hlen"], true);
    check_ethernet(0x0800, &with(3, 33), &["ipv4.trunc_pkt"], true);
    check_ethernet(0x0800, &join(&[&datagram(), &[0; 9]]), &[], false);
    check_ethernet(0x0800, &ipv4(58, &[0; 8]), &["ipv4.icmpv6"], true);
    check_ethernet(0x0800, &ipv4(2, &[0x11; 8]), &[], false);
}

#[test]
fn ipv4_options() {
    let check = |options: &[u8], expected: &[&str], invalid| {
        let bytes = ipv4_with(17, options, 0, 7, &udp(1, 2, &[]));
        check_ethernet(0x0800, &bytes, expected, invalid);
    };
    check(&[1, 1, 1, 1], &["ipv4.opt_pad_required"], false);
    check(&[1, 1, 1, 1, 1, 1, 1, 7], &["ipv4.opt_eol_required"], false);
    check(&[7, 1, 4, 0, 0, 0, 0, 0], &["ipv4.opt_invalid_len"], true);
    check(&[7, 9, 4, 0, 0, 0, 0, 0], &["ipv4.opt_invalid_len"], true);
    check(&[7, 7, 4, 0, 0, 0, 0, 0], &[], false);
    check(&[7, 7, 5, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"], true);
    check(&[7, 7, 12, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"], true);
    check(&[7, 7, 8, 0, 0, 0, 0, 0], &[], false);
    check(&[131, 2, 148, 4, 0, 0, 0, 0], &["ipv4.opt_invalid_len"], true);
    check(&[68, 8, 5, 0, 0, 0, 0, 0], &[], false);
    check(&[68, 8, 6, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"], true);
    check(&[68, 8, 9, 1, 0, 0, 0, 0], &["ipv4.opt_malformed"], true);
    check(&[68, 4, 5, 0, 0, 0, 0, 0], &["ipv4.opt_invalid_len"], true);
    check(&[148, 4, 0, 0, 148, 4, 0, 0], &["ipv4.opt_duplicate"], false);
    check(&[136, 4, 0, 0, 25, 4, 0, 0], &["ipv4.opt_invalid_len"], true);
    check(&[200, 8, 0, 0, 0, 0, 0, 0], &["ipv4.opt_invalid"], false);
    let cipso = |tag: [u8; 4]| join(&[&[134, 10, 0, 0, 0, 1], &tag, &[0; 6]]);
    check(&cipso([1, 4, 0, 9]), &[], false);
    check(&cipso([1, 4, 1, 9]), &["ipv4.opt_malformed"], true);
    check(&cipso([3, 4, 0, 9]), &["ipv4.opt_malformed"], true);
    check(&cipso([2, 5, 0, 9]), &["ipv4.opt_malformed"], true);
    check(&cipso([7, 4, 1, 9]), &[], false);
}

#[test]
fn ipv6_header() {
    let good = ipv6(17, &udp(1, 2, b"x"));
    check_ethernet(0x86dd, &good, &[], false);
    check_ethernet(0x86dd, &good[..39], &[], false);
    check_ethernet(0x86dd, &good[..48], &["ipv6.trunc_pkt"], true);
    check_ethernet(0x86dd, &datagram().repeat(2), &["ipv6.wrong_ip_version"], true);
    check_ethernet(0x86dd, &ipv6(59, &[]), &[], false);
    check_ethernet(0x86dd, &ipv6(59, &[0]), &["ipv6.data_after_none_header"], false);
    check_ethernet(0x86dd, &ipv6(1, &[0; 8]), &["ipv6.icmpv4"], false);
    check_ethernet(0x86dd, &ipv6(99, &[0; 8]), &["ipv6.unknown_next_header"], false);
}

#[test]
fn ipv6_extension_headers() {
    let check = |next: u8, rest: &[u8], expected: &[&str], invalid| {
        check_ethernet(0x86dd, &ipv6(next, rest), expected, invalid);
    };
    let end = udp(1, 2, b"x");
    let alert = [5, 2, 0, 0, 0, 0];
    check(0, &extension(17, &alert, &end), &[], false);
    check(0, &[17], &["ipv6.trunc_exthdr"], true);
    check(0, &[17, 1, 0, 0, 0, 0, 0, 0], &["ipv6.trunc_exthdr"], true);
    check(44, &[17, 0, 0, 1], &["ipv6.trunc_exthdr"], true);
    // Two bytes at least come behind an extension header, whatever they are of.
    let useless = "ipv6.exthdr_useless_fh";
    check(44, &[6, 0, 0, 0, 0, 0, 0, 1], &[useless, "ipv6.trunc_exthdr"], true);
    check(44, &[58, 0, 0, 0, 0, 0, 0, 1, 128], &[useless, "ipv6.trunc_exthdr"], true);
    check(44, &[59, 0, 0, 0, 0, 0, 0, 1], &[useless], false);
    check(0, &extension(0, &alert, &extension(17, &alert, &end)), &["ipv6.exthdr_dupl_hh"], false);
    let route = [2, 0, 0, 0, 0, 0];
    check(
        43,
        &extension(43, &route, &extension(17, &route, &end)),
        &["ipv6.exthdr_dupl_rh"],
        false,
    );
    check(43, &extension(17, &[0; 6], &end), &["ipv6.rh_type_0"], false);
    let twice = extension(60, &alert, &extension(17, &alert, &end));
    check(60, &twice, &[], false);
    check(60, &extension(60, &alert, &twice), &["ipv6.exthdr_dupl_dh"], false);
    let authentication =
        |next: u8, reserved: u8, rest: &[u8]| join(&[&[next, 1, 0, reserved], &[0; 8], rest]);
    check(51, &authentication(17, 0, &end), &[], false);
    check(51, &authentication(17, 1, &end), &["ipv6.exthdr_ah_res_not_null"], false);
    let twice = authentication(51, 0, &authentication(17, 0, &end));
    check(51, &twice, &["ipv6.exthdr_dupl_ah"], false);
    let whole = ipv6_fragment(17, 0, false, 9, &end);
    check(44, &whole, &["ipv6.exthdr_useless_fh"], false);
    let twice = ipv6_fragment(44, 0, false, 9, &whole);
    check(44, &twice, &["ipv6.exthdr_useless_fh", "ipv6.exthdr_dupl_fh"], false);
    let mut reserved = ipv6_fragment(17, 8, false, 9, &[0; 8]);
    reserved[1] = 1;
    check(44, &reserved, &["ipv6.fh_non_zero_reserved_field"], false);
    check(44, &ipv6_fragment(17, 0, true, 9, &[0; 9]), &["ipv6.frag_invalid_length"], false);
    for next in [135, 139, 140] {
        check(next, &extension(17, &[0; 6], &end), &[], false);
    }
}

#[test]
fn ipv6_options() {
    let check = |options: &[u8], expected: &[&str], invalid| {
        let rest = extension(17, options, &udp(1, 2, &[]));
        let hop_by_hop = expected.iter().map(|name| name.replace("dstopts", "hopopts"));
        let hop_by_hop: Vec<_> = hop_by_hop.collect();
        let hop_by_hop: Vec<_> = hop_by_hop.iter().map(String::as_str).collect();
        check_ethernet(0x86dd, &ipv6(0, &rest), &hop_by_hop, invalid);
        check_ethernet(0x86dd, &ipv6(60, &rest), expected, invalid);
    };
    check(&[1, 4, 0, 0, 0, 0], &["ipv6.dstopts_only_padding"], false);
    check(&[0; 6], &["ipv6.dstopts_only_padding"], false);
    let zero = ["ipv6.zero_len_padn", "ipv6.dstopts_only_padding"];
    check(&[1, 0, 1, 2, 0, 0], &zero, false);
    check(&[0x33, 4, 0, 0, 0, 0], &["ipv6.dstopts_unknown_opt"], false);
    check(&[5, 9, 0, 0, 0, 0], &["ipv6.exthdr_invalid_optlen"], true);
    check(&[5, 1, 0, 5, 1, 0], &["ipv6.exthdr_invalid_optlen"], true);
    check(&[0xc2, 4, 0, 1, 0, 0], &[], false);
    check(
        &[0xc2, 3, 0, 1, 0, 0],
        &["ipv6.exthdr_invalid_optlen", "ipv6.dstopts_only_padding"][..1],
        true,
    );
    check(&[0xc9, 4, 0, 1, 0, 0], &["ipv6.exthdr_invalid_optlen"], true);
}

#[test]
fn layers_have_a_limit() {
    let nested = |levels: usize| (0..levels).fold(datagram(), |inner, _| ipv4(4, &inner));
    let frames = |levels| ethernet(0x0800, &nested(levels));
    let bytes = frames(6);
    let packets = decode(1, &bytes);
    assert_eq!(packets.len(), 7);
    assert_eq!(packets.first().unwrap().recursion_level, 6);
    // One more level: its header is counted, but it is no packet.
    let bytes = frames(7);
    let mut decoder = decoder();
    let mut packets = Vec::new();
    decoder.decode(frame(1, &bytes, 1), &mut packets);
    assert_eq!(packets.len(), 7);
    assert_eq!(counter(&decoder, "decoder.ipv4"), 8);
    assert_eq!(counter(&decoder, "decoder.ipv4_in_ipv4"), 6);
    assert_eq!(counter(&decoder, "decoder.too_many_layers"), 0);
}

#[test]
fn a_frame_cut_short_is_told_of_in_live_captures_only() {
    let bytes = ethernet(0x0800, &datagram());
    for live in [true, false] {
        let settings = decode::DecodeSettings { live, ..Default::default() };
        let mut packets = Vec::new();
        let mut frame = frame(1, &bytes, 1);
        frame.wire_len += 100;
        decode::Decoder::new(settings).decode(frame, &mut packets);
        let code = DecodeEvent::AfpacketTruncPkt.code();
        assert_eq!(packets[0].events.contains(code), live, "{}", event::name(code));
    }
}

#[test]
fn events_and_invalid_frames_are_counted() {
    let mut decoder = decoder();
    let mut packets = Vec::new();
    let short = ethernet(0x0800, &[0x45; 10]);
    let unknown = ethernet(0x8100, &vlan(5, 0x1234, &[]));
    for bytes in [&short, &short, &unknown] {
        decoder.decode(frame(1, bytes, 1), &mut packets);
    }
    assert_eq!(packets.len(), 3);
    let check = |name: &str, value| assert_eq!(counter(&decoder, name), value, "{name}");
    check("decoder.pkts", 3);
    check("decoder.invalid", 3);
    check("decoder.vlan", 1);
    check("decoder.unknown_ethertype", 1);
    check("decoder.event.ipv4.pkt_too_small", 2);
    check("decoder.event.vlan.unknown_type", 1);
    check("decoder.max_pkt_size", 24);
}
