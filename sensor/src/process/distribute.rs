//! Which worker a frame belongs to.
//!
//! Frames go by the pair of their outermost IP addresses: so a flow, its fragments, the ICMP
//! errors about it, its data connections and both directions of a tunnel meet in one worker.

/// The worker of a frame, from 0; frames without IP belong to the first.
pub(crate) fn worker(link_type: u16, bytes: &[u8], workers: usize) -> usize {
    let hash = addresses(link_type, bytes).unwrap_or(0);
    // The upper bits of a product spread best (Fibonacci hashing).
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (mixed as usize) % workers.max(1)
}

/// The sum of hashes of both addresses, the same in both directions.
fn addresses(link_type: u16, bytes: &[u8]) -> Option<u64> {
    let (mut ether_type, mut at) = match link_type {
        1 => (be16(bytes, 12)?, 14),
        101 | 228 | 229 | 12 | 14 | 778 => (by_version(bytes, 0)?, 0),
        0 | 108 => (by_version(bytes, 4)?, 4),
        113 => (be16(bytes, 14)?, 16),
        276 => (be16(bytes, 0)?, 20),
        104 => (be16(bytes, 2)?, 4),
        _ => return None,
    };
    // Tags, PPPoE and MPLS before the IP header.
    for _ in 0..8 {
        match ether_type {
            0x0800 => return Some(sum(bytes.get(at + 12..)?.first_chunk::<8>()?.split_at(4))),
            0x86dd => return Some(sum(bytes.get(at + 8..)?.first_chunk::<32>()?.split_at(16))),
            0x8100 | 0x88a8 | 0x9100 => {
                ether_type = be16(bytes, at + 2)?;
                at += 4;
            }
            0x8864 => {
                ether_type = match be16(bytes, at + 6)? {
                    0x0021 => 0x0800,
                    0x0057 => 0x86dd,
                    _ => return None,
                };
                at += 8;
            }
            0x8847 | 0x8848 => {
                let bottom = bytes.get(at + 2)? & 1 != 0;
                at += 4;
                if bottom {
                    ether_type = by_version(bytes, at)?;
                }
            }
            _ => return None,
        }
    }
    None
}

fn sum((source, destination): (&[u8], &[u8])) -> u64 {
    let hash = |address: &[u8]| {
        address.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    hash(source).wrapping_add(hash(destination))
}

fn by_version(bytes: &[u8], at: usize) -> Option<u16> {
    match bytes.get(at)? >> 4 {
        4 => Some(0x0800),
        6 => Some(0x86dd),
        _ => None,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(source: [u8; 4], destination: [u8; 4], tagged: bool) -> Vec<u8> {
        let mut frame = vec![0; 12];
        if tagged {
            frame.extend([0x81, 0, 0, 5]);
        }
        frame.extend([8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0]);
        frame.extend(source);
        frame.extend(destination);
        frame
    }

    #[test]
    fn both_directions_meet_and_pairs_spread() {
        let mut seen = [0; 4];
        for n in 0..200u8 {
            let there = frame([10, 0, 0, n], [192, 0, 2, 1], false);
            let back = frame([192, 0, 2, 1], [10, 0, 0, n], true);
            let of = worker(1, &there, 4);
            assert_eq!(of, worker(1, &back, 4));
            seen[of] += 1;
        }
        assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
        for length in 0..40 {
            worker(1, &frame([1; 4], [2; 4], true)[..length.min(38)], 3);
        }
    }
}
