//! Readers of capture files: pcap, pcapng and their compressed forms.
#![no_main]

use capture::Received;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut source) = capture::open_bytes("fuzz", data.to_vec()) else { return };
    let mut last = 0;
    for _ in 0..10_000 {
        match source.receive(32) {
            Ok(Received::Frames) => {
                assert!(!source.batch().is_empty());
                for frame in source.batch().frames() {
                    assert!(frame.bytes.len() <= 1 << 24, "a frame of {}", frame.bytes.len());
                    last ^= frame.timestamp_us ^ frame.bytes.len() as u64;
                }
            }
            Ok(Received::Idle) => {}
            Ok(Received::End) => break,
            Err(_) => assert!(source.batch().is_empty()),
        }
    }
    std::hint::black_box(last);
});
