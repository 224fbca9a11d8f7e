//! What rules look at: the packet, its flow taken apart, the stream data that is ready.

use decode::{Direction, Packet};
use flow::bits::Bits;
use flow::tcp::TcpSession;
use protocol::AppProto;
use protocol::session::Session;
use rules::keyword::{FlowFacts, Knowledge, SideFacts, Subject};
use smallvec::SmallVec;

use crate::inspect::PacketFacts;
use crate::kept::{Flow, FlowInspection};
use crate::ruleset::Ruleset;

/// A flow in pieces, so that rules can read one while they change another.
pub struct FlowParts<'f> {
    pub(super) id: u64,
    pub(super) established: bool,
    pub(super) facts: FlowFacts,
    pub(super) tcp: Option<&'f TcpSession>,
    pub(super) bits: &'f mut Bits,
    pub(super) session: &'f mut Session,
    pub(super) inspection: &'f mut FlowInspection,
    pub(super) no_payload: bool,
    pub(super) action: &'f mut flow::FlowAction,
    pub(super) alerted: &'f mut bool,
}

impl<'f> FlowParts<'f> {
    /// Takes a flow apart.
    pub fn of(flow: &'f mut Flow, established: bool) -> Self {
        let facts = facts(flow, established);
        let extension = &mut flow.extension;
        Self {
            id: flow.id,
            established,
            facts,
            tcp: flow.tcp.as_deref(),
            bits: &mut flow.bits,
            session: &mut extension.session,
            inspection: &mut extension.inspection,
            no_payload: flow.no_payload_inspection,
            action: &mut flow.action,
            alerted: &mut flow.alerted,
        }
    }
}

fn facts(flow: &Flow, established: bool) -> FlowFacts {
    let session = &flow.extension.session;
    let tcp = flow.tcp.as_deref().map(|tcp| {
        Direction::BOTH.map(|d| {
            let stream = tcp.stream(d);
            SideFacts { isn: stream.isn(), next_seq: stream.next_seq() }
        })
    });
    FlowFacts {
        established,
        packets: flow.packets,
        bytes: flow.bytes,
        start: flow.start,
        last: flow.last,
        tcp,
        proto: session.proto(),
        proto_by_direction: [session.proto_ts(), session.proto_tc()],
        original_proto: session.orig(),
        final_proto: session.proto(),
        detection_done: Direction::BOTH.map(|d| session.detection_done(d)),
        app_events: 0,
        elephant: flow.elephant,
    }
}

/// A piece of stream that is inspected with this packet: offset in the stream, bytes.
pub type Piece<'a> = (u64, &'a [u8]);

/// Reassembled data that is due: chunks of acknowledged data, or inline the window around the
/// packet's payload.
fn raw<'a>(
    tcp: &'a TcpSession,
    packet: &'a Packet<'a>,
    facts: &PacketFacts,
    inline: bool,
) -> SmallVec<[Piece<'a>; 4]> {
    let stream = tcp.stream(facts.direction);
    if inline {
        // Every byte was looked at with the packet that brought it.
        return match packet.tcp() {
            Some(header) if !facts.last && facts.in_stream && packet.payload_len > 0 => {
                std::iter::once(stream.raw_window(header.seq, packet.payload())).collect()
            }
            _ => SmallVec::new(),
        };
    }
    if !tcp.raw_ready(facts.direction, facts.last) {
        return SmallVec::new();
    }
    stream.raw_data(facts.last).collect()
}

/// What rules look at.
pub struct Scene<'a, 'f: 'a> {
    pub(super) packet: &'a Packet<'a>,
    pub(super) facts: PacketFacts,
    pub(super) flow: Option<&'a mut FlowParts<'f>>,
    pub(super) knowledge: Option<&'a dyn Knowledge>,
    pub(super) pieces: SmallVec<[Piece<'a>; 4]>,
    /// The packet's payload may be looked at, apart from its stream.
    pub(super) payload: bool,
    inline: bool,
}

impl<'a, 'f: 'a> Scene<'a, 'f> {
    /// Of a packet and its flow.
    pub fn new(
        packet: &'a Packet<'a>,
        facts: &PacketFacts,
        mut flow: Option<&'a mut FlowParts<'f>>,
        knowledge: Option<&'a dyn Knowledge>,
        rules: &Ruleset,
    ) -> Self {
        let mut pieces = SmallVec::new();
        let blocked =
            packet.flags.no_payload_inspection || flow.as_ref().is_some_and(|f| f.no_payload);
        if let Some(parts) = flow.as_deref_mut() {
            parts.facts.app_events = facts.app_events;
            if let Some(tcp) = parts.tcp
                && !blocked
                && rules.needs.raw_stream
            {
                pieces = raw(tcp, packet, facts, rules.settings.inline);
            }
        }
        let payload = !blocked && packet.payload_len > 0 && !packet.origin.is_pseudo();
        let inline = rules.settings.inline;
        Self { packet, facts: *facts, flow, knowledge, pieces, payload, inline }
    }

    /// Where the stream counts as looked at: behind the chunks, inline where the window begins.
    pub(super) fn raw_until(&self) -> Option<u64> {
        let (offset, bytes) = self.pieces.last()?;
        let inline = self.facts.in_stream && !self.facts.last && self.inline;
        Some(if inline { *offset } else { offset + bytes.len() as u64 })
    }

    pub(super) const fn direction(&self) -> Direction {
        self.facts.direction
    }

    /// What checks on packets look at.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            packet: self.packet,
            direction: self.facts.direction,
            flow: self.flow.as_ref().map(|f| &f.facts),
            knowledge: self.knowledge,
        }
    }

    /// The application protocol of the flow.
    pub(super) fn proto(&self) -> AppProto {
        self.flow.as_ref().map_or(AppProto::Unknown, |f| f.facts.proto)
    }
}
