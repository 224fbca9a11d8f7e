//! Rules on packets and streams.

use decode::{IpHeader, Packet, Transport};
use rules::{Place, RuleClass};

use crate::compile::{Compiled, Part, wants_proto};
use crate::content::Data;
use crate::group::Groups;
use crate::inspect::scene::Scene;
use crate::inspect::{Work, bits};
use crate::queue::{Match, Queue};
use crate::ruleset::Ruleset;

/// Address-only rules: on the first packet of each direction of a flow, and on every packet
/// without flow.
pub fn address_rules(
    rules: &Ruleset,
    groups: &Groups,
    group: u32,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let pseudo = scene.packet.origin.is_pseudo();
    if rules.ip_only.is_empty() || pseudo || !scene.packet.is_ip() {
        return;
    }
    let at = scene.direction().index();
    if let Some(flow) = scene.flow.as_deref_mut()
        && std::mem::replace(&mut flow.inspection.address_rules_done[at], true)
    {
        return;
    }
    let Some(group) = groups.get(group) else { return };
    for &index in &*group.address {
        let Some(rule) = rules.get(index) else { continue };
        if plain(rule, scene, work) {
            matched(index, rule, scene, work, queue, false);
        }
    }
}

/// Rules that look at decoder events only.
pub fn event_rules(rules: &Ruleset, scene: &mut Scene<'_, '_>, work: &mut Work, queue: &mut Queue) {
    if scene.packet.events.is_empty() {
        return;
    }
    for &index in &rules.de_only {
        let Some(rule) = rules.get(index) else { continue };
        if addresses(rules, rule, scene) && header(rules, rule, scene) && plain(rule, scene, work) {
            matched(index, rule, scene, work, queue, false);
        }
    }
}

/// Rules on the outcome of protocol detection: once a direction, when it has ended.
pub fn protocol_rules(
    rules: &Ruleset,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let at = scene.direction().index();
    let pseudo = scene.packet.origin.is_pseudo();
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    // A detection that only the end of the flow brings comes too late, as in Suricata 8.
    if flow.inspection.protocol_rules_done[at] || !flow.facts.detection_done[at] || pseudo {
        return;
    }
    // TCP: once a direction; UDP has no stream, every packet counts.
    flow.inspection.protocol_rules_done[at] = scene.packet.tcp().is_some();
    for &index in &rules.pd_only {
        let Some(rule) = rules.get(index) else { continue };
        let direction = rule.directions[at];
        if direction
            && addresses(rules, rule, scene)
            && header(rules, rule, scene)
            && plain(rule, scene, work)
        {
            matched(index, rule, scene, work, queue, true);
        }
    }
}

/// Rules on packets, payload and streams, found by the prefilter or always tried.
pub fn packet_rules(
    rules: &Ruleset,
    groups: &Groups,
    group: u32,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let Some(group) = groups.get(group) else { return };
    work.hits.clear();
    let payload = scene.packet.payload();
    if scene.payload {
        if let Some(set) = &group.packet.set {
            set.search_into(payload, &mut work.hits);
        }
        if !scene.facts.in_stream
            && let Some(set) = &group.stream.set
        {
            set.search_into(payload, &mut work.hits);
        }
    }
    if let Some(set) = &group.stream.set {
        for (_, bytes) in &scene.pieces {
            set.search_into(bytes, &mut work.hits);
        }
    }
    let mut candidates = std::mem::take(&mut work.candidates);
    candidates.clear();
    candidates.extend_from_slice(work.hits.ids());
    if !scene.packet.origin.is_pseudo() {
        candidates.extend_from_slice(&group.packet.always);
    }
    if !scene.pieces.is_empty() || scene.payload {
        candidates.extend_from_slice(&group.stream.always);
    }
    candidates.sort_unstable();
    candidates.dedup();
    for &index in &candidates {
        let Some(rule) = rules.get(index) else { continue };
        if let Some(stream) = packet_rule(rule, scene, work) {
            matched(index, rule, scene, work, queue, stream);
        }
    }
    work.candidates = candidates;
}

/// Whether a rule of a packet's group matches; true: in reassembled data.
fn packet_rule(rule: &Compiled, scene: &mut Scene<'_, '_>, work: &mut Work) -> Option<bool> {
    let cold = &rule.rule;
    if cold.class == RuleClass::AppLayer || !cold.app.is_empty() {
        if !wants_proto(cold, scene.proto()) {
            return None;
        }
        if cold.class == RuleClass::AppLayer && !scene.proto().is_known() {
            return None;
        }
    }
    if cold.flow.only_frag && !was_fragmented(scene.packet)
        || cold.flow.no_frag && was_fragmented(scene.packet)
    {
        return None;
    }
    work.scratch.begin_rule();
    if !rule.has_payload {
        if scene.packet.origin.is_pseudo() {
            return None;
        }
        return (plain(rule, scene, work) && header_parts(rule, scene, work)).then_some(false);
    }
    if !scene.payload && scene.pieces.is_empty() || !plain(rule, scene, work) {
        return None;
    }
    if !header_parts(rule, scene, work) {
        return None;
    }
    if rule.on_stream && !cold.flow.no_stream {
        for at in 0..scene.pieces.len() {
            let Some(&(_, bytes)) = scene.pieces.get(at) else { break };
            if payload_parts(rule, scene, bytes, work) {
                return Some(true);
            }
        }
    }
    let as_packet = rule.on_packet || !scene.facts.in_stream && !cold.flow.only_stream;
    if scene.payload && as_packet && !cold.protocol.stream_only {
        return payload_parts(rule, scene, scene.packet.payload(), work).then_some(false);
    }
    None
}

/// A packet that is a fragment, or was put together from some.
fn was_fragmented(packet: &Packet<'_>) -> bool {
    packet.flags.fragment || packet.origin == decode::Origin::Defrag
}

fn payload_parts(rule: &Compiled, scene: &Scene<'_, '_>, bytes: &[u8], work: &mut Work) -> bool {
    let data = Data { tcp: scene.packet.tcp().is_some(), ..Data::whole(bytes) };
    rule.parts.iter().filter(|p| p.place == Place::Payload).all(|part| run(part, &data, work))
}

/// Runs a part on bytes that are of no transaction.
pub(super) fn run(part: &Part, data: &Data<'_>, work: &mut Work) -> bool {
    let Work { buffers, scratch, .. } = work;
    buffers.transform(part.target, data, |data| part.program.run(data, scratch))
}

/// Parts on headers and addresses of the packet.
pub(super) fn header_parts(rule: &Compiled, scene: &Scene<'_, '_>, work: &mut Work) -> bool {
    rule.parts.iter().all(|part| match part.place {
        Place::Header(id) => {
            let mut scratch = [0; 16];
            match rules::keyword::header::bytes(id, scene.packet, &mut scratch) {
                Some(bytes) => run(part, &Data::whole(bytes), work),
                None => false,
            }
        }
        _ => true,
    })
}

/// Addresses of a rule that is in no group.
fn addresses(rules: &Ruleset, rule: &Compiled, scene: &Scene<'_, '_>) -> bool {
    if rule.rule.protocol.packet_header || !scene.packet.is_ip() {
        return rule.rule.src.is_any() && rule.rule.dst.is_any();
    }
    rules.addresses.holds(rules.addresses.class(scene.packet.src), rule.addresses[0])
        && rules.addresses.holds(rules.addresses.class(scene.packet.dst), rule.addresses[1])
}

/// Protocol, ports and flow state of a rule that is in no group.
fn header(rules: &Ruleset, rule: &Compiled, scene: &Scene<'_, '_>) -> bool {
    let packet = scene.packet;
    let protocol = &rule.rule.protocol;
    if protocol.packet_header {
        return true;
    }
    let proto = packet.proto;
    let bit = protocol.ip_protocols[usize::from(proto >> 6)] >> (proto & 63) & 1 == 1;
    if !(bit || protocol.ip_protocols == [0; 4])
        || protocol.ip_version.is_some_and(|v| v != packet.ip_version())
        || matches!(packet.ip, IpHeader::None) && bit
    {
        return false;
    }
    let has_ports =
        matches!(packet.transport, Transport::Tcp(_) | Transport::Udp(_) | Transport::Sctp { .. });
    let ports = match rule.ports {
        [None, None] => true,
        _ if !has_ports && !packet.origin.is_pseudo() => false,
        [src, dst] => {
            src.is_none_or(|n| rules.src_ports.holds(rules.src_ports.class(packet.src_port), n))
                && dst.is_none_or(|n| {
                    rules.dst_ports.holds(rules.dst_ports.class(packet.dst_port), n)
                })
        }
    };
    ports && flow_state(rule, scene)
}

fn flow_state(rule: &Compiled, scene: &Scene<'_, '_>) -> bool {
    let spec = &rule.rule.flow;
    match scene.flow.as_deref() {
        None => spec.direction.is_none() && !spec.established && !spec.not_established,
        Some(flow) => {
            spec.direction.is_none_or(|d| d == scene.direction())
                && (!spec.established || flow.established)
                && (!spec.not_established || !flow.established)
        }
    }
}

/// Checks and conditions that need no payload.
pub(super) fn plain(rule: &Compiled, scene: &mut Scene<'_, '_>, work: &mut Work) -> bool {
    let subject = scene.subject();
    rule.rule.checks.iter().all(|check| check.matches(&subject))
        && bits::conditions(rule, scene, work, None)
}

/// Notes a match and does what the rule wants done at once.
pub(super) fn matched(
    index: u32,
    rule: &Compiled,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
    stream: bool,
) {
    let mut found = Match {
        rule: index,
        tx: None,
        stream,
        flow_scope: rule.flow_scope || stream && rule.rule.written_scope.is_none(),
        tx_guessed: false,
        context: Vec::new(),
    };
    bits::after_match(rule, scene, work, &mut found);
    queue.push(found);
}
