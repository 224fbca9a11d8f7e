//! Sends small packets as fast as one queue goes, for `receive` at the other end.
//!
//! `send INTERFACE QUEUE SECONDS`

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use afxdp::{Area, AreaSettings, Queue, QueueSettings};

const RING: u32 = 2048;
const BATCH: usize = 64;
/// Bytes of a packet.
const LENGTH: usize = 64;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, queue, seconds] = arguments.as_slice() else {
        return Err("usage: send INTERFACE QUEUE SECONDS".into());
    };
    let (queue, seconds) = (queue.parse()?, Duration::from_secs(seconds.parse()?));
    let interface = afxdp::interface_index(name)?;
    let area = Area::new(&AreaSettings { chunks: RING, ..AreaSettings::default() })?;
    let sizes = QueueSettings { rx: 0, fill: 0, tx: RING, completion: RING, ..Default::default() };
    let settings = QueueSettings { interface, queue, chunks: RING, ..sizes };
    let mut queue = Queue::bind(&area, &settings)?;
    let (mut frames, mut sent) = (Vec::with_capacity(BATCH), 0);
    let start = Instant::now();
    while start.elapsed() < seconds {
        while frames.len() < BATCH
            && let Some(mut frame) = queue.take()
        {
            let number = sent + frames.len();
            let flow = number.to_be_bytes();
            let room = area.bytes_mut(&mut frame);
            for (to, from) in room.iter_mut().zip(header().iter().chain(&flow)) {
                *to = *from;
            }
            queue.set_len(&mut frame, LENGTH);
            frames.push(frame);
        }
        queue.transmit(&mut frames);
        queue.wake_if_needed()?;
        sent += queue.complete();
    }
    let rate = sent as f64 / start.elapsed().as_secs_f64();
    println!("{sent} packets ({}), {rate:.0} per second", queue.mode());
    println!("  {:?}", queue.statistics()?);
    Ok(())
}

/// An Ethernet header of an experimental protocol.
fn header() -> [u8; 14] {
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]
}
