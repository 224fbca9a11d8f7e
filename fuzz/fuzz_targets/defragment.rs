//! Defragmentation: pieces of the input are IP packets, in time.
#![no_main]

use decode::{DecodeSettings, Decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(DecodeSettings::default());
    // The ends are fixed and offsets small, so that fragments meet.
    let frames: Vec<(u8, Vec<u8>)> = fuzz::pieces(data)
        .filter_map(|(control, piece)| {
            let [offset, id, payload @ ..] = piece else { return None };
            let length = u16::try_from(20 + payload.len()).ok()?.to_be_bytes();
            let more = if control & 0x20 == 0 { 0x20 } else { 0 };
            let mut bytes = vec![0x45, 0, length[0], length[1], 0, id & 3, more, *offset];
            bytes.extend([64, 17, 0, 0, 192, 168, 0, 1, 198, 51, 100, 1]);
            bytes.extend_from_slice(payload);
            Some((control, bytes))
        })
        .collect();
    for (number, (control, bytes)) in frames.iter().enumerate() {
        let mut packets = Vec::new();
        let frame = fuzz::frame(bytes, number as u64 + 1, fuzz::RAW, *control);
        decoder.decode(frame, &mut packets);
    }
});
