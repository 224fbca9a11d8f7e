//! From a typed rule to what the inspector runs.

use std::sync::{Arc, OnceLock};

use decode::Direction;
use protocol::AppProto;
use rules::error::RuleError;
use rules::keyword::TxCheck;
use rules::{
    Action, ActionScope, BufferMatch, ContentOp, Place, Rule, RuleClass, RuleDirection, Target,
};

use crate::content::{Program, Resources};
use crate::order::OrderKey;

/// One naming of a buffer in a rule, ready to run.
#[derive(Debug)]
pub struct Part {
    /// Where it looks.
    pub place: Place,
    /// Number of its place and transforms in the ruleset.
    pub target: u16,
    /// The only direction that it can have.
    pub direction: Option<Direction>,
    /// Progress from which it can be looked at, by direction; none: not there.
    pub progress: [Option<u8>; 2],
    /// A window on a body.
    pub streaming: bool,
    /// What must hold.
    pub program: Program,
}

/// What the prefilter looks for on behalf of a rule.
#[derive(Debug)]
pub struct Needle {
    /// Number of the target it is looked for in.
    pub target: u16,
    /// Where that is.
    pub place: Place,
    /// Direction of the buffer, if only one.
    pub direction: Option<Direction>,
    /// Bytes, lower case when `nocase`.
    pub bytes: Vec<u8>,
    /// Case does not matter.
    pub nocase: bool,
    /// First position where it may begin.
    pub offset: u32,
    /// Position where it must have ended; 0: any.
    pub depth: u32,
}

/// A rule as the inspector runs it.
#[derive(Debug)]
pub struct Compiled {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Second half of a `<>` rule: source and destination are exchanged.
    pub reversed: bool,
    /// Numbers of its sets: source addresses, destination addresses.
    pub addresses: [u32; 2],
    /// Numbers of its sets: source ports, destination ports; none: any.
    pub ports: [Option<u32>; 2],
    /// Content lists: on payload and headers for packet rules, on buffers for others. The one
    /// with the fast pattern first, then by progress.
    pub parts: Arc<[Part]>,
    /// What the prefilter looks for; none: the rule is always a candidate.
    pub needle: Option<Arc<Needle>>,
    /// Directions in which the rule can match.
    pub directions: [bool; 2],
    /// Pass and drop reach the flow unless the match says otherwise.
    pub flow_scope: bool,
    /// Looks at single packets.
    pub on_packet: bool,
    /// Looks at reassembled data.
    pub on_stream: bool,
    /// Has parts on payload.
    pub has_payload: bool,
    /// Lists of digests, in the order of the file checks that name them.
    pub lists: Arc<[DigestList]>,
    /// The part of its alerts that is always the same, made at the first: see `detect::event`.
    pub prepared: OnceLock<Box<[u8]>>,
    /// Its place among all rules.
    pub(crate) key: OrderKey,
}

impl Compiled {
    /// For another set of rules, with which it shares what is large; numbers of its sets of
    /// addresses and ports are still to be given.
    pub(crate) fn again(&self) -> Self {
        Self {
            rule: Arc::clone(&self.rule),
            addresses: [u32::MAX; 2],
            ports: [None; 2],
            parts: Arc::clone(&self.parts),
            needle: self.needle.clone(),
            lists: Arc::clone(&self.lists),
            prepared: OnceLock::new(),
            ..*self
        }
    }
}

/// Target number under which sets of payload patterns are kept; no target has it.
pub(crate) const PAYLOAD: u16 = u16::MAX;

/// Digests of a file list.
pub type DigestList = std::collections::HashSet<Vec<u8>>;

/// Numbers targets, so that equal places with equal transforms share sets and buffers.
#[derive(Debug, Default)]
pub struct Targets {
    known: std::collections::HashMap<(Place, Vec<rules::Transform>), u16>,
    /// The targets by number.
    pub list: Vec<Target>,
}

impl Targets {
    /// With the targets of other rules, which keep their numbers.
    pub fn taking_over(list: &[Target]) -> Self {
        let key = |target: &Target| (target.place, target.transforms.clone());
        let known = list.iter().zip(0..).map(|(target, number)| (key(target), number)).collect();
        Self { known, list: list.to_vec() }
    }

    /// The number of a target; direction does not count.
    ///
    /// # Errors
    /// When there are as many targets as there are numbers.
    pub fn number(&mut self, target: &Target) -> Result<u16, RuleError> {
        let key = (target.place, target.transforms.clone());
        if let Some(&number) = self.known.get(&key) {
            return Ok(number);
        }
        let number = u16::try_from(self.list.len()).ok().filter(|number| *number < PAYLOAD);
        let Some(number) = number else {
            let said = format!("more than {PAYLOAD} different buffers and transforms of buffers");
            return Err(RuleError::new(said));
        };
        self.known.insert(key, number);
        self.list.push(Target { direction: None, ..target.clone() });
        Ok(number)
    }
}

/// Compiles one rule with its content lists; `reversed` makes the second half of a `<>` rule, and `key` is
/// its place.
///
/// # Errors
/// What is wrong with an expression, a data set or another resource of the rule.
pub fn compile(
    rule: &Arc<Rule>,
    buffers: &[BufferMatch],
    (reversed, key): (bool, OrderKey),
    targets: &mut Targets,
    resources: &mut Resources,
) -> Result<Compiled, RuleError> {
    let mut parts = Vec::with_capacity(buffers.len());
    for (index, list) in buffers.iter().enumerate() {
        parts.push((index, part(rule, list, targets, resources)?));
    }
    let needle = needle(rule, buffers, &parts).map(Arc::new);
    let fast = rule.fast_pattern.map(|f| usize::from(f.buffer));
    parts.sort_by_key(|(index, part)| {
        let progress = part.progress.iter().flatten().min().copied().unwrap_or(0);
        (Some(*index) != fast, progress, *index)
    });
    let parts: Arc<[Part]> = parts.into_iter().map(|(_, part)| part).collect();
    let class = rule.class;
    let written = rule.written_scope;
    Ok(Compiled {
        reversed,
        addresses: [u32::MAX; 2],
        ports: [None; 2],
        needle,
        directions: directions(rule, &parts),
        flow_scope: match written {
            Some(scope) => scope == ActionScope::Flow,
            None => flow_scope(class),
        },
        on_packet: matches!(
            class,
            RuleClass::Packet
                | RuleClass::PacketStream
                | RuleClass::AppLayer
                | RuleClass::LikeIpOnly
        ) && !rule.protocol.stream_only
            && !rule.flow.only_stream,
        on_stream: matches!(class, RuleClass::Stream | RuleClass::PacketStream),
        has_payload: parts.iter().any(|p| p.place == Place::Payload),
        parts,
        lists: lists(rule, resources)?.into(),
        prepared: OnceLock::new(),
        rule: Arc::clone(rule),
        key,
    })
}

/// Reads the lists of digests that the rule's file checks name.
fn lists(rule: &Rule, resources: &Resources) -> Result<Vec<DigestList>, RuleError> {
    let mut lists = Vec::new();
    for check in &rule.tx_checks {
        if let TxCheck::FileHash { list, .. } = check {
            lists.push(resources.digests(list, rule)?);
        }
    }
    Ok(lists)
}

/// Scope of pass and drop where the rule does not say: the flow, but for packet rules.
const fn flow_scope(class: RuleClass) -> bool {
    !matches!(
        class,
        RuleClass::Packet | RuleClass::DeOnly | RuleClass::PacketStream | RuleClass::Stream
    )
}

fn part(
    rule: &Rule,
    list: &BufferMatch,
    targets: &mut Targets,
    resources: &mut Resources,
) -> Result<Part, RuleError> {
    let (progress, streaming, direction) = match list.target.place {
        Place::Buffer(id) => match protocol::registry::buffer(id) {
            Some(spec) => {
                let mut progress = [spec.to_server, spec.to_client];
                if let Some(only) = list.target.direction {
                    progress[only.opposite().index()] = None;
                }
                let only = match progress {
                    [Some(_), None] => Some(Direction::ToServer),
                    [None, Some(_)] => Some(Direction::ToClient),
                    _ => None,
                };
                (progress, spec.streaming, only)
            }
            None => ([None, None], false, None),
        },
        _ => ([Some(0), Some(0)], false, list.target.direction),
    };
    Ok(Part {
        place: list.target.place,
        target: targets.number(&list.target).map_err(|e| e.at(rule.header_span))?,
        direction,
        progress,
        streaming,
        program: Program::compile(&list.ops, rule, resources)?,
    })
}

fn needle(rule: &Rule, buffers: &[BufferMatch], parts: &[(usize, Part)]) -> Option<Needle> {
    let fast = rule.fast_pattern?;
    let list = buffers.get(usize::from(fast.buffer))?;
    let (_, part) = parts.get(usize::from(fast.buffer))?;
    if !matches!(part.place, Place::Payload | Place::Buffer(_)) {
        return None;
    }
    let ContentOp::Content(content) = list.ops.get(usize::from(fast.op))? else { return None };
    // Payload is searched as it came, without transforms.
    if content.negated || part.place == Place::Payload && !list.target.transforms.is_empty() {
        return None;
    }
    let from = usize::from(fast.offset);
    let bytes = content.bytes.get(from..from + usize::from(fast.len))?.to_vec();
    if bytes.is_empty() {
        return None;
    }
    // Positions bound the search only where buffers are whole and the bound is a constant.
    let (mut offset, mut depth) = (0, 0);
    if part.place == Place::Payload || !part.streaming {
        if let Some(rules::Operand::Value(v)) = content.offset {
            offset = u32::try_from(v).unwrap_or(0);
        }
        if let (Some(rules::Operand::Value(d)), true) =
            (content.depth, !matches!(content.offset, Some(rules::Operand::Variable(_))))
        {
            depth = u32::try_from(d).unwrap_or(0).saturating_add(offset);
        }
    }
    if content.is_relative() {
        (offset, depth) = (0, 0);
    }
    if offset > 0 || depth > 0 {
        // A slice lies so many bytes behind the beginning of its content.
        offset = offset.saturating_add(u32::from(fast.offset));
        let behind = content.bytes.len().saturating_sub(from + usize::from(fast.len)) as u32;
        depth = depth.saturating_sub(behind);
    }
    Some(Needle {
        target: part.target,
        place: part.place,
        direction: part.direction,
        bytes,
        nocase: content.nocase,
        offset,
        depth,
    })
}

/// The directions in which every part exists and that the rule's `flow` allows.
fn directions(rule: &Rule, parts: &[Part]) -> [bool; 2] {
    if rule.direction == RuleDirection::Transactional {
        return [false, true];
    }
    let mut both = [true; 2];
    if let Some(only) = rule.flow.direction {
        both[only.opposite().index()] = false;
    }
    if let Some((only, _)) = rule.protocol.hook {
        both[only.opposite().index()] = false;
    }
    for part in parts {
        for direction in Direction::BOTH {
            if part.progress[direction.index()].is_none() {
                both[direction.index()] = false;
            }
        }
    }
    for check in &rule.tx_checks {
        let there = check.directions();
        for direction in Direction::BOTH {
            both[direction.index()] &= there[direction.index()];
        }
    }
    both
}

/// True for rules whose match is never reported by itself.
pub fn is_silent(rule: &Rule) -> bool {
    rule.noalert
        || rule.action == Action::Config
        || rule.action == Action::Pass && !rule.alert_anyway
}

/// True when `proto` is one of those that a rule asks for.
pub fn wants_proto(rule: &Rule, proto: AppProto) -> bool {
    rule.app.is_empty() || rule.app.contains(&proto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_number_is_refused() {
        let target = |key: u32| Target {
            place: Place::Payload,
            transforms: vec![rules::Transform::Xor(key.to_be_bytes().to_vec())],
            direction: None,
        };
        let mut targets = Targets::default();
        for key in 0..u32::from(PAYLOAD) {
            assert_eq!(targets.number(&target(key)).ok(), u16::try_from(key).ok());
        }
        assert!(targets.number(&target(u32::from(PAYLOAD))).is_err());
        assert_eq!(targets.number(&target(7)).ok(), Some(7), "known ones stay");
        assert_eq!(targets.list.len(), usize::from(PAYLOAD));
    }
}
