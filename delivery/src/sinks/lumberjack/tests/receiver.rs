//! A receiver of Lumberjack v2 that misbehaves on demand and remembers what it acknowledged.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::read::ZlibDecoder;
use serde_json::Value;
use socket2::SockRef;

/// What is done with a window once it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Acknowledge,
    /// An acknowledgement for every event, each byte in a packet of its own.
    Pieces,
    /// Signs of life first, and the same acknowledgement twice.
    KeepAlives,
    /// So many percent are acknowledged, then the connection ends.
    PartAndClose(usize),
    PartAndReset(usize),
    /// More is acknowledged than there was.
    TooHigh,
    Garbage,
    /// Nothing, until the sender gives up.
    Silence,
}

/// What receivers share, and a test looks at.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// What to do with the next windows; [`Deed::Acknowledge`] when there is nothing left.
    pub(super) deeds: VecDeque<Deed>,
    /// Numbers of records that were acknowledged.
    pub(super) acknowledged: HashSet<u64>,
    /// Sizes of windows as they came.
    pub(super) windows: Vec<usize>,
    /// What was wrong with frames.
    pub(super) complaints: Vec<String>,
}

pub(super) type Shared = Arc<Mutex<Log>>;

/// Listens on a port until it is dropped.
pub(super) struct Receiver {
    pub(super) target: String,
    is_over: Arc<AtomicBool>,
}

impl Receiver {
    pub(super) fn start(log: &Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let is_over = Arc::new(AtomicBool::new(false));
        let (log, over) = (Arc::clone(log), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let log = Arc::clone(&log);
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    let reset = stream.try_clone().unwrap();
                    let give_up = |is_hard: bool| {
                        if is_hard {
                            SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
                        }
                    };
                    // The end of a connection ends its thread.
                    let _ = serve(stream, &log, give_up);
                });
            }
        });
        Self { target, is_over }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.target);
    }
}

/// Reads windows and does to each what the log says.
pub(super) fn serve(
    mut stream: impl Read + Write,
    log: &Shared,
    end: impl Fn(bool),
) -> io::Result<()> {
    loop {
        let mut header = [0; 6];
        stream.read_exact(&mut header)?;
        if header[..2] != *b"2W" {
            log.lock().unwrap().complaints.push(format!("no window: {header:?}"));
        }
        let count = number(&header[2..]);
        let mut events = Vec::new();
        while events.len() < count {
            read_frame(&mut stream, &mut events)?;
        }
        let deed = note(&mut log.lock().unwrap(), count, &events);
        let acknowledge = |stream: &mut dyn Write, upto: usize| {
            let done = events.iter().take(upto).map(|(_, record)| sequence(record));
            log.lock().unwrap().acknowledged.extend(done);
            stream.write_all(&acknowledgement(upto))
        };
        match deed {
            Deed::Acknowledge => acknowledge(&mut stream, count)?,
            Deed::Pieces => {
                for upto in 1..=count {
                    let mut whole = Vec::new();
                    acknowledge(&mut whole, upto)?;
                    for byte in whole {
                        stream.write_all(&[byte])?;
                        stream.flush()?;
                    }
                }
            }
            Deed::KeepAlives => {
                stream.write_all(&acknowledgement(0))?;
                acknowledge(&mut stream, count / 2)?;
                acknowledge(&mut stream, count / 2)?;
                stream.write_all(&acknowledgement(0))?;
                acknowledge(&mut stream, count)?;
                stream.write_all(&acknowledgement(0))?;
            }
            Deed::PartAndClose(percent) | Deed::PartAndReset(percent) => {
                acknowledge(&mut stream, count * percent / 100)?;
                end(matches!(deed, Deed::PartAndReset(_)));
                return Ok(());
            }
            Deed::TooHigh => stream.write_all(&acknowledgement(count + 1))?,
            Deed::Garbage => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?,
            Deed::Silence => {}
        }
        stream.flush()?;
        if matches!(deed, Deed::TooHigh | Deed::Garbage | Deed::Silence) {
            io::copy(&mut stream, &mut io::sink())?;
            return Ok(());
        }
    }
}

/// The record's number, which the sink put beside it.
pub(super) fn sequence(event: &Value) -> u64 {
    event["bateleur"]["sequence"].as_u64().unwrap_or(u64::MAX)
}

fn note(log: &mut Log, count: usize, events: &[(usize, Value)]) -> Deed {
    log.windows.push(count);
    let is_numbered = events.iter().zip(1..).all(|((number, _), expected)| *number == expected);
    let is_marked = events.iter().all(|(_, event)| {
        event["@metadata"]["beat"] == "bateleur" && event["n"].as_u64() == Some(sequence(event))
    });
    if events.len() != count || !is_numbered || !is_marked {
        log.complaints.push(format!("window of {count}: {events:?}"));
    }
    log.deeds.pop_front().unwrap_or(Deed::Acknowledge)
}

fn read_frame(stream: &mut dyn Read, events: &mut Vec<(usize, Value)>) -> io::Result<()> {
    let mut kind = [0; 2];
    stream.read_exact(&mut kind)?;
    match &kind {
        b"2J" => {
            let mut header = [0; 8];
            stream.read_exact(&mut header)?;
            let mut text = vec![0; number(&header[4..])];
            stream.read_exact(&mut text)?;
            events.push((number(&header[..4]), serde_json::from_slice(&text)?));
            Ok(())
        }
        b"2C" => {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut packed = vec![0; number(&length)];
            stream.read_exact(&mut packed)?;
            let mut frames = Vec::new();
            ZlibDecoder::new(&packed[..]).read_to_end(&mut frames)?;
            let mut rest = &frames[..];
            while !rest.is_empty() {
                read_frame(&mut rest, events)?;
            }
            Ok(())
        }
        _ => Err(io::Error::other(format!("frame {kind:?}"))),
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn acknowledgement(sequence: usize) -> Vec<u8> {
    [b"2A", &(sequence as u32).to_be_bytes()[..]].concat()
}
