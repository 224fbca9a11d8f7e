//! Reputation of addresses from files (`iprep`): values of hosts and of networks by category.

use std::collections::HashMap;
use std::net::IpAddr;

use rules::keyword::Knowledge;

/// Highest number of a category.
const MAX_CATEGORY: u8 = 59;
/// Highest value.
const MAX_VALUE: u8 = 127;

/// Values of addresses by category.
#[derive(Debug, Default)]
pub struct Reputation {
    hosts: HashMap<IpAddr, Values>,
    /// By version, and within it by length of the prefix, the longest first.
    networks: [Vec<(u8, HashMap<u128, Values>)>; 2],
}

/// Category and value.
type Values = Vec<(u8, u8)>;

/// Reads the text of a file of categories: number, short name and description a line. Gives the
/// categories by short name, and the lines (from 1) that could not be read.
pub fn categories(text: &str) -> (HashMap<String, u8>, Vec<u32>) {
    let mut known = HashMap::new();
    let mut bad = Vec::new();
    for (number, line) in lines(text) {
        let mut parts = line.splitn(3, ',').map(str::trim);
        let id = parts.next().and_then(|id| id.parse().ok());
        let name = parts.next().filter(|name| !name.is_empty());
        match (id, name, parts.next()) {
            (Some(id @ 1..=MAX_CATEGORY), Some(name), Some(_)) => {
                known.insert(name.to_owned(), id);
            }
            _ => bad.push(number),
        }
    }
    (known, bad)
}

impl Reputation {
    /// Reads the text of a file of addresses: address or network, category, value a line. Gives
    /// the lines (from 1) that could not be read.
    pub fn read(&mut self, text: &str) -> Vec<u32> {
        let mut bad = Vec::new();
        for (number, line) in lines(text) {
            // Files may begin with the names of their columns.
            let head = line.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("ip"));
            if !head && self.add(line).is_none() {
                bad.push(number);
            }
        }
        bad
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut parts = line.split(',').map(str::trim);
        let (address, category, value) = (parts.next()?, parts.next()?, parts.next()?);
        let category = category.parse().ok().filter(|id| (1..=MAX_CATEGORY).contains(id))?;
        let value = value.parse().ok().filter(|value| *value <= MAX_VALUE)?;
        let values = match address.split_once('/') {
            None => self.hosts.entry(address.parse().ok()?).or_default(),
            Some((address, length)) => {
                let address: IpAddr = address.parse().ok()?;
                let (number, bits) = number(address);
                let length: u8 = length.parse().ok().filter(|length| *length <= bits)?;
                let lengths = &mut self.networks[usize::from(address.is_ipv6())];
                let at = match lengths.binary_search_by(|(known, _)| length.cmp(known)) {
                    Ok(at) => at,
                    Err(at) => {
                        lengths.insert(at, (length, HashMap::new()));
                        at
                    }
                };
                lengths.get_mut(at)?.1.entry(masked(number, bits, length)).or_default()
            }
        };
        match values.iter_mut().find(|(known, _)| *known == category) {
            Some((_, old)) => *old = value,
            None => values.push((category, value)),
        }
        Some(())
    }
}

impl Knowledge for Reputation {
    /// That of the host itself goes before that of its networks, the smallest of which counts.
    fn reputation(&self, address: IpAddr, category: u8) -> Option<u8> {
        let of = |values: &Values| values.iter().find(|(id, _)| *id == category).map(|v| v.1);
        if let Some(value) = self.hosts.get(&address).and_then(of) {
            return Some(value);
        }
        let (number, bits) = number(address);
        let lengths = &self.networks[usize::from(address.is_ipv6())];
        let networks = lengths
            .iter()
            .filter_map(|(length, networks)| networks.get(&masked(number, bits, *length)));
        networks.filter_map(of).next()
    }

    fn country(&self, _address: IpAddr) -> Option<[u8; 2]> {
        None
    }
}

/// Lines with something in them, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let numbered = (1..).zip(text.lines().map(str::trim));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// An address as a number, and of how many bits.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The first `length` of `bits` bits; the others are 0.
fn masked(number: u128, bits: u8, length: u8) -> u128 {
    let below = u32::from(bits.saturating_sub(length));
    number.checked_shr(below).and_then(|high| high.checked_shl(below)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_go_before_networks_and_small_networks_before_large_ones() {
        let mut all = Reputation::default();
        let bad = all.read(
            "ip,category,value\n# none\n192.0.2.1,1,10\n192.0.2.0/24,1,20\n192.0.0.0/16,1,30\n\
             192.0.2.1,2,40\n2001:db8::/32,1,50\n0.0.0.0/0,3,60\nnonsense,1,1\n192.0.2.1,60,1\n\
             192.0.2.1,1,128\n192.0.2.0/33,1,1\n192.0.2.1,1\n",
        );
        assert_eq!(bad, [9, 10, 11, 12, 13]);
        for (address, category, want) in [
            ("192.0.2.1", 1, Some(10)),
            ("192.0.2.2", 1, Some(20)),
            ("192.0.3.1", 1, Some(30)),
            ("192.0.2.1", 2, Some(40)),
            ("192.0.2.2", 2, None),
            ("192.0.2.1", 3, Some(60)),
            ("198.51.100.1", 1, None),
            ("2001:db8::1", 1, Some(50)),
            ("2001:db9::1", 1, None),
        ] {
            let found = all.reputation(address.parse().expect("address"), category);
            assert_eq!(found, want, "{address} {category}");
        }
    }

    #[test]
    fn categories_have_numbers_and_names() {
        let (known, bad) = categories("1,BadHosts,Known bad\n60,X,too high\n0,Y,no\n2,Z\n\n# c\n");
        assert_eq!(known, HashMap::from([("BadHosts".to_owned(), 1)]));
        assert_eq!(bad, [2, 3, 4]);
    }
}
