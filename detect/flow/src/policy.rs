//! Exception policies: what happens to a packet and its flow when the sensor cannot do its work.

pub use crate::drop_reason::DropReason;
use crate::entry::{AppAction, Flow, FlowAction, FlowState};

/// What is done when a condition arises; the words of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Go on as well as possible.
    #[default]
    Ignore,
    /// Let this packet through without inspection.
    PassPacket,
    /// Let the whole flow through without rules.
    PassFlow,
    /// Take the flow off the inspected path.
    Bypass,
    /// Drop this packet.
    DropPacket,
    /// Drop the whole flow.
    DropFlow,
    /// Drop the flow and send a reset to its source.
    Reject,
    /// Drop the flow and send resets to both ends.
    RejectBoth,
}

impl Policy {
    /// Every policy in the order of the counters.
    pub const ALL: [Self; 8] = [
        Self::Ignore,
        Self::PassPacket,
        Self::PassFlow,
        Self::Bypass,
        Self::DropPacket,
        Self::DropFlow,
        Self::Reject,
        Self::RejectBoth,
    ];

    /// The name in EVE and in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::PassPacket => "pass_packet",
            Self::PassFlow => "pass_flow",
            Self::Bypass => "bypass",
            Self::DropPacket => "drop_packet",
            Self::DropFlow => "drop_flow",
            Self::Reject => "reject",
            Self::RejectBoth => "reject_both",
        }
    }

    /// True for those that drop packets in IPS mode.
    pub const fn drops(self) -> bool {
        matches!(self, Self::DropPacket | Self::DropFlow)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// A policy as the configuration gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Decided by the mode.
    Auto,
    /// As it says.
    Is(Policy),
}

impl Word {
    /// Reads a word of the configuration.
    pub fn parse(text: &str) -> Option<Self> {
        let policy = match text.to_ascii_lowercase().as_str() {
            "auto" => return Some(Self::Auto),
            "ignore" => Policy::Ignore,
            "pass-packet" => Policy::PassPacket,
            "pass-flow" => Policy::PassFlow,
            "bypass" => Policy::Bypass,
            "drop-packet" => Policy::DropPacket,
            "drop-flow" => Policy::DropFlow,
            "reject" => Policy::Reject,
            "rejectboth" => Policy::RejectBoth,
            _ => return None,
        };
        Some(Self::Is(policy))
    }
}

/// The conditions that have a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// No memory for a defragmentation tracker.
    DefragMemcap,
    /// No memory for a TCP session.
    StreamMemcap,
    /// No memory or no place for TCP data.
    StreamReassemblyMemcap,
    /// No memory for a flow.
    FlowMemcap,
    /// A TCP flow that did not start with its handshake.
    StreamMidstream,
    /// An application layer parser gave up.
    AppLayerError,
}

impl Target {
    /// Every target in the order of `flow.exception_policy`.
    pub const ALL: [Self; 6] = [
        Self::DefragMemcap,
        Self::StreamMemcap,
        Self::StreamReassemblyMemcap,
        Self::FlowMemcap,
        Self::StreamMidstream,
        Self::AppLayerError,
    ];

    /// The name in `flow.exception_policy[].target`.
    pub const fn eve_name(self) -> &'static str {
        match self {
            Self::DefragMemcap => "defrag_memcap",
            Self::StreamMemcap => "stream_memcap",
            Self::StreamReassemblyMemcap => "stream_reassembly_memcap",
            Self::FlowMemcap => "flow_memcap",
            Self::StreamMidstream => "stream_midstream",
            Self::AppLayerError => "app_layer_error",
        }
    }

    /// What counters are called before the policy's name.
    pub const fn counter_prefix(self) -> &'static str {
        match self {
            Self::DefragMemcap => "exception_policy.defrag.memcap.",
            Self::StreamMemcap => "exception_policy.tcp.ssn_memcap.",
            Self::StreamReassemblyMemcap => "exception_policy.tcp.reassembly.",
            Self::FlowMemcap => "exception_policy.flow.memcap.",
            Self::StreamMidstream => "exception_policy.tcp.midstream.",
            Self::AppLayerError => "exception_policy.app_layer.error.",
        }
    }

    /// Why a packet is dropped by this target's policy.
    pub const fn drop_reason(self) -> DropReason {
        match self {
            Self::DefragMemcap => DropReason::DefragMemcap,
            Self::StreamMemcap => DropReason::StreamMemcap,
            Self::StreamReassemblyMemcap => DropReason::StreamReassembly,
            Self::FlowMemcap => DropReason::FlowMemcap,
            Self::StreamMidstream => DropReason::StreamMidstream,
            Self::AppLayerError => DropReason::AppLayerError,
        }
    }

    /// True where there is no flow to act on.
    pub const fn packet_only(self) -> bool {
        matches!(self, Self::DefragMemcap | Self::FlowMemcap)
    }

    /// True if `policy` has a counter here in this mode.
    pub const fn counts(self, policy: Policy, ips: bool) -> bool {
        match policy {
            Policy::Ignore => false,
            Policy::DropPacket => ips && !matches!(self, Self::StreamMidstream),
            Policy::DropFlow => ips && !self.packet_only(),
            Policy::PassPacket => !matches!(self, Self::StreamMidstream),
            Policy::PassFlow => !self.packet_only(),
            Policy::Bypass | Policy::Reject | Policy::RejectBoth => true,
        }
    }

    pub(crate) fn order_of(name: &str) -> usize {
        Self::ALL.iter().position(|target| target.eve_name() == name).unwrap_or(usize::MAX)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// A condition that arose on a packet, and the policy it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyHit {
    /// The condition.
    pub target: Target,
    /// Its policy.
    pub policy: Policy,
}

/// What a policy does to the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The packet is dropped for this reason.
    pub dropped: Option<DropReason>,
    /// Resets are sent: to the source only, or to both ends.
    pub reject: Option<Policy>,
    /// No rules on this packet or its payload.
    pub no_inspection: bool,
    /// The flow became bypassed.
    pub bypassed: bool,
}

/// Applies a policy to `flow` and says what it does to the packet.
pub fn apply<X>(hit: PolicyHit, mut flow: Option<&mut Flow<X>>, ips: bool) -> Effect {
    if let Some(flow) = flow.as_deref_mut() {
        flow.note_policy(hit.target, hit.policy);
    }
    let mut effect = Effect::default();
    let dropped = Some(hit.target.drop_reason());
    match hit.policy {
        Policy::Ignore => {}
        Policy::DropPacket => {
            effect.dropped = dropped;
            effect.no_inspection = true;
        }
        Policy::DropFlow => {
            effect.dropped = dropped;
            effect.no_inspection = true;
            drop_flow(flow);
        }
        Policy::Reject | Policy::RejectBoth => {
            effect.reject = Some(hit.policy);
            if ips {
                effect.dropped = dropped;
                effect.no_inspection = true;
                drop_flow(flow);
            }
        }
        Policy::Bypass => {
            effect.no_inspection = true;
            effect.bypassed = flow.is_some();
            if let Some(flow) = flow {
                flow.state = FlowState::Bypassed;
                flow.action = FlowAction::Pass;
            }
        }
        Policy::PassFlow => {
            effect.no_inspection = true;
            if let Some(flow) = flow {
                flow.action = FlowAction::Pass;
                flow.no_inspection = true;
            }
        }
        Policy::PassPacket => effect.no_inspection = true,
    }
    effect
}

fn drop_flow<X>(flow: Option<&mut Flow<X>>) {
    if let Some(flow) = flow {
        flow.action = FlowAction::Drop;
        flow.no_inspection = true;
        flow.no_payload_inspection = true;
        flow.app = AppAction::Disabled;
    }
}

/// A setting that does not fit the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Flow actions where there is no flow; the packet's counterpart is used.
    #[error("no flow actions here, using {}", .0.name())]
    NoFlowActions(Policy),
    /// Not valid together with the mode or with `stream.midstream`; used as it is.
    #[error("{} is not valid for stream.midstream-policy in this mode", .0.name())]
    Midstream(Policy),
}

/// The policy of `target` from its own word, the master word and the mode, and what is odd
/// about it.
pub fn resolve(
    target: Target,
    own: Option<Word>,
    master: Option<Word>,
    ips: bool,
    midstream: bool,
) -> (Policy, Option<PolicyError>) {
    let is_midstream = matches!(target, Target::StreamMidstream);
    let automatic = match () {
        () if !ips || (is_midstream && midstream) => Policy::Ignore,
        () if target.packet_only() => Policy::DropPacket,
        () => Policy::DropFlow,
    };
    let policy = match (own, master) {
        (Some(Word::Is(policy)), _) => policy,
        (Some(Word::Auto), _) | (None, Some(Word::Auto) | None) => automatic,
        (None, Some(Word::Is(policy))) if policy.drops() && !ips => Policy::Ignore,
        (None, Some(Word::Is(policy))) => policy,
    };
    if target.packet_only() {
        let usable = match policy {
            Policy::DropFlow => Policy::DropPacket,
            Policy::PassFlow => Policy::PassPacket,
            Policy::Bypass => Policy::Ignore,
            policy => policy,
        };
        return (usable, (usable != policy).then_some(PolicyError::NoFlowActions(usable)));
    }
    let valid = match policy {
        Policy::Ignore | Policy::PassFlow => true,
        Policy::DropPacket | Policy::PassPacket => false,
        Policy::DropFlow => ips && !midstream,
        Policy::Bypass | Policy::Reject | Policy::RejectBoth => !midstream,
    };
    let error = (is_midstream && !valid).then_some(PolicyError::Midstream(policy));
    (policy, error)
}

/// How often each policy applied, by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounters {
    hits: [[u64; 8]; 6],
}

impl PolicyCounters {
    /// Counts a hit.
    pub fn count(&mut self, hit: PolicyHit) {
        self.hits[hit.target.index()][hit.policy.index()] += 1;
    }

    /// Calls `visit` with the name and value of each counter of `target` that exists in this
    /// mode, provided its policy is not `ignore`.
    pub fn for_each(&self, target: Target, ips: bool, visit: &mut dyn FnMut(&str, u64)) {
        for policy in Policy::ALL.into_iter().filter(|policy| target.counts(*policy, ips)) {
            let name = format!("{}{}", target.counter_prefix(), policy.name());
            visit(&name, self.hits[target.index()][policy.index()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_follow_their_own_word_then_the_master_then_the_mode() {
        #[track_caller]
        fn check(target: Target, own: &str, master: &str, ips: bool, mid: bool, expected: Policy) {
            let (policy, _) = resolve(target, Word::parse(own), Word::parse(master), ips, mid);
            assert_eq!(policy, expected);
        }
        use Target::{FlowMemcap, StreamMemcap, StreamMidstream};
        check(StreamMemcap, "", "", false, false, Policy::Ignore);
        check(StreamMemcap, "", "", true, false, Policy::DropFlow);
        check(StreamMemcap, "", "drop-flow", false, false, Policy::Ignore);
        check(StreamMemcap, "drop-flow", "", false, false, Policy::DropFlow);
        check(StreamMemcap, "pass-packet", "reject", true, false, Policy::PassPacket);
        check(FlowMemcap, "", "auto", true, false, Policy::DropPacket);
        check(FlowMemcap, "drop-flow", "", true, false, Policy::DropPacket);
        check(FlowMemcap, "bypass", "", true, false, Policy::Ignore);
        check(StreamMidstream, "", "auto", true, true, Policy::Ignore);
        check(StreamMidstream, "", "", true, false, Policy::DropFlow);
        check(StreamMidstream, "rejectboth", "", true, false, Policy::RejectBoth);
    }

    #[test]
    fn midstream_words_that_make_no_sense_are_reported() {
        let check = |word: &str, ips, midstream| {
            let own = Word::parse(word);
            resolve(Target::StreamMidstream, own, None, ips, midstream).1.is_some()
        };
        assert!(check("drop-flow", false, false));
        assert!(!check("drop-flow", true, false));
        assert!(check("drop-flow", true, true));
        assert!(check("drop-packet", true, false));
        assert!(check("bypass", true, true));
        assert!(!check("pass-flow", true, true));
    }

    #[test]
    fn effects_reach_the_flow() {
        let hit = |policy| PolicyHit { target: Target::StreamMidstream, policy };
        let mut flow = Flow::<()>::default();
        let effect = apply(hit(Policy::DropFlow), Some(&mut flow), true);
        assert_eq!(effect.dropped, Some(DropReason::StreamMidstream));
        assert_eq!((flow.action, flow.app), (FlowAction::Drop, AppAction::Disabled));
        let mut flow = Flow::<()>::default();
        let effect = apply(hit(Policy::Reject), Some(&mut flow), false);
        assert_eq!((effect.dropped, effect.reject), (None, Some(Policy::Reject)));
        assert_eq!(flow.action, FlowAction::None);
        let mut flow = Flow::<()>::default();
        apply(hit(Policy::Bypass), Some(&mut flow), false);
        assert_eq!((flow.state, flow.action), (FlowState::Bypassed, FlowAction::Pass));
    }

    #[test]
    fn counters_exist_for_what_can_happen() {
        let names = |target, ips| {
            let mut names = Vec::new();
            PolicyCounters::default().for_each(target, ips, &mut |name, _| {
                names.push(name.rsplit('.').next().unwrap().to_owned());
            });
            names
        };
        assert_eq!(
            names(Target::StreamMidstream, true),
            ["pass_flow", "bypass", "drop_flow", "reject", "reject_both"]
        );
        assert_eq!(
            names(Target::FlowMemcap, false),
            ["pass_packet", "bypass", "reject", "reject_both"]
        );
    }
}
