//! Receives from an interface and drops everything, to see what reception alone costs.
//!
//! `cargo run --release -p afpacket --example receive -- eth1 2 10`: interface, sockets, seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use afpacket::{Error, Fanout, FanoutKind, Ring, RingSettings, Statistics};

const USAGE: &str = "usage: receive INTERFACE [SOCKETS [SECONDS]]";
const BATCH: usize = 64;
const WAIT: Duration = Duration::from_millis(50);

static STOP: AtomicBool = AtomicBool::new(false);

/// What one socket has done.
struct Outcome {
    bytes: u64,
    /// CPU time of its thread; none if the kernel does not tell.
    busy_ns: Option<u64>,
    counts: Statistics,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let interface = arguments.first().ok_or(USAGE)?;
    let sockets: u16 = arguments.get(1).map_or(Ok(1), |text| text.parse())?;
    let seconds: u64 = arguments.get(2).map_or(Ok(10), |text| text.parse())?;
    let mut settings = RingSettings::new(interface.as_str());
    if sockets > 1 {
        // A number that two runs at once do not share.
        let group = (std::process::id() % 65536) as u16;
        let kind = FanoutKind::Hash;
        let fanout = Fanout { group, members: sockets, kind, defragment: false, rollover: false };
        settings.fanout = Some(fanout);
    }
    let rings = Ring::open_group(&settings)?;
    println!("{interface}: link type {}, {sockets} socket(s)", rings[0].link_type());
    let begin = Instant::now();
    let threads: Vec<_> =
        rings.into_iter().map(|ring| thread::spawn(move || drop_all(ring))).collect();
    thread::sleep(Duration::from_secs(seconds));
    STOP.store(true, Ordering::Relaxed);
    for (number, thread) in threads.into_iter().enumerate() {
        let outcome = thread.join().map_err(|_| "a receiving thread failed")??;
        print(number, &outcome, begin.elapsed());
    }
    Ok(())
}

fn drop_all(mut ring: Ring) -> Result<Outcome, Error> {
    let mut bytes = 0;
    while !STOP.load(Ordering::Relaxed) {
        while ring.next_frames(BATCH) > 0 {
            bytes += ring.frames().map(|frame| frame.bytes.len() as u64).sum::<u64>();
            if STOP.load(Ordering::Relaxed) {
                break;
            }
        }
        ring.wait(WAIT)?;
    }
    let busy_ns = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    let counts = ring.statistics().unwrap_or_default();
    Ok(Outcome { bytes, busy_ns, counts })
}

fn print(number: usize, outcome: &Outcome, time: Duration) {
    let Outcome { bytes, busy_ns, counts } = outcome;
    let frames = counts.frames;
    let rate = frames as f64 / time.as_secs_f64();
    let cost = match busy_ns {
        Some(ns) if frames > 0 => format!("{:.3}", *ns as f64 / 1000.0 / frames as f64),
        _ => "?".to_owned(),
    };
    println!(
        "socket {number}: {frames} packets, {bytes} bytes, {rate:.0}/s, {cost} µs of CPU each"
    );
    println!("  {counts:?}");
}
