//! Takes a file of records to the receiver that a YAML file names, and tells what became of them.
//!
//! It does what a publisher does: it offers, settles, connects anew after trouble, and offers again
//! what was not settled, until everything is.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use delivery::network::Network;
use delivery::record::{Batch, Record};
use delivery::sink::{Settled, Sink, Trouble};
use delivery::sinks::{SinkSettings, Surroundings};

#[derive(Parser)]
#[command(about = "Takes a file of records to a sink")]
struct Options {
    /// A sink: `redis: {server: 127.0.0.1:6379}`
    sink: PathBuf,
    /// Records, one a line
    records: PathBuf,
    /// Records that are offered at once
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Name of the sensor
    #[arg(long, default_value = "sensor")]
    sensor: String,
    /// Number of the worker
    #[arg(long, default_value_t = 0)]
    worker: u16,
    /// Sequence number of the first record
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Interface of the event network
    #[arg(long)]
    interface: Option<String>,
    /// Records a second, at most
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds without a delivery after which it gives up
    #[arg(long, default_value_t = 60.0)]
    give_up: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let kind: SinkSettings = serde_saphyr::from_str(&fs::read_to_string(&options.sink)?)?;
    let around = Surroundings {
        sensor: options.sensor.clone(),
        name: kind.name(),
        network: Network { interface: options.interface.clone(), ..Network::default() },
        ..Surroundings::default()
    };
    let mut bytes = fs::read(&options.records)?;
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    let batch = Batch { worker: options.worker, first: options.first, bytes };
    let records: Vec<Record<'_>> = batch.records().collect();
    let mut carrier = Carrier::new(kind.build(&around)?, &records, &options);
    let start = (Instant::now(), cpu_seconds());
    let all = carrier.run();
    let (seconds, cpu) = (start.0.elapsed().as_secs_f64(), cpu_seconds() - start.1);
    println!(
        "delivered={} refused={} left={} again={} troubles={} seconds={seconds:.3} cpu={cpu:.2} \
         rate={:.0}",
        carrier.delivered,
        carrier.refused,
        carrier.open,
        carrier.again,
        carrier.troubles,
        carrier.delivered as f64 / seconds,
    );
    carrier.sink.counters(&mut |name, value| println!("{name}={value}"));
    carrier.sink.forget();
    if all { Ok(()) } else { Err("gave up".into()) }
}

struct Carrier<'a> {
    sink: Box<dyn Sink>,
    records: &'a [Record<'a>],
    options: &'a Options,
    /// By ticket: whether it is settled.
    done: Vec<bool>,
    /// How many are not.
    open: u64,
    /// Everything before it is settled.
    low: usize,
    next: usize,
    /// The highest ticket that was ever offered.
    high: usize,
    delivered: u64,
    refused: u64,
    again: u64,
    troubles: u64,
    pause: Duration,
    progress: Instant,
    start: Instant,
}

impl<'a> Carrier<'a> {
    fn new(sink: Box<dyn Sink>, records: &'a [Record<'a>], options: &'a Options) -> Self {
        Self {
            sink,
            records,
            options,
            done: vec![false; records.len()],
            open: records.len() as u64,
            low: 0,
            next: 0,
            high: 0,
            delivered: 0,
            refused: 0,
            again: 0,
            troubles: 0,
            pause: Duration::from_millis(100),
            progress: Instant::now(),
            start: Instant::now(),
        }
    }

    /// True when everything was settled.
    fn run(&mut self) -> bool {
        while self.open > 0 {
            if self.progress.elapsed().as_secs_f64() > self.options.give_up {
                return false;
            }
            if let Err(trouble) = self.step() {
                self.recover(&trouble);
            }
        }
        true
    }

    fn step(&mut self) -> Result<(), Trouble> {
        while self.done.get(self.next).is_some_and(|done| *done) {
            self.next += 1;
        }
        let most = self.options.batch.min(self.allowed());
        let run = self.done.iter().skip(self.next).take(most).take_while(|done| !**done).count();
        let mut patience = Duration::from_millis(100);
        if run > 0 {
            let taken =
                self.sink.offer(&self.records[self.next..self.next + run], self.next as u64)?;
            self.again += self.high.min(self.next + taken).saturating_sub(self.next) as u64;
            self.next += taken;
            self.high = self.high.max(self.next);
            if taken > 0 {
                patience = Duration::ZERO;
            } else {
                self.sink.finish();
            }
        } else if self.next >= self.records.len() {
            self.sink.finish();
        } else if self.options.rate.is_some() {
            sleep(Duration::from_millis(1));
        }
        let mut settled = Settled::default();
        let result = self.sink.settle(patience, &mut settled);
        self.note(settled);
        result
    }

    /// How many more records the wanted rate allows by now.
    fn allowed(&self) -> usize {
        let Some(rate) = self.options.rate else { return usize::MAX };
        ((self.start.elapsed().as_secs_f64() * rate) as usize).saturating_sub(self.next)
    }

    fn note(&mut self, settled: Settled) {
        if !settled.delivered.is_empty() || !settled.refused.is_empty() {
            self.pause = Duration::from_millis(100);
            self.progress = Instant::now();
        }
        for (first, end) in settled.delivered {
            for ticket in first..end {
                self.delivered += u64::from(self.settle(ticket));
            }
        }
        for (ticket, why) in settled.refused {
            if self.settle(ticket) {
                self.refused += 1;
                if self.refused <= 5 {
                    eprintln!("record {ticket} is refused: {why}");
                }
            }
        }
        while self.done.get(self.low).is_some_and(|done| *done) {
            self.low += 1;
        }
    }

    fn settle(&mut self, ticket: u64) -> bool {
        let place = usize::try_from(ticket).ok().and_then(|at| self.done.get_mut(at));
        let place = place.expect("a ticket that was given");
        let is_new = !std::mem::replace(place, true);
        self.open -= u64::from(is_new);
        is_new
    }

    fn recover(&mut self, trouble: &Trouble) {
        self.troubles += 1;
        let kind = if trouble.is_lasting { "lasting" } else { "passing" };
        eprintln!("{:.1} s: {kind}: {trouble}", self.start.elapsed().as_secs_f64());
        self.sink.forget();
        self.next = self.low;
        sleep(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
    }
}

/// CPU time of this process, all threads, user and system.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    // Fields 14 and 15, counted from the third; the kernel shows hundredths of a second.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
