//! Counts the frames and bytes of capture files and measures how long that takes.

use std::path::PathBuf;
use std::time::Instant;

use capture::{Received, Sequence, Source};

fn main() {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let start = Instant::now();
    let mut source = Sequence::new(paths);
    let mut checksum = 0u64;
    let mut faults = 0;
    loop {
        match source.receive(32) {
            Ok(Received::Frames) => {
                for frame in source.batch().frames() {
                    let first = frame.bytes.first().copied().unwrap_or_default();
                    checksum = checksum.wrapping_add(frame.timestamp_us ^ u64::from(first));
                }
            }
            Ok(Received::Idle) => {}
            Ok(Received::End) => break,
            Err(error) => {
                eprintln!("{error}");
                faults += 1;
            }
        }
    }
    let elapsed = start.elapsed();
    let statistics = source.statistics();
    let per_frame = elapsed.as_nanos() as f64 / statistics.frames.max(1) as f64;
    println!("{statistics:?}\n{elapsed:?}, {per_frame:.1} ns a frame ({checksum:x})");
    std::process::exit(i32::from(faults > 0));
}
