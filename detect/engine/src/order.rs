//! The internal order of rules: in which order they are looked at and reported.
//!
//! Suricata 8 compares in turn action, flow bits, flow integers, flow variables, packet
//! variables, host bits, pair bits, priority and sid; a rule that sets what another checks comes
//! first.

use rules::keyword::bit::BitTrack;
use rules::keyword::{Bit, BitRole};
use rules::{Action, ContentOp, Rule};

/// Order of actions (`action-order`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionOrder {
    /// Ranks of pass, drop, reject and alert; 0 comes first.
    pub ranks: [u8; 4],
}

impl Default for ActionOrder {
    fn default() -> Self {
        Self { ranks: [0, 1, 2, 3] }
    }
}

impl ActionOrder {
    /// Rank of an action; `config` comes after all others.
    pub const fn rank(&self, action: Action) -> u8 {
        match action {
            Action::Pass => self.ranks[0],
            Action::Drop => self.ranks[1],
            Action::Reject | Action::RejectDst | Action::RejectBoth => self.ranks[2],
            Action::Alert => self.ranks[3],
            Action::Config => 4,
        }
    }
}

/// Sorting key of a rule; smaller comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    action: u8,
    flowbits: u8,
    flowint: u8,
    flowvar: u8,
    pktvar: u8,
    hostbits: u8,
    pairbits: u8,
    priority: u32,
    sid: u32,
    gid: u32,
}

/// Rank of a kind of state: set only, set and check, check only, neither.
const fn rank(sets: bool, checks: bool) -> u8 {
    match (sets, checks) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// What a rule does with one kind of state.
#[derive(Default)]
struct Uses {
    sets: bool,
    checks: bool,
}

impl Uses {
    const fn rank(&self) -> u8 {
        rank(self.sets, self.checks)
    }
}

impl OrderKey {
    /// Of a rule.
    pub fn new(rule: &Rule, actions: &ActionOrder) -> Self {
        let mut flowbits = Uses::default();
        let mut flowint = Uses::default();
        let mut flowvar = Uses::default();
        let mut pktvar = Uses::default();
        let mut hostbits = Uses::default();
        let mut pairbits = Uses::default();
        for bit in &rule.bits {
            let role = bit.role();
            let (uses, counts_set, counts_check) = match bit {
                Bit::Flow(_) => (&mut flowbits, true, true),
                Bit::Int(_) => (&mut flowint, true, true),
                Bit::FlowVar(_) => (&mut flowvar, true, true),
                Bit::PacketVar(_) => (&mut pktvar, true, true),
                // The quirk of Suricata 8: host bits count when set, extended bits when checked.
                Bit::Host(_) => (&mut hostbits, true, false),
                Bit::Extended(x) => match x.track {
                    BitTrack::Pair => (&mut pairbits, false, true),
                    BitTrack::Transaction => (&mut pairbits, false, false),
                    BitTrack::Source | BitTrack::Destination => (&mut hostbits, false, true),
                },
            };
            uses.sets |= counts_set && role == BitRole::Set;
            uses.checks |= counts_check && role == BitRole::Check;
        }
        for op in rule.buffers.iter().flat_map(|b| &b.ops) {
            if let ContentOp::Pcre(pcre) = op {
                for capture in &pcre.captures {
                    match capture {
                        rules::rule::Capture::Flow(_) => flowvar.sets = true,
                        rules::rule::Capture::Packet(_) | rules::rule::Capture::PacketKey => {
                            pktvar.sets = true;
                        }
                        _ => {}
                    }
                }
            }
        }
        Self {
            action: actions.rank(rule.action),
            flowbits: flowbits.rank(),
            flowint: flowint.rank(),
            flowvar: flowvar.rank(),
            pktvar: pktvar.rank(),
            hostbits: hostbits.rank(),
            pairbits: pairbits.rank(),
            priority: rule.priority,
            sid: rule.sid,
            gid: rule.gid,
        }
    }
}
