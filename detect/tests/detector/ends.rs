//! The end of flows: the last look at what was never acknowledged, and the queue before it.

use std::sync::Arc;

use flow::policy::Policy;
use protocol::http::HttpSettings;

use crate::bench::{Bench, settings};

/// A session that is picked up at what turns out to be the server's data, never acknowledged.
fn picked_up(data: &[u8], policy: Policy) -> Bench {
    let settings = settings(|settings, _| {
        settings.stream.midstream = true;
        settings.flow.midstream = true;
        settings.protocol.midstream = true;
        settings.app_error_policy = policy;
    });
    let mut bench = Bench::new(settings, "");
    bench.send(false, data);
    bench
}

#[test]
fn the_last_look_may_turn_a_flow_round() {
    let mut bench = picked_up(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Policy::Ignore);
    bench.send_blindly(true, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let flows = bench.records("flow");
    assert_eq!(flows.len(), 1);
    assert_eq!((&flows[0]["src_port"], &flows[0]["dest_port"]), (&40_000.into(), &80.into()));
    assert_eq!(flows[0]["app_proto"], "http");
    let records = bench.records("http");
    assert_eq!(records[0]["http"]["status"], 200, "{records:?}");
    assert!(records.iter().all(|record| record["dest_port"] == 80), "{records:?}");
    assert_eq!(records.last().unwrap()["http"]["url"], "/x", "{records:?}");
}

#[test]
fn the_error_policy_holds_at_the_last_look() {
    let settings = settings(|settings, _| {
        settings.app_error_policy = Policy::PassFlow;
        let http = HttpSettings { headers_limit: 1, ..HttpSettings::default() };
        settings.protocol.http = Arc::new(http);
    });
    let mut bench = Bench::new(settings, "");
    bench.open().send(true, b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    let flows = bench.records("flow");
    assert_eq!(bench.counter("app_layer.error.http.parser"), 1);
    assert_eq!(bench.counter("exception_policy.app_layer.error.pass_flow"), 1);
    assert_eq!(flows[0]["flow"]["action"], "pass");
}

/// Each packet meets a flow that has timed out, while the wheel finds others.
#[test]
fn ended_flows_do_not_pile_up() {
    let mut bench = Bench::new(settings(|_, _| {}), "");
    for port in 1..20_000 {
        bench.datagram(port, b"x");
    }
    // The wheel begins with the oldest, the packets with the newest.
    bench.wait(3600);
    for port in (1..20_000).rev() {
        bench.datagram(port, b"x");
    }
    let most = bench.counter("flow.recycler.queue_max");
    assert!((3..100).contains(&most), "{most}");
    assert_eq!(bench.records("flow").len(), 2 * 19_999);
}
