//! Conversations over TCP and UDP, and a detector that takes them.

use std::sync::Arc;

use decode::{RawFrame, Timestamp};
use detect::offload::Offload;
use detect::settings::{EveSettings, OutputSettings};
use detect::{Detector, Events, FileEvent, Settings};
use engine::{EngineSettings, Resources, Ruleset};
use protocol::{AppProto, LogOptions};
use rules::{Loader, Names, ThresholdFile};
use serde_json::Value;

pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(crate) const SERVER: [u8; 4] = [192, 0, 2, 80];
const PORT: u16 = 40_000;

const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;

/// First sequence numbers of client and server.
const START: [u32; 2] = [1000, 2000];

/// LINKTYPE_RAW.
const RAW: u16 = 101;

/// Settings with an EVE output that has records of HTTP and of flows, and a change to both.
pub(crate) fn settings(change: impl FnOnce(&mut Settings, &mut EveSettings)) -> Settings {
    let mut settings = Settings { detection: true, ignore_checksums: true, ..Settings::default() };
    settings.flow.prealloc = 1;
    let options = LogOptions { extended: true, ..LogOptions::default() };
    let mut eve = EveSettings {
        flow: true,
        protocols: vec![(AppProto::Http1, options)],
        ..EveSettings::default()
    };
    change(&mut settings, &mut eve);
    settings.outputs = vec![OutputSettings::Eve(Box::new(eve))];
    settings
}

/// A detector under test.
pub(crate) struct Bench {
    detector: Detector,
    ruleset: Arc<Ruleset>,
    events: Events,
    frames: u64,
    now: u64,
    /// What client and server send next.
    next: [u32; 2],
}

impl Bench {
    pub(crate) fn new(settings: Settings, rules: &str) -> Self {
        let file_store = settings.file_store.is_some();
        let ruleset = load(rules, file_store, Names::default());
        let events = Events::new(settings.outputs.len());
        let detector = Detector::new(Arc::new(settings), Arc::clone(&ruleset));
        Self { detector, ruleset, events, frames: 0, now: 1_700_000_000_000_000, next: START }
    }

    /// Other rules from now on.
    pub(crate) fn reload(&mut self, rules: &str) -> &mut Self {
        self.ruleset = load(rules, false, (*self.ruleset.names).clone());
        self.detector.set_rules(Arc::clone(&self.ruleset));
        self
    }

    pub(crate) fn offload(&mut self, offload: Box<dyn Offload>) -> &mut Self {
        self.detector.set_offload(offload);
        self
    }

    /// So many seconds without a packet.
    pub(crate) fn idle(&mut self, seconds: u64) -> &mut Self {
        self.wait(seconds);
        self.detector.pass_time(Timestamp(self.now), &mut self.events);
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// The numbers of the rules that alerted so far.
    pub(crate) fn alerts(&self) -> Vec<u64> {
        let lines = self.events.outputs[0].bytes.split(|byte| *byte == b'\n');
        let records = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let records = records.inspect(|record| assert_eq!(schema::check(record), [], "{record}"));
        records.filter_map(|record| record["alert"]["signature_id"].as_u64()).collect()
    }

    /// What an output has.
    pub(crate) fn text(&self, output: usize) -> String {
        String::from_utf8(self.events.outputs[output].bytes.clone()).unwrap()
    }

    /// The handshake.
    pub(crate) fn open(&mut self) -> &mut Self {
        self.segment(true, SYN, b"");
        self.next[0] += 1;
        self.segment(false, SYN_ACK, b"");
        self.next[1] += 1;
        self.segment(true, ACK, b"");
        self
    }

    /// Data of the client, acknowledged.
    pub(crate) fn ask(&mut self, data: &[u8]) -> &mut Self {
        self.send(true, data);
        self.segment(false, ACK, b"");
        self
    }

    /// Data of the server, acknowledged.
    pub(crate) fn answer(&mut self, data: &[u8]) -> &mut Self {
        self.send(false, data);
        self.segment(true, ACK, b"");
        self
    }

    /// A packet of the client without data: rules look at what the server acknowledged.
    pub(crate) fn pause(&mut self) -> &mut Self {
        self.segment(true, ACK, b"");
        self
    }

    /// Data that nobody acknowledges yet.
    pub(crate) fn send(&mut self, to_server: bool, data: &[u8]) -> &mut Self {
        for part in data.chunks(1400) {
            self.segment(to_server, PSH_ACK, part);
            self.next[usize::from(!to_server)] += part.len() as u32;
        }
        self
    }

    /// The same from a side that has seen nothing of the other's data.
    pub(crate) fn send_blindly(&mut self, to_server: bool, data: &[u8]) -> &mut Self {
        let other = usize::from(to_server);
        let next = std::mem::replace(&mut self.next[other], START[other]);
        self.send(to_server, data);
        self.next[other] = next;
        self
    }

    /// A datagram from a port of the client.
    pub(crate) fn datagram(&mut self, port: u16, data: &[u8]) -> &mut Self {
        let mut header = Vec::new();
        header.extend(port.to_be_bytes());
        header.extend(9000u16.to_be_bytes());
        header.extend((8 + data.len() as u16).to_be_bytes());
        header.extend([0, 0]);
        self.packet(true, 17, &[&header, data].concat());
        self
    }

    /// So many bytes of the server that no packet brings.
    pub(crate) fn lose(&mut self, bytes: u32) -> &mut Self {
        self.next[1] += bytes;
        self
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * 1_000_000;
        self
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let counters = self.detector.counters();
        let found = counters.entries.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).1
    }

    /// Ends all flows; the records of a kind.
    pub(crate) fn records(&mut self, kind: &str) -> Vec<Value> {
        while self.detector.finish(64, &mut self.events) {}
        let lines = self.events.outputs[0].bytes.split(|byte| *byte == b'\n');
        let all = lines.filter(|line| !line.is_empty());
        let all = all.map(|line| {
            let text = std::str::from_utf8(line).unwrap();
            assert_eq!(schema::check_line(text), [], "{text}");
            serde_json::from_slice::<Value>(line).unwrap()
        });
        all.filter(|record| record["event_type"] == kind).collect()
    }

    /// Bytes that were handed out to be stored.
    pub(crate) fn stored(&self) -> usize {
        let sizes = self.events.files.iter().map(|event| match event {
            FileEvent::Data { bytes, .. } => bytes.len(),
            FileEvent::Close { .. } => 0,
        });
        sizes.sum()
    }

    fn segment(&mut self, to_server: bool, flags: u8, data: &[u8]) {
        let side = usize::from(!to_server);
        let (from, to) = if to_server { (PORT, 80) } else { (80, PORT) };
        let ack = if flags == SYN { 0 } else { self.next[1 - side] };
        let mut segment = Vec::new();
        segment.extend(u16::to_be_bytes(from));
        segment.extend(u16::to_be_bytes(to));
        segment.extend(self.next[side].to_be_bytes());
        segment.extend(ack.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(data);
        self.packet(to_server, 6, &segment);
    }

    fn packet(&mut self, to_server: bool, proto: u8, payload: &[u8]) {
        let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let mut bytes = vec![0x45, 0];
        bytes.extend((20 + payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, proto, 0, 0]);
        bytes.extend(from);
        bytes.extend(to);
        bytes.extend(payload);
        self.frames += 1;
        self.now += 100;
        let frame = RawFrame {
            bytes: &bytes,
            timestamp: Timestamp(self.now),
            number: self.frames,
            link_type: RAW,
            input: 0,
            wire_len: bytes.len() as u32,
            no_checksum: false,
        };
        self.detector.inspect(std::iter::once(frame), &mut self.events);
    }
}

fn load(text: &str, file_store: bool, names: Names) -> Arc<Ruleset> {
    let settings = rules::Settings { file_store, ..rules::Settings::default() };
    let mut loader = Loader::taking_over(settings, rules::Known::names(names));
    loader.load("test.rules", text.as_bytes());
    let loaded = loader.finish();
    assert!(loaded.failures.is_empty(), "{:?}", loaded.failures);
    let (ruleset, failures) = Ruleset::new(
        loaded.rules,
        &ThresholdFile::default(),
        Arc::new(loaded.names),
        EngineSettings::default(),
        &mut Resources::without_files(),
    );
    assert!(failures.is_empty(), "{failures:?}");
    Arc::new(ruleset)
}
