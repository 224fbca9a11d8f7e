//! Sets of IP addresses: text with variables, lists and negation to sorted ranges.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::error::{Result, RuleError, refuse};
use crate::list::{self, Member};
use crate::ranges;
use crate::variables::Variables;

/// A set of addresses; cheap to clone.
///
/// Sets of one loader that hold the same addresses share one value and one `id`.
#[derive(Clone, Debug)]
pub struct AddressSet(Arc<Ranges>);

/// The ranges of a set, sorted, disjoint, bounds included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ranges {
    id: u32,
    any: bool,
    negated: bool,
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Default for AddressSet {
    /// Any address.
    fn default() -> Self {
        Self(Arc::new(Ranges::full()))
    }
}

impl PartialEq for AddressSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.v4 == other.0.v4 && self.0.v6 == other.0.v6
    }
}

impl Eq for AddressSet {}

impl AddressSet {
    /// All addresses.
    pub fn any() -> Self {
        Self::default()
    }

    /// Parses a set on its own, without sharing: for threshold files and the like.
    pub fn parse(text: &str, variables: &Variables) -> Result<Self> {
        let ranges = compile(text, variables)?;
        Ok(Self(Arc::new(ranges)))
    }

    /// True for `any` and what amounts to it.
    pub fn is_any(&self) -> bool {
        self.0.any
    }

    /// A `!` took part in it: an IP-only rule is then "like IP-only".
    pub fn has_negation(&self) -> bool {
        self.0.negated
    }

    /// Number that sets of equal content share within a loader; 0: `any`.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Whether the set holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.any
            || match address {
                IpAddr::V4(v4) => ranges::hold(&self.0.v4, u32::from(v4)),
                IpAddr::V6(v6) => ranges::hold(&self.0.v6, u128::from(v6)),
            }
    }

    /// IPv4 ranges, sorted, bounds included.
    pub fn v4(&self) -> &[(u32, u32)] {
        &self.0.v4
    }

    /// IPv6 ranges, sorted, bounds included.
    pub fn v6(&self) -> &[(u128, u128)] {
        &self.0.v6
    }
}

/// A set that is known by its addresses; `AddressSet` is equal by them.
#[derive(Debug, PartialEq, Eq)]
struct ByContent(AddressSet);

impl ByContent {
    /// Gives a number to a set that nobody shares yet.
    fn number(&mut self, id: u32) {
        if let Some(ranges) = Arc::get_mut(&mut self.0.0) {
            ranges.id = id;
        }
    }
}

impl Hash for ByContent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ranges = &self.0.0;
        (&ranges.v4, &ranges.v6).hash(state);
    }
}

/// Sets seen so far: by text and by content.
#[derive(Debug, Default)]
pub(crate) struct AddressSets {
    by_text: HashMap<Box<str>, AddressSet>,
    by_content: HashSet<ByContent>,
    /// The numbers of sets that were taken over.
    numbers: HashSet<u32>,
    /// The greatest number given.
    last: u32,
}

impl AddressSets {
    /// Takes over a set of another loader, with its number.
    pub(crate) fn remember(&mut self, set: &AddressSet) {
        if set.0.id != 0 {
            self.last = self.last.max(set.0.id);
            if self.numbers.insert(set.0.id) {
                self.by_content.insert(ByContent(set.clone()));
            }
        }
    }

    /// The set that `text` describes.
    pub(crate) fn get(&mut self, text: &str, variables: &Variables) -> Result<AddressSet> {
        if let Some(set) = self.by_text.get(text) {
            return Ok(set.clone());
        }
        let ranges = compile(text, variables)?;
        let set = if ranges.any && !ranges.negated {
            AddressSet::default()
        } else {
            let negated = ranges.negated;
            let mut made = ByContent(AddressSet(Arc::new(ranges)));
            match self.by_content.get(&made) {
                Some(known) if known.0.0.negated == negated => known.0.clone(),
                Some(known) => {
                    // Same addresses, written with a negation: same number, own flag.
                    made.number(known.0.id());
                    made.0
                }
                None => {
                    self.last = self.last.saturating_add(1);
                    made.number(self.last);
                    let set = made.0.clone();
                    self.by_content.insert(made);
                    set
                }
            }
        };
        self.by_text.insert(text.into(), set.clone());
        Ok(set)
    }
}

impl Ranges {
    fn full() -> Self {
        Self { id: 0, any: true, negated: false, v4: vec![(0, u32::MAX)], v6: vec![(0, u128::MAX)] }
    }

    fn merged(mut self) -> Self {
        ranges::merge(&mut self.v4);
        ranges::merge(&mut self.v6);
        self
    }

    fn remove(&mut self, other: &Self) {
        self.v4 = ranges::subtract(&self.v4, &other.v4);
        self.v6 = ranges::subtract(&self.v6, &other.v6);
        self.negated = true;
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    fn is_full(&self) -> bool {
        self.v4 == [(0, u32::MAX)] && self.v6 == [(0, u128::MAX)]
    }
}

fn compile(text: &str, variables: &Variables) -> Result<Ranges> {
    let members = list::parse(text, |name| variables.address(name));
    members
        .and_then(|members| evaluate(text, &members))
        .map_err(|error| error.module("detect-engine-address"))
}

/// Union of the plain members without the union of the negated ones.
fn evaluate(text: &str, members: &[Member<'_>]) -> Result<Ranges> {
    let mut plain = Ranges::default();
    let mut negated = Ranges::default();
    let mut any_plain = false;
    for member in members {
        let (side, ranges) = match member {
            Member::Plain(member) => {
                any_plain = true;
                (&mut plain, single(member)?)
            }
            Member::Not(member) => (&mut negated, single(member)?),
            Member::NotList(inner) => (&mut negated, evaluate(text, inner)?),
        };
        side.v4.extend_from_slice(&ranges.v4);
        side.v6.extend_from_slice(&ranges.v6);
    }
    let mut result = if any_plain { plain.merged() } else { Ranges::full() };
    if !negated.is_empty() {
        let negated = negated.merged();
        if negated.is_full() {
            return refuse(format!("'{text}' excludes every address"));
        }
        result.remove(&negated);
    }
    if result.is_empty() {
        return refuse(format!("address set '{text}' holds no address at all"));
    }
    result.any = result.is_full();
    Ok(result)
}

/// `any`, an address, a range or a network.
fn single(text: &str) -> Result<Ranges> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(Ranges::full());
    }
    let bad = || RuleError::new(format!("'{text}' is not an IP address, range or network"));
    let mut ranges = Ranges::default();
    if let Some((address, mask)) = text.split_once('/') {
        match address.trim().parse().map_err(|_| bad())? {
            IpAddr::V4(v4) => ranges.v4.push(v4_network(v4, mask.trim()).ok_or_else(bad)?),
            IpAddr::V6(v6) => ranges.v6.push(v6_network(v6, mask.trim()).ok_or_else(bad)?),
        }
    } else if let Some((low, high)) = text.split_once('-') {
        let low = low.trim().parse().map_err(|_| bad())?;
        let high = high.trim().parse().map_err(|_| bad())?;
        match (low, high) {
            (IpAddr::V4(low), IpAddr::V4(high)) if low <= high => {
                ranges.v4.push((low.into(), high.into()));
            }
            (IpAddr::V6(low), IpAddr::V6(high)) if low <= high => {
                ranges.v6.push((low.into(), high.into()));
            }
            _ => return Err(bad()),
        }
    } else {
        match text.parse().map_err(|_| bad())? {
            IpAddr::V4(v4) => ranges.v4.push((v4.into(), v4.into())),
            IpAddr::V6(v6) => ranges.v6.push((v6.into(), v6.into())),
        }
    }
    Ok(ranges)
}

fn v4_network(address: Ipv4Addr, mask: &str) -> Option<(u32, u32)> {
    let mask = if mask.contains('.') {
        let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
        // Only masks of leading ones name a network.
        (mask.leading_ones() + mask.trailing_zeros() >= 32).then_some(mask)?
    } else {
        let bits: u32 = mask.parse().ok()?;
        match bits {
            0 => 0,
            1..=32 => u32::MAX << (32 - bits),
            _ => return None,
        }
    };
    let low = u32::from(address) & mask;
    Some((low, low | !mask))
}

fn v6_network(address: Ipv6Addr, mask: &str) -> Option<(u128, u128)> {
    let bits: u32 = mask.parse().ok()?;
    let mask = match bits {
        0 => 0,
        1..=128 => u128::MAX << (128 - bits),
        _ => return None,
    };
    let low = u128::from(address) & mask;
    Some((low, low | !mask))
}
