//! Numbers for names of bits and variables, shared by all rules of a loader.

use std::collections::HashMap;

/// One name space: name to number and back.
#[derive(Clone, Debug, Default)]
pub struct NameSpace {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl NameSpace {
    /// The number of a name, a new one if it has none.
    pub fn intern(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    /// The number of a name that was seen.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    pub fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(AsRef::as_ref)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True without names.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The name spaces of a set of rules.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `flowbits`.
    pub flowbits: NameSpace,
    /// `flowint`.
    pub flowints: NameSpace,
    /// `xbits`.
    pub xbits: NameSpace,
    /// `hostbits`.
    pub hostbits: NameSpace,
    /// Variables of flows.
    pub flowvars: NameSpace,
    /// Variables of packets.
    pub pktvars: NameSpace,
    /// Types of the data sets that rules have named.
    pub datasets: HashMap<String, crate::rule::DatasetType>,
}
