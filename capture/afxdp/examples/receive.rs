//! Receives packets and drops them: what a packet costs before anyone looks at it.
//!
//! `receive INTERFACE QUEUES SECONDS [WAIT]`
//!
//! WAIT says what is done when there is nothing to receive:
//! - `poll`: sleep until the kernel wakes for the next packet. Nothing waits, but while packets
//!   flow nearly every one costs a system call.
//! - `yield`: look again at once, all the time that no other thread wants the processor.
//! - a number of microseconds (500 without WAIT): sleep for so long, and let packets gather.

use std::error::Error;
use std::fs;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use afxdp::{Area, AreaSettings, Mode, Queue, QueueSettings, Statistics};
use redirect::Redirect;

#[path = "../tests/support/redirect.rs"]
mod redirect;

const RING: u32 = 8192;
const BATCH: usize = 256;
/// At ten million packets per second a little more than half a ring gathers in this time.
const NAP: Duration = Duration::from_micros(500);

/// What to do when there is nothing to receive.
#[derive(Clone, Copy)]
enum Wait {
    Poll,
    Yield,
    Nap(Duration),
}

/// What one queue saw, and the processor time of the thread that read it.
struct Outcome {
    queue: u32,
    mode: Mode,
    packets: u64,
    bytes: u64,
    processor: Duration,
    statistics: Statistics,
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, queues, seconds, wait) = match arguments.as_slice() {
        [name, queues, seconds] => (name, queues, seconds, Wait::Nap(NAP)),
        [name, queues, seconds, wait] => (name, queues, seconds, parsed(wait)?),
        _ => return Err("usage: receive INTERFACE QUEUES SECONDS [WAIT]".into()),
    };
    let (queues, seconds): (u32, u64) = (queues.parse()?, seconds.parse()?);
    let interface = afxdp::interface_index(name)?;
    let chunks = queues.checked_mul(RING * 2).ok_or("too many queues")?;
    let area = Area::new(&AreaSettings { chunks, ..AreaSettings::default() })?;
    let redirect = Redirect::attach(interface, None)?;
    let mut bound = Vec::new();
    for queue in 0..queues {
        let sizes = QueueSettings { rx: RING, fill: RING, chunks: RING * 2, ..Default::default() };
        let queue = Queue::bind(&area, &QueueSettings { interface, queue, ..sizes })?;
        redirect.direct(queue.queue(), queue.as_fd())?;
        bound.push(queue);
    }
    let stop = AtomicBool::new(false);
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> =
            bound.into_iter().map(|queue| scope.spawn(|| read(queue, &stop, wait))).collect();
        thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for outcome in outcomes {
        let outcome = outcome.map_err(|_| "a thread panicked")??;
        let microseconds = outcome.processor.as_secs_f64() * 1e6;
        println!(
            "queue {} ({}): {} packets, {} bytes, {:.3} us of processor time per packet",
            outcome.queue,
            outcome.mode,
            outcome.packets,
            outcome.bytes,
            microseconds / outcome.packets.max(1) as f64,
        );
        println!("  {:?}", outcome.statistics);
    }
    Ok(())
}

fn parsed(wait: &str) -> Result<Wait, std::num::ParseIntError> {
    Ok(match wait {
        "poll" => Wait::Poll,
        "yield" => Wait::Yield,
        number => Wait::Nap(Duration::from_micros(number.parse()?)),
    })
}

fn read(mut queue: Queue, stop: &AtomicBool, wait: Wait) -> Result<Outcome, std::io::Error> {
    let mut frames = Vec::with_capacity(BATCH);
    let (mut packets, mut bytes) = (0_u64, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        if queue.receive(&mut frames, BATCH) == 0 {
            queue.wake_if_needed()?;
            match wait {
                Wait::Poll => {
                    queue.wait(Duration::from_millis(10))?;
                }
                Wait::Yield => thread::yield_now(),
                Wait::Nap(time) => thread::sleep(time),
            }
            continue;
        }
        for frame in &frames {
            packets += u64::from(!frame.continues());
            bytes += frame.len() as u64;
        }
        queue.give_back(frames.drain(..));
    }
    Ok(Outcome {
        queue: queue.queue(),
        mode: queue.mode(),
        packets,
        bytes,
        processor: processor_time()?,
        statistics: queue.statistics()?,
    })
}

/// How long the calling thread was on a processor.
fn processor_time() -> std::io::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.unwrap_or(0)))
}
