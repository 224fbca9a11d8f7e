//! Which content of a rule the prefilter looks for.

use crate::catalogue::Catalogue;
use crate::rule::{Content, ContentOp, FastPattern, Place, Rule, RuleDirection};

/// A content that could be chosen.
#[derive(Clone, Copy)]
struct Candidate<'r> {
    place: FastPattern,
    to_client: bool,
    priority: u8,
    /// What is searched for; its strength decides only between equals.
    bytes: &'r [u8],
    registered: u32,
}

/// Chooses the content: the one that the rule names, or Suricata 8's choice.
pub(crate) fn choose(rule: &Rule, catalogue: &Catalogue) -> Option<FastPattern> {
    let contents = || {
        rule.buffers.iter().enumerate().flat_map(|(buffer, list)| {
            let usable = !list.ops.iter().any(|op| matches!(op, ContentOp::Absent { .. }));
            let ops = if usable { list.ops.as_slice() } else { &[] };
            ops.iter().enumerate().filter_map(move |(op, item)| match item {
                ContentOp::Content(content) => Some((buffer, op, content)),
                _ => None,
            })
        })
    };
    // Negated contents come into question only when there are no others.
    let negated = contents().all(|(_, _, content)| content.negated);
    let mut best: Option<Candidate<'_>> = None;
    for (buffer, op, content) in contents().filter(|(_, _, content)| content.negated == negated) {
        let Some(candidate) = candidate(rule, catalogue, (buffer, op), content) else { continue };
        if content.fast_pattern.is_some() {
            return Some(candidate.place);
        }
        if best.is_none_or(|best| better(rule, &candidate, &best)) {
            best = Some(candidate);
        }
    }
    best.map(|best| best.place)
}

fn better(rule: &Rule, one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    use std::cmp::Reverse;
    let transactional = rule.direction == RuleDirection::Transactional;
    let key = |c: &Candidate<'_>| {
        (Reverse(transactional && c.to_client), Reverse(c.priority), c.place.len)
    };
    let (first, second) = (key(one), key(other));
    if first != second {
        return first > second;
    }
    (strength(one.bytes), one.registered) > (strength(other.bytes), other.registered)
}

fn candidate<'r>(
    rule: &'r Rule,
    catalogue: &Catalogue,
    (buffer, op): (usize, usize),
    content: &'r Content,
) -> Option<Candidate<'r>> {
    let len = u16::try_from(content.bytes.len()).ok()?;
    let (offset, len) = match content.fast_pattern {
        Some(Some((offset, slice))) if slice > 0 => (offset, slice),
        _ => (0, len),
    };
    let bytes = content.bytes.get(usize::from(offset)..usize::from(offset) + usize::from(len))?;
    let target = &rule.buffers.get(buffer)?.target;
    let (priority, registered) = match target.place {
        Place::Payload => (3, 0),
        Place::Header(index) => (2, 1 + u32::from(index)),
        Place::Frame(index) => (2, 1 + u32::from(index)),
        Place::Buffer(id) => {
            (catalogue.buffer(id).map_or(2, |spec| spec.priority), 1000 + u32::from(id.0))
        }
    };
    let place = FastPattern {
        buffer: u16::try_from(buffer).ok()?,
        op: u16::try_from(op).ok()?,
        offset,
        len,
    };
    let to_client = target.direction == Some(decode::Direction::ToClient);
    Some(Candidate { place, to_client, priority, bytes, registered })
}

/// Sum over the bytes: rare ones count more, repeated ones 1.
fn strength(bytes: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let mut total = 0;
    for &byte in bytes {
        let known = std::mem::replace(&mut seen[usize::from(byte)], true);
        total += match byte {
            _ if known => 1,
            b'a'..=b'z' | b'A'..=b'Z' => 3,
            b' '..=b'~' | 0 | 1 | 0xff => 4,
            _ => 6,
        };
    }
    total
}
