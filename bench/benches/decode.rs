//! Speed of decoding, by kind of frame.

use decode::{DecodeSettings, Decoder, Packet, RawFrame, Timestamp};
use divan::Bencher;
use divan::counter::ItemsCount;

const FRAMES: usize = 32;

fn main() {
    divan::main();
}

/// Ethernet, so many VLAN tags, IPv4, TCP with an option, payload.
fn frame(tags: usize, payload: usize) -> Vec<u8> {
    let mut bytes = vec![0x02; 12];
    for _ in 0..tags {
        bytes.extend([0x81, 0x00, 0x00, 0x07]);
    }
    bytes.extend([0x08, 0x00]);
    let total = u16::try_from(20 + 32 + payload).expect("short").to_be_bytes();
    bytes.extend([0x45, 0, total[0], total[1], 0, 1, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([192, 168, 7, 10, 198, 51, 100, 80]);
    bytes.extend([0xb1, 0xa2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend([1, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4]);
    bytes.extend(std::iter::repeat_n(b'x', payload));
    bytes
}

#[divan::bench(args = [0, 1, 2])]
fn tcp_with_vlan_tags(bencher: Bencher<'_, '_>, tags: usize) {
    let bytes = frame(tags, 512);
    let mut decoder = Decoder::new(DecodeSettings::default());
    let raw = RawFrame {
        bytes: &bytes,
        timestamp: Timestamp::default(),
        number: 1,
        link_type: 1,
        input: 0,
        wire_len: u32::try_from(bytes.len()).expect("short"),
        no_checksum: false,
    };
    let mut packets: Vec<Packet<'_>> = Vec::with_capacity(FRAMES);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        packets.clear();
        for _ in 0..FRAMES {
            decoder.decode(divan::black_box(raw), &mut packets);
        }
        packets.len()
    });
}
