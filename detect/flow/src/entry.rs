//! A flow: its endpoints, counters, state and what others keep with it.

use std::net::{IpAddr, Ipv4Addr};

use decode::{Direction, Timestamp, VlanIds};

use crate::bits::Bits;
use crate::macs::Macs;
use crate::policy::{Policy, Target};
use crate::rate::Rate;
use crate::tcp::TcpSession;

/// State of a flow; decides which time-out applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowState {
    /// Packets of one direction only, or a TCP handshake not finished.
    #[default]
    New,
    /// Both directions seen, or TCP established.
    Established,
    /// TCP ended.
    Closed,
    /// Not inspected any more, only counted.
    Bypassed,
}

impl FlowState {
    /// The text of `flow.state` in EVE.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Established => "established",
            Self::Closed => "closed",
            Self::Bypassed => "bypassed",
        }
    }
}

/// Why a flow ended; `flow.reason` in EVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Idle longer than its time-out.
    Timeout,
    /// Its place was needed.
    Forced,
    /// The sensor stopped.
    Shutdown,
    /// A new TCP session took its addresses and ports.
    TcpReuse,
}

impl EndReason {
    /// The text of `flow.reason` in EVE.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Forced => "forced",
            Self::Shutdown => "shutdown",
            Self::TcpReuse => "tcp_reuse",
        }
    }
}

/// Verdict that holds for the rest of a flow; `flow.action` in EVE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowAction {
    /// None.
    #[default]
    None,
    /// Rules do not look at the flow any more.
    Pass,
    /// Everything of the flow is dropped.
    Drop,
    /// Accepted by a firewall rule.
    Accept,
}

/// What happens to the application layer of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppAction {
    /// Parsed as far as a parser exists.
    #[default]
    Parse,
    /// Given up: no protocol, a parser error, or switched off.
    Disabled,
}

/// Whether the capture keeps the packets of a bypassed flow to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offloaded {
    /// It was not asked.
    #[default]
    Untried,
    /// It can't.
    Refused,
    /// It counts them.
    Yes,
}

/// A flow and `X`, what the rooms above keep with it.
///
/// The order of the fields is their order in memory: what every packet touches comes first and
/// fills two cache lines.
#[derive(Debug)]
#[repr(C)]
pub struct Flow<X> {
    /// The symmetric hash of its key.
    pub hash: u32,
    /// Port of the client; type for ICMP.
    pub client_port: u16,
    /// Port of the server; counterpart type for ICMP.
    pub server_port: u16,
    /// Address of the client: who sent the first packet, unless reversed.
    pub client: IpAddr,
    /// Address of the server.
    pub server: IpAddr,
    /// IP protocol.
    pub proto: u8,
    /// Tunnel depth.
    pub recursion_level: u8,
    /// State.
    pub state: FlowState,
    /// Verdict for the rest of the flow.
    pub action: FlowAction,
    /// VLAN identifiers of the first packet.
    pub vlan: VlanIds,
    /// Smallest and largest TTL by direction.
    pub ttl: [(u8, u8); 2],
    /// Input (interface or file) of the first packet.
    pub input: u32,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Packets to the server and to the client.
    pub packets: [u64; 2],
    /// Bytes to the server and to the client.
    pub bytes: [u64; 2],
    /// TCP session, once there is one.
    pub tcp: Option<Box<TcpSession>>,
    /// Second at which the timer wheel looks at the flow.
    pub(crate) due: u32,
    /// It ended and waits for its removal.
    pub(crate) ended: bool,
    /// No more rules on packets and payload (`pass`, `drop`, encrypted).
    pub no_inspection: bool,
    /// No more payload inspection; header rules go on (encrypted traffic).
    pub no_payload_inspection: bool,
    /// Application layer.
    pub app: AppAction,
    /// A rule alerted on the flow.
    pub alerted: bool,
    /// Its traffic crossed the elephant threshold.
    pub elephant: bool,
    /// Ended in emergency mode.
    pub emergency: bool,
    /// Its packets do not come any more.
    pub offloaded: Offloaded,
    /// ICMP type and code of the first packet.
    pub icmp: Option<(u8, u8)>,
    /// ICMP type and code of the first packet of the other direction.
    pub icmp_response: Option<(u8, u8)>,
    /// Number unique in practice, 51 bits; `flow_id` in EVE.
    pub id: u64,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Count of flows made before this one by the same table.
    pub(crate) serial: u64,
    /// Traffic of the last seconds, if rates are tracked.
    pub(crate) rate: Option<Box<Rate>>,
    /// Hardware addresses, if records want them.
    pub macs: Option<Box<Macs>>,
    /// Exception policies that applied: (target, policy) names, each at most once.
    pub exception_policies: smallvec::SmallVec<[(&'static str, &'static str); 1]>,
    /// Flow bits and integers.
    pub bits: Bits,
    /// What the rooms above keep.
    pub extension: X,
}

impl<X> Flow<X> {
    /// True if packets of `direction` were seen.
    pub fn seen(&self, direction: Direction) -> bool {
        self.packets[direction.index()] > 0
    }

    /// Records that an exception policy applied, once per target.
    pub fn note_policy(&mut self, target: Target, policy: Policy) {
        let name = target.eve_name();
        if !self.exception_policies.iter().any(|(known, _)| *known == name) {
            self.exception_policies.push((name, policy.name()));
            self.exception_policies.sort_by_key(|(known, _)| Target::order_of(known));
        }
    }

    /// Swaps client and server with everything counted by direction, the TCP session included.
    pub fn reverse(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        std::mem::swap(&mut self.client_port, &mut self.server_port);
        self.packets.swap(0, 1);
        self.bytes.swap(0, 1);
        self.ttl.swap(0, 1);
        if let Some(rate) = &mut self.rate {
            rate.reverse();
        }
        if let Some(macs) = &mut self.macs {
            macs.reverse();
        }
        if let Some(session) = &mut self.tcp {
            session.reverse();
        }
    }
}

impl<X: Default> Default for Flow<X> {
    fn default() -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            hash: 0,
            client_port: 0,
            server_port: 0,
            client: unspecified,
            server: unspecified,
            proto: 0,
            recursion_level: 0,
            state: FlowState::New,
            action: FlowAction::None,
            vlan: VlanIds::default(),
            ttl: [(0, 0); 2],
            input: 0,
            last: Timestamp::default(),
            packets: [0; 2],
            bytes: [0; 2],
            tcp: None,
            due: 0,
            ended: false,
            no_inspection: false,
            no_payload_inspection: false,
            app: AppAction::Parse,
            alerted: false,
            elephant: false,
            emergency: false,
            offloaded: Offloaded::Untried,
            icmp: None,
            icmp_response: None,
            id: 0,
            start: Timestamp::default(),
            serial: 0,
            rate: None,
            macs: None,
            exception_policies: smallvec::SmallVec::new(),
            bits: Bits::default(),
            extension: X::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_packet_touches_fills_two_cache_lines() {
        let touched = std::mem::offset_of!(Flow<()>, tcp) + size_of::<Option<Box<TcpSession>>>();
        assert!(touched <= 128, "{touched}");
    }

    #[test]
    fn policies_are_listed_once_and_in_the_order_of_their_targets() {
        let mut flow = Flow::<()>::default();
        flow.note_policy(Target::StreamMidstream, Policy::Ignore);
        flow.note_policy(Target::StreamMemcap, Policy::DropFlow);
        flow.note_policy(Target::StreamMidstream, Policy::PassFlow);
        let expected = [("stream_memcap", "drop_flow"), ("stream_midstream", "ignore")];
        assert_eq!(flow.exception_policies.as_slice(), expected);
    }
}
