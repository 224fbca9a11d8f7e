//! Sets of ports: text with variables, lists and negation to sorted ranges.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Result, RuleError, refuse};
use crate::list::{self, Member};
use crate::ranges;
use crate::variables::Variables;

/// A set of ports; cheap to clone. Equal sets of one loader share one value and one `id`.
#[derive(Clone, Debug)]
pub struct PortSet(Arc<Ports>);

#[derive(Debug, PartialEq, Eq)]
struct Ports {
    id: u32,
    any: bool,
    ranges: Vec<(u16, u16)>,
}

impl Default for PortSet {
    /// Any port.
    fn default() -> Self {
        Self(Arc::new(Ports { id: 0, any: true, ranges: vec![(0, u16::MAX)] }))
    }
}

impl PartialEq for PortSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.ranges == other.0.ranges
    }
}

impl Eq for PortSet {}

impl PortSet {
    /// All ports.
    pub fn any() -> Self {
        Self::default()
    }

    /// Parses a set on its own.
    pub fn parse(text: &str, variables: &Variables) -> Result<Self> {
        let ranges = compile(text, variables)?;
        let any = ranges == [(0, u16::MAX)];
        Ok(Self(Arc::new(Ports { id: 0, any, ranges })))
    }

    /// True for `any` and what amounts to it.
    pub fn is_any(&self) -> bool {
        self.0.any
    }

    /// Number that sets of equal content share within a loader; 0: `any`.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// The ranges, sorted, disjoint, bounds included.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0.ranges
    }

    /// Whether the set holds `port`.
    pub fn contains(&self, port: u16) -> bool {
        self.0.any || ranges::hold(&self.0.ranges, port)
    }
}

/// Sets seen so far: by text and by content.
#[derive(Debug, Default)]
pub(crate) struct PortSets {
    by_text: HashMap<Box<str>, PortSet>,
    by_content: HashMap<Vec<(u16, u16)>, PortSet>,
    /// The greatest number given.
    last: u32,
}

impl PortSets {
    /// Takes over a set of another loader, with its number.
    pub(crate) fn remember(&mut self, set: &PortSet) {
        if set.0.id != 0 && !self.by_content.contains_key(&set.0.ranges) {
            self.last = self.last.max(set.0.id);
            self.by_content.insert(set.0.ranges.clone(), set.clone());
        }
    }

    /// The set that `text` describes.
    pub(crate) fn get(&mut self, text: &str, variables: &Variables) -> Result<PortSet> {
        if let Some(set) = self.by_text.get(text) {
            return Ok(set.clone());
        }
        let ranges = compile(text, variables)?;
        let set = if ranges == [(0, u16::MAX)] {
            PortSet::default()
        } else {
            let last = &mut self.last;
            self.by_content
                .entry(ranges)
                .or_insert_with_key(|ranges| {
                    *last = last.saturating_add(1);
                    PortSet(Arc::new(Ports { id: *last, any: false, ranges: ranges.clone() }))
                })
                .clone()
        };
        self.by_text.insert(text.into(), set.clone());
        Ok(set)
    }
}

fn compile(text: &str, variables: &Variables) -> Result<Vec<(u16, u16)>> {
    let members = list::parse(text, |name| variables.port(name));
    members
        .and_then(|members| evaluate(text, &members))
        .map_err(|error| error.module("detect-engine-port"))
}

fn evaluate(text: &str, members: &[Member<'_>]) -> Result<Vec<(u16, u16)>> {
    let mut plain = Vec::new();
    let mut holes = Vec::new();
    for member in members {
        match member {
            Member::Plain(member) => plain.push(single(member)?),
            Member::Not(member) => holes.push(single(member)?),
            Member::NotList(inner) => holes.extend(evaluate(text, inner)?),
        }
    }
    if plain.is_empty() {
        plain.push((0, u16::MAX));
    }
    ranges::merge(&mut plain);
    ranges::merge(&mut holes);
    let left = ranges::subtract(&plain, &holes);
    if left.is_empty() {
        return refuse(format!("port set '{text}' holds no port at all"));
    }
    Ok(left)
}

/// `any`, `80`, `80:90`, `:90`, `80:`.
fn single(text: &str) -> Result<(u16, u16)> {
    if text.eq_ignore_ascii_case("any") {
        return Ok((0, u16::MAX));
    }
    let bad = || RuleError::new(format!("'{text}' is not a port or range of ports"));
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| bad());
    let Some((low, high)) = text.split_once(':') else {
        let port = number(text)?;
        return Ok((port, port));
    };
    let low = if low.trim().is_empty() { 0 } else { number(low)? };
    let high = if high.trim().is_empty() { u16::MAX } else { number(high)? };
    if low > high {
        return Err(bad().advice("write the smaller port first"));
    }
    Ok((low, high))
}
