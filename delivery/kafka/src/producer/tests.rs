//! The producer against librdkafka's own imitation of a cluster.

use super::*;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::{Domain, Socket, Type};

/// Makes plain sockets and counts them.
#[derive(Clone, Default)]
struct Plain(Arc<AtomicUsize>);

impl Host for Plain {
    fn socket(&self, family: Family) -> io::Result<OwnedFd> {
        assert_eq!(family, Family::V4);
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Socket::new(Domain::IPV4, Type::STREAM, None)?.into())
    }
}

/// Has no sockets.
struct Bare;

impl Host for Bare {
    fn socket(&self, _: Family) -> io::Result<OwnedFd> {
        Err(io::Error::from_raw_os_error(libc::ENODEV))
    }
}

fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn message(opaque: u64) -> Message<'static> {
    const HEADERS: &[(&CStr, &[u8])] = &[(c"sensor", b"s1"), (c"empty", b"")];
    Message { topic: "events", key: Some(b"7"), headers: HEADERS, payload: b"{}", opaque }
}

#[test]
fn bad_options_are_named() {
    #[track_caller]
    fn bad(option: (&str, &str), in_text: &str) {
        let error = check(&options(&[option])).expect_err("refused");
        assert!(error.contains(in_text), "{error}");
    }
    bad(("no.such.option", "1"), "no.such.option");
    bad(("linger.ms", "soon"), "linger.ms");
    bad(("compression.type", "rar"), "compression.type");
    bad(("client.id", "a\0b"), "client.id");
    check(&options(&[("compression.type", "zstd"), ("enable.idempotence", "true")])).expect("good");
    check(&options(&[("compression.type", "gzip")])).expect("good");
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
        let sasl = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", mechanism)];
        let user = [("sasl.username", "u"), ("sasl.password", "p")];
        check(&options(&[sasl, user].concat())).expect(mechanism);
    }
}

#[test]
fn messages_arrive_and_are_reported_by_number() {
    let host = Plain::default();
    let all = [("test.mock.num.brokers", "1"), ("enable.idempotence", "true"), ("linger.ms", "1")];
    let mut producer = Producer::new(&options(&all), Box::new(host.clone())).expect("starts");
    for opaque in 0..1000 {
        producer.produce(&message(opaque)).expect("has room");
    }
    let mut delivered = Vec::new();
    let done = producer.flush(Duration::from_secs(20), &mut |event| {
        if let Event::Report(report) = event {
            assert_eq!((report.result(), report.payload()), (Ok(()), b"{}".as_slice()));
            delivered.push(report.opaque());
        }
    });
    delivered.sort_unstable();
    assert!(done && delivered == (0..1000).collect::<Vec<_>>(), "{}", delivered.len());
    assert!(host.0.load(Ordering::Relaxed) > 0, "sockets are the host's");
}

#[test]
fn a_full_queue_says_so_and_purging_reports_all() {
    let all = [
        ("bootstrap.servers", "127.0.0.1:9"),
        ("queue.buffering.max.messages", "10"),
        ("message.timeout.ms", "0"),
    ];
    let mut producer = Producer::new(&options(&all), Box::new(Bare)).expect("starts");
    let taken = (0..20).take_while(|at| producer.produce(&message(*at)).is_ok()).count();
    assert_eq!(taken, 10);
    assert_eq!(producer.produce(&message(99)), Err(Refusal::QueueFull));
    let mut why = String::new();
    for _ in 0..50 {
        producer.poll(Duration::from_millis(100), &mut |event| {
            if let Event::Error { code: Code::ALL_BROKERS_DOWN | Code::TRANSPORT, text, .. } = event
            {
                why.push_str(text);
            }
        });
        if why.contains("No such device") {
            break;
        }
    }
    assert!(why.contains("No such device"), "the host's error is told: {why}");
    producer.purge();
    let mut purged = 0;
    producer.flush(Duration::from_secs(10), &mut |event| {
        if let Event::Report(report) = event {
            assert_eq!(report.result(), Err(Code::PURGED));
            purged += 1;
        }
    });
    assert_eq!(purged, 10);
}

#[test]
fn a_message_can_go_on_by_another_producer() {
    let broken = [("bootstrap.servers", "127.0.0.1:9")];
    let mut first = Producer::new(&options(&broken), Box::new(Bare)).expect("starts");
    let good = [("test.mock.num.brokers", "1")];
    let mut second = Producer::new(&options(&good), Box::new(Plain::default())).expect("starts");
    first.produce(&message(5)).expect("has room");
    first.purge();
    let done = first.flush(Duration::from_secs(10), &mut |event| {
        if let Event::Report(report) = event {
            report.repeat(&mut second).expect("has room");
        }
    });
    assert!(done);
    drop(first);
    let mut seen = Vec::new();
    second.flush(Duration::from_secs(20), &mut |event| {
        if let Event::Report(report) = event {
            seen.push((report.opaque(), report.result(), report.payload().to_vec()));
        }
    });
    assert_eq!(seen, [(5, Ok(()), b"{}".to_vec())]);
}

#[test]
fn fatal_errors_are_told() {
    let all = [("test.mock.num.brokers", "1"), ("enable.idempotence", "true")];
    let mut producer = Producer::new(&options(&all), Box::new(Plain::default())).expect("starts");
    assert_eq!(producer.fatal(), None);
    producer.fail();
    let mut is_told = false;
    for _ in 0..100 {
        if is_told {
            break;
        }
        producer.poll(Duration::from_millis(100), &mut |event| {
            is_told |= matches!(event, Event::Error { is_fatal: true, .. });
        });
    }
    assert!(is_told);
    let (_, why) = producer.fatal().expect("is fatal");
    assert!(why.contains("a test"), "{why}");
    assert_eq!(producer.produce(&message(1)), Err(Refusal::Never(Code::FATAL)));
}
