//! Records as lines of JSON over TCP or TLS, for receivers without a protocol of their own
//! (`tcp` with the codec `json_lines` in Logstash).
//!
//! Such receivers acknowledge nothing. A record counts as delivered when the kernel of the
//! receiver's machine has acknowledged its last byte and the connection still stands: what is on
//! its way when a connection breaks is offered again. A receiver that dies, or resets the connection,
//! with records in its socket's buffer loses those: who minds takes Lumberjack or Kafka.

use std::collections::VecDeque;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::dial::Dialer;
use crate::duration::Delay;
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};
use crate::stream::{Stream, TlsSettings};

use super::Surroundings;
use super::mark::Mark;
use super::outgoing::Outgoing;
use super::unacknowledged::unacknowledged;

/// Bytes that may wait for their acknowledgement.
const LIMIT: u64 = 4 << 20;

/// The kernel tells nobody when a queue gets shorter: it is asked this often.
const TICK: Duration = Duration::from_millis(1);

/// `lines: {hosts: [logstash:5045]}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Receivers, `HOST:PORT` each: one gets everything, the next one when it fails.
    #[serde(deserialize_with = "crate::address::list")]
    #[schemars(with = "Vec<crate::address::HostPort>")]
    pub hosts: Vec<String>,
    /// How long connecting may take, and how long nothing may be acknowledged.
    pub timeout: Delay,
    /// Put the sensor, the worker and the record's number in front of its fields.
    pub mark: bool,
    /// TLS; absent: plain TCP.
    pub tls: Option<TlsSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { hosts: Vec::new(), timeout: Delay(Duration::from_secs(30)), mark: false, tls: None }
    }
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(self.lines(around)?))
    }

    fn lines(&self, around: &Surroundings) -> Result<Lines, String> {
        if self.hosts.is_empty() {
            return Err("lines: hosts is empty".to_owned());
        }
        let Delay(timeout) = self.timeout;
        let dialer = Dialer::new(&around.network, self.tls.as_ref(), timeout)
            .map_err(|error| format!("lines: {error}"))?
            .telling(&around.activity);
        Ok(Lines {
            hosts: self.hosts.clone(),
            turn: 0,
            dialer,
            timeout,
            mark: self.mark.then(|| Mark::new(&around.sensor, false)),
            connection: None,
            refused: Vec::new(),
            connections: 0,
            acknowledged: 0,
        })
    }
}

struct Lines {
    hosts: Vec<String>,
    /// The receiver that is connected, or is tried next.
    turn: usize,
    dialer: Dialer,
    timeout: Duration,
    mark: Option<Mark>,
    connection: Option<Connection>,
    refused: Vec<(u64, String)>,
    connections: u64,
    acknowledged: u64,
}

struct Connection {
    outgoing: Outgoing,
    /// Tickets of lines that are not acknowledged, and where each ends in the stream.
    lines: VecDeque<(u64, u64)>,
    /// Bytes that are known to be acknowledged.
    safe: u64,
    /// What the socket's queue held last, and since when it has been so much.
    left: u64,
    since: Instant,
}

impl Sink for Lines {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.connect()?;
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let mut taken = 0;
        for (record, ticket) in records.iter().zip(first..) {
            if connection.outgoing.queued() - connection.safe >= LIMIT {
                break;
            }
            taken += 1;
            let out = connection.outgoing.tail();
            match &self.mark {
                None => out.extend(record.bytes),
                Some(mark) if mark.write(record, out) => {}
                Some(_) => {
                    self.refused.push((ticket, "not a JSON object".to_owned()));
                    continue;
                }
            }
            out.push(b'\n');
            connection.lines.push_back((ticket, connection.outgoing.queued()));
        }
        let outcome = connection.outgoing.write();
        outcome.map_err(|error| self.fail(&error))?;
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        let deadline = Instant::now() + patience;
        settled.refused.append(&mut self.refused);
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let before = connection.lines.len();
            let outcome = connection.advance(self.dialer.is_encrypting(), settled);
            self.acknowledged += (before - connection.lines.len()) as u64;
            if connection.lines.len() < before {
                return Ok(());
            }
            let (is_done, silence) = (connection.lines.is_empty(), connection.silence());
            outcome.map_err(|error| self.fail(&error))?;
            if is_done {
                return Ok(());
            }
            if silence >= self.timeout {
                return Err(self.fail(&io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("nothing acknowledged for {} s", self.timeout.as_secs_f64()),
                )));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(TICK.min(left));
        }
    }

    fn forget(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.outgoing.shut_down();
        }
        self.connection = None;
        self.refused.clear();
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("connections", self.connections);
        out("acknowledged", self.acknowledged);
    }
}

impl Lines {
    /// Sees to it that a receiver is connected: each is tried once.
    fn connect(&mut self) -> Result<(), Trouble> {
        if let Some(connection) = &mut self.connection {
            // It may have closed while there was nothing to send.
            let outcome = connection.listen();
            if outcome.is_ok() {
                return Ok(());
            }
            if !connection.lines.is_empty() {
                return outcome.map_err(|error| self.fail(&error));
            }
            self.connection = None;
        }
        let mut troubles = Vec::new();
        for _ in 0..self.hosts.len() {
            let Some(target) = self.hosts.get(self.turn) else { break };
            match self.dialer.connect_unwaiting(target) {
                Ok(stream) => {
                    self.connections += 1;
                    self.connection = Some(Connection::new(stream));
                    return Ok(());
                }
                Err(trouble) => troubles.push(trouble),
            }
            self.turn = (self.turn + 1) % self.hosts.len();
        }
        let texts: Vec<_> = troubles.iter().map(|trouble| trouble.what.as_str()).collect();
        let is_lasting = troubles.iter().all(|trouble| trouble.is_lasting);
        Err(Trouble { what: format!("no receiver of lines: {}", texts.join("; ")), is_lasting })
    }

    /// Turns to the next receiver.
    fn fail(&mut self, error: &io::Error) -> Trouble {
        let target = self.hosts.get(self.turn).map_or("", String::as_str);
        let trouble = self.dialer.explain(target, error);
        self.turn = (self.turn + 1) % self.hosts.len().max(1);
        self.forget();
        trouble
    }
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            outgoing: Outgoing::new(stream),
            lines: VecDeque::new(),
            safe: 0,
            left: 0,
            since: Instant::now(),
        }
    }

    /// How long nothing has been written or acknowledged.
    fn silence(&self) -> Duration {
        self.since.max(self.outgoing.last()).elapsed()
    }

    /// Writes what the socket takes, and looks what has been acknowledged.
    fn advance(&mut self, is_encrypting: bool, settled: &mut Settled) -> io::Result<()> {
        self.outgoing.write()?;
        let left = unacknowledged(self.outgoing.stream())?;
        // Only now: had the connection broken before, the number would be worth nothing.
        self.listen()?;
        if left != self.left {
            (self.left, self.since) = (left, Instant::now());
        }
        let written = self.outgoing.written();
        if !is_encrypting {
            self.safe = self.safe.max(written.saturating_sub(left));
        } else if left == 0 && !self.outgoing.is_waiting() {
            // Lengths in the queue are those of TLS: only its end can be told.
            self.safe = written;
        }
        while let Some((ticket, end)) = self.lines.front().copied() {
            if end > self.safe {
                break;
            }
            self.lines.pop_front();
            settled.deliver(ticket, ticket + 1);
        }
        Ok(())
    }

    /// Reads what no receiver should send, to learn of the connection's end.
    fn listen(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        // No receiver keeps us from our work by talking.
        for _ in 0..16 {
            match self.outgoing.read(&mut buffer)? {
                Some(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed")),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};

    use serde_json::{Value, json};
    use socket2::SockRef;

    fn sink(settings: Value) -> Lines {
        let settings: Settings = serde_json::from_value(settings).expect("settings");
        let around = Surroundings { sensor: "test".to_owned(), ..Surroundings::default() };
        settings.lines(&around).expect("a sink")
    }

    fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address").to_string();
        (listener, target)
    }

    /// Offers the records from `next` on until that stops or brings trouble; returns the first
    /// one that was not taken.
    fn offer(sink: &mut Lines, texts: &[String], next: usize) -> Result<usize, Trouble> {
        let records: Vec<_> = texts
            .iter()
            .zip(0..)
            .map(|(text, sequence)| Record { worker: 0, sequence, bytes: text.as_bytes() })
            .collect();
        Ok(next + sink.offer(&records[next..], next as u64)?)
    }

    /// Settles until all of `count` are, and returns how many tickets that were.
    fn settle(sink: &mut Lines, count: u64) -> u64 {
        let mut settled = Settled::default();
        let start = Instant::now();
        while settled.delivered.iter().map(|(first, end)| end - first).sum::<u64>() < count {
            sink.settle(Duration::from_secs(1), &mut settled).expect("no trouble");
            assert!(start.elapsed() < Duration::from_secs(30));
        }
        settled.delivered.iter().map(|(first, end)| end - first).sum()
    }

    fn texts(count: usize, length: usize) -> Vec<String> {
        (0..count).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(length))).collect()
    }

    #[test]
    fn lines_arrive_in_order() {
        let (listener, target) = listen();
        let (closed, nobody) = listen();
        drop(closed);
        let mut sink = sink(json!({"hosts": [nobody, target]}));
        let texts = texts(1000, 10);
        assert_eq!(offer(&mut sink, &texts, 0), Ok(1000));
        assert_eq!(settle(&mut sink, 1000), 1000);
        let (stream, _) = listener.accept().expect("the second host");
        sink.forget();
        let lines: Vec<_> = BufReader::new(stream).lines().map(|l| l.expect("UTF-8")).collect();
        assert!(lines == texts);
    }

    #[test]
    fn what_the_peer_has_not_acknowledged_goes_to_the_next_host() {
        let ((first, a), (second, b)) = (listen(), listen());
        SockRef::from(&first).set_recv_buffer_size(8192).expect("a small buffer");
        let mut sink = sink(json!({"hosts": [a, b]}));
        let texts = texts(3000, 1000);
        let mut next = offer(&mut sink, &texts, 0).expect("taken");
        let (stalled, _) = first.accept().expect("accepts");
        let mut settled = Settled::default();
        for _ in 0..20 {
            sink.settle(Duration::from_millis(10), &mut settled).expect("no trouble yet");
        }
        let written = sink.connection.as_ref().expect("up").outgoing.written();
        let safe: u64 = settled.delivered.iter().map(|(first, end)| end - first).sum();
        assert_eq!(settled.delivered.first().map(|(first, _)| *first), Some(0));
        assert!(safe * 1000 < written / 2, "{safe} lines of {written} bytes");

        SockRef::from(&stalled).set_linger(Some(Duration::ZERO)).expect("resets");
        drop(stalled);
        let start = Instant::now();
        while sink.settle(Duration::from_millis(10), &mut settled).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "no trouble after a reset");
        }
        let again: u64 = settled.delivered.iter().map(|(first, end)| end - first).sum();
        assert_eq!(again, safe, "a reset delivers nothing");

        let reader = thread::spawn(move || {
            let (stream, _) = second.accept().expect("accepts");
            BufReader::new(stream).lines().map(|line| line.expect("UTF-8")).collect::<Vec<_>>()
        });
        next = next.min(safe as usize);
        let mut count = 0;
        while next < texts.len() {
            let before = next;
            next = offer(&mut sink, &texts, next).expect("taken");
            count += settle(&mut sink, (next - before) as u64);
        }
        assert_eq!(count, texts.len() as u64 - safe);
        sink.forget();
        assert!(reader.join().expect("reads") == texts[safe as usize..]);
    }

    #[test]
    fn no_more_is_taken_than_may_wait_and_not_for_ever() {
        let (listener, target) = listen();
        let mut sink = sink(json!({"hosts": [target], "timeout": "300 ms"}));
        let texts = texts(40, 1 << 20);
        let mut next = 0;
        let start = Instant::now();
        let trouble = loop {
            next = offer(&mut sink, &texts, next).expect("taken");
            match sink.settle(Duration::from_millis(20), &mut Settled::default()) {
                Ok(()) => assert!(start.elapsed() < Duration::from_secs(20), "no trouble"),
                Err(trouble) => break trouble,
            }
        };
        assert!(next < texts.len(), "all was taken");
        assert!(trouble.what.contains("nothing acknowledged for 0.3 s"), "{trouble}");
        drop(listener);
    }

    #[test]
    fn a_connection_that_was_closed_when_idle_is_no_trouble() {
        let (listener, target) = listen();
        let mut sink = sink(json!({"hosts": [target], "mark": true}));
        for round in 0..3 {
            assert_eq!(offer(&mut sink, &texts(1, 1), 0), Ok(1));
            assert_eq!(settle(&mut sink, 1), 1);
            let (stream, _) = listener.accept().expect("accepts");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("a line");
            assert!(line.starts_with("{\"bateleur\":{\"sensor\":\"test\""), "{line}");
            drop(stream);
            thread::sleep(Duration::from_millis(100));
            assert_eq!(sink.connections, round + 1);
        }
        let record = Record { worker: 0, sequence: 0, bytes: b"text" };
        assert_eq!(sink.offer(&[record], 5), Ok(1));
        let mut settled = Settled::default();
        sink.settle(Duration::ZERO, &mut settled).expect("no trouble");
        assert_eq!(settled.refused, [(5, "not a JSON object".to_owned())]);
        let _ = TcpStream::connect(target);
    }

    #[test]
    fn nobody_there_is_trouble() {
        let (closed, target) = listen();
        drop(closed);
        let trouble = offer(&mut sink(json!({"hosts": [target]})), &texts(1, 1), 0);
        let trouble = trouble.expect_err("nobody listens");
        assert!(trouble.what.contains(&target) && !trouble.is_lasting, "{trouble}");
        let none: Settings = serde_json::from_value(json!({})).expect("settings");
        assert!(none.build(&Surroundings::default()).is_err());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn lines_go_over_tls() {
        use crate::certificates;
        use rustls::{ServerConnection, StreamOwned};

        let folder = tempfile::tempdir().expect("a folder");
        for name in ["ours", "others"] {
            certificates::write(folder.path(), name);
        }
        let (listener, target) = listen();
        let config = certificates::server(folder.path(), "ours");
        let server = thread::spawn(move || {
            let mut lines = Vec::new();
            for _ in 0..2 {
                let (tcp, _) = listener.accept().expect("accepts");
                let connection = ServerConnection::new(config.clone()).expect("a server");
                let reader = BufReader::new(StreamOwned::new(connection, tcp));
                lines.push(reader.lines().map_while(Result::ok).collect::<Vec<_>>());
            }
            lines
        });
        let settings = |name| {
            json!({
                "hosts": [target], "tls": certificates::client(folder.path(), "ours", Some(name)),
            })
        };
        let texts = texts(2000, 1000);
        let mut sink = sink(settings("ours"));
        let mut next = 0;
        while next < texts.len() {
            let before = next;
            next = offer(&mut sink, &texts, next).expect("taken");
            settle(&mut sink, (next - before) as u64);
        }
        sink.forget();
        let mut refused = self::sink(settings("others"));
        let start = Instant::now();
        let trouble = loop {
            let outcome = offer(&mut refused, &texts, 0);
            let outcome = outcome
                .and_then(|_| refused.settle(Duration::from_secs(1), &mut Settled::default()));
            if let Err(trouble) = outcome {
                break trouble;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "a stranger was let in");
        };
        assert!(trouble.is_lasting && trouble.what.contains("tls.certificate"), "{trouble}");
        let lines = server.join().expect("reads");
        assert!(lines[0] == texts && lines[1].is_empty());
    }
}
