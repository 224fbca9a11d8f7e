//! Which group of rules a packet belongs to.

use decode::{Packet, Transport};

use crate::group::{GroupKey, Groups};
use crate::inspect::PacketFacts;
use crate::kept::Flow;
use crate::ruleset::Ruleset;
use flow::FlowState;

/// Whether rules take the flow for established. The packet that makes a TCP session so, the last
/// one of the handshake, does not count yet, as in Suricata 8.
pub fn established(flow: &mut Flow) -> bool {
    let now = matches!(flow.state, FlowState::Established | FlowState::Closed);
    let before = std::mem::replace(&mut flow.extension.inspection.established, now);
    now && (before || flow.tcp.is_none())
}

/// The number of the packet's group; flows remember theirs for each direction.
pub fn group(
    groups: &mut Groups,
    rules: &Ruleset,
    packet: &Packet<'_>,
    flow: Option<&mut Flow>,
    facts: &PacketFacts,
    established: bool,
) -> u32 {
    let at = facts.direction.index();
    let Some(flow) = flow else {
        return groups.find(rules, key(rules, packet, 0, facts));
    };
    let inspection = &mut flow.extension.inspection;
    let known = inspection.group[at];
    let same_kind = matches!(
        packet.transport,
        Transport::Tcp(_) | Transport::Udp(_) | Transport::Sctp { .. } | Transport::None
    );
    if let Some(number) = known.checked_sub(1)
        && inspection.group_established[at] == established
        && same_kind
        && groups.get(number).is_some()
    {
        return number;
    }
    let state = if established { 2 } else { 1 };
    let found = groups.find(rules, key(rules, packet, state, facts));
    // An ICMP error that belongs to a flow has a group of its own.
    if same_kind {
        inspection.group[at] = found + 1;
        inspection.group_established[at] = established;
    }
    found
}

fn key(rules: &Ruleset, packet: &Packet<'_>, flow: u8, facts: &PacketFacts) -> GroupKey {
    let ports =
        matches!(packet.transport, Transport::Tcp(_) | Transport::Udp(_) | Transport::Sctp { .. })
            || packet.origin.is_pseudo();
    GroupKey {
        flow,
        direction: facts.direction,
        proto: packet.proto,
        ip_version: packet.ip_version(),
        addresses: [rules.addresses.class(packet.src), rules.addresses.class(packet.dst)],
        ports: ports.then(|| {
            [rules.src_ports.class(packet.src_port), rules.dst_ports.class(packet.dst_port)]
        }),
    }
}
