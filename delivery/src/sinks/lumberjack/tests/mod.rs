//! Lumberjack against receivers that behave in all ways there are.

mod receiver;
#[cfg(feature = "tls")]
mod tls;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use receiver::{Deed, Log, Receiver, Shared};

/// Numbers of records differ from tickets, so that neither passes for the other.
const OFFSET: u64 = 5000;

fn sink(settings: Value) -> Lumberjack {
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let around = Surroundings { sensor: "test".to_owned(), ..Surroundings::default() };
    settings.lumberjack(&around).unwrap()
}

/// Does what the publisher does: offers records until all are settled, and offers again what
/// trouble has left. Returns the troubles. Nothing may count as delivered that `log` doesn't know.
fn deliver(sink: &mut Lumberjack, count: u64, log: &Shared) -> Vec<Trouble> {
    let texts: Vec<_> = (0..count).map(|n| format!("{{\"n\":{}}}", n + OFFSET)).collect();
    let mut open: BTreeSet<u64> = (0..count).collect();
    let mut taken = BTreeSet::new();
    let mut troubles = Vec::new();
    let start = Instant::now();
    while !open.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} left: {troubles:?}", open.len());
        let mut next = open.difference(&taken).copied().peekable();
        let first = next.peek().copied().unwrap_or_default();
        let run: Vec<_> = next.zip(first..).take_while(|(a, b)| a == b).take(70).collect();
        let records: Vec<_> = run
            .iter()
            .map(|(ticket, _)| Record {
                worker: 1,
                sequence: ticket + OFFSET,
                bytes: texts[*ticket as usize].as_bytes(),
            })
            .collect();
        let mut settled = Settled::default();
        let outcome = match sink.offer(&records, first) {
            Ok(some) => {
                taken.extend(run.iter().take(some).map(|(ticket, _)| *ticket));
                let patience = if some == 0 { 20 } else { 0 };
                sink.settle(Duration::from_millis(patience), &mut settled)
            }
            Err(trouble) => Err(trouble),
        };
        assert!(settled.refused.is_empty());
        let log = log.lock().unwrap();
        for ticket in settled.delivered.iter().flat_map(|(first, end)| *first..*end) {
            assert!(taken.contains(&ticket) && open.remove(&ticket), "{ticket} was not in flight");
            assert!(log.acknowledged.contains(&(ticket + OFFSET)), "{ticket} was not acknowledged");
        }
        assert_eq!(log.complaints, Vec::<String>::new());
        if let Err(trouble) = outcome {
            troubles.push(trouble);
            taken.clear();
            sink.forget();
        }
    }
    let mut settled = Settled::default();
    sink.settle(Duration::from_secs(60), &mut settled).unwrap();
    assert!(settled.delivered.is_empty(), "there is nothing to wait for");
    troubles
}

fn log(deeds: &[Deed]) -> Shared {
    let deeds = deeds.iter().copied().collect();
    Arc::new(Mutex::new(Log { deeds, ..Log::default() }))
}

/// One receiver, one deed, 40 records; what the only trouble that comes of it may say, if there
/// is any.
fn check(deed: Deed, timeout: &str, trouble: &[&str]) {
    for (pipeline, compression) in [(1, 0), (3, 3)] {
        let log = log(&[Deed::Acknowledge, deed]);
        let receiver = Receiver::start(&log);
        let mut sink = sink(json!({
            "hosts": [receiver.target], "timeout": timeout, "pipeline": pipeline,
            "compression": compression,
        }));
        let troubles = deliver(&mut sink, 40, &log);
        let texts: Vec<_> = troubles.iter().map(|trouble| trouble.what.as_str()).collect();
        assert_eq!(texts.len(), trouble.len().min(1), "{deed:?}: {texts:?}");
        for text in texts {
            let is_known = trouble.iter().any(|expected| text.contains(expected));
            assert!(is_known && text.contains(&receiver.target), "{deed:?}: {text}");
        }
    }
}

#[test]
fn every_way_of_acknowledging_ends_well() {
    // Closing is a reset where the receiver had not read everything.
    let ended = ["it closed", "reset", "Broken pipe"];
    check(Deed::Acknowledge, "20 s", &[]);
    check(Deed::Pieces, "20 s", &[]);
    check(Deed::KeepAlives, "20 s", &[]);
    check(Deed::PartAndClose(0), "20 s", &ended);
    check(Deed::PartAndClose(60), "20 s", &ended);
    check(Deed::PartAndReset(30), "20 s", &ended);
    check(Deed::TooHigh, "20 s", &["of a window of"]);
    check(Deed::Garbage, "20 s", &["beats input"]);
    check(Deed::Silence, "300 ms", &["no acknowledgement for 0.3 s"]);
}

#[test]
fn windows_grow_and_shrink() {
    let log = log(&[
        Deed::Acknowledge,
        Deed::Acknowledge,
        Deed::Acknowledge,
        Deed::Acknowledge,
        Deed::Silence,
    ]);
    let receiver = Receiver::start(&log);
    let mut sink = sink(json!({
        "hosts": [receiver.target], "timeout": "2 s", "pipeline": 1, "window": 64,
    }));
    let texts: Vec<_> = (0..500_u64).map(|n| format!("{{\"n\":{}}}", n + OFFSET)).collect();
    let records: Vec<_> = texts
        .iter()
        .zip(OFFSET..)
        .map(|(text, sequence)| Record { worker: 0, sequence, bytes: text.as_bytes() })
        .collect();
    let (mut next, mut settled) = (0, Settled::default());
    while next < records.len() {
        match sink.offer(&records[next..], next as u64) {
            Ok(taken) => {
                next += taken;
                if sink.settle(Duration::from_secs(9), &mut settled).is_err() {
                    next = 0;
                    sink.forget();
                }
            }
            Err(trouble) => panic!("{trouble}"),
        }
    }
    let windows = log.lock().unwrap().windows.clone();
    assert_eq!(windows[..7], [10, 20, 40, 64, 64, 32, 64]);
    let mut counters = std::collections::HashMap::new();
    sink.counters(&mut |name, value| {
        counters.insert(name.to_owned(), value);
    });
    assert_eq!((counters["timeouts"], counters["returned"], counters["connections"]), (1, 64, 2));
    // What came back was dropped, and offered again by whoever heard of the trouble.
    assert_eq!(sink.again(), 0);
}

#[test]
fn a_dead_host_does_not_stop_the_others() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for mode in ["load-balance", "fail-over"] {
        let healthy = log(&[]);
        let silent = log(&[Deed::Silence; 9]);
        let receivers = [Receiver::start(&silent), Receiver::start(&healthy)];
        let mut sink = sink(json!({
            "hosts": [closed, receivers[0].target, receivers[1].target],
            "mode": mode, "timeout": "300 ms",
        }));
        let troubles = deliver(&mut sink, 300, &healthy);
        assert_eq!(troubles, [], "{mode}");
        assert!(!silent.lock().unwrap().windows.is_empty(), "{mode}: both got windows");
    }
}

#[test]
fn records_of_a_dead_host_count_as_sent_again() {
    let (silent, healthy) = (log(&[Deed::Silence]), log(&[]));
    let receivers = [Receiver::start(&silent), Receiver::start(&healthy)];
    let targets = [&receivers[0].target, &receivers[1].target];
    let mut sink = sink(json!({"hosts": targets, "mode": "fail-over", "timeout": "300 ms"}));
    assert_eq!(deliver(&mut sink, 5, &healthy), []);
    assert_eq!((sink.again(), silent.lock().unwrap().windows.clone()), (5, vec![5]));
}

#[test]
fn what_was_acknowledged_before_the_end_is_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let log = log(&[]);
    let mut sink = sink(json!({"hosts": [target], "timeout": "2 s"}));
    let server = {
        let log = Arc::clone(&log);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // Nobody else gets in, and this connection ends behind its first acknowledgement.
            drop(listener);
            let closing = stream.try_clone().unwrap();
            std::thread::spawn(move || receiver::serve(stream, &log, |_| ()));
            closing
        })
    };
    let texts: Vec<_> = (0..7_u64).map(|n| format!("{{\"n\":{}}}", n + OFFSET)).collect();
    let records: Vec<_> = texts
        .iter()
        .zip(OFFSET..)
        .map(|(text, sequence)| Record { worker: 0, sequence, bytes: text.as_bytes() })
        .collect();
    assert_eq!(sink.offer(&records[..5], 0).unwrap(), 5);
    let connection = server.join().unwrap();
    let start = Instant::now();
    while log.lock().unwrap().acknowledged.len() < 5 {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    connection.shutdown(std::net::Shutdown::Both).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    // The next records come before anybody asks what became of the first ones.
    assert_eq!(sink.offer(&records[5..], 5), Ok(0), "trouble is told later");
    assert_eq!(sink.offer(&records[5..], 5), Ok(0));
    let mut settled = Settled::default();
    let trouble = sink.settle(Duration::from_secs(5), &mut settled).unwrap_err();
    assert_eq!(settled.delivered, [(0, 5)], "{trouble}");
    sink.forget();
    assert!(sink.offer(&records[5..], 5).is_err());
}

#[test]
fn nobody_there_is_trouble_with_names() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for mode in ["load-balance", "fail-over"] {
        let mut sink = sink(json!({"hosts": [closed, "nowhere.invalid:1"], "mode": mode}));
        let record = Record { worker: 0, sequence: 0, bytes: b"{}" };
        for _ in 0..2 {
            let trouble = sink.offer(&[record], 0).unwrap_err();
            assert!(trouble.what.contains(&closed) && trouble.what.contains("nowhere.invalid"));
            assert!(!trouble.is_lasting, "one of them may come back");
            sink.forget();
        }
    }
}

#[test]
fn records_that_are_no_objects_are_refused() {
    let log = log(&[]);
    let receiver = Receiver::start(&log);
    let mut sink = sink(json!({"hosts": [receiver.target]}));
    let records = ["{\"n\":0}", "text", "{\"n\":2}"];
    let records: Vec<_> = (0..)
        .zip(records)
        .map(|(sequence, text)| Record { worker: 0, sequence, bytes: text.as_bytes() })
        .collect();
    assert_eq!(sink.offer(&records, 70).unwrap(), 3);
    let mut settled = Settled::default();
    while settled.delivered.iter().map(|(first, end)| end - first).sum::<u64>() < 2 {
        sink.settle(Duration::from_secs(9), &mut settled).unwrap();
    }
    assert_eq!(settled.refused, [(71, "not a JSON object".to_owned())]);
    assert_eq!(settled.delivered, [(70, 71), (72, 73)]);
}

#[test]
fn settings_are_checked() {
    for (settings, why) in [
        (json!({}), "hosts is empty"),
        (json!({"hosts": ["a:1"], "window": 0}), "window is from 1"),
        (json!({"hosts": ["a:1"], "pipeline": 65}), "pipeline is from 1"),
        (json!({"hosts": ["a:1"], "compression": 10}), "compression is from 0"),
        #[cfg(not(feature = "tls"))]
        (json!({"hosts": ["a:1"], "tls": {}}), "cargo feature `tls`"),
        #[cfg(feature = "tls")]
        (json!({"hosts": ["a:1"], "tls": {"ca": "/nowhere.pem"}}), "/nowhere.pem"),
    ] {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let error = settings.build(&Surroundings::default()).err().unwrap();
        assert!(error.starts_with("lumberjack: ") && error.contains(why), "{error}");
    }
    let unknown = json!({"hosts": [], "windows": 1});
    assert!(serde_json::from_value::<Settings>(unknown).is_err());
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => Just(Deed::Acknowledge),
        2 => Just(Deed::Pieces),
        1 => Just(Deed::KeepAlives),
        2 => (0..=100_usize).prop_map(Deed::PartAndClose),
        2 => (0..=100_usize).prop_map(Deed::PartAndReset),
        1 => Just(Deed::TooHigh),
        1 => Just(Deed::Garbage),
        1 => Just(Deed::Silence),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever receivers do, every record is delivered at the end, and none before a receiver
    /// has acknowledged it.
    #[test]
    fn nothing_is_lost_and_nothing_invented(
        deeds in prop::collection::vec(any_deed(), 0..14),
        count in 1..260_u64,
        (window, pipeline) in (1..70_usize, 1..4_usize),
        compression in prop::sample::select(vec![0, 1]),
        hosts in 1..4_usize,
        mode in prop::sample::select(vec!["load-balance", "fail-over"]),
    ) {
        let log = log(&deeds);
        let receivers: Vec<_> = (0..hosts).map(|_| Receiver::start(&log)).collect();
        let targets: Vec<_> = receivers.iter().map(|receiver| &receiver.target).collect();
        let mut sink = sink(json!({
            "hosts": targets, "mode": mode, "timeout": "150 ms", "window": window,
            "pipeline": pipeline, "compression": compression,
        }));
        deliver(&mut sink, count, &log);
        let most = log.lock().unwrap().windows.iter().copied().max().unwrap_or(0);
        prop_assert!(most <= window, "{most}");
    }
}
