//! Values by address: the longest matching prefix decides.

use std::net::IpAddr;

use thiserror::Error;

/// A network or address that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is neither an address nor a network")]
pub struct NetworkError(
    /// The text as it was given.
    pub String,
);

/// An address range: the bits of its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// The network of `length` bits around `address`; `None` if it has fewer bits than that.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= width(&address)).then_some(Self { address, length })
    }
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let length = match length {
            Some(length) => length.trim().parse().map_err(|_| wrong())?,
            None => width(&address),
        };
        Self::new(address, length).ok_or_else(wrong)
    }
}

/// A map from networks to values of which the most specific one holds.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    v4: Levels<T>,
    v6: Levels<T>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { v4: Levels(Vec::new()), v6: Levels(Vec::new()) }
    }
}

impl<T: Copy> PrefixMap<T> {
    /// Gives `network` a value; a second one for the same network replaces the first.
    pub fn insert(&mut self, network: Network, value: T) {
        let levels = match network.address {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        };
        levels.insert(bits(&network.address), network.length, value);
    }

    /// The value of the most specific network that holds `address`.
    pub fn get(&self, address: IpAddr) -> Option<T> {
        let levels = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        levels.get(bits(&address))
    }
}

/// The networks of one family, grouped by prefix length, longest first.
#[derive(Clone, Debug)]
struct Levels<T>(Vec<Level<T>>);

/// The networks of one prefix length, sorted.
#[derive(Clone, Debug)]
struct Level<T> {
    length: u8,
    entries: Vec<(u128, T)>,
}

impl<T: Copy> Levels<T> {
    fn insert(&mut self, bits: u128, length: u8, value: T) {
        let bits = bits & mask(length);
        let at = match self.0.binary_search_by(|level| length.cmp(&level.length)) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Level { length, entries: Vec::new() });
                at
            }
        };
        let Some(level) = self.0.get_mut(at) else { return };
        match level.entries.binary_search_by_key(&bits, |entry| entry.0) {
            Ok(at) => level.entries[at].1 = value,
            Err(at) => level.entries.insert(at, (bits, value)),
        }
    }

    fn get(&self, bits: u128) -> Option<T> {
        self.0.iter().find_map(|level| {
            let wanted = bits & mask(level.length);
            let at = level.entries.binary_search_by_key(&wanted, |entry| entry.0).ok()?;
            level.entries.get(at).map(|entry| entry.1)
        })
    }
}

/// Number of bits of the address's family.
const fn width(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address's bits, first bit highest in both families.
fn bits(address: &IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The `length` highest bits.
const fn mask(length: u8) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - length as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_network_decides() {
        let mut map = PrefixMap::default();
        let networks =
            ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "2001:db8::/32"];
        for (value, network) in networks.into_iter().enumerate() {
            map.insert(network.parse().unwrap(), value);
        }
        let check = |address: &str, value: Option<usize>| {
            assert_eq!(map.get(address.parse().unwrap()), value, "{address}");
        };
        check("192.0.2.1", Some(0));
        check("10.255.0.1", Some(1));
        check("10.1.255.255", Some(2));
        check("10.1.2.3", Some(3));
        check("fe80::1", Some(4));
        check("2001:db8:ffff::1", Some(5));
    }

    #[test]
    fn nothing_matches_in_an_empty_map_and_bad_texts_are_refused() {
        assert_eq!(PrefixMap::<u8>::default().get("10.0.0.1".parse().unwrap()), None);
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/x"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
