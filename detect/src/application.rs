//! Feeds the application layer of a flow: stream data and datagrams to detection and parsers.

use decode::{Direction, IpHeader, Origin, Packet, Timestamp, Transport};
use engine::Flow;
use engine::sharing::OwnOrShared;
use flow::{AppData, FlowAction, FlowState, StreamCounters};
use protocol::counters::AppCounters;
use protocol::detection::Detector as Detection;
use protocol::file::range::Ranges;
use protocol::session::{SessionContext, SessionOutcome, detection_limit};
use protocol::{Chunk, Effects, Encrypted, Parser};

use crate::settings::Settings;

/// Pieces of one direction that are given to a parser on one packet; more wait for the next.
const MAX_PIECES: usize = 4096;

/// Works on flows on behalf of one packet.
pub(crate) struct Run<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) detection: &'a Detection,
    pub(crate) counters: &'a mut AppCounters,
    pub(crate) streams: &'a mut StreamCounters,
    pub(crate) ranges: &'a mut OwnOrShared<Ranges>,
    pub(crate) now: Timestamp,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Events of protocol detection.
    pub(crate) app_events: u8,
    /// The endpoints are the wrong way round.
    pub(crate) reverse: bool,
    /// The parser gave up.
    pub(crate) error: bool,
    /// A change of protocol began.
    pub(crate) change: bool,
    /// The session is encrypted from here on.
    pub(crate) encrypted: Option<Encrypted>,
}

impl Run<'_> {
    /// Gives what is ready of a stream to the application layer; at the end of a flow (`last`)
    /// also what was never acknowledged, of this direction only.
    pub(crate) fn stream(
        &mut self,
        flow: &mut Flow,
        packet: &mut Packet<'_>,
        direction: Direction,
        last: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if last {
            self.feed(flow, packet, direction, true, &mut outcome);
            return outcome;
        }
        let ready = std::mem::take(&mut flow.extension.ready);
        // The packet's acknowledgement makes data of the other side usable first.
        for side in [direction.opposite(), direction] {
            if ready[side.index()] && outcome.encrypted != Some(Encrypted::Bypass) {
                self.feed(flow, packet, side, false, &mut outcome);
            }
        }
        outcome
    }

    fn feed(
        &mut self,
        flow: &mut Flow,
        packet: &mut Packet<'_>,
        side: Direction,
        last: bool,
        outcome: &mut Outcome,
    ) {
        let mut asked_opposite = false;
        for _ in 0..MAX_PIECES {
            let Some(step) = self.piece(flow, packet, side, last) else { break };
            let Step { session: done, effects, moved } = step;
            if let Some(old) = flow.extension.session.take_retired() {
                // The next parser numbers its transactions from 0 again.
                flow.extension.inspection.inspect_from = [0; 2];
                flow.extension.retired = Some(old);
            }
            flow.extension.pending[side.index()] = true;
            flow.extension.unmarked = [true; 2];
            self.apply(flow, &effects, outcome);
            outcome.reverse |= effects.reverse;
            outcome.error |= done.error;
            outcome.change |= done.change;
            if done.disabled || flow.extension.session.is_disabled() {
                stop_streams(flow);
            }
            if done.change {
                flow.extension.pending = [true; 2];
            }
            if done.feed_opposite_first && !asked_opposite {
                asked_opposite = true;
                self.feed(flow, packet, side.opposite(), last, outcome);
                continue;
            }
            if !moved || effects.reverse || outcome.encrypted == Some(Encrypted::Bypass) {
                break;
            }
        }
        let anomalies = flow.extension.session.anomalies();
        outcome.app_events |= anomalies.bits();
    }

    /// One piece of data to the session; none when there is nothing to give.
    fn piece(
        &mut self,
        flow: &mut Flow,
        packet: &mut Packet<'_>,
        side: Direction,
        last: bool,
    ) -> Option<Step> {
        let context = context(self.settings, self.detection, flow, self.now);
        let tcp = flow.tcp.as_deref_mut()?;
        let kept = &mut flow.extension;
        let stream = tcp.stream_mut(side);
        let mut effects = Effects::default();
        let fin = stream.fin_seen();
        let (consumed, session) = match stream.app_data(last) {
            AppData::Data { bytes, .. } => {
                let eof = last;
                let chunk = Chunk::Bytes(bytes);
                let done =
                    kept.session.tcp(&context, side, chunk, eof, &mut effects, self.counters);
                (done.consumed, done)
            }
            AppData::Gap { len } => {
                let chunk = Chunk::Gap(len);
                let done =
                    kept.session.tcp(&context, side, chunk, false, &mut effects, self.counters);
                tcp.take_gap(side, len, packet, self.streams);
                return Some(Step { session: done, effects, moved: true });
            }
            AppData::None => {
                let ended = &mut kept.ended[side.index()];
                if !(last || fin && stream.app_offset() >= stream.end_offset())
                    || std::mem::replace(ended, true)
                {
                    return None;
                }
                let chunk = Chunk::Bytes(&[]);
                let done =
                    kept.session.tcp(&context, side, chunk, true, &mut effects, self.counters);
                return Some(Step { session: done, effects, moved: false });
            }
        };
        stream.app_consume(consumed);
        Some(Step { session, effects, moved: consumed > 0 })
    }

    /// Gives a datagram to the application layer.
    pub(crate) fn datagram(
        &mut self,
        flow: &mut Flow,
        direction: Direction,
        packet: &Packet<'_>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let context = context(self.settings, self.detection, flow, self.now);
        let mut effects = Effects::default();
        let session = &mut flow.extension.session;
        let payload = packet.payload();
        let done = session.udp(&context, direction, payload, &mut effects, self.counters);
        outcome.reverse = effects.reverse;
        outcome.error = done.error;
        outcome.app_events = session.anomalies().bits();
        flow.extension.pending[direction.index()] = true;
        flow.extension.unmarked = [true; 2];
        self.apply(flow, &effects, &mut outcome);
        outcome
    }

    /// Does what a parser asked for, except for what waits until rules have looked.
    fn apply(&mut self, flow: &mut Flow, effects: &Effects, outcome: &mut Outcome) {
        if let Some(tcp) = flow.tcp.as_deref_mut() {
            for side in Direction::BOTH {
                if effects.stop[side.index()] {
                    tcp.stream_mut(side).app_stop();
                }
                if effects.flush[side.index()] {
                    tcp.stream_mut(side).raw_flush();
                }
            }
        }
        if effects.parts
            && let Some(parser) = flow.extension.session.parser_mut()
        {
            self.ranges.with(|ranges| parser.join(ranges, self.now));
        }
        if effects.encrypted.is_some() {
            // No data of the other side comes that would have rules look at it once more.
            flow.extension.pending = [true; 2];
        }
        outcome.encrypted = outcome.encrypted.or(effects.encrypted);
    }
}

/// What comes from now on is encrypted.
pub(crate) fn encrypt(flow: &mut Flow, how: Encrypted, streams: &mut StreamCounters) {
    match how {
        Encrypted::TrackOnly => {
            flow.no_payload_inspection = true;
            if let Some(tcp) = flow.tcp.as_deref_mut() {
                for side in Direction::BOTH {
                    tcp.stream_mut(side).raw_stop();
                }
            }
        }
        Encrypted::Bypass => {
            bypass(flow, streams);
            flow.extension.session.forget();
        }
    }
}

/// What a session is told about its flow.
fn context<'a>(
    settings: &'a Settings,
    detection: &'a Detection,
    flow: &Flow,
    timestamp: Timestamp,
) -> SessionContext<'a> {
    let tcp = flow.tcp.as_deref();
    let depth = settings.stream.depth;
    SessionContext {
        settings: &settings.protocol,
        detector: detection,
        client_port: flow.client_port,
        server_port: flow.server_port,
        server: Some(flow.server),
        timestamp,
        midstream: tcp.is_some_and(|t| t.is_midstream() && !t.began_with_synack()),
        first_data: None,
        limits: Direction::BOTH.map(|side| {
            detection_limit(tcp.map_or(0, |t| t.stream(side.opposite()).window()), depth)
        }),
    }
}

struct Step {
    session: SessionOutcome,
    effects: Effects,
    moved: bool,
}

/// Takes a flow off the inspected path.
pub(crate) fn bypass(flow: &mut Flow, streams: &mut StreamCounters) {
    flow.state = FlowState::Bypassed;
    stop(flow, streams);
}

/// Ends reassembly and application layer of a flow.
pub(crate) fn stop(flow: &mut Flow, streams: &mut StreamCounters) {
    flow.extension.session.disable();
    if let Some(tcp) = flow.tcp.as_deref_mut() {
        tcp.drop_data(streams);
    }
}

fn stop_streams(flow: &mut Flow) {
    if let Some(tcp) = flow.tcp.as_deref_mut() {
        tcp.app_stop();
    }
}

/// Frees transactions that rules and records are through with.
pub(crate) fn free_finished(flow: &mut Flow, logging: bool) {
    let Some(parser) = flow.extension.session.parser_mut() else { return };
    for tx in parser.first_tx()..parser.next_tx() {
        let Some(meta) = parser.meta(tx) else { continue };
        let only = parser.record_direction(tx);
        let inspected = Direction::BOTH
            .iter()
            .all(|d| meta.inspected[d.index()] || only.is_some_and(|o| o != *d));
        let reported = meta.logged || meta.log_disabled || !logging;
        let files_done = Direction::BOTH
            .iter()
            .all(|d| !logging || parser.files(tx, *d).iter().all(|f| f.logged));
        if inspected && reported && files_done {
            parser.free(tx);
        }
    }
}

/// True when data, transactions or the state of the session call for a last inspection.
pub(crate) fn needs_last_look(flow: &Flow) -> bool {
    if flow.state == FlowState::Bypassed || flow.action == FlowAction::Drop {
        return false;
    }
    let open = flow.extension.session.parser().is_some_and(|p| p.first_tx() < p.next_tx());
    match flow.tcp.as_deref() {
        Some(tcp) => open || tcp.needs_finish(),
        None => open,
    }
}

/// Link type that records show for packets that no wire carried.
const ETHERNET: u16 = 1;

/// A packet that no wire carried, with the addresses of the flow.
pub(crate) fn pseudo_packet(
    flow: &Flow,
    direction: Direction,
    now: Timestamp,
    origin: Origin,
) -> Packet<'static> {
    let mut packet = Packet::new(std::borrow::Cow::Borrowed(&[]), now, 0, ETHERNET);
    let (src, dst) = match direction {
        Direction::ToServer => ((flow.client, flow.client_port), (flow.server, flow.server_port)),
        Direction::ToClient => ((flow.server, flow.server_port), (flow.client, flow.client_port)),
    };
    packet.origin = origin;
    packet.input = flow.input;
    packet.vlan = flow.vlan;
    packet.recursion_level = flow.recursion_level;
    (packet.src, packet.src_port) = src;
    (packet.dst, packet.dst_port) = dst;
    packet.proto = flow.proto;
    packet.ttl = 64;
    packet.ip = if flow.client.is_ipv4() {
        IpHeader::V4 { header_len: 20, total_len: 40, tos: 0, id: 0, fragment: 0, options: 0 }
    } else {
        IpHeader::V6 { header_len: 40, payload_len: 20, traffic_class: 0, flow_label: 0 }
    };
    if flow.proto == 6 {
        // As Suricata 8 makes them up.
        let seq = flow.tcp.as_deref().map_or(0, |tcp| tcp.stream(direction).next_seq());
        let tcp = decode::Tcp { seq, window: 2560, header_len: 20, ..decode::Tcp::default() };
        packet.transport = Transport::Tcp(tcp);
    }
    packet
}
