//! The life of a packet: decode, find the flow, order the stream, parse, inspect, report.

use std::sync::Arc;

use decode::{Decoder, Direction, Origin, Packet, RawFrame, Timestamp, Transport};
use engine::{Flow, Inspector, Kept, Needs, PacketFacts, Ruleset, Verdict};
use flow::StreamCounters;
use flow::policy::{self, DropReason, Policy, PolicyCounters, PolicyHit, Target};
use flow::{EndReason, FlowAction, FlowState};
use flow::{FlowId, FlowTable, Lookup};
use protocol::counters::AppCounters;

use crate::application;
use crate::counters::{InlineCounters, Snapshot, Summary};
use crate::output::Events;
use crate::records::Reporter;
use crate::settings::{OutputSettings, Settings};

/// Ended flows that are worked off after each packet.
const ENDED_PER_PACKET: usize = 2;

/// One worker's whole path from frames to records; owns all its state.
#[derive(Debug)]
pub struct Detector {
    settings: Arc<Settings>,
    decoder: Decoder,
    flows: FlowTable<Kept>,
    inspector: Inspector,
    reporter: Reporter,
    stream_counters: StreamCounters,
    app_counters: AppCounters,
    inline: InlineCounters,
    policies: PolicyCounters,
    detection: protocol::detection::Detector,
    summary: Summary,
    /// Packets and bytes of bypassed flows.
    bypassed: (u64, u64),
    /// Rules look at reassembled data.
    raw_stream: bool,
    ended: Vec<(FlowId, EndReason)>,
    now: Timestamp,
    /// With `ordered`: records of flows that ended.
    late: Events,
    sample: ChecksumSample,
}

/// `checksum-checks: auto`: the share of bad checksums among the first 1,000 packets.
#[derive(Debug, Default)]
struct ChecksumSample {
    packets: u32,
    bad: u32,
    ignore: bool,
}

/// What the path so far found out about a packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) flow: Option<FlowId>,
    pub(crate) facts: PacketFacts,
    /// Why the packet is dropped, if it is (inline).
    pub(crate) dropped: Option<DropReason>,
    pub(crate) verdict: Verdict,
    /// An exception policy keeps the rules off this packet.
    pub(crate) no_inspection: bool,
}

impl Progress {
    /// Takes over what an exception policy does to the packet.
    fn take(&mut self, effect: policy::Effect) {
        self.dropped = self.dropped.or(effect.dropped);
        self.no_inspection |= effect.no_inspection;
        match effect.reject {
            Some(Policy::RejectBoth) => self.verdict.reject = [true; 2],
            Some(_) => self.verdict.reject[0] = true,
            None => {}
        }
    }
}

/// What rules and outputs need decides what the application layers compute and keep.
fn settle(settings: &mut Settings, needs: &Needs) {
    let detection = settings.detection;
    let protocol = &mut settings.protocol;
    protocol.tls.ja3 = protocol.tls.ja3.settle(detection && needs.ja3);
    protocol.tls.ja4 = protocol.tls.ja4.settle(detection && needs.ja4);
    let mut bodies = detection && needs.bodies;
    for output in &settings.outputs {
        let OutputSettings::Eve(eve) = output else { continue };
        bodies |= eve.alert.as_ref().is_some_and(|a| a.http_body || a.http_body_printable);
        if let Some(options) = &eve.files {
            protocol.file.md5 |= options.force_hash[0];
            protocol.file.sha1 |= options.force_hash[1];
            protocol.file.sha256 |= options.force_hash[2];
        }
    }
    if detection {
        protocol.file.md5 |= needs.hashes[0];
        protocol.file.sha1 |= needs.hashes[1];
        protocol.file.sha256 |= needs.hashes[2];
    }
    if let Some(store) = &settings.file_store {
        protocol.file.store |= store.force;
    }
    // Files are followed and hashed without keeping their bytes; only who looks at bytes keeps them.
    protocol.keep_bodies |= bodies;
}

impl Detector {
    /// A detector with its rules.
    pub fn new(settings: Arc<Settings>, rules: Arc<Ruleset>) -> Self {
        let mut stream = settings.stream.clone();
        stream.check_overlap_different_data |= rules.needs.overlap_event || settings.inline;
        let raw_stream = settings.detection && rules.needs.raw_stream;
        stream.raw &= raw_stream;
        let mut own = (*settings).clone();
        own.stream = stream;
        settle(&mut own, &rules.needs);
        let settings = Arc::new(own);
        Self {
            decoder: Decoder::new(settings.decode.clone()),
            flows: FlowTable::new(settings.flow.clone(), settings.seed),
            inspector: Inspector::new(rules),
            reporter: Reporter::new(&settings),
            stream_counters: StreamCounters::default(),
            app_counters: AppCounters::default(),
            inline: InlineCounters::default(),
            policies: PolicyCounters::default(),
            detection: protocol::detection::Detector::new(&settings.protocol),
            summary: Summary::default(),
            bypassed: (0, 0),
            raw_stream,
            ended: Vec::new(),
            now: Timestamp::default(),
            late: Events::new(settings.outputs.len()),
            sample: ChecksumSample::default(),
            settings,
        }
    }

    /// Takes a batch of frames (best 32) through the whole path; records are added to `events`.
    pub fn inspect<'f>(&mut self, frames: impl Iterator<Item = RawFrame<'f>>, events: &mut Events) {
        let mut packets = Vec::with_capacity(64);
        for frame in frames {
            self.summary.count(frame.timestamp, frame.wire_len);
            self.decoder.decode(frame, &mut packets);
        }
        for packet in &packets {
            if let Some(hash) = self.flows.hash(packet) {
                self.flows.prefetch(hash);
            }
        }
        for at in 0..packets.len() {
            self.packet(&mut packets, at, events);
        }
    }

    /// One packet's way, step by step.
    fn packet(&mut self, packets: &mut [Packet<'_>], at: usize, events: &mut Events) {
        let Some(packet) = packets.get_mut(at) else { return };
        self.now = self.now.max(packet.timestamp);
        self.sample_checksum(packet);
        let mut progress = self.find_flow(packet);
        if self.is_bypassed(packet, &progress) {
            return self.work_off_ended(ENDED_PER_PACKET, events);
        }
        self.order_stream(packet, &mut progress);
        self.parse_application(packet, &mut progress);
        self.inspect_rules(packet, &mut progress);
        self.settle(packet, &mut progress);
        self.report(packets, at, &progress, events);
        self.tidy(&progress);
        self.flows.expire(self.now, ENDED_PER_PACKET, &mut self.ended);
        self.work_off_ended(ENDED_PER_PACKET, events);
    }

    /// With checksums in doubt, the first 1,000 packets decide whether they are looked at.
    fn sample_checksum(&mut self, packet: &mut Packet<'_>) {
        if self.settings.checksum_auto && self.sample.packets < 1000 {
            self.sample.packets += 1;
            let bad = match packet.transport {
                Transport::Tcp(_) => decode::checksum::tcp_ok(packet) == Some(false),
                Transport::Udp(_) => decode::checksum::udp_ok(packet) == Some(false),
                _ => false,
            };
            self.sample.bad += u32::from(bad);
            if self.sample.packets == 1000 {
                self.sample.ignore = self.sample.bad > 100;
            }
        }
        packet.flags.ignore_checksum |= self.settings.ignore_checksums || self.sample.ignore;
    }

    /// Finds or makes the flow and counts the packet on it.
    fn find_flow(&mut self, packet: &mut Packet<'_>) -> Progress {
        let mut progress = Progress::default();
        let Some(hash) = self.flows.hash(packet) else { return progress };
        match self.flows.lookup(packet, hash, &mut self.ended) {
            Lookup::Found(id, direction) | Lookup::Created(id, direction) => {
                progress.flow = Some(id);
                progress.facts.direction = direction;
                if self.settings.inline && self.flows.get(id).action == FlowAction::Drop {
                    let by_policy = self.flows.get(id).extension.policy_drop;
                    progress.dropped = Some(if by_policy {
                        DropReason::ExceptionPolicyFlowDrop
                    } else {
                        DropReason::FlowDrop
                    });
                }
            }
            Lookup::Refused => {
                let target = Target::FlowMemcap;
                let hit = PolicyHit { target, policy: self.settings.flow_memcap_policy };
                self.policies.count(hit);
                progress.take(policy::apply::<Kept>(hit, None, self.settings.inline));
            }
            Lookup::Missing => {}
        }
        progress
    }

    /// Packets of bypassed flows are only counted.
    fn is_bypassed(&mut self, packet: &Packet<'_>, progress: &Progress) -> bool {
        let Some(id) = progress.flow else { return false };
        if self.flows.get(id).state != FlowState::Bypassed {
            return false;
        }
        let flow = self.flows.get_mut(id);
        let bypassed = &mut flow.bypassed[progress.facts.direction.index()];
        bypassed.0 += 1;
        bypassed.1 += packet.bytes.len() as u64;
        self.bypassed.0 += 1;
        self.bypassed.1 += packet.bytes.len() as u64;
        if self.settings.inline && packet.origin == Origin::Wire {
            self.inline.count(None, false);
        }
        true
    }

    /// TCP: state machine and reassembly.
    fn order_stream(&mut self, packet: &mut Packet<'_>, progress: &mut Progress) {
        let (Some(id), true) = (progress.flow, packet.tcp().is_some()) else { return };
        let flow = self.flows.get_mut(id);
        let direction = progress.facts.direction;
        let tracked =
            flow::track(flow, packet, direction, &self.settings.stream, &mut self.stream_counters);
        if tracked.reverse {
            self.flows.reverse(id);
            progress.facts.direction = direction.opposite();
        }
        progress.facts.in_stream = tracked.added_to_stream;
        if progress.dropped.is_none() {
            progress.dropped = tracked.dropped;
        }
        for hit in tracked.policies.into_iter().flatten() {
            self.policies.count(hit);
            let inline = self.settings.inline;
            progress.take(policy::apply(hit, Some(self.flows.get_mut(id)), inline));
        }
        let flow = self.flows.get_mut(id);
        if tracked.bypass {
            application::bypass(flow, &mut self.stream_counters);
        }
        flow.extension.ready = tracked.ready;
    }

    /// Hands what became usable to protocol detection and parsers.
    fn parse_application(&mut self, packet: &mut Packet<'_>, progress: &mut Progress) {
        let Some(id) = progress.flow else { return };
        let mut run = application::Run {
            settings: &self.settings,
            detection: &self.detection,
            counters: &mut self.app_counters,
            streams: &mut self.stream_counters,
            now: packet.timestamp,
        };
        let flow = self.flows.get_mut(id);
        let outcome = match packet.transport {
            Transport::Tcp(_) => run.stream(flow, packet, progress.facts.direction, false),
            Transport::Udp(_) if progress.dropped.is_none() => {
                run.datagram(flow, progress.facts.direction, packet)
            }
            _ => return,
        };
        progress.facts.app_events |= outcome.app_events;
        if outcome.reverse {
            self.flows.reverse(id);
            progress.facts.direction = progress.facts.direction.opposite();
        }
        if outcome.error {
            self.apply_error_policy(id, progress);
        }
        let kept = &mut self.flows.get_mut(id).extension;
        let at = progress.facts.direction.index();
        progress.facts.app_updated = std::mem::take(&mut kept.pending[at]);
    }

    /// `app-layer.error-policy`.
    fn apply_error_policy(&mut self, id: FlowId, progress: &mut Progress) {
        let hit =
            PolicyHit { target: Target::AppLayerError, policy: self.settings.app_error_policy };
        self.policies.count(hit);
        let effect = policy::apply(hit, Some(self.flows.get_mut(id)), self.settings.inline);
        progress.take(effect);
    }

    /// Runs the rules.
    fn inspect_rules(&mut self, packet: &Packet<'_>, progress: &mut Progress) {
        if !self.settings.detection {
            self.inspector.queue.clear();
            return self.skip_rules(progress);
        }
        if progress.dropped.is_some() || progress.no_inspection {
            self.inspector.queue.clear();
            return self.skip_rules(progress);
        }
        let flow = progress.flow.map(|id| self.flows.get_mut(id));
        progress.verdict = self.inspector.inspect(packet, flow, &progress.facts);
        for alert in &self.inspector.queue.alerts {
            self.summary.alert(alert.found.rule);
        }
    }

    /// Without rules, transactions count as inspected.
    fn skip_rules(&mut self, progress: &Progress) {
        let Some(id) = progress.flow else { return };
        let kept = &mut self.flows.get_mut(id).extension;
        let direction = progress.facts.direction;
        if let Some(parser) = kept.session.parser_mut() {
            let from = kept.inspection.inspect_from[direction.index()];
            kept.inspection.inspect_from[direction.index()] =
                engine::inspect::tx::mark_inspected(parser, direction, from);
        }
    }

    /// Turns verdicts into what happens to packet and flow, and counts it.
    fn settle(&mut self, packet: &Packet<'_>, progress: &mut Progress) {
        let inline = self.settings.inline;
        if let (true, Some(_), None) = (inline, progress.verdict.drop, progress.dropped) {
            progress.dropped = Some(if progress.verdict.drop_by_threshold {
                DropReason::ThresholdDetectionFilter
            } else {
                DropReason::Rules
            });
        }
        if let Some(id) = progress.flow {
            let flow = self.flows.get_mut(id);
            if progress.verdict.bypass {
                application::bypass(flow, &mut self.stream_counters);
            }
            if inline && flow.action == FlowAction::Drop {
                application::stop(flow, &mut self.stream_counters);
            }
        }
        if inline && packet.origin == Origin::Wire {
            self.inline.count(progress.dropped, progress.verdict.reject != [false; 2]);
        }
    }

    /// Writes the records that the packet gives rise to.
    fn report(
        &mut self,
        packets: &[Packet<'_>],
        at: usize,
        progress: &Progress,
        events: &mut Events,
    ) {
        let Some(packet) = packets.get(at) else { return };
        let root = packet.root.and_then(|root| packets.get(root as usize));
        let flow = progress.flow.map(|id| self.flows.get_mut(id));
        self.reporter.packet(packet, root, flow, progress, &self.inspector, events);
    }

    /// Frees finished transactions and stream data that nobody needs any more.
    fn tidy(&mut self, progress: &Progress) {
        let Some(id) = progress.flow else { return };
        let flow = self.flows.get_mut(id);
        application::free_finished(flow, self.reporter.has_outputs());
        let direction = progress.facts.direction;
        if let Some(tcp) = flow.tcp.as_deref_mut() {
            let stream = tcp.stream_mut(direction);
            match progress.verdict.raw_until {
                Some(offset) => stream.raw_mark_inspected(offset),
                None if !self.raw_stream => stream.raw_skip(),
                None => {}
            }
            tcp.prune(direction, &self.settings.stream, &mut self.stream_counters);
        }
    }

    /// Gives ended flows their last inspection, reports and removes them.
    fn work_off_ended(&mut self, most: usize, events: &mut Events) {
        for _ in 0..most {
            if self.ended.is_empty() {
                return;
            }
            let (id, reason) = self.ended.remove(0);
            self.end_flow(id, reason, events);
        }
    }

    fn end_flow(&mut self, id: FlowId, reason: EndReason, events: &mut Events) {
        let end = self.flows.end_time(id, reason, self.now);
        // Which packet finds a flow timed out depends on the other flows of the worker; in order
        // records of ends therefore come last, sorted.
        let mut late = self.settings.ordered.then(|| std::mem::take(&mut self.late));
        let records = late.as_mut().unwrap_or(events);
        if application::needs_last_look(self.flows.get(id)) {
            for direction in Direction::BOTH {
                self.last_look(id, direction, end, records);
            }
        }
        let flow = self.flows.get_mut(id);
        self.summary.flow(flow);
        self.reporter.flow(flow, reason, end, &self.inspector, records);
        if let Some(late) = late {
            self.late = late;
            events.files.append(&mut self.late.files);
        }
        let session = self.flows.remove(id);
        self.stream_counters.recycle(session);
    }

    /// A packet that no wire carried: the rest of a direction's data is parsed and inspected.
    fn last_look(&mut self, id: FlowId, direction: Direction, now: Timestamp, events: &mut Events) {
        let mut run = application::Run {
            settings: &self.settings,
            detection: &self.detection,
            counters: &mut self.app_counters,
            streams: &mut self.stream_counters,
            now,
        };
        let flow = self.flows.get_mut(id);
        let mut packet = application::pseudo_packet(flow, direction, now, Origin::FlowTimeout);
        let outcome = run.stream(flow, &mut packet, direction, true);
        self.stream_counters.tcp.pseudo += 1;
        let mut progress = Progress { flow: Some(id), ..Progress::default() };
        progress.facts = PacketFacts {
            direction,
            in_stream: true,
            app_updated: true,
            last: true,
            app_events: outcome.app_events,
        };
        self.inspect_rules(&packet, &mut progress);
        let packets = [packet];
        self.report(&packets, 0, &progress, events);
        self.tidy(&progress);
    }

    /// End of input: all flows end.
    pub fn finish(&mut self, events: &mut Events) {
        self.work_off_ended(usize::MAX, events);
        let mut all = Vec::new();
        self.flows.drain(self.now, &mut all);
        for (id, reason) in all {
            self.end_flow(id, reason, events);
        }
        self.late.move_sorted(events);
    }

    /// Time goes on although this detector saw no packet: other workers did.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Goes over to other rules; call between batches.
    pub fn set_rules(&mut self, rules: Arc<Ruleset>) {
        self.inspector.set_rules(rules);
    }

    /// All counters, in the order of statistics.
    pub fn counters(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let add = &mut |name: &str, value: u64| snapshot.push(name, value);
        let decoder = self.decoder.counters();
        decoder.for_each_decoder(Some("decoder.event"), add);
        decoder.tcp_flags.for_each(add);
        self.stream_counters.for_each(add);
        self.flows.counters().for_each(add);
        decoder.defrag.for_each(add);
        add("flow_bypassed.local_pkts", self.bypassed.0);
        add("flow_bypassed.local_bytes", self.bypassed.1);
        if self.settings.inline {
            self.inline.for_each(add);
        }
        crate::counters::engine(&self.inspector, self.settings.detection, add);
        self.app_counters.for_each(&self.settings.protocol, add);
        self.policy_counters(add);
        snapshot
    }

    /// Counters of the exception policies that do something.
    fn policy_counters(&self, add: &mut dyn FnMut(&str, u64)) {
        let stream = &self.settings.stream;
        for target in Target::ALL {
            let policy = match target {
                Target::FlowMemcap => self.settings.flow_memcap_policy,
                Target::DefragMemcap => self.settings.defrag_memcap_policy,
                Target::StreamMemcap => stream.memcap_policy,
                Target::StreamReassemblyMemcap => stream.reassembly_memcap_policy,
                Target::StreamMidstream => stream.midstream_policy,
                Target::AppLayerError => self.settings.app_error_policy,
            };
            if policy != Policy::Ignore {
                self.policies.for_each(target, self.settings.inline, add);
            }
        }
    }

    /// Figures for people.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The symmetric hash that decides which worker a frame belongs to; fragments go by their
    /// addresses.
    pub fn flow_hash(&self, packet: &Packet<'_>) -> Option<u32> {
        self.flows.hash(packet)
    }

    /// The flow of a number, for tests and inspection.
    pub fn flow(&self, id: FlowId) -> &Flow {
        self.flows.get(id)
    }
}
