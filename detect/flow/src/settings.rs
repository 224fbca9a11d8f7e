//! What of flow tracking can be configured, with the defaults of a configuration that says
//! nothing.

use crate::entry::FlowState;

/// `flow.*`, `flow-timeouts.*` and what belongs to the flow key.
#[derive(Clone, Debug)]
pub struct FlowSettings {
    /// Bytes that flows and their table may take.
    pub memcap: u64,
    /// Rows of the table as configured; the table is never smaller.
    pub hash_size: u32,
    /// Flows allocated at the start.
    pub prealloc: u32,
    /// Percentage of flows that must be spare to end emergency mode.
    pub emergency_recovery: u8,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// VLAN identifiers are part of the key.
    pub vlan_tracking: bool,
    /// The input is part of the key.
    pub livedev_tracking: bool,
    /// The tunnel depth is part of the key.
    pub recursion_tracking: bool,
    /// TCP sessions are picked up without a handshake (`stream.midstream`).
    pub midstream: bool,
    /// One direction of TCP is enough (`stream.async-oneside`).
    pub async_oneside: bool,
    /// When a flow is an elephant.
    pub rate_tracking: Option<RateTracking>,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            memcap: 32 << 20,
            hash_size: 65_536,
            prealloc: 10_000,
            emergency_recovery: 30,
            timeouts: Timeouts::default(),
            vlan_tracking: true,
            livedev_tracking: true,
            recursion_tracking: true,
            midstream: false,
            async_oneside: false,
            rate_tracking: None,
        }
    }
}

/// `flow.rate-tracking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateTracking {
    /// Bytes in one direction that make an elephant.
    pub bytes: u64,
    /// Within this many seconds.
    pub interval: u32,
}

/// Seconds of one protocol, normal or in emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolTimeouts {
    /// For new flows.
    pub new: u32,
    /// For established ones.
    pub established: u32,
    /// For closed ones.
    pub closed: u32,
    /// For bypassed ones.
    pub bypassed: u32,
}

impl ProtocolTimeouts {
    /// The timeout of `state`.
    pub const fn of(&self, state: FlowState) -> u32 {
        match state {
            FlowState::New => self.new,
            FlowState::Established => self.established,
            FlowState::Closed => self.closed,
            FlowState::Bypassed => self.bypassed,
        }
    }
}

/// Normal and emergency timeouts of the protocol groups: default, TCP, UDP, ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Every protocol not named otherwise.
    pub default: [ProtocolTimeouts; 2],
    /// TCP.
    pub tcp: [ProtocolTimeouts; 2],
    /// UDP.
    pub udp: [ProtocolTimeouts; 2],
    /// ICMP version 4.
    pub icmp: [ProtocolTimeouts; 2],
}

impl Timeouts {
    /// Seconds of idleness after which a flow in `state` ends.
    pub const fn of(&self, proto: u8, state: FlowState, emergency: bool) -> u32 {
        let group = match proto {
            1 => &self.icmp,
            6 => &self.tcp,
            17 => &self.udp,
            _ => &self.default,
        };
        group[emergency as usize].of(state)
    }
}

impl Timeouts {
    /// The shortest of those that can apply: only TCP flows are ever closed.
    pub(crate) fn shortest(&self) -> u32 {
        let groups = [&self.default, &self.tcp, &self.udp, &self.icmp];
        let open = groups.into_iter().flatten();
        let open = open.flat_map(|group| [group.new, group.established, group.bypassed]);
        let closed = self.tcp.iter().map(|group| group.closed);
        open.chain(closed).min().unwrap_or(0)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let timeouts = |new, established, closed, bypassed| ProtocolTimeouts {
            new,
            established,
            closed,
            bypassed,
        };
        let default = [timeouts(30, 300, 0, 100), timeouts(10, 100, 0, 50)];
        Self {
            default,
            tcp: [timeouts(30, 300, 10, 100), timeouts(10, 100, 5, 50)],
            udp: default,
            icmp: default,
        }
    }
}
