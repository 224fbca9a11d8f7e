//! How a card spreads frames over its queues: transform, key, indirection table, hashed fields.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bytes that repeat in a key under which a Toeplitz hash gives both directions of a flow the
/// same queue, as shown by Woo and Park (2012).
const SYMMETRIC_KEY: [u8; 2] = [0x6d, 0x5a];

/// What a card does to a flow's addresses before it hashes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// Nothing.
    #[default]
    None,
    /// Source xor destination, for both directions alike.
    SymmetricXor,
    /// Source or destination and source xor destination.
    SymmetricOrXor,
}

/// The key of a receive hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKey {
    /// The one that is set.
    Unchanged,
    /// The one that gives both directions of a flow the same hash.
    Symmetric,
    /// These bytes in hexadecimal.
    Bytes(String),
}

/// Which queue each value of the receive hash gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indirection {
    /// All of so many queues alike.
    Even(u32),
    /// The queue of each slot.
    Table(Vec<u32>),
}

/// A kind of flow whose hashed fields can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// TCP over IPv4.
    Tcp4,
    /// UDP over IPv4.
    Udp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv6.
    Udp6,
}

impl Transform {
    /// From the bits of the kernel's `input_xfrm`.
    pub(crate) fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::SymmetricXor,
            2 => Self::SymmetricOrXor,
            _ => Self::None,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SymmetricXor => 1,
            Self::SymmetricOrXor => 2,
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no transform",
            Self::SymmetricXor => "symmetric-xor",
            Self::SymmetricOrXor => "symmetric-or-xor",
        })
    }
}

impl HashKey {
    /// The key for a card that takes so many bytes.
    pub(crate) fn bytes(&self, length: usize) -> Option<Vec<u8>> {
        match self {
            Self::Unchanged => None,
            Self::Symmetric => Some(SYMMETRIC_KEY.into_iter().cycle().take(length).collect()),
            Self::Bytes(text) => from_hexadecimal(text),
        }
    }

    pub(super) fn met_by(&self, now: &str) -> bool {
        let Some(now) = from_hexadecimal(now) else { return false };
        self.bytes(now.len()).is_none_or(|wanted| wanted == now)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("same key"),
            Self::Symmetric => f.write_str("symmetric key"),
            Self::Bytes(text) if Self::Symmetric.met_by(text) => f.write_str("symmetric key"),
            Self::Bytes(text) => {
                let start: String = text.chars().take(8).collect();
                write!(f, "key {start}…")
            }
        }
    }
}

impl Indirection {
    /// The table for a card that has so many slots.
    pub(crate) fn table(&self, slots: usize) -> Vec<u32> {
        match self {
            Self::Even(queues) => (0..(*queues).max(1)).cycle().take(slots).collect(),
            Self::Table(table) => table.clone(),
        }
    }

    /// Whether each queue has its share of slots, whatever their order.
    pub(super) fn met_by(&self, now: &[u32]) -> bool {
        let sorted = |table: &[u32]| {
            let mut table = table.to_vec();
            table.sort_unstable();
            table
        };
        match self {
            Self::Even(_) => sorted(&self.table(now.len())) == sorted(now),
            Self::Table(table) => table == now,
        }
    }
}

impl fmt::Display for Indirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even(queues) => write!(f, "even over {queues}"),
            Self::Table(table) => {
                let queues = table.iter().max().map_or(0, |last| last.saturating_add(1));
                let even = Self::Even(queues).met_by(table);
                write!(f, "{} over {queues}", if even { "even" } else { "uneven" })
            }
        }
    }
}

impl Flow {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Tcp4, Self::Udp4, Self::Tcp6, Self::Udp6];

    /// ethtool's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp4 => "tcp4",
            Self::Udp4 => "udp4",
            Self::Tcp6 => "tcp6",
            Self::Udp6 => "udp6",
        }
    }

    /// The kernel's number (`TCP_V4_FLOW`, …).
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Tcp4 => 1,
            Self::Udp4 => 2,
            Self::Tcp6 => 5,
            Self::Udp6 => 6,
        }
    }

    /// ethtool's letters of the kernel's field bits (`RXH_…`).
    pub(crate) fn letters(bits: u64) -> String {
        FIELDS.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, letter)| letter).collect()
    }

    pub(crate) fn bits(letters: &str) -> u64 {
        let bits = FIELDS.iter().filter(|(_, letter)| letters.contains(*letter));
        bits.fold(0, |all, (bit, _)| all | 1 << bit)
    }
}

/// The kernel's bits and ethtool's letters of fields that a card can hash.
const FIELDS: [(u32, char); 8] =
    [(1, 'm'), (2, 'v'), (3, 't'), (4, 's'), (5, 'd'), (6, 'f'), (7, 'n'), (31, 'r')];

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_letters_and_bits() {
        for (bits, letters) in [(0x30, "sd"), (0xf0, "sdfn"), (0x8000_0000, "r"), (0, "")] {
            assert_eq!(Flow::letters(bits), letters);
            assert_eq!(Flow::bits(letters), bits);
        }
    }
}
