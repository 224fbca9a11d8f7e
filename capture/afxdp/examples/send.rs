//! Sends small packets through one queue, for a receiver at the other end.
//!
//! `send INTERFACE QUEUE SECONDS [RATE]`: without packets per second, as fast as it goes; with
//! them, that many for each of the seconds, however long it takes.

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
    let (name, queue, seconds, rate) = match arguments.as_slice() {
        [name, queue, seconds] => (name, queue, seconds, None),
        [name, queue, seconds, rate] => (name, queue, seconds, Some(rate.parse::<u32>()?)),
        _ => return Err("usage: send INTERFACE QUEUE SECONDS [RATE]".into()),
    };
    let (queue, seconds) = (queue.parse()?, seconds.parse::<u32>()?);
    let time = Duration::from_secs(seconds.into());
    let most = rate.map(|rate| rate as usize * seconds as usize);
    let interface = afxdp::interface_index(name)?;
    let area = Area::new(&AreaSettings { chunks: RING, ..AreaSettings::default() })?;
    let sizes = QueueSettings { rx: 0, fill: 0, tx: RING, completion: RING, ..Default::default() };
    let settings = QueueSettings { interface, queue, chunks: RING, ..sizes };
    let mut queue = Queue::bind(&area, &settings)?;
    let (mut frames, mut made, mut sent) = (Vec::with_capacity(BATCH), 0, 0);
    let start = Instant::now();
    loop {
        let due = match (most, rate) {
            (Some(most), Some(rate)) => {
                let due = start.elapsed().as_secs_f64() * f64::from(rate);
                most.min(due as usize)
            }
            _ if start.elapsed() < time => usize::MAX,
            _ => made,
        };
        if made >= due && sent == made && most.is_none_or(|most| made == most) {
            break;
        }
        while frames.len() < BATCH
            && made < due
            && let Some(mut frame) = queue.take()
        {
            let room = area.bytes_mut(&mut frame);
            for (to, from) in room.iter_mut().zip(packet(made)) {
                *to = from;
            }
            queue.set_len(&mut frame, LENGTH);
            frames.push(frame);
            made += 1;
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

/// A UDP datagram in IPv4, in one of 256 flows, without checksums.
fn packet(number: usize) -> [u8; LENGTH] {
    let flow = number as u8;
    let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let ip = [0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, flow, 192, 168, 1, 1];
    let udp = [4, flow, 0, 80, 0, 30, 0, 0];
    let mut packet = [0x41; LENGTH];
    for (to, from) in packet.iter_mut().zip(ethernet.into_iter().chain(ip).chain(udp)) {
        *to = from;
    }
    packet
}
