//! The endpoint over real sockets: answers, and clients that are slow, large, many or wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::checker::{Form, check};
use super::{Fake, wait_until};
use crate::observe::{Endpoint, Limits, Observer, Serving};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(observer: Arc<Observer>, limits: Limits) -> (SocketAddr, Serving) {
    let endpoint = Endpoint::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = endpoint.addresses()[0];
    (address, endpoint.serve(observer, limits, || {}).unwrap())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Status line with headers, and body.
fn read(stream: &mut TcpStream) -> (String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    (head.to_owned(), body.to_owned())
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = connect(address);
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read(&mut stream)
}

#[test]
fn pages_are_served_in_the_form_that_is_asked_for() {
    let (_, observer) = Fake::observed(true);
    let (address, _serving) = start(observer, Limits::default());
    let (head, body) = ask(address, "GET", "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    check(&body, Form::Text).unwrap();
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (head, body) = ask(address, "GET", "/metrics", accept);
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    let samples = check(&body, Form::OpenMetrics).unwrap();
    assert_eq!(samples["bateleur_decoder_pkts_total{worker=\"1\"}"], 7.0);
    // The page that is being made does not count itself.
    assert_eq!(samples["bateleur_http_requests_total{path=\"/metrics\",code=\"200\"}"], 1.0);
    let (head, body) = ask(address, "HEAD", "/metrics", accept);
    assert!(head.contains("Content-Length: ") && body.is_empty(), "{head}{body}");
}

#[test]
fn health_and_readiness_have_reasons() {
    let (fake, observer) = Fake::observed(true);
    let (address, _serving) = start(observer, Limits::default());
    let check = |path: &str, status: u16, wanted: &str| {
        let (head, body) = ask(address, "GET", path, "");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let found: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(found, serde_json::from_str::<serde_json::Value>(wanted).unwrap());
    };
    check("/healthz", 200, r#"{"status": "healthy", "reasons": []}"#);
    check("/readyz", 200, r#"{"status": "ready", "reasons": []}"#);
    fake.troubles.lock().unwrap().push("worker 2 stands still".to_owned());
    fake.drains.store(true, Ordering::Relaxed);
    check("/healthz", 503, r#"{"status": "not healthy", "reasons": ["worker 2 stands still"]}"#);
    check("/readyz", 503, r#"{"status": "not ready", "reasons": ["the sensor drains"]}"#);
}

#[test]
fn before_capture_begins_it_is_well_and_not_ready() {
    let (address, _serving) = start(Observer::new(true), Limits::default());
    assert!(ask(address, "GET", "/healthz", "").0.starts_with("HTTP/1.1 200 "));
    let (head, body) = ask(address, "GET", "/readyz", "");
    assert!(head.starts_with("HTTP/1.1 503 ") && body.contains("capture has not begun"), "{body}");
    let (_, page) = ask(address, "GET", "/metrics", "");
    let samples = check(&page, Form::Text).unwrap();
    assert_eq!(samples["bateleur_ready"], 0.0);
}

#[test]
fn what_is_wrong_is_refused() {
    let (_, observer) = Fake::observed(true);
    let (address, _serving) = start(observer, Limits::default());
    let check = |request: &str, status: u16| {
        let mut stream = connect(address);
        // It may have answered and closed before all is written.
        let _ = stream.write_all(request.as_bytes());
        let (head, _) = read(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        head
    };
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404);
    let head = check("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405);
    assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
    check("\u{16}\u{3}\u{1}\u{0}", 400);
    let large = "x".repeat(9000);
    check(&format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX: {large}\r\n\r\n"), 431);
    check(&format!("GET /{large} HTTP/1.1\r\n"), 431);
}

#[test]
fn slow_clients_hold_up_nobody() {
    let (_, observer) = Fake::observed(true);
    let limits = Limits { request: Duration::from_millis(400), ..Limits::default() };
    let (address, _serving) = start(Arc::clone(&observer), limits);
    let mut slow = connect(address);
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    let silent = connect(address);
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(ask(address, "GET", "/metrics", "").0.starts_with("HTTP/1.1 200 "));
    }
    assert!(begun.elapsed() < PATIENCE);
    // The one is told, the other has said nothing that could be answered.
    let (head, _) = read(&mut slow);
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    let mut rest = Vec::new();
    (&silent).read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!(observer.http.late.load(Ordering::Relaxed), 1);
}

#[test]
fn clients_that_do_not_read_are_sent_away() {
    let (_, observer) = Fake::observed(true);
    let limits = Limits { answer: Duration::from_millis(300), clients: 64, ..Limits::default() };
    let (address, _serving) = start(Arc::clone(&observer), limits);
    // More answers than the sockets have room for, on connections that nobody reads from.
    let mut deaf = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(address);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        deaf.push(stream);
    }
    let begun = Instant::now();
    assert!(ask(address, "GET", "/readyz", "").0.starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn many_connections_make_room_for_others() {
    let (_, observer) = Fake::observed(true);
    let limits = Limits { clients: 4, request: PATIENCE, ..Limits::default() };
    let (address, _serving) = start(Arc::clone(&observer), limits);
    let mut idle: Vec<TcpStream> = (0..12).map(|_| connect(address)).collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(ask(address, "GET", path, "").0.starts_with("HTTP/1.1 200 "), "{path}");
    }
    wait_until("eviction", || observer.http.evicted.load(Ordering::Relaxed) >= 8);
    // The oldest ones have gone.
    let mut rest = Vec::new();
    let gone = idle[0].read_to_end(&mut rest);
    assert!(gone.is_err() || rest.is_empty());
}

#[test]
fn counters_that_do_not_come_are_not_waited_for_long() {
    let (fake, observer) = Fake::observed(true);
    let limits = Limits { counting: Duration::from_millis(200), ..Limits::default() };
    let (address, _serving) = start(observer, limits);
    fake.answers.store(false, Ordering::Relaxed);
    let begun = Instant::now();
    let (head, body) = ask(address, "GET", "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && begun.elapsed() >= Duration::from_millis(200));
    assert!(!body.contains("decoder_pkts") && !body.contains("bateleur_capture"));
    // Others are served meanwhile.
    let mut waits = connect(address);
    waits.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    waits.shutdown(Shutdown::Write).unwrap();
    assert!(ask(address, "GET", "/healthz", "").0.starts_with("HTTP/1.1 200 "));
    assert!(read(&mut waits).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn it_ends_at_once() {
    let (_, observer) = Fake::observed(true);
    let (address, serving) = start(observer, Limits { request: PATIENCE, ..Limits::default() });
    let _idle = connect(address);
    let begun = Instant::now();
    drop(serving);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(address).is_err());
    assert!(Endpoint::bind(&[address]).is_ok());
}
