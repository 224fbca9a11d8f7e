//! What rules look at: the packet, its flow taken apart, the stream data that is ready.

use decode::{Direction, Packet};
use flow::FlowState;
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
    pub fn of(flow: &'f mut Flow) -> Self {
        let established = flow.state == FlowState::Established || flow.state == FlowState::Closed;
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
        Direction::BOTH.map(|d| SideFacts { isn: tcp.isn(d), next_seq: tcp.next_seq(d) })
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

/// What rules look at.
pub struct Scene<'a, 'f> {
    pub(super) packet: &'a Packet<'a>,
    pub(super) facts: PacketFacts,
    pub(super) flow: Option<&'a mut FlowParts<'f>>,
    pub(super) knowledge: Option<&'a dyn Knowledge>,
    pub(super) pieces: SmallVec<[Piece<'f>; 4]>,
    /// The packet's payload may be looked at, apart from its stream.
    pub(super) payload: bool,
}

impl<'a, 'f> Scene<'a, 'f> {
    /// Of a packet and its flow.
    pub fn new(
        packet: &'a Packet<'a>,
        facts: &PacketFacts,
        mut flow: Option<&'a mut FlowParts<'f>>,
        knowledge: Option<&'a dyn Knowledge>,
        rules: &Ruleset,
    ) -> Self {
        let mut pieces = SmallVec::new();
        let blocked = packet.flags.no_payload_inspection
            || flow.as_ref().is_some_and(|f| f.no_payload);
        if let Some(parts) = flow.as_deref_mut() {
            parts.facts.app_events = facts.app_events;
            if let Some(tcp) = parts.tcp
                && !blocked
                && rules.needs.raw_stream
            {
                pieces = tcp.stream(facts.direction).raw_data(facts.last);
            }
        }
        let payload = !blocked && packet.payload_len > 0 && !packet.origin.is_pseudo();
        Self { packet, facts: *facts, flow, knowledge, pieces, payload }
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
