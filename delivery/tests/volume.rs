//! The balance of delivery with volume control: every record that was offered is in the spool, or
//! is counted by what became of it.

use std::time::Duration;

use delivery::Delivery;
use delivery::record::{Batch, PROCESS};
use delivery::settings::DeliverySettings;
use delivery::spool::{Frame, Spool, SpoolSettings, Sync};

const VOLUME: &str = "\
sample: {dns: 1/4}
budgets: {http: {rate: 10/s, burst: 50, over: drop}, tls: {rate: 10/s, burst: 50, over: sample}}
fold-alerts: {within: 10 s}
fold-flows: {within: 10 s, by: [src_ip]}
";

fn record(number: u64) -> String {
    let kind = ["alert", "dns", "http", "flow", "tls", "smtp"][number as usize % 6];
    let time = format!("2026-01-01T00:00:{:02}.{:06}+0000", number / 200 % 60, number % 1_000_000);
    let own = match kind {
        "alert" => r#","alert":{"gid":1,"signature_id":7}"#,
        "flow" => r#","flow":{"pkts_toserver":1,"bytes_toserver":60}"#,
        _ => "",
    };
    format!(
        "{{\"timestamp\":\"{time}\",\"flow_id\":{number},\"event_type\":\"{kind}\",\
         \"src_ip\":\"192.0.2.{}\"{own}}}\n",
        number % 5
    )
}

/// Records of the spool that a reader of this name finds.
fn spooled(settings: &SpoolSettings) -> (u64, u64) {
    let (writer, _) = Spool::open(settings).expect("the spool");
    let mut reader = writer.register("test").expect("a reader");
    let (mut count, mut alerts) = (0, 0);
    let mut add = |frame: &Frame| {
        count += frame.len() as u64;
        alerts += if frame.alerts { frame.len() as u64 } else { 0 };
    };
    while let Some(frame) = reader.next(1 << 20, Duration::ZERO) {
        add(&frame);
        reader.commit(frame.alerts, frame.end);
    }
    (count, alerts)
}

fn check(volume: &str, queue: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = SpoolSettings {
        directory: folder.path().to_owned(),
        sync: Sync::Never,
        ..SpoolSettings::default()
    };
    // Somebody reads later on, so nothing goes before.
    {
        let (writer, _) = Spool::open(&spool).expect("the spool");
        writer.register("test").expect("a reader");
    }
    let settings = DeliverySettings {
        queue,
        spool: spool.clone(),
        volume: serde_saphyr::from_str(volume).expect("settings"),
        keeps_others: true,
        ..DeliverySettings::default()
    };
    let delivery =
        Delivery::prepare(&settings, "test").expect("settings").start(2, || ()).expect("delivery");
    let (queue, figures) = (delivery.queue(), delivery.figures());
    let mut first = [delivery.first_sequence(0), delivery.first_sequence(1)];
    for round in 0..200_u64 {
        let worker = usize::from(round % 2 == 1);
        let lines: String = (round * 50..round * 50 + 50).map(record).collect();
        let batch = Batch { worker: worker as u16, first: first[worker], bytes: lines.into() };
        first[worker] += 50;
        queue.offer(batch);
    }
    let stats = b"{\"event_type\":\"stats\"}\n".to_vec();
    queue.offer(Batch { worker: PROCESS, first: delivery.first_sequence(PROCESS), bytes: stats });
    assert!(delivery.stop(Duration::from_secs(30)));
    let offered = queue.figures().offered.get();
    assert_eq!(offered, 10_001);
    let [sampled, over_budget, folded] = figures.volume.as_ref().map_or([0; 3], |one| one.totals());
    let (kept, shed) = (figures.spooled.get(), queue.figures().shed.total());
    let lost = figures.spool().shed_total();
    assert_eq!(offered, kept + shed + lost + sampled + over_budget + folded);
    assert_eq!(figures.volume.as_ref().map_or(0, |one| one.held.get()), 0);
    let (found, alerts) = spooled(&spool);
    assert_eq!(found, kept);
    assert_eq!(queue.waiting(), 0);
    if volume.is_empty() {
        assert!(figures.volume.is_none() && kept + shed == offered);
    } else if shed == 0 {
        assert!(sampled > 0 && over_budget > 0 && folded > 0);
        // Every ten seconds of fifty one of five hosts is first again, and has others behind it.
        assert_eq!(alerts, 50);
    }
    // The numbers go on behind all that were given, those of records that did not stay as well.
    let again =
        Delivery::prepare(&settings, "test").expect("settings").start(2, || ()).expect("delivery");
    assert_eq!([again.first_sequence(0), again.first_sequence(1)], first);
    assert!(again.stop(Duration::from_secs(30)));
}

#[test]
fn all_that_was_offered_is_spooled_or_counted() {
    check(VOLUME, 64 << 20);
}

#[test]
fn what_the_queue_sheds_is_in_the_balance() {
    check(VOLUME, 0);
}

#[test]
fn without_volume_nothing_changes() {
    check("", 64 << 20);
}
