//! What a stop leaves behind, however little time it has.

use std::path::Path;
use std::time::Duration;

use delivery::Delivery;
use delivery::record::Batch;
use delivery::settings::DeliverySettings;
use delivery::spool::SpoolSettings;

const RECORDS: u64 = 20_000;

/// A sink whose receiver is not there, with records folded by the `volume` settings.
fn settings(folder: &Path, volume: &str) -> DeliverySettings {
    let sink = "lines: {hosts: ['127.0.0.1:1']}";
    DeliverySettings {
        queue: 64 << 20,
        spool: SpoolSettings { directory: folder.join("spool"), ..SpoolSettings::default() },
        sinks: vec![serde_saphyr::from_str(sink).expect("settings")],
        volume: serde_saphyr::from_str(volume).expect("settings"),
        ..DeliverySettings::default()
    }
}

fn start(settings: &DeliverySettings) -> Delivery {
    Delivery::prepare(settings, "north").expect("settings").start(1, || {}).expect("starts")
}

#[test]
fn a_stop_without_time_loses_nothing() {
    for (volume, kept) in [("{}", RECORDS), ("{fold-alerts: {within: 1 h}}", 2)] {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path(), volume);
        let delivery = start(&settings);
        let (queue, figures) = (delivery.queue(), delivery.figures());
        let mut bytes = Vec::new();
        for at in 0..RECORDS {
            let text = format!(
                "{{\"timestamp\":\"2026-11-22T05:30:00.{at:06}+0000\",\"flow_id\":1,\
                 \"event_type\":\"alert\",\"src_ip\":\"10.0.0.1\",\"dest_ip\":\"10.0.0.2\",\
                 \"proto\":\"UDP\",\"alert\":{{\"action\":\"allowed\",\"gid\":1,\
                 \"signature_id\":7,\"rev\":1}}}}\n"
            );
            bytes.extend_from_slice(text.as_bytes());
        }
        queue.offer(Batch { worker: 0, first: 0, bytes });
        assert!(!delivery.stop(Duration::ZERO), "nobody is there to deliver to");
        assert_eq!((figures.in_memory(), figures.spooled.get()), (0, kept), "{volume}");
        let again = start(&settings);
        assert_eq!(
            again.left_behind(),
            [format!("spool: {kept} records of an earlier run wait")],
            "{volume}"
        );
        again.stop(Duration::ZERO);
    }
}
