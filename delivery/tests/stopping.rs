//! What a stop leaves behind, however little time it has.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use delivery::record::Batch;
use delivery::settings::DeliverySettings;
use delivery::spool::{SpoolError, SpoolSettings, Sync};
use delivery::{Delivery, StartError};

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
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let prepared = Delivery::prepare(settings, "north").expect("settings");
        match prepared.start(1, || {}) {
            // On a busy machine a sink of the run before may not have ended in time.
            Err(StartError::Spool(SpoolError::Locked { .. })) if Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(50));
            }
            started => return started.expect("starts"),
        }
    }
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

/// A listener that takes no connection: the kernel answers no SYN once its queue is full.
fn silent() -> (TcpListener, Vec<socket2::Socket>, String) {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a port");
    socket.listen(0).expect("listens");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("an address");
    let filling = (0..8).map(|_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("works");
        let _ = socket.connect(&address.into());
        socket
    });
    let filling = filling.collect();
    std::thread::sleep(Duration::from_millis(200));
    (listener, filling, address.to_string())
}

fn offer(delivery: &Delivery, count: u64) {
    let line = "{\"timestamp\":\"2026-11-22T05:30:00.000000+0000\",\"event_type\":\"http\"}\n";
    let bytes = line.repeat(count as usize).into_bytes();
    delivery.queue().offer(Batch { worker: 0, first: 0, bytes });
}

#[test]
fn what_waits_for_a_silent_receiver_is_told() {
    for kind in ["lines: {hosts: ['HOST']}", "http: {urls: ['http://HOST'], webhook: {}}"] {
        let (_listener, _filling, address) = silent();
        let folder = tempfile::tempdir().expect("a folder");
        let sink = kind.replace("HOST", &address);
        let settings = DeliverySettings {
            sinks: vec![serde_saphyr::from_str(&sink).expect("settings")],
            ..settings(folder.path(), "{}")
        };
        let delivery = start(&settings);
        let figures = delivery.figures();
        offer(&delivery, 103);
        assert!(!delivery.stop(Duration::from_millis(1500)), "{kind}");
        let sink = figures.sinks.first().expect("a sink");
        assert_eq!((sink.lag.get(), sink.outstanding.get()), (103, 0), "{kind}");
        let reason = sink.reason().unwrap_or_default();
        assert!(reason.starts_with(&format!("connecting to {address} since ")), "{kind}: {reason}");
    }
}

#[test]
fn refused_connections_are_troubles_and_nothing_was_sent() {
    for again in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let sink = "http: {urls: ['http://127.0.0.1:1'], webhook: {}}";
        let settings = DeliverySettings {
            sinks: vec![serde_saphyr::from_str(sink).expect("settings")],
            ..settings(folder.path(), "{}")
        };
        // What was read the first time is nothing that may come twice.
        for _ in 0..=u8::from(again) {
            let delivery = start(&settings);
            let figures = delivery.figures();
            offer(&delivery, 63);
            assert!(!delivery.stop(Duration::from_millis(1500)));
            let sink = figures.sinks.first().expect("a sink");
            assert_eq!(sink.own().get("requests"), Some(&0));
            assert_eq!((sink.outstanding.get(), sink.again.get()), (0, 0));
            assert!(sink.troubles.get() > 0 && sink.lag.get() >= 63);
        }
    }
}

#[test]
fn a_receiver_that_comes_late_gets_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address").to_string();
    drop(port);
    let sink = format!("lines: {{hosts: ['{address}']}}");
    let settings = DeliverySettings {
        sinks: vec![serde_saphyr::from_str(&sink).expect("settings")],
        // A disk that is slow must not use up the time.
        spool: SpoolSettings {
            directory: folder.path().join("spool"),
            sync: Sync::Never,
            ..SpoolSettings::default()
        },
        ..settings(folder.path(), "{}")
    };
    let delivery = start(&settings);
    offer(&delivery, 100);
    let begin = Instant::now();
    let receiver = std::thread::spawn(move || {
        // In the last quarter of the time for the stop.
        std::thread::sleep(Duration::from_millis(6200));
        let listener = TcpListener::bind(&address).expect("the port is free");
        let (stream, _) = listener.accept().expect("somebody comes");
        std::io::copy(&mut &stream, &mut std::io::sink()).expect("reads");
    });
    assert!(delivery.stop(Duration::from_secs(8)), "after {:?}", begin.elapsed());
    receiver.join().expect("received");
}
