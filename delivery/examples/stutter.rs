//! A day of a sink that comes and goes, pressed together: memory and disk stay flat, and every
//! record is accounted for.
//!
//! `cargo run --release -p delivery --example stutter -- FOLDER [HOURS] [RECORDS-PER-SECOND]`
//!
//! Real are the spool, its files, its limit, and all records of that time, which are appended as
//! fast as the disk allows. Simulated is the time between them: a minute is a turn of a loop, so
//! what depends on the clock (syncs, the age of records) happens as often as in the real time that
//! the program takes. The sink is a reader that is away for stretches of minutes, then takes up to
//! three times what comes, and loses its connection now and then: what it has not committed comes
//! again.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use delivery::record::Batch;
use delivery::spool::{Full, Reader, Spool, SpoolSettings, Sync, Writer};

/// Bytes of the spool at most.
const LIMIT: u64 = 256 << 20;
/// Bytes of a segment.
const SEGMENT: u64 = 4 << 20;
/// Records of a batch.
const BATCH: u64 = 256;
/// How much memory may grow from the second quarter to the last.
const GROWTH: f64 = 1.05;
/// Kilobytes that allocators are allowed on top.
const ALLOWED_KB: u64 = 2048;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory: PathBuf = arguments.next().ok_or("which folder?")?.into();
    let hours: u64 = arguments.next().map_or(Ok(24), |text| text.parse())?;
    let rate: u64 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let sync = Sync::Every(Duration::from_secs(1));
    let (limit, segment, full) = (LIMIT, SEGMENT, Full::DropOldest);
    let settings = SpoolSettings { directory, limit, segment, age: None, sync, full };
    let (mut writer, recovery) = Spool::open(&settings)?;
    if recovery.records_found > 0 {
        return Err("the folder has a spool with records already".into());
    }
    let mut sink = Sink::new(writer.register("stutter")?);
    let mut samples = Vec::new();
    let (mut batch, mut kept) = (batch(writer.next_sequence(0)), Kept::default());
    for minute in 0..hours * 60 {
        kept.append(&mut writer, &mut batch, rate * 60);
        sink.minute(rate * 180);
        samples.push((resident_kb(), disk_bytes(&settings.directory)?));
        if minute % 60 == 59 {
            let (memory, disk) = samples[samples.len() - 1];
            eprintln!("hour {}: {memory} KB of memory, {disk} bytes of disk", minute / 60 + 1);
        }
    }
    let left = sink.reader.lag().records;
    let usage = writer.usage();
    let missed = sink.reader.missed();
    writer.close()?;
    // The reader hears only later of what was dropped.
    let dropped = usage.dropped_events + usage.dropped_alerts;
    let [second, last] = [1, 3].map(|quarter| peak(&samples, quarter));
    let flat = last.0 as f64 <= second.0 as f64 * GROWTH + ALLOWED_KB as f64;
    let most = samples.iter().map(|sample| sample.1).max().unwrap_or_default();
    let bounded = most <= LIMIT;
    let whole = kept.records == sink.delivered + left + dropped && kept.shed == 0;
    println!(
        "hours={hours} records={} delivered={} left={left} dropped={dropped} missed={missed} \
         shed={} again={} absences={} breaks={} memory_second_kb={} memory_last_kb={} \
         disk_second={} disk_last={} disk_most={most} disk_limit={LIMIT} flat={flat} \
         bounded={bounded} whole={whole}",
        kept.records,
        sink.delivered,
        kept.shed,
        sink.again,
        sink.absences,
        sink.breaks,
        second.0,
        last.0,
        second.1,
        last.1,
    );
    if flat && bounded && whole {
        Ok(())
    } else {
        Err("it is not flat, or records are missing".into())
    }
}

/// Records of a batch, every 16th an alert.
fn batch(first: u64) -> Batch {
    let mut bytes = Vec::new();
    for number in 0..BATCH {
        let kind = if number % 16 == 0 { "alert" } else { "http" };
        let record = format!(
            "{{\"timestamp\":\"2016-07-13T22:42:07.573103+0000\",\"flow_id\":{number},\
             \"event_type\":\"{kind}\",\"src_ip\":\"10.0.0.1\",\"dest_ip\":\"10.0.0.2\",\
             \"proto\":\"TCP\",\"fill\":\"{number:0>300}\"}}\n"
        );
        bytes.extend_from_slice(record.as_bytes());
    }
    Batch { worker: 0, first, bytes }
}

/// What was appended.
#[derive(Default)]
struct Kept {
    records: u64,
    shed: u64,
    /// Records that were wanted and make no batch yet.
    owed: u64,
}

impl Kept {
    fn append(&mut self, writer: &mut Writer, batch: &mut Batch, records: u64) {
        self.owed += records;
        while self.owed >= BATCH {
            let done = writer.append(std::slice::from_ref(batch));
            self.records += done.records;
            self.shed += done.shed;
            batch.first += BATCH;
            self.owed -= BATCH;
            writer.tick(Instant::now());
        }
    }
}

/// Takes records as a publisher does, and stutters.
struct Sink {
    reader: Reader,
    random: u64,
    /// Minutes until it goes or comes.
    change: u64,
    present: bool,
    delivered: u64,
    again: u64,
    absences: u64,
    breaks: u64,
}

impl Sink {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            random: 0x9e37_79b9_7f4a_7c15,
            change: 5,
            present: true,
            delivered: 0,
            again: 0,
            absences: 0,
            breaks: 0,
        }
    }

    /// A number below `end` (xorshift64).
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    /// A minute in which it can take so many records.
    fn minute(&mut self, most: u64) {
        if self.change == 0 {
            self.present = !self.present;
            self.absences += u64::from(!self.present);
            // Mostly a few minutes; one absence in eight is long.
            let long = !self.present && self.below(8) == 0;
            self.change = 1 + self.below(if long { 240 } else { 12 });
        }
        self.change -= 1;
        if !self.present {
            return;
        }
        let mut open = VecDeque::new();
        let mut taken = 0;
        while taken < most {
            let Some(frame) = self.reader.next(256 << 10, Duration::ZERO) else { break };
            taken += frame.len() as u64;
            self.again += if frame.again { frame.len() as u64 } else { 0 };
            open.push_back((frame.alerts, frame.end, frame.len() as u64));
            // Confirmations lag behind; sometimes the connection breaks before they come.
            if open.len() > 8 {
                if self.below(64) == 0 {
                    open.clear();
                    self.breaks += 1;
                    self.reader.rewind();
                } else {
                    self.commit(&mut open, 8);
                }
            }
        }
        self.commit(&mut open, 0);
    }

    fn commit(&mut self, open: &mut VecDeque<(bool, delivery::spool::Position, u64)>, keep: usize) {
        while open.len() > keep {
            let Some((alerts, end, count)) = open.pop_front() else { return };
            self.delivered += count;
            self.reader.commit(alerts, end);
        }
    }
}

/// The most memory and disk of a quarter of the time, from 0.
fn peak(samples: &[(u64, u64)], quarter: usize) -> (u64, u64) {
    let length = samples.len().div_ceil(4).max(1);
    let part = samples.chunks(length).nth(quarter).unwrap_or_default();
    let most = |pick: fn(&(u64, u64)) -> u64| part.iter().map(pick).max().unwrap_or_default();
    (most(|sample| sample.0), most(|sample| sample.1))
}

fn resident_kb() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn disk_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        // A segment may go in between.
        sum += entry?.metadata().map_or(0, |file| file.len());
    }
    Ok(sum)
}
