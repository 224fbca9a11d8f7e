//! Tests of the state machine: a line of text per packet, and what comes of it.

mod data;
mod events;
mod random;
mod scenarios;

use std::net::{IpAddr, Ipv4Addr};

use decode::{Direction, IpHeader, Packet, Tcp, TcpOptions, Timestamp, Transport, event};

use crate::entry::Flow;
use crate::policy::{DropReason, PolicyHit};
use crate::reassembly::AppData;
use crate::tcp::{StreamCounters, StreamSettings, TcpState, Tracked, track};

/// The three packets of a handshake.
const HANDSHAKE: &str = "C S 0 0; S SA 0 1; C A 1 1";

/// Initial sequence numbers of client and server: small ones, and ones that wrap soon.
const ISNS: [(u32, u32); 3] = [(1000, 5000), (0xffff_fffa, 0x7fff_fff0), (0, 0xffff_ffff)];

/// Two hosts and the sensor between them.
struct Wire {
    flow: Flow<()>,
    settings: StreamSettings,
    counters: StreamCounters,
    isns: (u32, u32),
    second: u64,
    /// Names of the events so far, without `stream.`.
    events: Vec<String>,
    drops: Vec<DropReason>,
    hits: Vec<PolicyHit>,
    last: Tracked,
    /// What the application layer got, by direction; a hole is a `_` per byte, up to 100.
    app: [Vec<u8>; 2],
    /// The client of the script is the server of the flow.
    reversed: bool,
    begun: bool,
    /// The packet's bytes as they went on.
    forwarded: Vec<u8>,
}

impl Wire {
    fn new(settings: StreamSettings) -> Self {
        Self {
            flow: Flow::default(),
            settings,
            counters: StreamCounters::default(),
            isns: ISNS[0],
            second: 1_700_000_000,
            events: Vec::new(),
            drops: Vec::new(),
            hits: Vec::new(),
            last: Tracked::default(),
            app: [Vec::new(), Vec::new()],
            reversed: false,
            begun: false,
            forwarded: Vec::new(),
        }
    }

    /// Sends the packets of a script, separated by `;`.
    fn play(&mut self, script: &str) -> &mut Self {
        for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(seconds) = line.strip_prefix("wait ") {
                self.second += seconds.trim().parse::<u64>().unwrap();
            } else {
                self.send(line);
            }
        }
        self
    }

    /// Sends one packet: side, flags, sequence and acknowledgement number relative to the ISNs,
    /// then payload and options. `=N` is an absolute number, `#N` a payload of N bytes.
    fn send(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let from_client = words.next() == Some("C");
        let flags = words.next().unwrap().chars().map(flag).fold(0, |sum, bit| sum | bit);
        let (own, other) = if from_client { self.isns } else { (self.isns.1, self.isns.0) };
        let mut number = |base: u32| {
            let word = words.next().unwrap();
            match word.strip_prefix('=') {
                Some(absolute) => absolute.parse().unwrap(),
                None => base.wrapping_add(word.parse::<i64>().unwrap() as u32),
            }
        };
        let seq = number(own);
        let ack = number(other);
        let ack = if flags & Tcp::ACK == 0 && line.split_whitespace().nth(3) == Some("0") {
            0
        } else {
            ack
        };
        let mut tcp = Tcp { seq, ack, flags, window: 8192, header_len: 20, ..Tcp::default() };
        let mut payload = Vec::new();
        for word in words {
            option(word, &mut tcp, &mut payload);
        }
        self.deliver(from_client, tcp, &payload);
    }

    fn deliver(&mut self, from_client: bool, tcp: Tcp, payload: &[u8]) {
        let mut p = packet(from_client, tcp, payload, self.second);
        if !std::mem::replace(&mut self.begun, true) {
            self.reversed = !from_client;
        }
        let to_server = from_client != self.reversed;
        let mut direction = if to_server { Direction::ToServer } else { Direction::ToClient };
        self.last = track(&mut self.flow, &mut p, direction, &self.settings, &mut self.counters);
        if self.last.reverse {
            self.flow.reverse();
            self.reversed = !self.reversed;
            direction = direction.opposite();
        }
        self.drops.extend(self.last.dropped);
        self.hits.extend(self.last.policies.into_iter().flatten());
        for at in Direction::BOTH {
            if self.last.ready[at.index()] {
                self.take_app(at, false, &mut p);
            }
        }
        self.events
            .extend(p.events.as_slice().iter().map(|&code| event::rule_name(code).to_owned()));
        self.forwarded = p.payload().to_vec();
        if let Some(session) = &mut self.flow.tcp {
            session.prune(direction, &self.settings, &mut self.counters);
        }
    }

    /// The application layer takes what there is.
    fn take_app(&mut self, direction: Direction, end: bool, p: &mut Packet<'_>) {
        let Some(session) = &mut self.flow.tcp else { return };
        loop {
            let stream = session.stream_mut(direction);
            match stream.app_data(end) {
                AppData::None => return,
                AppData::Data { bytes, .. } => {
                    self.app[direction.index()].extend_from_slice(bytes);
                    let n = bytes.len() as u64;
                    stream.app_consume(n);
                }
                AppData::Gap { len } => {
                    let shown = len.min(100) as usize;
                    self.app[direction.index()].extend(std::iter::repeat_n(b'_', shown));
                    session.take_gap(direction, len, p, &mut self.counters);
                }
            }
            if self.settings.raw {
                let stream = session.stream_mut(direction);
                stream.raw_mark_inspected(stream.app_offset());
            }
        }
    }

    /// The flow ends: what is left is taken.
    fn finish(&mut self) -> &mut Self {
        let mut p = packet(true, Tcp::default(), b"", self.second);
        for direction in Direction::BOTH {
            self.take_app(direction, true, &mut p);
        }
        self
    }

    fn state(&self) -> TcpState {
        self.flow.tcp.as_ref().map_or(TcpState::None, |session| session.state())
    }

    fn app(&self, direction: Direction) -> &str {
        std::str::from_utf8(&self.app[direction.index()]).unwrap()
    }
}

fn flag(letter: char) -> u8 {
    match letter {
        'F' => Tcp::FIN,
        'S' => Tcp::SYN,
        'R' => Tcp::RST,
        'P' => Tcp::PSH,
        'A' => Tcp::ACK,
        'U' => Tcp::URG,
        '-' => 0,
        _ => panic!("flag {letter}"),
    }
}

fn option(word: &str, tcp: &mut Tcp, payload: &mut Vec<u8>) {
    let Some((name, value)) = word.split_once('=') else {
        match word.strip_prefix('#') {
            Some(len) => payload.resize(len.parse().unwrap(), b'x'),
            None if word == "tfo" => tcp.options.fast_open = true,
            None if word == "sack" => tcp.options.sack_permitted = true,
            None if word == "md5" => tcp.options.authenticated = true,
            None => payload.extend_from_slice(word.as_bytes()),
        }
        return;
    };
    match name {
        "win" => tcp.window = value.parse().unwrap(),
        "ws" => tcp.options.window_scale = Some(value.parse().unwrap()),
        "urg" => tcp.urgent = value.parse().unwrap(),
        "ts" => {
            let (value, echo) = value.split_once('/').unwrap_or((value, "0"));
            tcp.options.timestamp = Some((value.parse().unwrap(), echo.parse().unwrap()));
        }
        _ => panic!("option {name}"),
    }
}

fn packet(from_client: bool, tcp: Tcp, payload: &[u8], second: u64) -> Packet<'static> {
    let mut bytes = vec![0; 40];
    bytes.extend_from_slice(payload);
    let timestamp = Timestamp::from_seconds(second);
    let mut p = Packet::new(bytes.into(), timestamp, 1, 101);
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    (p.src, p.dst) = if from_client { (client, server) } else { (server, client) };
    (p.src_port, p.dst_port) = if from_client { (40_000, 80) } else { (80, 40_000) };
    p.proto = 6;
    p.ip = IpHeader::V4 {
        header_len: 20,
        total_len: 40 + payload.len() as u16,
        tos: 0,
        id: 0,
        fragment: 0,
        options: 0,
    };
    p.transport_offset = 20;
    p.payload_offset = 40;
    p.payload_len = payload.len() as u32;
    p.transport = Transport::Tcp(Tcp { options: TcpOptions { ..tcp.options }, ..tcp });
    p.flags.wants_flow = true;
    p.flags.ignore_checksum = true;
    p
}

/// Default settings, changed by `change`.
fn settings(change: impl FnOnce(&mut StreamSettings)) -> StreamSettings {
    let mut settings = StreamSettings::default();
    change(&mut settings);
    settings
}
