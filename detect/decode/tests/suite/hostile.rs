//! Any bytes whatever: no panic, no offset beyond the packet, bounded work.

use decode::{DecodeSettings, Decoder, DefragSettings, Packet, checksum};
use proptest::prelude::*;

use crate::frames::*;

const LINK_TYPES: [u16; 12] = [0, 1, 9, 12, 101, 104, 113, 228, 229, 276, 778, 147];

/// Ethertypes and IP protocols that have a decoder.
const ETHERTYPES: [u16; 17] = [
    0x0800, 0x0806, 0x8100, 0x86dd, 0x88a8, 0x8847, 0x8848, 0x8863, 0x8864, 0x88e7, 0x8903, 0x8926,
    0x894f, 0x9100, 0x0800, 0x86dd, 0x8100,
];
const PROTOCOLS: [u8; 16] = [0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 60, 132, 135, 59];

/// Everything about the packets holds together; returns how many there are.
fn check(decoder: &mut Decoder, link_type: u16, bytes: &[u8], seconds: u64) -> usize {
    let mut packets = Vec::new();
    decoder.decode(frame(link_type, bytes, seconds), &mut packets);
    let count = packets.len();
    for packet in &packets {
        check_packet(packet);
    }
    let roots = packets.iter().rev().skip(1).all(|packet| packet.root == Some(count as u32 - 1));
    assert!(roots && packets.last().unwrap().root.is_none());
    count
}

fn check_packet(packet: &Packet<'_>) {
    let len = packet.bytes.len();
    let payload = (packet.payload_offset + packet.payload_len) as usize;
    assert!(payload <= len && packet.payload().len() == packet.payload_len as usize);
    assert!(packet.network as usize <= len && packet.transport_offset as usize <= len);
    assert!(!packet.flags.wants_flow || packet.is_ip());
    for verdict in [
        checksum::ipv4_header_ok(packet),
        checksum::tcp_ok(packet),
        checksum::udp_ok(packet),
        checksum::icmp_ok(packet),
    ] {
        assert!(verdict.is_none() || packet.is_ip());
    }
    assert!(packet.arp().is_none() || packet.flags.arp);
    assert!(packet.macs().is_none() || packet.ethernet.is_some());
}

/// Layers of a frame, each with a true header and a chance to be spoilt.
fn layered() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..60);
    let wrap = |inner: BoxedStrategy<Vec<u8>>| {
        let protocol = proptest::sample::select(&PROTOCOLS[..]);
        let options = prop_oneof![
            4 => Just(Vec::new()),
            1 => proptest::collection::vec(any::<u8>(), 8),
        ];
        let fragment = prop_oneof![4 => Just(0_u16), 1 => any::<u16>()];
        (inner, protocol, options, fragment, 0..6_u8, any::<u16>())
            .prop_map(|(inner, protocol, options, fragment, kind, port)| match kind {
                0 => ipv4_with(protocol, &options, fragment, 1, &inner),
                1 => ipv6(protocol, &inner),
                2 => ipv4_with(17, &options, fragment, 1, &udp(port, 4789, &inner)),
                3 => ipv4(4, &inner),
                4 => extension(protocol, &[5, 2, 0, 0, 0, 0], &inner),
                _ => ipv4(47, &join(&[&[0, 0, 0x65, 0x58], &inner])),
            })
            .boxed()
    };
    let once = wrap(bytes.boxed());
    let twice = wrap(once.clone());
    prop_oneof![once, twice.clone(), wrap(twice)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(
        link_type in proptest::sample::select(&LINK_TYPES[..]),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check(&mut decoder(), link_type, &bytes, 1);
    }

    #[test]
    fn random_network_layers_never_panic(
        ethertype in proptest::sample::select(&ETHERTYPES[..]),
        first in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()],
        protocol in proptest::sample::select(&PROTOCOLS[..]),
        mut bytes in proptest::collection::vec(any::<u8>(), 10..200),
    ) {
        bytes[0] = first;
        bytes[2..4].copy_from_slice(&60_u16.to_be_bytes());
        bytes[4..6].copy_from_slice(&50_u16.to_be_bytes());
        bytes[if first == 0x60 { 6 } else { 9 }] = protocol;
        check(&mut decoder(), 1, &ethernet(ethertype, &bytes), 1);
    }

    #[test]
    fn spoilt_layers_never_panic(
        frames in proptest::collection::vec((layered(), any::<(u16, u8)>(), any::<bool>()), 1..6),
        max_layers in any::<u8>(),
    ) {
        let defrag = DefragSettings { memcap: 1500, max_frags: 4, ..DefragSettings::default() };
        let mut decoder =
            Decoder::new(DecodeSettings { max_layers, defrag, ..DecodeSettings::default() });
        for (second, (bytes, (at, value), spoil)) in frames.into_iter().enumerate() {
            let mut bytes = ethernet(if bytes[0] >> 4 == 4 { 0x0800 } else { 0x86dd }, &bytes);
            if spoil {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            check(&mut decoder, 1, &bytes, second as u64 * 30);
        }
    }

    #[test]
    fn random_fragments_never_exceed_the_limits(
        fragments in proptest::collection::vec((any::<u16>(), 0..4_u16, 0..200_usize), 1..80),
    ) {
        let defrag = DefragSettings { memcap: 3000, max_frags: 9, ..DefragSettings::default() };
        let mut decoder = Decoder::new(DecodeSettings { defrag, ..DecodeSettings::default() });
        for (second, (field, id, len)) in fragments.into_iter().enumerate() {
            let bytes = ipv4_with(17, &[], field & 0x203f, id, &vec![0; len]);
            check(&mut decoder, 101, &bytes, second as u64);
            prop_assert!(counter(&decoder, "defrag.memuse") <= 3000);
        }
    }
}

#[test]
fn tunnels_without_end_stop_at_the_limit() {
    let deepest = (0..1000).fold(datagram(), |inner, _| ipv4(4, &inner));
    let mut decoder = Decoder::new(DecodeSettings { max_layers: 255, ..DecodeSettings::default() });
    assert_eq!(check(&mut decoder, 101, &deepest, 1), 127);
}
