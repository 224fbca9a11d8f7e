//! Defragmentation: pieces of the input are fragments of IPv4 or IPv6, in time. With content that
//! only the place decides, the datagram must have it, whatever the order and the overlaps.
#![no_main]

use decode::settings::OsPolicy;
use decode::{DecodeSettings, Decoder, Origin};
use libfuzzer_sys::fuzz_target;

/// A protocol without a decoder (RFC 3692).
const EXPERIMENT: u8 = 253;

fn fragment(control: u8, piece: &[u8], agreed: bool) -> Option<Vec<u8>> {
    let [offset, id, rest @ ..] = piece else { return None };
    let start = u32::from(*offset) * 8;
    let payload: Vec<u8> = match agreed {
        true => (start..).take(rest.len()).map(fuzz::byte_at).collect(),
        false => rest.to_vec(),
    };
    let more = control & 0x20 == 0;
    let place = (u16::from(*offset) << 3).to_be_bytes();
    if control & 0x10 == 0 {
        let field = (u16::from(*offset) | if more { 0x2000 } else { 0 }).to_be_bytes();
        let mut bytes = fuzz::ipv4(true, EXPERIMENT, id & 3, field, payload.len());
        bytes.extend(payload);
        return Some(bytes);
    }
    let length = u16::try_from(8 + payload.len()).ok()?.to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], 44, 64];
    for end in [1, 2] {
        bytes.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
    }
    bytes.extend([EXPERIMENT, 0, place[0], place[1] | u8::from(more), 0, 0, 0, id & 3]);
    bytes.extend(payload);
    Some(bytes)
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut settings = DecodeSettings::default();
    let policy = OsPolicy::ALL[usize::from(choice >> 1) % OsPolicy::ALL.len()];
    for network in ["0.0.0.0/0", "::/0"] {
        assert!(settings.os_policies.insert(network, policy).is_ok());
    }
    settings.defrag.hash_size = 4;
    settings.defrag.trackers = 16;
    settings.defrag.max_frags = if choice & 0x40 != 0 { 8 } else { 65_535 };
    let agreed = choice & 1 != 0;
    let mut decoder = Decoder::new(settings);
    let mut now = 0;
    for (number, (control, piece)) in (1..).zip(fuzz::pieces(rest)) {
        let Some(bytes) = fragment(control, piece, agreed) else { continue };
        now += [10, 1_000, 1_000_000, 61_000_000][usize::from(control >> 6)];
        let mut packets = Vec::new();
        decoder.decode(fuzz::frame(&bytes, number, fuzz::RAW, now), &mut packets);
        for packet in packets.iter().filter(|p| agreed && p.origin == Origin::Defrag) {
            let network = packet.network_bytes();
            let header = if network.first().is_some_and(|b| b >> 4 == 4) { 20 } else { 40 };
            let payload = network.get(header..).unwrap_or_default();
            let wrong = (0..).zip(payload).position(|(at, byte)| *byte != fuzz::byte_at(at));
            assert_eq!(wrong, None, "of {} bytes", payload.len());
        }
    }
});
