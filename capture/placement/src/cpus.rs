//! Sets of logical CPUs in the kernel's list form, such as `0-3,8`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The highest CPU number that a list may name; the kernel's own limit is 8192.
const HIGHEST: u32 = 65_535;

/// A set of logical CPUs; in text and JSON it is the kernel's list form, such as `0-3,8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuSet(BTreeSet<u32>);

/// A list of CPUs that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of CPUs such as 0-3,8")]
pub struct CpuSetError(String);

impl CpuSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a CPU.
    pub fn insert(&mut self, cpu: u32) {
        self.0.insert(cpu);
    }

    /// Takes a CPU out; says whether it was in.
    pub fn remove(&mut self, cpu: u32) -> bool {
        self.0.remove(&cpu)
    }

    /// Whether the CPU is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// How many CPUs are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no CPU is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest CPU of the set.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// The CPUs in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// The CPUs in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).copied().collect())
    }

    /// The CPUs of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).copied().collect())
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<T: IntoIterator<Item = u32>>(cpus: T) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl FromStr for CpuSet {
    type Err = CpuSetError;

    fn from_str(text: &str) -> Result<Self, CpuSetError> {
        let error = || CpuSetError(text.trim().chars().take(80).collect());
        let number = |digits: &str| -> Result<u32, CpuSetError> {
            digits.trim().parse().ok().filter(|n| *n <= HIGHEST).ok_or_else(error)
        };
        let mut set = BTreeSet::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(error());
            }
            set.extend(first..=last);
        }
        Ok(Self(set))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut run: Option<(u32, u32)> = None;
        for cpu in self.iter() {
            run = match run {
                Some((first, last)) if last.checked_add(1) == Some(cpu) => Some((first, cpu)),
                Some(done) => {
                    write_run(&mut text, done);
                    Some((cpu, cpu))
                }
                None => Some((cpu, cpu)),
            };
        }
        if let Some(done) = run {
            write_run(&mut text, done);
        }
        f.pad(&text)
    }
}

impl Serialize for CpuSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CpuSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn write_run(text: &mut String, (first, last): (u32, u32)) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(&first.to_string());
    if last > first {
        text.push('-');
        text.push_str(&last.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&[u32], &str)>) {
        let read: Result<CpuSet, _> = text.parse();
        match expected {
            None => assert!(read.is_err(), "{text:?} was taken as {read:?}"),
            Some((cpus, list)) => {
                let set = read.unwrap();
                assert_eq!(set.iter().collect::<Vec<_>>(), cpus, "{text:?}");
                assert_eq!(set.to_string(), list, "{text:?}");
                let json = serde_json::to_string(&set).unwrap();
                assert_eq!(serde_json::from_str::<CpuSet>(&json).unwrap(), set, "{text:?}");
            }
        }
    }

    #[test]
    fn lists_are_read_and_written() {
        check("", Some((&[], "")));
        check("0\n", Some((&[0], "0")));
        check("0-3,8", Some((&[0, 1, 2, 3, 8], "0-3,8")));
        check(" 8, 2-3 ,2", Some((&[2, 3, 8], "2-3,8")));
        check("0,1,2,4,5,9", Some((&[0, 1, 2, 4, 5, 9], "0-2,4-5,9")));
        check("3-1", None);
        check("a", None);
        check("1-", None);
        check("0-4294967295", None);
    }
}
