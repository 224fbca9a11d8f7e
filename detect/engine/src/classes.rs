//! Classes of addresses and ports: which of a ruleset's sets a value lies in.
//!
//! The sets of all rules cut the address and port space into pieces; pieces that lie in the same
//! sets are one class. A packet's four classes decide exactly which rule headers hold, so groups
//! of rules are keyed by classes and headers are never compared packet by packet.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rules::{AddressSet, PortSet};

/// Numbers of the sets that a class lies in, ascending. A value lies in few of a ruleset's sets,
/// so listing them takes less than a bit for each set, of which there may be a hundred thousand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Members(Arc<[u32]>);

impl Members {
    /// True if set number `at` is in it.
    pub fn has(&self, at: u32) -> bool {
        self.0.binary_search(&at).is_ok()
    }
}

/// Pieces of an ordered space: where each begins and its class.
#[derive(Debug)]
struct Pieces<T> {
    starts: Vec<T>,
    classes: Vec<u32>,
}

impl<T: Copy + Ord> Pieces<T> {
    /// Of the class at `value`; the first piece begins at the smallest value.
    fn class(&self, value: T) -> u32 {
        let at = self.starts.partition_point(|start| *start <= value).saturating_sub(1);
        self.classes.get(at).copied().unwrap_or(0)
    }
}

/// Classes with their members; equal member sets share a number.
#[derive(Debug, Default)]
struct Numbering {
    known: HashMap<Arc<[u32]>, u32>,
    members: Vec<Members>,
}

impl Numbering {
    /// The class of a member set. There are fewer classes than ends of ranges in the rules, so
    /// 32 bits are always enough.
    fn number(&mut self, now: &BTreeSet<u32>) -> u32 {
        let members: Arc<[u32]> = now.iter().copied().collect();
        if let Some(&class) = self.known.get(&members) {
            return class;
        }
        let class = self.members.len() as u32;
        self.known.insert(Arc::clone(&members), class);
        self.members.push(Members(members));
        class
    }
}

/// Cuts a space by ranges: `(first, last, set)`, ends inclusive; those of one set are disjoint.
fn cut<T: Copy + Ord>(
    ranges: &[(T, T, u32)],
    smallest: T,
    successor: impl Fn(T) -> Option<T>,
    numbering: &mut Numbering,
) -> Pieces<T> {
    // Events: a set begins at a value, or ends before a value.
    let mut events: Vec<(T, bool, u32)> = Vec::with_capacity(ranges.len() * 2);
    for &(first, last, set) in ranges {
        events.push((first, true, set));
        if let Some(behind) = successor(last) {
            events.push((behind, false, set));
        }
    }
    events.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut now = BTreeSet::new();
    let mut pieces = Pieces { starts: Vec::new(), classes: Vec::new() };
    let mut at = 0;
    let mut value = smallest;
    loop {
        while let Some(&(place, begins, set)) = events.get(at) {
            if place != value {
                break;
            }
            if begins {
                now.insert(set);
            } else {
                now.remove(&set);
            }
            at += 1;
        }
        let class = numbering.number(&now);
        // Neighbours of one class are one piece.
        if pieces.classes.last() != Some(&class) {
            pieces.starts.push(value);
            pieces.classes.push(class);
        }
        match events.get(at) {
            Some(next) => value = next.0,
            None => return pieces,
        }
    }
}

/// Classes of addresses, both families.
#[derive(Debug)]
pub struct AddressClasses {
    numbers: HashMap<u32, u32>,
    v4: Pieces<u32>,
    v6: Pieces<u128>,
    members: Vec<Members>,
}

impl AddressClasses {
    /// Of all sets that occur in the headers of `sets`.
    pub fn new<'a>(sets: impl Iterator<Item = &'a AddressSet>) -> Self {
        let mut numbers = HashMap::new();
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for set in sets {
            let number = numbers.len() as u32;
            if numbers.contains_key(&set.id()) {
                continue;
            }
            numbers.insert(set.id(), number);
            if set.is_any() {
                v4.push((0, u32::MAX, number));
                v6.push((0, u128::MAX, number));
                continue;
            }
            v4.extend(set.v4().iter().map(|r| (r.0, r.1, number)));
            v6.extend(set.v6().iter().map(|r| (r.0, r.1, number)));
        }
        let mut numbering = Numbering::default();
        let v4 = cut(&v4, 0, |v| v.checked_add(1), &mut numbering);
        let v6 = cut(&v6, 0, |v| v.checked_add(1), &mut numbering);
        Self { numbers, v4, v6, members: numbering.members }
    }

    /// The class of an address.
    pub fn class(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(a) => self.v4.class(u32::from(a)),
            IpAddr::V6(a) => self.v6.class(u128::from(a)),
        }
    }

    /// Number of a set within [`AddressClasses::holds`].
    pub fn number(&self, set: &AddressSet) -> u32 {
        self.numbers.get(&set.id()).copied().unwrap_or(u32::MAX)
    }

    /// True if addresses of `class` lie in set `number`.
    pub fn holds(&self, class: u32, number: u32) -> bool {
        self.members.get(class as usize).is_some_and(|m| m.has(number))
    }
}

/// Classes of ports.
#[derive(Debug)]
pub struct PortClasses {
    numbers: HashMap<u32, u32>,
    /// By port; there can't be more classes than ports.
    class_of: Vec<u16>,
    members: Vec<Members>,
}

impl PortClasses {
    /// Of all sets that occur on one side of the headers.
    pub fn new<'a>(sets: impl Iterator<Item = &'a PortSet>) -> Self {
        let mut numbers = HashMap::new();
        let mut ranges = Vec::new();
        for set in sets {
            let number = numbers.len() as u32;
            if numbers.contains_key(&set.id()) {
                continue;
            }
            numbers.insert(set.id(), number);
            if set.is_any() {
                ranges.push((0, u16::MAX, number));
            } else {
                ranges.extend(set.ranges().iter().map(|r| (r.0, r.1, number)));
            }
        }
        let mut numbering = Numbering::default();
        let pieces = cut(&ranges, 0u16, |v| v.checked_add(1), &mut numbering);
        let mut class_of = vec![0; 65536];
        for (at, (&start, &class)) in pieces.starts.iter().zip(&pieces.classes).enumerate() {
            let end = pieces.starts.get(at + 1).map_or(65536, |e| usize::from(*e));
            if let Some(part) = class_of.get_mut(usize::from(start)..end) {
                part.fill(class as u16);
            }
        }
        Self { numbers, class_of, members: numbering.members }
    }

    /// The class of a port.
    pub fn class(&self, port: u16) -> u16 {
        self.class_of.get(usize::from(port)).copied().unwrap_or(0)
    }

    /// Number of a set within [`PortClasses::holds`].
    pub fn number(&self, set: &PortSet) -> u32 {
        self.numbers.get(&set.id()).copied().unwrap_or(u32::MAX)
    }

    /// True if ports of `class` lie in set `number`.
    pub fn holds(&self, class: u16, number: u32) -> bool {
        self.members.get(usize::from(class)).is_some_and(|m| m.has(number))
    }
}
