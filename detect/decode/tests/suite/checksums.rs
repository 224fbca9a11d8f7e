//! Checksums of packets whose builder computed them.

use decode::{Packet, checksum};
use etherparse::PacketBuilder;

use crate::frames::*;

/// What each verification says of a packet: IPv4 header, TCP, UDP, ICMP.
fn verdicts(packet: &Packet<'_>) -> [Option<bool>; 4] {
    [
        checksum::ipv4_header_ok(packet),
        checksum::tcp_ok(packet),
        checksum::udp_ok(packet),
        checksum::icmp_ok(packet),
    ]
}

fn check(bytes: &[u8], expected: [Option<bool>; 4]) {
    let packet = only(101, bytes);
    assert_eq!(verdicts(&packet), expected, "{bytes:02x?}");
}

#[test]
fn right_and_wrong_checksums_are_told_apart() {
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    let (six_a, six_b) = ([0x20; 16], [0x21; 16]);
    let four = || PacketBuilder::ipv4(A, B, 64);
    let six = || PacketBuilder::ipv6(six_a, six_b, 64);
    let mut frames: Vec<(Vec<u8>, [Option<bool>; 4])> = Vec::new();
    let mut add = |expected, write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        frames.push((bytes, expected));
    };
    add([YES, YES, None, None], &|out| four().tcp(1, 2, 3, 4).write(out, b"odd").unwrap());
    add([YES, None, YES, None], &|out| four().udp(1, 2).write(out, b"even").unwrap());
    add([YES, None, None, YES], &|out| four().icmpv4_echo_reply(1, 2).write(out, b"x").unwrap());
    add([None, YES, None, None], &|out| six().tcp(1, 2, 3, 4).write(out, b"odd").unwrap());
    add([None, None, YES, None], &|out| six().udp(1, 2).write(out, b"even").unwrap());
    add([None, None, None, YES], &|out| six().icmpv6_echo_request(1, 2).write(out, b"x").unwrap());
    for (bytes, expected) in &mut frames {
        // Padding of the link layer is no part of it.
        let padded = join(&[bytes, &[1, 2, 3]]);
        check(&padded, *expected);
        // A flipped bit in the last byte breaks the transport's checksum only.
        *bytes.last_mut().unwrap() ^= 0x10;
        let [header, rest @ ..] = *expected;
        let broken = rest.map(|verdict| verdict.and(NO));
        check(bytes, [header, broken[0], broken[1], broken[2]]);
    }
}

#[test]
fn absent_udp_checksums_are_right_in_ipv4_only() {
    check(&datagram(), [Some(true), None, Some(true), None]);
    check(&ipv6(17, &udp(1, 2, b"x")), [None, None, Some(false), None]);
}

#[test]
fn a_broken_ipv4_header_shows() {
    let mut bytes = datagram();
    bytes[8] ^= 1;
    check(&bytes, [Some(false), None, Some(true), None]);
}
