//! What happens while a sensor runs for long: other rules, flows that the capture takes over, time
//! without packets.

use std::sync::{Arc, Mutex};

use decode::Timestamp;
use detect::offload::{Offload, OffloadKey, OffloadTotals};
use detect::settings::AlertSettings;

use crate::bench::{Bench, settings};

fn bench(rules: &str) -> Bench {
    let settings = settings(|settings, eve| {
        eve.alert = Some(AlertSettings::default());
        settings.stream.bypass = true;
        settings.stream.depth = 1000;
        settings.bypass_passed = true;
    });
    Bench::new(settings, rules)
}

/// What a capture was told, and what it says of every flow.
#[derive(Debug, Default)]
struct Capture {
    begun: Vec<OffloadKey>,
    ended: usize,
    refuses: bool,
    totals: OffloadTotals,
}

#[derive(Debug)]
struct Taker(Arc<Mutex<Capture>>);

impl Offload for Taker {
    fn begin(&mut self, flow: &OffloadKey) -> bool {
        let mut capture = self.0.lock().unwrap();
        capture.begun.push(*flow);
        !capture.refuses
    }

    fn totals(&mut self, _: &OffloadKey) -> Option<OffloadTotals> {
        Some(self.0.lock().unwrap().totals)
    }

    fn end(&mut self, _: &OffloadKey) -> Option<OffloadTotals> {
        let mut capture = self.0.lock().unwrap();
        capture.ended += 1;
        Some(capture.totals)
    }
}

/// A session beyond its depth.
fn long(bench: &mut Bench) -> Arc<Mutex<Capture>> {
    let capture = Arc::new(Mutex::new(Capture::default()));
    bench.offload(Box::new(Taker(Arc::clone(&capture))));
    bench.open().ask(&[b'x'; 700]).ask(&[b'y'; 700]).ask(b"z");
    capture
}

#[test]
fn flows_beyond_the_depth_are_offered_once_and_have_true_totals() {
    let mut bench = bench("");
    let capture = long(&mut bench);
    let last = Some(Timestamp(bench.now().0 + 5_000_000));
    capture.lock().unwrap().totals =
        OffloadTotals { packets: [100, 200], bytes: [10_000, 300_000], last };
    let flows = bench.records("flow");
    assert_eq!(capture.lock().unwrap().begun.len(), 1);
    let flow = &flows[0]["flow"];
    assert_eq!(flow["bypass"], "capture");
    assert_eq!(flow["bypassed"]["pkts_toclient"], 200);
    let own = flow["pkts_toserver"].as_u64().unwrap() - 100;
    assert!((3..9).contains(&own), "{flow}");
    assert!(flow["bytes_toclient"].as_u64().unwrap() > 300_000, "{flow}");
    assert_eq!(flow["age"], 5);
    assert_eq!(bench.counter("flow_bypassed.pkts"), 300);
    assert_eq!(bench.counter("flow.end.state.capture_bypassed"), 1);
}

#[test]
fn a_flow_lives_on_while_the_capture_sees_it() {
    let mut bench = bench("");
    let capture = long(&mut bench);
    let begun = bench.now();
    capture.lock().unwrap().totals.last = Some(Timestamp(begun.0 + 150_000_000));
    bench.idle(120).idle(20).idle(20);
    assert_eq!(capture.lock().unwrap().ended, 0, "the last packet was seen 10 seconds ago");
    for _ in 0..12 {
        bench.idle(20);
    }
    assert_eq!(capture.lock().unwrap().ended, 1);
    let flows = bench.records("flow");
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0]["flow"]["age"], 150);
}

#[test]
fn a_capture_may_refuse() {
    let mut bench = bench("");
    let capture = Arc::new(Mutex::new(Capture { refuses: true, ..Capture::default() }));
    bench.offload(Box::new(Taker(Arc::clone(&capture))));
    bench.open().ask(&[b'x'; 700]).ask(&[b'y'; 700]).ask(b"z").ask(b"z");
    let flows = bench.records("flow");
    let capture = capture.lock().unwrap();
    assert_eq!((capture.begun.len(), capture.ended), (1, 0));
    assert_eq!(flows[0]["flow"]["bypass"], "local");
}

#[test]
fn passed_flows_are_offered() {
    let mut bench = bench("pass http any any -> any any (http.uri; content:\"/secret\"; sid:1;)");
    let capture = Arc::new(Mutex::new(Capture::default()));
    bench.offload(Box::new(Taker(Arc::clone(&capture))));
    bench.open().ask(b"GET / HTTP/1.1\r\n\r\n").pause();
    assert!(capture.lock().unwrap().begun.is_empty());
    bench.ask(b"GET /secret HTTP/1.1\r\n\r\n").pause();
    assert_eq!(capture.lock().unwrap().begun.len(), 1);
}

#[test]
fn other_rules_look_at_what_comes_and_bits_of_flows_stay() {
    let before =
        "alert tcp any any -> any any (flow:no_stream; content:\"one\"; flowbits:set,seen; sid:1;)";
    let after = "alert tcp any any -> any any (flow:no_stream; content:\"zero\"; flowbits:set,other; sid:2;)\n\
        alert tcp any any -> any any (flow:no_stream; content:\"two\"; flowbits:isset,seen; sid:3;)";
    let mut bench =
        Bench::new(settings(|_, eve| eve.alert = Some(AlertSettings::default())), before);
    bench.open().ask(b"one").pause();
    assert_eq!(bench.alerts(), [1]);
    bench.reload(after).ask(b"one").pause();
    assert_eq!(bench.alerts(), [1]);
    bench.ask(b"two").pause();
    assert_eq!(bench.alerts(), [1, 3]);
}

#[test]
fn other_rules_meet_a_transaction_that_is_under_way() {
    let before = "alert http any any => any any (http.method; content:\"GET\"; http.stat_code; \
        content:\"404\"; sid:1;)";
    let after = "alert http any any -> any any (http.uri; content:\"/b\"; sid:2;)\n\
        alert http any any -> any any (http.stat_code; content:\"404\"; sid:3;)";
    let mut bench =
        Bench::new(settings(|_, eve| eve.alert = Some(AlertSettings::default())), before);
    bench.open().ask(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.reload(after);
    bench.answer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").pause();
    bench.ask(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").pause();
    let mut alerts = bench.alerts();
    alerts.sort_unstable();
    assert_eq!(alerts, [2, 3]);
}

/// Rules that want reassembled data get it only if the configuration has it on.
#[test]
fn other_rules_do_not_switch_on_what_is_off() {
    let rule = "alert tcp any any -> any any (flow:only_stream; content:\"one\"; sid:1;)";
    // More than a chunk of the inspection.
    let data = [b"one".as_slice(), &[b'.'; 6000]].concat();
    for (raw, expected) in [(true, 1), (false, 0)] {
        let settings = || {
            settings(|settings, eve| {
                settings.stream.raw = raw;
                eve.alert = Some(AlertSettings::default());
            })
        };
        let mut from_start = Bench::new(settings(), rule);
        from_start.open().ask(&data).pause();
        assert_eq!(from_start.records("alert").len(), expected, "{raw}");
        let mut reloaded = Bench::new(settings(), "");
        reloaded.reload(rule).open().ask(&data).pause();
        assert_eq!(reloaded.records("alert").len(), expected, "{raw} after a reload");
    }
}

#[test]
fn flows_time_out_without_packets() {
    let mut bench = Bench::new(settings(|_, _| {}), "");
    for port in 1..300 {
        bench.datagram(port, b"x");
    }
    for _ in 0..8 {
        bench.idle(60);
    }
    assert_eq!(bench.counter("flow.active"), 0);
}
