//! The decoder: the first two bytes choose settings and link type, the pieces are frames.
#![no_main]

use decode::settings::TunnelPorts;
use decode::{DecodeSettings, Decoder, checksum};
use libfuzzer_sys::fuzz_target;

const LINK_TYPES: [u16; 9] = [0, 1, 9, 12, 101, 104, 113, 228, 276];

fuzz_target!(|data: &[u8]| {
    let [link, choice, rest @ ..] = data else { return };
    let link_type = LINK_TYPES[usize::from(*link) % LINK_TYPES.len()];
    let mut settings = DecodeSettings::default();
    settings.defrag.hash_size = 16;
    settings.defrag.trackers = 8;
    if choice & 1 != 0 {
        settings.vxlan = TunnelPorts::Any;
        settings.geneve = TunnelPorts::Any;
    }
    settings.live = choice & 2 != 0;
    let mut decoder = Decoder::new(settings);
    for (number, (control, piece)) in (1..).zip(fuzz::pieces(rest)) {
        let mut packets = Vec::new();
        let after = number * 1000 + u64::from(control >> 6) * 40_000_000;
        decoder.decode(fuzz::frame(piece, number, link_type, after), &mut packets);
        assert!(!packets.is_empty(), "a frame gives a packet at least");
        for packet in &packets {
            let _ = checksum::ipv4_header_ok(packet);
            let _ = (checksum::tcp_ok(packet), checksum::udp_ok(packet));
            let _ = (checksum::icmp_ok(packet), packet.arp(), packet.macs());
            assert_eq!(packet.payload().len(), packet.payload_len as usize);
            let _ = (packet.network_bytes(), packet.transport_bytes(), packet.network_end());
        }
    }
});
