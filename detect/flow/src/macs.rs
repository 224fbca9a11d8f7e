//! Hardware addresses that a flow's packets came from and went to.

use decode::Direction;
use smallvec::SmallVec;

/// Most addresses that are kept for a side.
const LIMIT: usize = 10;

/// Hardware addresses of a flow, each once, in the order in which they were seen.
#[derive(Debug, Default)]
pub struct Macs {
    /// Of the client and of the server.
    sides: [SmallVec<[[u8; 6]; 2]>; 2],
}

impl Macs {
    /// Adds those of a packet that goes in `direction`.
    pub fn add(&mut self, direction: Direction, source: [u8; 6], destination: [u8; 6]) {
        let at = direction.index();
        for (side, address) in [(at, source), (1 - at, destination)] {
            let known = &mut self.sides[side];
            if known.len() < LIMIT && !known.contains(&address) {
                known.push(address);
            }
        }
    }

    /// Addresses that packets in `direction` come from.
    pub fn sources(&self, direction: Direction) -> &[[u8; 6]] {
        &self.sides[direction.index()]
    }

    /// Swaps the directions.
    pub(crate) fn reverse(&mut self) {
        self.sides.swap(0, 1);
    }
}

#[cfg(test)]
mod tests {
    use decode::Direction::{ToClient, ToServer};

    use super::{LIMIT, Macs};

    #[test]
    fn sides_follow_the_direction() {
        let (a, b, c) = ([1; 6], [2; 6], [3; 6]);
        let mut macs = Macs::default();
        macs.add(ToServer, a, b);
        macs.add(ToClient, b, a);
        macs.add(ToClient, c, a);
        assert_eq!((macs.sources(ToServer), macs.sources(ToClient)), (&[a][..], &[b, c][..]));
        macs.reverse();
        assert_eq!((macs.sources(ToServer), macs.sources(ToClient)), (&[b, c][..], &[a][..]));
    }

    #[test]
    fn addresses_are_limited() {
        let mut macs = Macs::default();
        for n in 0..50 {
            macs.add(ToServer, [n; 6], [0; 6]);
        }
        assert_eq!((macs.sources(ToServer).len(), macs.sources(ToClient).len()), (LIMIT, 1));
    }
}
