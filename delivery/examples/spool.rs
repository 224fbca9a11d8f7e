//! How fast the spool is: appends records and reads them at the same time, and prints the rates.
//!
//! `cargo run --release -p delivery --example spool -- [FOLDER] [RECORDS]`

use std::time::{Duration, Instant};

use delivery::record::Batch;
use delivery::spool::{Full, Spool, SpoolSettings, Sync};

/// Records of a batch.
const BATCH: u64 = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(|| std::env::temp_dir().join("spool"), Into::into);
    let records: u64 = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let settings = SpoolSettings {
        directory,
        limit: 4 << 30,
        segment: 64 << 20,
        age: None,
        sync: Sync::Every(Duration::from_secs(1)),
        full: Full::DropOldest,
    };
    let (mut writer, recovery) = Spool::open(&settings)?;
    println!("{}: {} records from before", settings.directory.display(), recovery.records_found);
    let mut reader = writer.register("example")?;
    let began = Instant::now();
    let thread = std::thread::spawn(move || {
        let mut read = 0;
        while !reader.is_finished() {
            let Some(frame) = reader.next(1 << 20, Duration::from_millis(100)) else { continue };
            read += frame.len() as u64;
            reader.commit(frame.alerts, frame.end);
        }
        (read, reader.missed())
    });
    let first = writer.next_sequence(0);
    let mut batch = Batch { worker: 0, first, bytes: Vec::new() };
    for number in 0..BATCH {
        let kind = if number % 16 == 0 { "alert" } else { "http" };
        let record = format!(
            "{{\"timestamp\":\"2016-07-13T22:42:07.573103+0000\",\"flow_id\":{number},\
             \"event_type\":\"{kind}\",\"src_ip\":\"10.0.0.1\",\"src_port\":49153,\
             \"dest_ip\":\"10.0.0.2\",\"dest_port\":80,\"proto\":\"TCP\",\"app_proto\":\"http\",\
             \"fill\":\"{:0>300}\"}}\n",
            number
        );
        batch.bytes.extend_from_slice(record.as_bytes());
    }
    let mut appended = 0;
    let mut bytes = 0;
    while appended < records {
        let done = writer.append(std::slice::from_ref(&batch));
        appended += done.records + done.shed;
        bytes += done.bytes;
        batch.first += BATCH;
        writer.tick(Instant::now());
    }
    let written = began.elapsed();
    let usage = writer.usage();
    writer.close()?;
    let (read, missed) = thread.join().map_err(|_| "the reader has failed")?;
    let all = began.elapsed();
    let rate = |count: u64, time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "appended {:.0} records/s, {:.0} MB/s",
        rate(appended, written),
        rate(bytes, written) / 1e6
    );
    println!("read     {:.0} records/s, {read} of {appended}, {missed} missed", rate(read, all));
    println!(
        "dropped  {}, shed {}",
        usage.dropped_events + usage.dropped_alerts,
        usage.shed_total()
    );
    Ok(())
}
