//! Readers of capture files: pcap, pcapng and their compressed forms.
#![no_main]

use capture::Received;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut source) = capture::open_bytes("fuzz", data.to_vec()) else { return };
    for _ in 0..10_000 {
        match source.receive(32) {
            Ok(Received::Frames) => assert!(!source.batch().is_empty()),
            Ok(Received::End) => return,
            Err(_) => assert!(source.batch().is_empty()),
        }
    }
});
