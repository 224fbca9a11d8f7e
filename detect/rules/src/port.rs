//! Sets of ports: text with variables, lists and negation to sorted ranges.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Result, RuleError, refuse};
use crate::list;
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
        if self.0.any {
            return true;
        }
        let ranges = &self.0.ranges;
        if ranges.len() <= 8 {
            return ranges.iter().any(|&(low, high)| low <= port && port <= high);
        }
        let after = ranges.partition_point(|&(low, _)| low <= port);
        after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|r| port <= r.1)
    }
}

/// Sets seen so far: by text and by content.
#[derive(Debug, Default)]
pub(crate) struct PortSets {
    by_text: HashMap<Box<str>, PortSet>,
    by_content: HashMap<Vec<(u16, u16)>, PortSet>,
}

impl PortSets {
    /// The set that `text` describes.
    pub(crate) fn get(&mut self, text: &str, variables: &Variables) -> Result<PortSet> {
        if let Some(set) = self.by_text.get(text) {
            return Ok(set.clone());
        }
        let ranges = compile(text, variables)?;
        let set = if ranges == [(0, u16::MAX)] {
            PortSet::default()
        } else {
            let id = u32::try_from(self.by_content.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.by_content
                .entry(ranges)
                .or_insert_with_key(|ranges| {
                    PortSet(Arc::new(Ports { id, any: false, ranges: ranges.clone() }))
                })
                .clone()
        };
        self.by_text.insert(text.into(), set.clone());
        Ok(set)
    }
}

/// One bit per port.
struct Bits(Box<[u64; 1024]>);

impl Bits {
    fn new(full: bool) -> Self {
        Self(Box::new([if full { u64::MAX } else { 0 }; 1024]))
    }

    fn set(&mut self, low: u16, high: u16) {
        for port in low..=high {
            if let Some(word) = self.0.get_mut(usize::from(port >> 6)) {
                *word |= 1 << (port & 63);
            }
        }
    }

    fn get(&self, port: u16) -> bool {
        self.0.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 == 1)
    }

    fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for port in 0..=u16::MAX {
            if !self.get(port) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(port) => last.1 = port,
                _ => ranges.push((port, port)),
            }
        }
        ranges
    }
}

fn compile(text: &str, variables: &Variables) -> Result<Vec<(u16, u16)>> {
    let members = list::parse(text, |name| variables.port(name));
    members
        .and_then(|members| evaluate(text, &members))
        .map_err(|error| error.module("detect-engine-port"))
}

fn evaluate(text: &str, members: &[(bool, &str)]) -> Result<Vec<(u16, u16)>> {
    // Most rules name one port or range: no need for a bit per port.
    if let [(false, single_member)] = members {
        return Ok(vec![single(single_member)?]);
    }
    let mut bits = Bits::new(members.iter().all(|(negated, _)| *negated));
    let mut holes = Bits::new(false);
    for (negated, member) in members {
        let (low, high) = single(member)?;
        if *negated && (low, high) == (0, u16::MAX) {
            return refuse(format!("'!{member}' excludes every port"));
        }
        if *negated { &mut holes } else { &mut bits }.set(low, high);
    }
    for (word, hole) in bits.0.iter_mut().zip(holes.0.iter()) {
        *word &= !hole;
    }
    let ranges = bits.ranges();
    if ranges.is_empty() {
        return refuse(format!("port set '{text}' holds no port at all"));
    }
    Ok(ranges)
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
    if low > high || text.trim() == ":" {
        return Err(bad().advice("write the smaller port first"));
    }
    Ok((low, high))
}
