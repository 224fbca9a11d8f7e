//! Bits, integers and variables: conditions of rules, and what they set after a match.

use decode::Direction;
use flow::bits::Bits;
use flow::hostbits::{HostBits, HostKey};
use rules::keyword::bit::{
    BitCommand, BitTrack, ExtendedBit, FlowBit, FlowInt, HostBit, IntOp, IntOperand,
};
use rules::keyword::{Bit, BitRole};

use crate::compile::Compiled;
use crate::content::Captured;
use crate::inspect::Work;
use crate::inspect::scene::Scene;
use crate::queue::Match;

/// Whether all conditions on state hold. `tx` gives the bits of the transaction at hand.
pub fn conditions(
    rule: &Compiled,
    scene: &Scene<'_, '_>,
    work: &mut Work,
    tx: Option<&[u32]>,
) -> bool {
    rule.rule.bits.iter().all(|bit| bit.role() != BitRole::Check || holds(bit, scene, work, tx))
}

fn holds(bit: &Bit, scene: &Scene<'_, '_>, work: &mut Work, tx: Option<&[u32]>) -> bool {
    let bits = scene.flow.as_ref().map(|f| &*f.bits);
    match bit {
        Bit::Flow(FlowBit { command, ids }) => {
            let any = bits.is_some_and(|b| ids.iter().any(|id| b.is_set(*id)));
            bits.is_some() && any == (*command == BitCommand::IsSet)
        }
        Bit::Int(int) => bits.is_some_and(|b| compare(int, b)),
        Bit::Extended(x) if x.track == BitTrack::Transaction => {
            tx.is_some_and(|t| t.contains(&x.id)) == (x.command == BitCommand::IsSet)
        }
        Bit::Extended(x) => {
            let (key, id) = (key(x, scene), Kind::Extended.number(x.id));
            let set = work.remembered.with(|m| m.bits(key).is_set(key, id, scene.packet.timestamp));
            set == (x.command == BitCommand::IsSet)
        }
        Bit::Host(h) => {
            let address = if h.destination { scene.packet.dst } else { scene.packet.src };
            let id = Kind::Host.number(h.id);
            let key = HostKey::Host(address);
            let set = work.remembered.with(|m| m.bits(key).is_set(key, id, scene.packet.timestamp));
            set == (h.command == BitCommand::IsSet)
        }
        Bit::FlowVar(check) => {
            let value = bits.and_then(|b| b.variable(check.id));
            value.is_some_and(|v| contains(v, &check.bytes)) != check.negated
        }
        Bit::PacketVar(check) => {
            let mut found = false;
            for (_, value) in &work.packet_variables {
                found |= contains(value, &check.bytes);
            }
            found != check.negated
        }
    }
}

fn contains(value: &[u8], bytes: &[u8]) -> bool {
    memchr::memmem::find(value, bytes).is_some()
}

fn compare(int: &FlowInt, bits: &Bits) -> bool {
    let value = bits.integer(int.id);
    if matches!(int.op, IntOp::IsSet | IntOp::IsNotSet) {
        return value.is_some() == (int.op == IntOp::IsSet);
    }
    let Some(value) = value else { return false };
    let other = operand(int.operand, bits);
    match int.op {
        IntOp::Less => value < other,
        IntOp::LessEqual => value <= other,
        IntOp::Equal => value == other,
        IntOp::NotEqual => value != other,
        IntOp::GreaterEqual => value >= other,
        IntOp::Greater => value > other,
        _ => true,
    }
}

fn operand(operand: IntOperand, bits: &Bits) -> u32 {
    match operand {
        IntOperand::Value(value) => value,
        IntOperand::Variable(id) => bits.integer(id).unwrap_or(0),
    }
}

/// Host bits and extended bits share tables; their numbers are kept apart.
enum Kind {
    Host,
    Extended,
}

impl Kind {
    const fn number(&self, id: u32) -> u32 {
        match self {
            Self::Host => id << 1,
            Self::Extended => id << 1 | 1,
        }
    }
}

/// Whose bit it is.
fn key(x: &ExtendedBit, scene: &Scene<'_, '_>) -> HostKey {
    match x.track {
        BitTrack::Pair => HostKey::pair(scene.packet.src, scene.packet.dst),
        BitTrack::Destination => HostKey::Host(scene.packet.dst),
        _ => HostKey::Host(scene.packet.src),
    }
}

/// Does what a rule wants done once it matched, also when no alert comes of it.
pub fn after_match(rule: &Compiled, scene: &mut Scene<'_, '_>, work: &mut Work, found: &mut Match) {
    for bit in rule.rule.bits.iter().filter(|b| b.role() == BitRole::Set) {
        act(bit, scene, work, found);
    }
    for captured in std::mem::take(&mut work.scratch.captured) {
        match captured {
            Captured::Flow(name, value) => {
                if let Some(flow) = scene.flow.as_deref_mut()
                    && let Some(id) = work.names.flowvars.number(&name)
                {
                    flow.bits.set_variable(id, &value);
                }
            }
            Captured::Packet(name, value) => work.packet_variables.push((name, value)),
            Captured::Context(name, value) => found.context.push((name, value)),
        }
    }
    work.verdict.bypass |= rule.rule.bypass;
    if let (Some(config), Some(flow)) = (rule.rule.config, scene.flow.as_deref_mut()) {
        if config.flow {
            flow.inspection.no_records = true;
        } else if let (Some(tx), Some(parser)) = (found.tx, flow.session.parser_mut())
            && let Some(meta) = protocol::Parser::meta_mut(parser, tx)
        {
            meta.log_disabled = true;
        }
    }
}

fn act(bit: &Bit, scene: &mut Scene<'_, '_>, work: &mut Work, found: &Match) {
    let now = scene.packet.timestamp;
    match bit {
        Bit::Flow(FlowBit { command, ids }) => {
            let Some(flow) = scene.flow.as_deref_mut() else { return };
            for &id in ids {
                match command {
                    BitCommand::Set => {
                        flow.bits.set(id);
                    }
                    BitCommand::Unset => flow.bits.unset(id),
                    _ => flow.bits.toggle(id),
                }
            }
        }
        Bit::Int(int) => {
            let Some(flow) = scene.flow.as_deref_mut() else { return };
            let other = operand(int.operand, flow.bits);
            match int.op {
                IntOp::Assign => flow.bits.set_integer(int.id, other),
                IntOp::Add => flow.bits.add_integer(int.id, other),
                IntOp::Subtract => flow.bits.subtract_integer(int.id, other),
                _ => false,
            };
        }
        Bit::Extended(x) if x.track == BitTrack::Transaction => {
            let flow = scene.flow.as_deref_mut();
            if let (Some(tx), Some(parser)) = (found.tx, flow.and_then(|f| f.session.parser_mut()))
                && let Some(meta) = protocol::Parser::meta_mut(parser, tx)
                && !meta.bits.contains(&x.id)
            {
                meta.bits.push(x.id);
            }
        }
        Bit::Extended(x) => {
            let id = Kind::Extended.number(x.id);
            let key = key(x, scene);
            work.remembered.with(|m| change(m.bits(key), x.command, key, (id, x.expire), now));
        }
        Bit::Host(HostBit { command, id, destination, expire }) => {
            let address = if *destination { scene.packet.dst } else { scene.packet.src };
            let id = (Kind::Host.number(*id), *expire);
            let key = HostKey::Host(address);
            work.remembered.with(|m| change(m.bits(key), *command, key, id, now));
        }
        Bit::FlowVar(_) | Bit::PacketVar(_) => {}
    }
}

fn change(
    bits: &mut HostBits,
    command: BitCommand,
    key: HostKey,
    (id, expire): (u32, u32),
    now: decode::Timestamp,
) {
    // A table that is full refuses and counts; the bit is then not set.
    match command {
        BitCommand::Set => {
            bits.set(key, id, now, expire);
        }
        BitCommand::Toggle => bits.toggle(key, id, now, expire),
        _ => bits.unset(key, id),
    }
}

/// The direction that a condition on transactions concerns, or the packet's.
pub(super) fn direction_or(only: Option<Direction>, packet: Direction) -> Direction {
    only.unwrap_or(packet)
}
