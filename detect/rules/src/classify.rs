//! The class of a rule: when it runs and on what.

use crate::builder::Facts;
use crate::keyword::header::DESTINATION as IP_DST;
use crate::keyword::{BitRole, Check};
use crate::rule::{ContentOp, Place, Rule, RuleClass};

const TCP: usize = 6;

/// Decides the class in Suricata 8's order.
pub(crate) fn classify(rule: &Rule, facts: &Facts) -> RuleClass {
    if rule.protocol.hook.is_some() {
        return RuleClass::AppTx;
    }
    if rule.protocol.ethertype.is_some() {
        return RuleClass::Packet;
    }
    let asks_protocol = rule.checks.iter().any(|c| matches!(c, Check::AppProtocol(_)));
    let looks_inside = !rule.buffers.is_empty() || !rule.tx_checks.is_empty();
    let bound = !rule.app.is_empty();
    if asks_protocol && !bound && !looks_inside && facts.pd_only && !facts.flow_beyond_direction {
        return RuleClass::PdOnly;
    }
    if facts.ip_only && !bound && !looks_inside && rule.flow.direction.is_none() {
        let negated = rule.src.has_negation() || rule.dst.has_negation();
        return if negated { RuleClass::LikeIpOnly } else { RuleClass::IpOnly };
    }
    if facts.decoder_only && facts.decode_events > 0 && !looks_inside && !bound {
        return RuleClass::DeOnly;
    }
    by_content(rule, facts)
}

fn by_content(rule: &Rule, facts: &Facts) -> RuleClass {
    let has = |wanted: fn(Place) -> bool| rule.buffers.iter().any(|b| wanted(b.target.place));
    // Addresses fit any rule; buffers of headers make it one on packets.
    if has(|place| matches!(place, Place::Header(id) if id > IP_DST)) {
        return RuleClass::Packet;
    }
    let on_transactions = has(|place| matches!(place, Place::Buffer(_) | Place::Frame(_)))
        || !rule.tx_checks.is_empty()
        || rule.filestore.is_some();
    if on_transactions {
        return RuleClass::AppTx;
    }
    if has(|place| place == Place::Payload) {
        return payload(rule, facts);
    }
    if has(|place| matches!(place, Place::Header(_))) {
        return RuleClass::Packet;
    }
    let conditions = rule.bits.iter().any(|bit| bit.role() == BitRole::Check);
    if !rule.checks.is_empty() || conditions || facts.flow_beyond_direction {
        return RuleClass::Packet;
    }
    if rule.app.is_empty() && rule.config.is_none() {
        RuleClass::Packet
    } else {
        RuleClass::AppLayer
    }
}

fn payload(rule: &Rule, facts: &Facts) -> RuleClass {
    if facts.packet || rule.protocol.packet_only || rule.flow.no_stream {
        return RuleClass::Packet;
    }
    if rule.protocol.stream_only || rule.flow.only_stream {
        return RuleClass::Stream;
    }
    let protocols = &rule.protocol.ip_protocols;
    let any = *protocols == [0; 4];
    let has = |number: usize| any || protocols[number / 64] >> (number % 64) & 1 == 1;
    if !has(TCP) {
        // Datagrams have no stream; Suricata 8 calls those rules so all the same.
        return RuleClass::PacketStream;
    }
    let positioned = |op: &ContentOp| match op {
        ContentOp::Content(content) => content.offset.is_some() || content.depth.is_some(),
        _ => false,
    };
    let payload = rule.buffers.iter().filter(|b| b.target.place == Place::Payload);
    if facts.stream_size || payload.flat_map(|b| &b.ops).any(positioned) {
        RuleClass::PacketStream
    } else {
        RuleClass::Stream
    }
}
