//! Records to a Unix socket: Suricata's `unix_stream` and `unix_dgram`.
//!
//! Each record has its line end, and in datagrams is alone. A record counts as delivered when the
//! other process has read everything; what it dies with unread is offered again to the next one
//! (on stream sockets; of datagrams the kernel does not tell).

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dial::Dialer;
use crate::duration::Delay;
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};

use super::Surroundings;
use super::outlet::{Limits, Outlet, Sent, Target};

/// `unix: {path: /run/eve.sock, kind: stream}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The socket; the receiver makes it.
    pub path: PathBuf,
    /// What kind of socket it is.
    pub kind: Kind,
    /// Records that the receiver has not read yet, at most.
    pub in_flight: u64,
    /// How long the receiver may go without reading.
    pub timeout: Delay,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            kind: Kind::Stream,
            in_flight: 20_000,
            timeout: Delay(Duration::from_secs(10)),
        }
    }
}

/// Kinds of Unix sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `SOCK_STREAM`: lines.
    #[default]
    Stream,
    /// `SOCK_DGRAM`: a record a datagram.
    Datagram,
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        if self.path.as_os_str().is_empty() || self.in_flight == 0 {
            return Err("unix: path is to be set, and in-flight at least 1".to_owned());
        }
        let target = match self.kind {
            Kind::Stream => Target::Stream(self.path.clone()),
            Kind::Datagram => Target::Datagram(self.path.clone()),
        };
        let timeout = self.timeout.0;
        let limits = Limits { in_flight: self.in_flight, timeout, hold: Duration::ZERO };
        let dialer = Dialer::new(&around.network, None, timeout)?.telling(&around.activity);
        let outlet = Outlet::new(target, dialer, &around.network, limits);
        Ok(Box::new(Unix { outlet, line: Vec::new() }))
    }
}

struct Unix {
    outlet: Outlet,
    line: Vec<u8>,
}

impl Sink for Unix {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.outlet.connect()?;
        let mut taken = 0;
        for (ticket, record) in (first..).zip(records) {
            self.line.clear();
            self.line.extend_from_slice(record.bytes);
            self.line.push(b'\n');
            match self.outlet.send(&self.line, ticket)? {
                Sent::Taken => {}
                Sent::Full => break,
                Sent::TooLarge => {
                    let why = format!("{} bytes are too many for a datagram", self.line.len());
                    self.outlet.refuse(ticket, why);
                }
            }
            taken += 1;
        }
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        self.outlet.settle(patience, settled)
    }

    fn forget(&mut self) {
        self.outlet.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Batch;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::path::Path;
    use std::thread;
    use std::time::Instant;

    fn sink(path: &Path, kind: Kind, timeout: u64) -> Box<dyn Sink> {
        let timeout = Delay(Duration::from_millis(timeout));
        let settings = Settings { path: path.into(), kind, timeout, ..Settings::default() };
        settings.build(&Surroundings::default()).unwrap()
    }

    fn lines(count: usize, width: usize) -> Batch {
        let line = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(width));
        Batch { worker: 1, first: 0, bytes: line.repeat(count).into_bytes() }
    }

    /// Settles until `count` records are settled one way or the other.
    fn settle(sink: &mut dyn Sink, count: u64) -> Result<Settled, Trouble> {
        let mut settled = Settled::default();
        let sum = |s: &Settled| {
            s.delivered.iter().map(|(a, b)| b - a).sum::<u64>() + s.refused.len() as u64
        };
        let end = Instant::now() + Duration::from_secs(10);
        while sum(&settled) < count && Instant::now() < end {
            sink.settle(Duration::from_millis(20), &mut settled)?;
        }
        assert_eq!(sum(&settled), count);
        Ok(settled)
    }

    #[test]
    fn a_stream_delivers_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let mut sink = sink(&path, Kind::Stream, 5000);
        let batch = lines(3, 10);
        let records: Vec<_> = batch.records().collect();
        let missing = sink.offer(&records, 0).unwrap_err();
        assert!(!missing.is_lasting && missing.what.contains("no such socket"), "{missing}");
        sink.forget();
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(sink.offer(&records, 0).unwrap(), 3);
        let mut settled = Settled::default();
        sink.settle(Duration::from_millis(30), &mut settled).unwrap();
        assert!(settled.delivered.is_empty(), "nobody has read anything");
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 && line.lines().count() < 3 {}
        assert_eq!(line.as_bytes(), batch.bytes);
        assert_eq!(settle(sink.as_mut(), 3).unwrap().delivered, [(0, 3)]);
        // Unread when the reader goes: not delivered.
        assert_eq!(sink.offer(&records, 3).unwrap(), 3);
        let _ = sink.settle(Duration::from_millis(5), &mut settled);
        drop(reader);
        let mut late = Settled::default();
        let gone = sink.settle(Duration::from_millis(100), &mut late).unwrap_err();
        assert!(late.delivered.is_empty() && !gone.is_lasting, "{gone}");
    }

    #[test]
    fn datagrams_have_a_record_each_and_a_largest_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            (0..50).map(|_| receiver.recv(&mut buffer).unwrap()).collect::<Vec<_>>()
        });
        let mut sink = sink(&path, Kind::Datagram, 5000);
        let mut bytes = lines(25, 10).bytes;
        bytes.extend(lines(1, 8 << 20).bytes);
        bytes.extend(lines(25, 20).bytes);
        let batch = Batch { worker: 0, first: 0, bytes };
        let records: Vec<_> = batch.records().collect();
        assert_eq!(sink.offer(&records, 0).unwrap(), 51);
        let settled = settle(sink.as_mut(), 51).unwrap();
        assert_eq!(settled.refused.len(), 1);
        assert_eq!(settled.refused[0].0, 25);
        let sizes = reader.join().unwrap();
        assert_eq!((sizes[0], sizes[49], sizes.len()), (21, 31, 50));
        fs::remove_file(&path).unwrap();
        sink.forget();
        assert!(sink.offer(&records, 51).is_err());
    }

    #[test]
    fn a_receiver_that_does_not_read_blocks_no_longer_than_told() {
        for kind in [Kind::Stream, Kind::Datagram] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s");
            let (_listener, _receiver) = match kind {
                Kind::Stream => (Some(UnixListener::bind(&path).unwrap()), None),
                Kind::Datagram => (None, Some(UnixDatagram::bind(&path).unwrap())),
            };
            let mut sink = sink(&path, kind, 200);
            let batch = lines(5000, 1000);
            let records: Vec<_> = batch.records().collect();
            let start = Instant::now();
            let mut settled = Settled::default();
            let mut next = 0;
            let trouble = loop {
                let result = sink.offer(&records[next..], next as u64).and_then(|taken| {
                    next += taken;
                    sink.settle(Duration::from_millis(10), &mut settled)
                });
                if let Err(trouble) = result {
                    break trouble;
                }
                assert!(start.elapsed() < Duration::from_secs(5), "no end");
            };
            assert!(trouble.what.contains("does not read"), "{trouble}");
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            assert!(settled.delivered.is_empty());
        }
    }
}
