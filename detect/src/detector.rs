//! The life of a packet: decode, find the flow, order the stream, parse, inspect, report.

mod counting;
mod offloading;
mod running;

use std::collections::VecDeque;
use std::sync::Arc;

use decode::event::{DECODE_COUNT, STREAM_COUNT};
use decode::{Decoder, Direction, Origin, Packet, RawFrame, Timestamp, Transport};
use engine::sharing::OwnOrShared;
use engine::{Inspector, Kept, Needs, PacketFacts, Ruleset, Verdict};
use flow::policy::{self, DropReason, Policy, PolicyCounters, PolicyHit, Target};
use flow::{EndReason, FlowAction, FlowState};
use flow::{FlowId, FlowTable, Hashed, Lookup};
use flow::{StreamCounters, TcpState};
use protocol::Encrypted;
use protocol::counters::AppCounters;
use protocol::file::range::Ranges;

use crate::application;
use crate::checksums::ChecksumSample;
use crate::counters::{InlineCounters, Summary};
use crate::offload::Offload;
use crate::output::Events;
use crate::records::Reporter;
use crate::settings::{OutputSettings, Settings};
use crate::shared::Place;

/// Flows that may time out with each packet, and ended ones that are worked off after it.
const ENDED_PER_PACKET: usize = 2;

/// With so many waiting for each more that is worked off; at most so many after a packet. That is
/// more than the flows that one packet can end, so that the queue stays short.
const WAITING_PER_MORE: usize = 32;
const MOST_PER_PACKET: usize = 16;

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
    /// Files whose parts come over several flows.
    ranges: OwnOrShared<Ranges>,
    summary: Summary,
    /// Rules look at reassembled data.
    raw_stream: bool,
    /// They may, by the configuration.
    raw_configured: bool,
    /// Some output shows the hardware addresses of flows.
    macs: bool,
    /// There are rules, outputs or verdicts: what comes of a packet matters to somebody.
    watched: bool,
    /// Packets by stream event.
    stream_events: Box<[u64; STREAM_COUNT]>,
    /// Flows that ended and wait for their last look, in this order.
    ended: VecDeque<(FlowId, EndReason)>,
    now: Timestamp,
    /// Room for the hashes of a batch.
    hashes: Vec<Option<Hashed>>,
    /// With `ordered`: records of flows that ended.
    late: Events,
    /// The input has ended.
    finishing: bool,
    sample: ChecksumSample,
    /// Where this worker is among others, if they take turns.
    place: Option<Arc<Place>>,
    /// Takes flows over that need no inspection.
    offload: Option<Box<dyn Offload>>,
}

/// What the path so far found out about a packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) flow: Option<FlowId>,
    pub(crate) facts: PacketFacts,
    /// State of the TCP session before the packet.
    pub(crate) tcp_before: TcpState,
    /// Why the packet is dropped, if it is (inline).
    pub(crate) dropped: Option<DropReason>,
    pub(crate) verdict: Verdict,
    /// An exception policy keeps the rules off this packet.
    pub(crate) no_inspection: bool,
    /// Without rules: no transaction changed since the last packet of this direction.
    pub(crate) unchanged: bool,
    /// Nothing more comes, or the flow goes on as something else: all its records are due.
    pub(crate) all_due: bool,
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
fn apply_needs(settings: &mut Settings, needs: &Needs) {
    let detection = settings.detection;
    let protocol = &mut settings.protocol;
    protocol.tls.ja3 = protocol.tls.ja3.settle(detection && needs.ja3);
    protocol.ssh.hassh = protocol.ssh.hassh.settle(detection && needs.hassh);
    protocol.tls.ja4 = protocol.tls.ja4.settle(detection && needs.ja4);
    let mut bodies = detection && needs.bodies;
    for output in &settings.outputs {
        let OutputSettings::Eve(eve) = output else { continue };
        let shown = eve.alert.as_ref().is_some_and(|a| a.http_body || a.http_body_printable);
        bodies |= shown;
        protocol.file.late_store |= shown;
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
        protocol.file.magic |= needs.magic;
        protocol.file.late_store |= needs.file_store;
    }
    if let Some(store) = &settings.file_store {
        protocol.file.store |= store.force;
    }
    // Files are followed and hashed without keeping their bytes; only who looks at bytes keeps them.
    protocol.keep_bodies |= bodies;
    protocol.decode_bodies =
        detection || !settings.outputs.is_empty() || settings.file_store.is_some();
}

impl Detector {
    /// A detector with its rules.
    pub fn new(settings: Arc<Settings>, rules: Arc<Ruleset>) -> Self {
        let mut stream = settings.stream.clone();
        let raw_configured = stream.raw;
        stream.check_overlap_different_data |= rules.needs.overlap_event || settings.inline;
        let raw_stream = settings.detection && rules.needs.raw_stream;
        stream.raw &= raw_stream;
        stream.checksum_validation &= !settings.ignore_checksums;
        let mut own = (*settings).clone();
        own.stream = stream;
        apply_needs(&mut own, &rules.needs);
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
            ranges: OwnOrShared::Own(Box::new(Ranges::new(settings.protocol.ranges))),
            summary: Summary::default(),
            raw_stream,
            raw_configured,
            watched: settings.detection || settings.inline || !settings.outputs.is_empty(),
            macs: settings
                .outputs
                .iter()
                .any(|o| matches!(o, OutputSettings::Eve(e) if e.ethernet)),
            stream_events: Box::new([0; STREAM_COUNT]),
            ended: VecDeque::new(),
            now: Timestamp::default(),
            hashes: Vec::new(),
            late: Events::new(settings.outputs.len()),
            finishing: false,
            sample: ChecksumSample::default(),
            place: None,
            offload: None,
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
        let mut hashes = std::mem::take(&mut self.hashes);
        for packet in &packets {
            let hash = self.flows.hash(packet);
            if let Some(hash) = hash {
                self.flows.prefetch(hash);
            }
            hashes.push(hash);
        }
        hashes.iter().flatten().for_each(|hash| self.flows.prefetch_flow(*hash));
        for (at, hash) in hashes.drain(..).enumerate() {
            self.packet(&mut packets, at, hash, events);
        }
        self.hashes = hashes;
    }

    /// One packet's way, step by step.
    fn packet(
        &mut self,
        packets: &mut [Packet<'_>],
        at: usize,
        hash: Option<Hashed>,
        events: &mut Events,
    ) {
        self.take_place(packets, at);
        let Some(packet) = packets.get_mut(at) else { return };
        self.now = self.now.max(packet.timestamp);
        self.sample_checksum(packet);
        let mut progress = self.find_flow(packet, hash);
        if self.is_bypassed(packet, &progress) {
            return self.work_off_ended(events);
        }
        self.order_stream(packet, &mut progress);
        self.parse_application(packet, &mut progress, events);
        self.inspect_rules(packet, &mut progress);
        if self.watched || !packet.events.is_empty() {
            self.settle(packet, &mut progress);
            self.report(packets, at, &progress, events);
        }
        self.tidy(&progress);
        self.flows.expire(self.now, ENDED_PER_PACKET, &mut self.ended);
        self.work_off_ended(events);
    }

    /// Tells the other workers which frame is at hand. Packets within packets have no number of
    /// their own; their frame follows them.
    fn take_place(&self, packets: &[Packet<'_>], at: usize) {
        let Some(place) = &self.place else { return };
        let numbers = packets.get(at..).unwrap_or_default().iter().map(|packet| packet.number);
        if let Some(number) = numbers.into_iter().find(|number| *number > 0) {
            place.at(number);
        }
    }

    /// With checksums in doubt, the first 1,000 packets decide whether they are looked at.
    fn sample_checksum(&mut self, packet: &mut Packet<'_>) {
        if self.settings.checksum_auto {
            self.sample.take(packet);
        }
        // As in Suricata 8 that is said of frames, not of the packets in them.
        let ignore = self.settings.ignore_checksums || self.sample.ignores(packet.number);
        packet.flags.ignore_checksum |= ignore && packet.origin == Origin::Wire;
    }

    /// Finds or makes the flow and counts the packet on it.
    fn find_flow(&mut self, packet: &mut Packet<'_>, hash: Option<Hashed>) -> Progress {
        let mut progress = Progress::default();
        let Some(hash) = hash else { return progress };
        match self.flows.lookup(packet, hash, &mut self.ended) {
            Lookup::Found(id, direction) | Lookup::Created(id, direction) => {
                progress.flow = Some(id);
                progress.facts.direction = direction;
                if self.macs
                    && let Some((to, from)) = packet.macs()
                {
                    let macs = self.flows.get_mut(id).macs.get_or_insert_default();
                    macs.add(direction, from, to);
                }
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

    /// Packets of bypassed flows are only counted, which the flow table does.
    fn is_bypassed(&mut self, packet: &Packet<'_>, progress: &Progress) -> bool {
        let Some(id) = progress.flow else { return false };
        if self.flows.get(id).state != FlowState::Bypassed {
            return false;
        }
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
        progress.tcp_before = tracked.before;
        if progress.dropped.is_none() {
            progress.dropped = tracked.dropped;
        }
        for hit in tracked.policies.into_iter().flatten() {
            self.policies.count(hit);
            self.apply_policy(id, hit, progress);
        }
        let flow = self.flows.get_mut(id);
        if tracked.bypass {
            application::bypass(flow, &mut self.stream_counters);
        }
        flow.extension.ready = tracked.ready;
    }

    /// Hands what became usable to protocol detection and parsers.
    fn parse_application(
        &mut self,
        packet: &mut Packet<'_>,
        progress: &mut Progress,
        events: &mut Events,
    ) {
        let Some(id) = progress.flow else { return };
        let (mut run, flows) = self.application(packet.timestamp);
        let flow = flows.get_mut(id);
        let outcome = match packet.transport {
            Transport::Tcp(_) => run.stream(flow, packet, progress.facts.direction, false),
            Transport::Udp(_) if progress.dropped.is_none() => {
                run.datagram(flow, progress.facts.direction, packet)
            }
            _ => return,
        };
        progress.facts.app_events |= outcome.app_events;
        if outcome.reverse {
            self.reverse(id);
            progress.facts.direction = progress.facts.direction.opposite();
        }
        if outcome.error {
            self.apply_error_policy(id, progress);
        }
        if outcome.change || outcome.encrypted.is_some() {
            self.change_over(id, packet, progress, &outcome, events);
        }
        let kept = &mut self.flows.get_mut(id).extension;
        let at = progress.facts.direction.index();
        progress.facts.app_updated = std::mem::take(&mut kept.pending[at]);
    }

    /// The room of the application layer, and the flows that it is for.
    fn application(&mut self, now: Timestamp) -> (application::Run<'_>, &mut FlowTable<Kept>) {
        let run = application::Run {
            settings: &self.settings,
            detection: &self.detection,
            counters: &mut self.app_counters,
            streams: &mut self.stream_counters,
            ranges: &mut self.ranges,
            now,
        };
        (run, &mut self.flows)
    }

    /// The application layer found the endpoints to be the wrong way round.
    fn reverse(&mut self, id: FlowId) {
        self.flows.reverse(id);
        let kept = &mut self.flows.get_mut(id).extension;
        kept.pending.swap(0, 1);
        kept.unmarked.swap(0, 1);
        kept.ended.swap(0, 1);
    }

    /// The flow goes on as another protocol or encrypted: rules look at what there is, and records
    /// are written, before that.
    fn change_over(
        &mut self,
        id: FlowId,
        packet: &Packet<'_>,
        progress: &mut Progress,
        outcome: &application::Outcome,
        events: &mut Events,
    ) {
        let direction = progress.facts.direction;
        let first = if self.settings.inline { direction.opposite() } else { direction };
        let looks = outcome.change || outcome.encrypted == Some(Encrypted::Bypass);
        if looks && progress.dropped.is_none() && self.flows.get(id).tcp.is_some() {
            for direction in [first, first.opposite()] {
                self.flush(id, direction, packet, events);
            }
        }
        let flow = self.flows.get_mut(id);
        if let Some(how) = outcome.encrypted {
            application::encrypt(flow, how, &mut self.stream_counters);
        }
        if self.settings.inline && flow.action == FlowAction::Drop {
            progress.dropped = progress.dropped.or(Some(DropReason::FlowDrop));
        }
    }

    /// A packet that no wire carried: what was parsed and acknowledged so far is inspected now.
    fn flush(&mut self, id: FlowId, direction: Direction, cause: &Packet<'_>, events: &mut Events) {
        let flow = self.flows.get_mut(id);
        if let Some(tcp) = flow.tcp.as_deref_mut() {
            tcp.stream_mut(direction).raw_flush();
        }
        let now = cause.timestamp;
        let mut packet = application::pseudo_packet(flow, direction, now, Origin::StreamFlush);
        packet.number = cause.number;
        self.stream_counters.tcp.pseudo += 1;
        let mut progress = Progress { flow: Some(id), all_due: true, ..Progress::default() };
        progress.facts.direction = direction;
        progress.facts.in_stream = true;
        progress.facts.app_updated = true;
        self.inspect_rules(&packet, &mut progress);
        self.settle(&packet, &mut progress);
        self.report(&[packet], 0, &progress, events);
        self.tidy(&progress);
    }

    /// `app-layer.error-policy`.
    fn apply_error_policy(&mut self, id: FlowId, progress: &mut Progress) {
        let hit =
            PolicyHit { target: Target::AppLayerError, policy: self.settings.app_error_policy };
        self.policies.count(hit);
        self.apply_policy(id, hit, progress);
    }

    /// Does to flow and packet what an exception policy says.
    fn apply_policy(&mut self, id: FlowId, hit: PolicyHit, progress: &mut Progress) {
        let flow = self.flows.get_mut(id);
        let before = flow.action;
        progress.take(policy::apply(hit, Some(&mut *flow), self.settings.inline));
        flow.extension.policy_drop |= before != FlowAction::Drop && flow.action == FlowAction::Drop;
    }

    /// Runs the rules.
    fn inspect_rules(&mut self, packet: &Packet<'_>, progress: &mut Progress) {
        if !self.settings.detection {
            self.inspector.forget_packet();
            return self.skip_rules(progress);
        }
        if progress.dropped.is_some() || progress.no_inspection {
            self.inspector.forget_packet();
            return self.skip_rules(progress);
        }
        let flow = progress.flow.map(|id| self.flows.get_mut(id));
        progress.verdict = self.inspector.inspect(packet, flow, &progress.facts);
        for alert in &self.inspector.queue.alerts {
            self.summary.alert(alert.found.rule);
        }
    }

    /// Without rules, transactions count as inspected.
    fn skip_rules(&mut self, progress: &mut Progress) {
        let Some(id) = progress.flow else { return };
        let kept = &mut self.flows.get_mut(id).extension;
        let direction = progress.facts.direction;
        // At the end of a flow things become due without any news.
        let ending = progress.facts.last
            || progress.all_due
            || kept.ended != [false; 2]
            || kept.session.is_disabled();
        progress.unchanged = !std::mem::take(&mut kept.unmarked[direction.index()]) && !ending;
        if progress.unchanged {
            return;
        }
        if let Some(parser) = kept.session.parser_mut() {
            let from = kept.inspection.inspect_from[direction.index()];
            kept.inspection.inspect_from[direction.index()] =
                engine::inspect::tx::mark_inspected(parser, direction, from);
        }
    }

    /// Turns verdicts into what happens to packet and flow, and counts it.
    #[inline]
    fn settle(&mut self, packet: &Packet<'_>, progress: &mut Progress) {
        let inline = self.settings.inline;
        if let (true, Some(_), None) = (inline, progress.verdict.drop, progress.dropped) {
            progress.dropped = Some(if progress.verdict.drop_by_threshold {
                DropReason::ThresholdDetectionFilter
            } else {
                DropReason::Rules
            });
        }
        if let (Some(id), true) = (progress.flow, progress.verdict.bypass) {
            application::bypass(self.flows.get_mut(id), &mut self.stream_counters);
        }
        if let (Some(id), true) = (progress.flow, self.offload.is_some()) {
            self.offer(id);
        }
        if inline && packet.origin == Origin::Wire {
            self.inline.count(progress.dropped, progress.verdict.reject != [false; 2]);
        }
    }

    /// Writes the records that the packet gives rise to.
    #[inline]
    fn report(
        &mut self,
        packets: &[Packet<'_>],
        at: usize,
        progress: &Progress,
        events: &mut Events,
    ) {
        let Some(packet) = packets.get(at) else { return };
        for &code in packet.events.as_slice() {
            let at = usize::from(code).wrapping_sub(DECODE_COUNT);
            if let Some(count) = self.stream_events.get_mut(at) {
                *count += 1;
            }
        }
        let root = packet.root.and_then(|root| packets.get(root as usize));
        let flow = progress.flow.map(|id| self.flows.get_mut(id));
        self.reporter.packet(packet, root, flow, progress, &self.inspector, events);
    }

    /// Ends what the verdict ends, and frees finished transactions and stream data that nobody
    /// needs any more.
    fn tidy(&mut self, progress: &Progress) {
        let Some(id) = progress.flow else { return };
        let flow = self.flows.get_mut(id);
        if self.settings.inline && flow.action == FlowAction::Drop {
            application::stop(flow, &mut self.stream_counters);
        }
        if !progress.unchanged {
            application::free_finished(flow, self.reporter.has_outputs());
        }
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
    fn work_off_ended(&mut self, events: &mut Events) {
        let most = ENDED_PER_PACKET + self.ended.len() / WAITING_PER_MORE;
        for _ in 0..most.min(MOST_PER_PACKET) {
            let Some((id, reason)) = self.ended.pop_front() else { return };
            self.end_flow(id, reason, events);
        }
    }

    fn end_flow(&mut self, id: FlowId, reason: EndReason, events: &mut Events) {
        if self.offload.is_some() {
            if self.lives_on(id, reason) {
                return;
            }
            self.take_back(id);
        }
        let end = self.flows.end_time(id, reason, self.now);
        // Which packet finds a flow timed out depends on the other flows of the worker; in order
        // records of ends therefore come last, sorted.
        let mut late = self.settings.ordered.then(|| std::mem::take(&mut self.late));
        let records = late.as_mut().unwrap_or(events);
        if application::needs_last_look(self.flows.get(id)) {
            // The first look may turn the flow round: what it saw is then sent to the client.
            let seen = self.last_look(id, Direction::ToServer, false, end, records);
            self.last_look(id, seen.opposite(), true, end, records);
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
    /// Records wait for the second look (`all_due`). Returns the direction that it turned out
    /// to be.
    fn last_look(
        &mut self,
        id: FlowId,
        mut direction: Direction,
        all_due: bool,
        now: Timestamp,
        events: &mut Events,
    ) -> Direction {
        let flow = self.flows.get(id);
        let mut packet = application::pseudo_packet(flow, direction, now, Origin::FlowTimeout);
        let mut outcome = self.last_data(id, &mut packet, direction);
        if outcome.reverse {
            self.reverse(id);
            direction = direction.opposite();
            let rest = self.last_data(id, &mut packet, direction);
            outcome.app_events |= rest.app_events;
            outcome.error |= rest.error;
        }
        let mut progress = Progress { flow: Some(id), all_due, ..Progress::default() };
        progress.facts = PacketFacts {
            direction,
            in_stream: true,
            app_updated: true,
            last: true,
            app_events: outcome.app_events,
        };
        if outcome.error {
            self.apply_error_policy(id, &mut progress);
        }
        self.inspect_rules(&packet, &mut progress);
        let packets = [packet];
        self.report(&packets, 0, &progress, events);
        self.tidy(&progress);
        direction
    }

    /// Gives what is left of a direction's data to the application layer.
    fn last_data(
        &mut self,
        id: FlowId,
        packet: &mut Packet<'_>,
        direction: Direction,
    ) -> application::Outcome {
        let (mut run, flows) = self.application(packet.timestamp);
        run.stream(flows.get_mut(id), packet, direction, true)
    }

    /// Figures for people.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }
}
