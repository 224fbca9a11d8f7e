//! The syslog sink against receivers of each transport.

use super::*;
use crate::record::Batch;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::thread;
use std::time::Instant;

fn sink(yaml: &str) -> Box<dyn Sink> {
    let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
    settings.build(&Surroundings { sensor: "s".into(), ..Surroundings::default() }).unwrap()
}

fn two() -> Batch {
    let bytes = b"{\"event_type\":\"dns\"}\n{\"event_type\":\"http\"}\n".to_vec();
    Batch { worker: 0, first: 0, bytes }
}

fn settle(sink: &mut dyn Sink, count: u64) -> Result<Settled, Trouble> {
    let mut settled = Settled::default();
    let end = Instant::now() + Duration::from_secs(5);
    let sum =
        |s: &Settled| s.delivered.iter().map(|(a, b)| b - a).sum::<u64>() + s.refused.len() as u64;
    while sum(&settled) < count && Instant::now() < end {
        sink.settle(Duration::from_millis(20), &mut settled)?;
    }
    assert_eq!(sum(&settled), count, "in time");
    Ok(settled)
}

#[test]
fn streams_are_framed() {
    let check = |framing: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            text
        });
        let yaml = format!("transport: tcp\nserver: '{server}'\nframing: {framing}\nhold: 1 ms");
        let mut sink = sink(&yaml);
        let batch = two();
        assert_eq!(sink.offer(&batch.records().collect::<Vec<_>>(), 4).unwrap(), 2);
        assert_eq!(settle(sink.as_mut(), 2).unwrap().delivered, [(4, 6)]);
        sink.forget();
        reader.join().unwrap()
    };
    let lines = check("newline");
    assert_eq!(lines.lines().count(), 2);
    assert!(lines.ends_with("{\"event_type\":\"http\"}\n"), "{lines}");
    let mut rest = check("octet-counting");
    for kind in ["dns", "http"] {
        let (length, text) = rest.split_once(' ').unwrap();
        let (message, behind) = text.split_at(length.parse().unwrap());
        assert!(message.ends_with(&format!("{{\"event_type\":\"{kind}\"}}")), "{message}");
        rest = behind.to_owned();
    }
    assert_eq!(rest, "");
}

#[test]
fn what_a_connection_breaks_over_is_not_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let mut sink = sink(&format!("transport: tcp\nserver: '{server}'\nhold: 10 s"));
    let batch = two();
    let records: Vec<_> = batch.records().collect();
    sink.offer(&records, 0).unwrap();
    let mut settled = Settled::default();
    // The host has acknowledged it, but the server never takes it.
    sink.settle(Duration::from_millis(50), &mut settled).unwrap();
    drop(listener.accept().unwrap());
    let trouble = sink.settle(Duration::from_secs(2), &mut settled).unwrap_err();
    assert!(settled.delivered.is_empty() && !trouble.is_lasting, "{trouble}");
    sink.forget();
    drop(listener);
    assert!(!sink.offer(&records, 0).unwrap_err().is_lasting);
}

#[test]
fn datagrams_are_sent() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = receiver.local_addr().unwrap();
    let long = format!("{{\"event_type\":\"x{}\"}}\n", "x".repeat(70_000));
    let mut bytes = two().bytes;
    bytes.extend(long.bytes());
    let batch = Batch { worker: 0, first: 0, bytes };
    let records: Vec<_> = batch.records().collect();
    let mut udp = sink(&format!("server: '{server}'\nmax-length: 1 MiB"));
    assert_eq!(udp.offer(&records, 0).unwrap(), 3);
    let settled = settle(udp.as_mut(), 3).unwrap();
    assert_eq!((settled.delivered, settled.refused.len()), (vec![(0, 2)], 1));
    let mut buffer = [0; 9000];
    let length = receiver.recv(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"<174>1 ") && buffer[..length].ends_with(b"\"dns\"}"));
    let mut refusing = sink(&format!("server: '{server}'\ntoo-long: refuse"));
    assert_eq!(refusing.offer(&records, 0).unwrap(), 3);
    assert_eq!(settle(refusing.as_mut(), 3).unwrap().refused[0].0, 2);
    let mut cutting = sink(&format!("server: '{server}'"));
    assert_eq!(cutting.offer(&records, 0).unwrap(), 3);
    assert_eq!(settle(cutting.as_mut(), 3).unwrap().delivered, [(0, 3)]);
    let mut counters = Vec::new();
    cutting.counters(&mut |name, value| counters.push((name.to_owned(), value)));
    assert_eq!(counters, [("cut".to_owned(), 1)]);
    // Nobody is there any more: the host says so.
    drop(receiver);
    let mut lost = Settled::default();
    let mut trouble = cutting.offer(&records[..1], 3).err();
    for _ in 0..50 {
        if trouble.is_none() {
            thread::sleep(Duration::from_millis(2));
            trouble = cutting.settle(Duration::ZERO, &mut lost).err();
            trouble = trouble.or_else(|| cutting.offer(&records[..1], 4).err());
        }
    }
    assert!(trouble.is_some_and(|trouble| !trouble.is_lasting));
}

#[test]
fn the_local_server_is_reached_by_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let batch = two();
    let records: Vec<_> = batch.records().collect();
    let receiver = UnixDatagram::bind(&path).unwrap();
    let mut local = sink(&format!("transport: unix-datagram\npath: {}", path.display()));
    assert_eq!(local.offer(&records, 0).unwrap(), 2);
    let mut buffer = [0; 9000];
    let length = receiver.recv(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"<174>") && buffer[..length].ends_with(b"\"dns\"}"));
    receiver.recv(&mut buffer).unwrap();
    assert_eq!(settle(local.as_mut(), 2).unwrap().delivered, [(0, 2)]);
    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    local.forget();
    let other = local.offer(&records, 2).unwrap_err();
    assert!(other.is_lasting && other.what.contains("other kind"), "{other}");
    let yaml = format!("transport: unix-stream\nframing: newline\npath: {}", path.display());
    let mut stream = sink(&yaml);
    assert_eq!(stream.offer(&records, 0).unwrap(), 2);
    let mut settled = Settled::default();
    stream.settle(Duration::from_millis(10), &mut settled).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    assert!(peer.read(&mut buffer).unwrap() > 0);
    assert_eq!(settle(stream.as_mut(), 2).unwrap().delivered, [(0, 2)]);
}

#[test]
fn settings_are_checked() {
    let check = |yaml: &str, part: &str| {
        let read = serde_saphyr::from_str::<Settings>(yaml).map_err(|error| error.to_string());
        let built = read.and_then(|settings| settings.build(&Surroundings::default()));
        let error = built.err().unwrap_or_default();
        assert!(error.contains(part) && part.is_empty() == error.is_empty(), "{yaml}: {error}");
    };
    check("transport: unix-datagram\nserver: 'a:1'", "server goes with transport udp or tcp");
    check("transport: unix-stream\nserver: 'a:1'", "server goes with");
    check("path: /dev/log", "path goes with transport unix");
    check("server: logs", "line 1 column 9: logs has no port");
    check("in-flight: 0", "at least 1");
    check("transport: tcp", "");
    check("transport: unix-datagram", "");
}
