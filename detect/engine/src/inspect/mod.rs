//! One packet against the rules: the engine's work from candidates to verdict.

pub mod bits;
pub mod buffers;
pub mod finish;
pub mod packet;
pub mod scene;
pub mod select;
pub mod tx;

use std::sync::Arc;

use decode::{Direction, Packet};
use flow::FlowAction;
use protocol::Parser;
use rules::keyword::Knowledge;
use search::Hits;

use crate::content::Scratch;
use crate::group::Groups;
use crate::inspect::buffers::Buffers;
use crate::inspect::scene::{FlowParts, Scene};
use crate::kept::Flow;
use crate::queue::Queue;
use crate::remembered::Remembered;
use crate::ruleset::Ruleset;
use crate::sharing::OwnOrShared;

/// What the rooms below found out about a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketFacts {
    /// Direction within the flow; to the server without a flow.
    pub direction: Direction,
    /// The payload went into a stream: rules on streams see it there.
    pub in_stream: bool,
    /// The application layer was updated in the packet's direction.
    pub app_updated: bool,
    /// Made at the end of a flow: all data counts as there.
    pub last: bool,
    /// Events of protocol detection on this packet, see `rules::keyword::AppEvent`.
    pub app_events: u8,
}

/// What the rules decided about a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Drop it: index of the first rule that says so.
    pub drop: Option<u32>,
    /// The drop comes from a rate filter.
    pub drop_by_threshold: bool,
    /// Reject: to the sender, to the receiver.
    pub reject: [bool; 2],
    /// A `pass` rule ended inspection.
    pub pass: bool,
    /// The flow is to be bypassed.
    pub bypass: bool,
    /// The packet belongs to a tag: rule that set it.
    pub tagged: Option<u32>,
    /// Offset up to which the stream of the packet's direction was looked at; none: not at all.
    pub raw_until: Option<u64>,
}

/// Counters of a worker's engine; names under `detect.`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineCounters {
    /// `detect.alert`
    pub alert: u64,
    /// `detect.alert_queue_overflow`
    pub overflow: u64,
    /// `detect.alerts_suppressed`
    pub suppressed: u64,
}

/// What limits kept a worker's rules from doing; names under `detect.`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// `detect.thresholds.refused`: matches that were not counted because the table was full.
    pub thresholds: u64,
    /// `detect.host_bits.refused`: bits of hosts that were not set for lack of memory.
    pub host_bits: u64,
    /// `detect.pair_bits.refused`: the same of pairs of hosts.
    pub pair_bits: u64,
    /// `detect.host_tags.refused`: tags of hosts that were not set because there were too many.
    pub host_tags: u64,
    /// `detect.datasets.refused`: values that full data sets did not take.
    pub dataset_values: u64,
    /// `detect.pcre.limit_exceeded`: expressions that were given up at a limit.
    pub pcre_matches: u64,
    /// `detect.groups.renewed`: times all groups were made anew because there were too many.
    pub groups_renewed: u64,
}

/// What one worker needs to run rules.
pub struct Inspector {
    rules: Arc<Ruleset>,
    /// Rises with each new ruleset: what flows know of the one before is of no use then.
    generation: u32,
    groups: Groups,
    work: Work,
    /// Matches and alerts of the packet at hand.
    pub queue: Queue,
    /// Counters.
    pub counters: EngineCounters,
}

/// Reusable room of a worker.
pub struct Work {
    pub(super) scratch: Scratch,
    pub(super) buffers: Buffers,
    pub(super) hits: Hits,
    pub(super) candidates: Vec<u32>,
    pub(super) remembered: OwnOrShared<Remembered>,
    pub(super) names: Arc<rules::Names>,
    /// Variables that rules captured on this packet: name and value.
    pub packet_variables: Vec<(String, Vec<u8>)>,
    pub(super) verdict: Verdict,
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector")
            .field("rules", &self.rules.rules().len())
            .finish_non_exhaustive()
    }
}

impl Inspector {
    /// For a ruleset.
    pub fn new(rules: Arc<Ruleset>) -> Self {
        let remembered = OwnOrShared::Own(Box::new(Remembered::new(&rules.settings)));
        Self {
            groups: Groups::default(),
            generation: 0,
            work: Work::new(&rules, remembered),
            queue: Queue::default(),
            counters: EngineCounters::default(),
            rules,
        }
    }

    /// Inspects by other rules from now on. They have to be read with the names of the present
    /// ones (`rules::Loader::taking_over`), so that bits and variables of flows go on.
    /// What rules remember beyond one flow stays; transactions begin anew with their rules.
    pub fn set_rules(&mut self, rules: Arc<Ruleset>) {
        let own = OwnOrShared::Own(Box::new(Remembered::new(&rules.settings)));
        let remembered = std::mem::replace(&mut self.work.remembered, own);
        self.work = Work::new(&rules, remembered);
        self.groups = Groups::default();
        self.queue = Queue::default();
        self.generation = self.generation.wrapping_add(1);
        self.rules = rules;
    }

    /// Shares what rules remember beyond one flow with other workers. If they take turns at it,
    /// they do so at data sets that rules write, too.
    pub fn set_remembered(&mut self, remembered: OwnOrShared<Remembered>) {
        self.work.scratch.turn = remembered.turn();
        self.work.remembered = remembered;
    }

    /// The ruleset.
    pub const fn rules(&self) -> &Arc<Ruleset> {
        &self.rules
    }

    /// Variables captured on the packet at hand.
    pub fn packet_variables(&self) -> &[(String, Vec<u8>)] {
        &self.work.packet_variables
    }

    /// The packet at hand is not inspected: what the one before left behind is not its own.
    pub fn forget_packet(&mut self) {
        self.queue.clear();
        self.work.packet_variables.clear();
    }

    /// Bytes that thresholds use, as their limit counts them.
    pub fn threshold_memory(&self) -> usize {
        self.work.remembered.size(|memory| memory.thresholds.memory() as u64) as usize
    }

    /// What limits kept rules from doing; of what is shared, as one worker shows it.
    pub fn refused(&self) -> Refused {
        let Work { scratch, buffers, remembered, .. } = &self.work;
        Refused {
            thresholds: remembered.size(|memory| memory.thresholds.refused),
            host_bits: remembered.size(|memory| memory.refused_bits()[0]),
            pair_bits: remembered.size(|memory| memory.refused_bits()[1]),
            host_tags: remembered.size(|memory| memory.host_tags.refused),
            dataset_values: scratch.refused_values,
            pcre_matches: scratch.exceeded().saturating_add(buffers.exceeded()),
            groups_renewed: self.groups.renewed(),
        }
    }

    /// Runs the rules on a packet; alerts are left in `queue`.
    pub fn inspect(
        &mut self,
        packet: &Packet<'_>,
        mut flow: Option<&mut Flow>,
        facts: &PacketFacts,
    ) -> Verdict {
        // The ruleset is borrowed, not cloned: its count is shared by all workers.
        let Self { rules, generation, groups, work, queue, counters } = self;
        queue.clear();
        if let Some(flow) = flow.as_deref_mut()
            && flow.extension.inspection.generation != *generation
        {
            forget_rules(flow, *generation);
        }
        work.verdict = Verdict::default();
        work.packet_variables.clear();
        if let Some(flow) = flow.as_deref_mut()
            && (flow.no_inspection || flow.action != FlowAction::None)
        {
            mark_all_inspected(flow, facts.direction);
            return work.verdict;
        }
        let established = flow.as_deref_mut().is_some_and(select::established);
        let group = select::group(groups, rules, packet, flow.as_deref_mut(), facts, established);
        let knowledge = rules.settings.reputation.as_deref().map(|r| r as &dyn Knowledge);
        let mut parts = flow.map(|flow| FlowParts::of(flow, established));
        let mut scene = Scene::new(packet, facts, parts.as_mut(), knowledge, rules);
        work.verdict.raw_until = scene.raw_until();
        packet::address_rules(rules, groups, group, &mut scene, work, queue);
        packet::event_rules(rules, &mut scene, work, queue);
        packet::protocol_rules(rules, &mut scene, work, queue);
        packet::packet_rules(rules, groups, group, &mut scene, work, queue);
        tx::transaction_rules(rules, groups, group, &mut scene, work, queue);
        finish::finish(rules, &mut scene, work, queue, counters);
        work.verdict
    }
}

impl Work {
    fn new(rules: &Arc<Ruleset>, remembered: OwnOrShared<Remembered>) -> Self {
        let settings = &rules.settings;
        let mut scratch = Scratch::new(settings.recursion_limit, settings.pcre_limits);
        scratch.turn = remembered.turn();
        Self {
            scratch,
            buffers: Buffers::new(rules),
            hits: Hits::with_capacity(rules.rules().len()),
            candidates: Vec::new(),
            remembered,
            names: Arc::clone(&rules.names),
            packet_variables: Vec::new(),
            verdict: Verdict::default(),
        }
    }
}

/// The flow was inspected by other rules: how far they had got means nothing for the present ones.
fn forget_rules(flow: &mut Flow, generation: u32) {
    let inspection = &mut flow.extension.inspection;
    inspection.generation = generation;
    inspection.group = [0; 2];
    inspection.group_established = [false; 2];
    inspection.address_rules_done = [false; 2];
    inspection.protocol_rules_done = [false; 2];
    let Some(parser) = flow.extension.session.parser_mut() else { return };
    for tx in parser.first_tx()..parser.next_tx() {
        if let Some(meta) = parser.meta_mut(tx) {
            meta.rules.iter_mut().for_each(Vec::clear);
            // Data that the rules before saw stays visible until the transaction is complete.
            meta.updated = [true; 2];
        }
    }
}

/// Transactions count as inspected when no rule will look at them.
fn mark_all_inspected(flow: &mut Flow, direction: Direction) {
    let extension = &mut flow.extension;
    if let Some(parser) = extension.session.parser_mut() {
        let from = extension.inspection.inspect_from[direction.index()];
        extension.inspection.inspect_from[direction.index()] =
            tx::mark_inspected(parser, direction, from);
    }
}
