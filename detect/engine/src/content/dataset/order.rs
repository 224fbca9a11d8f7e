//! The order in which a set's values are written: that of Suricata 8's hash table.
//!
//! The table hashes with Bob Jenkins' lookup3 (public domain) and a seed that is 0 without
//! randomness; values of one row stand in the order in which they came.

/// The row of a value in a table of `rows`.
pub(super) fn row(value: &[u8], rows: u32) -> u32 {
    hash(value).checked_rem(rows).unwrap_or(0)
}

/// `hashlittle` of lookup3, and `hashword` where the value is whole words.
fn hash(value: &[u8]) -> u32 {
    let mut state = [0xdead_beef_u32.wrapping_add(value.len() as u32); 3];
    let mut rest = value;
    while rest.len() > 12 {
        let (now, next) = rest.split_at(12);
        add(&mut state, now);
        mix(&mut state);
        rest = next;
    }
    if rest.is_empty() {
        return state[2];
    }
    add(&mut state, rest);
    last(&mut state)
}

/// Adds up to twelve bytes as three little-endian words.
fn add(state: &mut [u32; 3], bytes: &[u8]) {
    for (word, four) in state.iter_mut().zip(bytes.chunks(4)) {
        let value = four.iter().rev().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        *word = word.wrapping_add(value);
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: &mut u32, z: &mut u32, turn: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(turn);
        *z = z.wrapping_add(*y);
    };
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
}

fn last([a, b, c]: &mut [u32; 3]) -> u32 {
    let step = |x: &mut u32, y: &u32, turn: u32| {
        *x = (*x ^ *y).wrapping_sub(y.rotate_left(turn));
    };
    step(c, b, 14);
    step(a, c, 11);
    step(b, a, 25);
    step(c, b, 16);
    step(a, c, 4);
    step(b, a, 14);
    step(c, b, 24);
    *c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_lookup3() {
        // Two values that lookup3.c itself gives for an initial value of 0.
        assert_eq!(hash(b""), 0xdead_beef);
        assert_eq!(hash(b"Four score and seven years ago"), 0x1777_0551);
    }
}
