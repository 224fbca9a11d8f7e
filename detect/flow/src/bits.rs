//! What rules remember with a flow: bits, integers and captured bytes.

/// Bits of a flow; further ones are refused.
const MAX_BITS: usize = 1024;

/// Integers of a flow.
const MAX_INTEGERS: usize = 256;

/// Variables of a flow, and the bytes of one.
const MAX_VARIABLES: usize = 64;
const MAX_VARIABLE_LEN: usize = 65_535;

/// Bits, integers and variables by number. Takes one word while there are none.
#[derive(Debug, Default)]
pub struct Bits {
    store: Option<Box<Store>>,
}

#[derive(Debug, Default)]
struct Store {
    /// Sorted.
    bits: Vec<u32>,
    /// Sorted by number.
    integers: Vec<(u32, u32)>,
    variables: Vec<Variable>,
}

/// Bytes that a rule captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Number of its name.
    pub name: u32,
    /// The bytes.
    pub value: Vec<u8>,
}

impl Bits {
    /// Sets a bit; false if there are too many.
    pub fn set(&mut self, bit: u32) -> bool {
        let bits = &mut self.store().bits;
        match bits.binary_search(&bit) {
            Ok(_) => true,
            Err(_) if bits.len() >= MAX_BITS => false,
            Err(at) => {
                bits.insert(at, bit);
                true
            }
        }
    }

    /// Clears a bit.
    pub fn unset(&mut self, bit: u32) {
        if let Some(store) = &mut self.store
            && let Ok(at) = store.bits.binary_search(&bit)
        {
            store.bits.remove(at);
        }
    }

    /// Sets a bit that is clear and clears one that is set.
    pub fn toggle(&mut self, bit: u32) {
        if self.is_set(bit) {
            self.unset(bit);
        } else {
            self.set(bit);
        }
    }

    /// True if the bit is set.
    pub fn is_set(&self, bit: u32) -> bool {
        self.store.as_ref().is_some_and(|store| store.bits.binary_search(&bit).is_ok())
    }

    /// The bits that are set, in ascending order.
    pub fn all(&self) -> &[u32] {
        self.store.as_ref().map_or(&[], |store| &store.bits)
    }

    /// An integer, if it was ever set.
    pub fn integer(&self, name: u32) -> Option<u32> {
        let integers = &self.store.as_ref()?.integers;
        let at = integers.binary_search_by_key(&name, |&(known, _)| known).ok()?;
        Some(integers[at].1)
    }

    /// Sets an integer; false if there are too many.
    pub fn set_integer(&mut self, name: u32, value: u32) -> bool {
        let integers = &mut self.store().integers;
        match integers.binary_search_by_key(&name, |&(known, _)| known) {
            Ok(at) => integers[at].1 = value,
            Err(_) if integers.len() >= MAX_INTEGERS => return false,
            Err(at) => integers.insert(at, (name, value)),
        }
        true
    }

    /// Adds to an integer, modulo 2^32; one that was not set starts at 0.
    pub fn add_integer(&mut self, name: u32, value: u32) -> bool {
        let sum = self.integer(name).unwrap_or(0).wrapping_add(value);
        self.set_integer(name, sum)
    }

    /// Subtracts from an integer, modulo 2^32; false, without effect, if it was not set.
    pub fn subtract_integer(&mut self, name: u32, value: u32) -> bool {
        match self.integer(name) {
            Some(old) => self.set_integer(name, old.wrapping_sub(value)),
            None => false,
        }
    }

    /// The integers that are set, by ascending number.
    pub fn integers(&self) -> &[(u32, u32)] {
        self.store.as_ref().map_or(&[], |store| &store.integers)
    }

    /// Keeps captured bytes under a name, in place of older ones; false if there are too many.
    pub fn set_variable(&mut self, name: u32, value: &[u8]) -> bool {
        let value = value.get(..MAX_VARIABLE_LEN).unwrap_or(value);
        let variables = &mut self.store().variables;
        if let Some(known) = variables.iter_mut().find(|known| known.name == name) {
            known.value.clear();
            known.value.extend_from_slice(value);
            return true;
        }
        let room = variables.len() < MAX_VARIABLES;
        if room {
            variables.push(Variable { name, value: value.to_vec() });
        }
        room
    }

    /// The bytes kept under a name.
    pub fn variable(&self, name: u32) -> Option<&[u8]> {
        self.variables().iter().find(|known| known.name == name).map(|known| &*known.value)
    }

    /// All variables in the order in which they were first set.
    pub fn variables(&self) -> &[Variable] {
        self.store.as_ref().map_or(&[], |store| &store.variables)
    }

    /// True if nothing was ever set.
    pub fn is_empty(&self) -> bool {
        self.store.is_none()
    }

    fn store(&mut self) -> &mut Store {
        self.store.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_behave_as_a_set(work in prop::collection::vec((0u32..20, 0u8..3), 0..60)) {
            let mut bits = Bits::default();
            let mut model = BTreeSet::new();
            for (bit, what) in work {
                match what {
                    0 => { bits.set(bit); model.insert(bit); }
                    1 => { bits.unset(bit); model.remove(&bit); }
                    _ => { bits.toggle(bit); if !model.remove(&bit) { model.insert(bit); } }
                }
                prop_assert_eq!(bits.is_set(bit), model.contains(&bit));
            }
            prop_assert_eq!(bits.all().to_vec(), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn integers_wrap_and_minus_needs_a_value() {
        let mut bits = Bits::default();
        assert!(bits.is_empty());
        assert!(!bits.subtract_integer(1, 1));
        assert_eq!(bits.integer(1), None);
        assert!(bits.add_integer(1, 5));
        assert!(bits.subtract_integer(1, 6));
        assert_eq!(bits.integer(1), Some(u32::MAX));
        assert!(bits.set_integer(0, 7));
        assert_eq!(bits.integers(), [(0, 7), (1, u32::MAX)]);
    }

    #[test]
    fn a_variable_is_replaced_and_the_number_of_them_bounded() {
        let mut bits = Bits::default();
        assert!(bits.set_variable(3, b"one") && bits.set_variable(3, b"two"));
        assert_eq!(bits.variable(3), Some(&b"two"[..]));
        for name in 100..300 {
            bits.set_variable(name, b"x");
        }
        assert_eq!(bits.variables().len(), MAX_VARIABLES);
    }
}
