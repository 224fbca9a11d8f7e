//! Packets made by hand, rulesets from text, and what rules make of the one with the other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use decode::packet::{IpHeader, Packet, Transport, Udp};
use decode::{Direction, Timestamp};
use engine::{EngineSettings, Inspector, PacketFacts, Resources, Ruleset, Verdict};
use flow::table::{FlowTable, Lookup};
use rules::threshold::ThresholdFile;

/// When packets are captured unless a test says otherwise.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// No rule.
pub(crate) const NONE: [u32; 0] = [];

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A datagram from the client's port 1000 to the server's port 2000.
pub(crate) fn udp(payload: &[u8]) -> Packet<'_> {
    let mut packet = Packet::new(payload.into(), START, 1, 101);
    packet.src = IpAddr::V4(CLIENT);
    packet.dst = IpAddr::V4(SERVER);
    packet.proto = 17;
    packet.ttl = 64;
    packet.ip = IpHeader::V4 {
        header_len: 20,
        total_len: 28 + payload.len() as u16,
        tos: 0,
        id: 1,
        fragment: 0,
        options: 0,
    };
    packet.transport = Transport::Udp(Udp { len: 8 + payload.len() as u16, checksum: 0 });
    packet.src_port = 1000;
    packet.dst_port = 2000;
    packet.payload_len = payload.len() as u32;
    packet.flags.wants_flow = true;
    packet
}

/// The same so many seconds after the start.
pub(crate) fn udp_at(payload: &[u8], seconds: u64) -> Packet<'_> {
    let timestamp = Timestamp(START.0 + seconds * 1_000_000);
    Packet { timestamp, ..udp(payload) }
}

/// The other way round.
pub(crate) fn back(packet: Packet<'_>) -> Packet<'_> {
    let (src, dst) = (packet.dst, packet.src);
    let (src_port, dst_port) = (packet.dst_port, packet.src_port);
    Packet { src, dst, src_port, dst_port, ..packet }
}

/// A ruleset of all rules in `text`, none of which may fail.
pub(crate) fn ruleset(text: &str) -> Ruleset {
    ruleset_with(text, EngineSettings::default(), &ThresholdFile::default(), |_| ())
}

/// A ruleset with settings, a threshold file and changes to the resources.
pub(crate) fn ruleset_with(
    text: &str,
    settings: EngineSettings,
    thresholds: &ThresholdFile,
    prepare: impl FnOnce(&mut Resources),
) -> Ruleset {
    let (ruleset, refused) = try_ruleset(text, settings, thresholds, prepare);
    assert!(refused.is_empty(), "{refused:?}");
    ruleset
}

/// A ruleset and what was said about rules that can't be had.
pub(crate) fn try_ruleset(
    text: &str,
    settings: EngineSettings,
    thresholds: &ThresholdFile,
    prepare: impl FnOnce(&mut Resources),
) -> (Ruleset, Vec<String>) {
    let inline = settings.inline;
    let mut loader = rules::Loader::new(rules::Settings { inline, ..rules::Settings::default() });
    loader.load("test.rules", text.as_bytes());
    let loaded = loader.finish();
    let mut resources = Resources::without_files();
    prepare(&mut resources);
    let names = Arc::new(loaded.names);
    let (ruleset, failures) =
        Ruleset::new(loaded.rules, thresholds, names, settings, &mut resources);
    let refused = loaded.failures.iter().map(|f| format!("{}: {}", f.text, f.error.message));
    let failed = failures.iter().map(|f| format!("{}: {}", f.rule.text, f.error.message));
    (ruleset, refused.chain(failed).collect())
}

/// An inspector with a flow table.
pub(crate) struct Sensor {
    pub(crate) inspector: Inspector,
    pub(crate) table: FlowTable<engine::Kept>,
}

impl Sensor {
    /// For rules in text.
    pub(crate) fn new(text: &str) -> Self {
        Self::with(ruleset(text))
    }

    pub(crate) fn with(ruleset: Ruleset) -> Self {
        let table = FlowTable::new(flow::FlowSettings::default(), 1);
        Self { inspector: Inspector::new(Arc::new(ruleset)), table }
    }

    /// Inspects a packet without flow; numbers of the rules that alert, in order.
    pub(crate) fn alone(&mut self, packet: &Packet<'_>) -> Vec<u32> {
        self.inspector.inspect(packet, None, &PacketFacts::default());
        self.sids()
    }

    /// Inspects a packet of a flow.
    pub(crate) fn in_flow(&mut self, packet: &Packet<'_>) -> (Vec<u32>, Verdict) {
        let hash = self.table.hash(packet).unwrap();
        let found = self.table.lookup(packet, hash, &mut Vec::new());
        let (Lookup::Found(id, direction) | Lookup::Created(id, direction)) = found else {
            panic!("no flow");
        };
        let flow = self.table.get_mut(id);
        if direction == Direction::ToClient {
            flow.state = flow::FlowState::Established;
        }
        let facts = PacketFacts { direction, ..PacketFacts::default() };
        let verdict = self.inspector.inspect(packet, Some(flow), &facts);
        (self.sids(), verdict)
    }

    /// Numbers of the rules that alerted on the packet at hand.
    pub(crate) fn sids(&self) -> Vec<u32> {
        let rules = self.inspector.rules();
        let alerts = self.inspector.queue.alerts.iter();
        alerts.map(|a| rules.get(a.found.rule).unwrap().rule.sid).collect()
    }
}
