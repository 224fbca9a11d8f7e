//! The decoder: the first byte chooses the link type, the rest is a frame.
#![no_main]

use decode::{DecodeSettings, Decoder};
use libfuzzer_sys::fuzz_target;

const LINK_TYPES: [u16; 9] = [0, 1, 9, 12, 101, 104, 113, 228, 276];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let link_type = LINK_TYPES[usize::from(*first) % LINK_TYPES.len()];
    let mut packets = Vec::new();
    let frame = fuzz::frame(bytes, 1, link_type, 0);
    Decoder::new(DecodeSettings::default()).decode(frame, &mut packets);
    assert!(!packets.is_empty(), "a frame gives a packet at least");
});
