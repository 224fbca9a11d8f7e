//! Tests of the socket, from a client's side.

mod commands;
mod connections;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::Figures;
use super::*;

/// A sensor that remembers what it was asked for.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
    /// Whether a reload is to be held up.
    held: Mutex<bool>,
    released: Condvar,
}

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }

    fn noted(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }
}

impl Sensor for Fake {
    fn version(&self) -> String {
        "8.0.7 RELEASE".to_owned()
    }

    fn uptime(&self) -> u64 {
        17
    }

    fn running_mode(&self) -> String {
        "workers".to_owned()
    }

    fn capture_mode(&self) -> String {
        "AF_PACKET_DEV".to_owned()
    }

    fn interfaces(&self) -> Vec<String> {
        vec!["eth0".to_owned(), "eth1".to_owned()]
    }

    fn interface(&self, name: &str) -> Option<InterfaceFigures> {
        (name == "eth0").then_some(InterfaceFigures {
            packets: 9,
            invalid_checksums: 1,
            dropped: 2,
            bypassed: 3,
        })
    }

    fn bypassed(&self) -> Vec<(String, BypassedFlows)> {
        match *self.held.lock().unwrap() {
            true => Vec::new(),
            false => vec![(
                "eth0".to_owned(),
                BypassedFlows { present: [1, 4], begun: [2, 5], failed: [3, 6] },
            )],
        }
    }

    fn setting(&self, path: &str) -> Option<String> {
        (path == "default-log-dir").then(|| "/var/log \"x\"".to_owned())
    }

    fn counters(&self) -> Option<String> {
        let held = *self.held.lock().unwrap();
        (!held).then(|| r#"{"uptime":5,"decoder":{"pkts":9}}"#.to_owned())
    }

    fn reload(&self, how: Reload) -> Result<Vec<String>, ReloadRefusal> {
        self.note(format!("{how:?}"));
        if how == Reload::Begin {
            let failures = [ReloadRefusal::CommandLine, ReloadRefusal::Busy];
            let at = self.asked.lock().unwrap().len() - 1;
            let failed = || ReloadRefusal::Failed("no file".to_owned());
            return Err(failures.get(at).cloned().unwrap_or_else(failed));
        }
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        Ok(Vec::new())
    }

    fn last_reload(&self) -> u64 {
        1_795_298_192_532_910
    }

    fn rules(&self) -> RuleFigures {
        RuleFigures { loaded: 1, failed: 2, skipped: 3 }
    }

    fn rule_set(&self) -> Option<(String, u64)> {
        Some(("ab".repeat(32), 7))
    }

    fn failed_rules(&self, most: usize) -> Vec<FailedRule> {
        self.note(most.to_string());
        let rule = "alert (msg:\"b\")".to_owned();
        vec![FailedRule { rule, file: "/tmp/local.rules".to_owned(), line: 2 }]
    }

    fn reopen(&self) {
        self.note("reopen");
    }

    fn memcaps(&self) -> Vec<Memcap> {
        let memcap = |name, bytes| Memcap { name, bytes };
        vec![
            memcap("stream", 64 << 20),
            memcap("flow", 3 << 29),
            memcap("host", 1024),
            memcap("ftp", 0),
        ]
    }

    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal> {
        match (name, bytes) {
            ("flow", 0) => Err(MemcapRefusal::Unlimited),
            ("flow", 1..=1000) => Err(MemcapRefusal::InUse(7 << 20)),
            ("flow", _) => Ok(()),
            ("host", _) => Err(MemcapRefusal::Fixed),
            _ => Err(MemcapRefusal::Unknown),
        }
    }

    fn shutdown(&self) {
        self.note("shutdown");
    }
}

/// A server for one test.
struct Stage {
    folder: tempfile::TempDir,
    sensor: Arc<Fake>,
    server: Server,
}

impl Stage {
    fn set(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sensor = Arc::new(Fake::default());
        let listener = Listener::bind(&folder.path().join("socket")).unwrap();
        let asked: Arc<dyn Sensor> = Arc::<Fake>::clone(&sensor);
        let server = listener.serve(asked, limits).unwrap();
        Self { folder, sensor, server }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.server.path()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// A client of version 0.2.
    fn greet(&self) -> UnixStream {
        let stream = self.connect();
        assert_eq!(ask(&stream, "{\"version\": \"0.2\"}"), "{\"return\":\"OK\"}\n");
        stream
    }

    /// Waits until the figures are as expected.
    fn await_figures(&self, expected: impl Fn(Figures) -> bool) {
        let start = Instant::now();
        while !expected(self.server.figures()) {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", self.server.figures());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends something, and returns what comes back: a line, or all until the end.
fn ask(mut stream: &UnixStream, text: &str) -> String {
    let _ = stream.write_all(text.as_bytes());
    answer(stream)
}

fn answer(mut stream: &UnixStream) -> String {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\n") && matches!(stream.read(&mut byte), Ok(1)) {
        got.extend(byte);
    }
    String::from_utf8(got).unwrap()
}

/// Serves one client on a listener, wherever this process stands.
pub(in crate::control) fn serve_once(listener: Listener) {
    let path = listener.path().to_owned();
    let server = listener.serve(Arc::new(Fake::default()), Limits::default()).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    assert_eq!(ask(&client, "{\"version\":\"0.2\"}"), "{\"return\":\"OK\"}\n");
    assert_eq!(ask(&client, "{\"command\":\"uptime\"}"), "{\"message\":17,\"return\":\"OK\"}\n");
    drop(server);
    assert_eq!(answer(&client), "");
    assert!(!path.exists());
}
