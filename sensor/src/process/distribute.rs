//! Which worker a frame belongs to.
//!
//! Frames go by the pair of their outermost IP addresses, ICMP errors by that of the packet they
//! are about: so a flow, its fragments, the errors about it and its data connections meet in one
//! worker. Frames that carry a tunnel all go to one worker, for the same flow may come through
//! several tunnels; so do frames without IP. Fragments of UDP stay with their like, whether there
//! is a tunnel in them or not.

use decode::{DecodeSettings, Decoder, Origin, RawFrame};
use detect::checksums::ChecksumSample;

/// Deals out frames; sees what only all frames together show.
pub(crate) struct Dealer {
    decoder: Decoder,
    /// Checksums of the first packets, while they are counted.
    pub(crate) checksums: ChecksumSample,
    workers: usize,
}

/// The worker of tunnels and of frames without IP.
const FIRST: usize = 0;

impl Dealer {
    /// For so many workers; `sample` asks for the sample of checksums.
    pub(crate) fn new(settings: DecodeSettings, workers: usize, sample: bool) -> Self {
        let checksums = ChecksumSample::default();
        let checksums = if sample { checksums } else { checksums.ended() };
        Self { decoder: Decoder::new(settings), checksums, workers: workers.max(1) }
    }

    /// The worker of a frame, from 0.
    pub(crate) fn worker(&mut self, frame: RawFrame<'_>) -> usize {
        let found = addresses(frame.link_type, frame.bytes);
        let content = found.map_or(Content::Unknown, |(_, content)| content);
        let unknown = content == Content::Unknown || !self.checksums.is_over();
        let tunnel = unknown && self.is_tunnel(frame) || content == Content::Tunnel;
        let Some((hash, _)) = found.filter(|_| !tunnel) else { return FIRST };
        // The upper bits of a product spread best (Fibonacci hashing).
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (mixed as usize) % self.workers
    }

    /// Whether a frame carries packets within a packet. Fragments stay together.
    fn is_tunnel(&mut self, frame: RawFrame<'_>) -> bool {
        let mut packets = Vec::new();
        self.decoder.decode(frame, &mut packets);
        packets.iter().for_each(|packet| self.checksums.take(packet));
        packets.len() > 1 && packets.iter().all(|packet| packet.origin != Origin::Defrag)
    }
}

/// What the protocol number of an IP packet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// No tunnel: TCP, ICMP.
    Simple,
    /// A tunnel: IP in IP, GRE.
    Tunnel,
    /// Only a decoder knows.
    Unknown,
}

impl Content {
    const fn of(protocol: u8) -> Self {
        match protocol {
            1 | 6 | 58 => Self::Simple,
            4 | 41 | 47 => Self::Tunnel,
            _ => Self::Unknown,
        }
    }
}

/// The sum of hashes of both addresses, the same in both directions, and what is said to follow.
fn addresses(link_type: u16, bytes: &[u8]) -> Option<(u64, Content)> {
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
            0x0800 => {
                let ip = bytes.get(at..)?;
                let content = Content::of(*ip.get(9)?);
                return Some((sum(embedded(ip).or_else(|| ipv4_pair(ip))?), content));
            }
            0x86dd => {
                let pair = bytes.get(at + 8..)?.first_chunk::<32>()?.split_at(16);
                return Some((sum(pair), Content::of(*bytes.get(at + 6)?)));
            }
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

fn ipv4_pair(ip: &[u8]) -> Option<(&[u8], &[u8])> {
    Some(ip.get(12..)?.first_chunk::<8>()?.split_at(4))
}

/// The addresses of the packet that an ICMP "unreachable" is about: the flow table finds its flow.
fn embedded(ip: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = usize::from(ip.first()? & 15) * 4;
    let first_fragment = be16(ip, 6)? & 0x1fff == 0;
    let icmp = ip.get(header..).filter(|_| *ip.get(9).unwrap_or(&0) == 1 && first_fragment)?;
    (icmp.first() == Some(&3)).then(|| ipv4_pair(icmp.get(8..)?))?
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

    fn worker(dealer: &mut Dealer, bytes: &[u8]) -> usize {
        let (timestamp, wire_len) = (decode::Timestamp(0), bytes.len() as u32);
        dealer.worker(RawFrame {
            bytes,
            timestamp,
            number: 1,
            link_type: 1,
            input: 0,
            wire_len,
            no_checksum: false,
        })
    }

    #[test]
    fn both_directions_meet_and_pairs_spread() {
        let mut dealer = Dealer::new(DecodeSettings::default(), 4, false);
        let mut seen = [0; 4];
        for n in 0..200u8 {
            let there = frame([10, 0, 0, n], [192, 0, 2, 1], false);
            let back = frame([192, 0, 2, 1], [10, 0, 0, n], true);
            let of = worker(&mut dealer, &there);
            assert_eq!(of, worker(&mut dealer, &back));
            seen[of] += 1;
        }
        assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
        for length in 0..40 {
            worker(&mut dealer, &frame([1; 4], [2; 4], true)[..length.min(38)]);
        }
    }
    #[test]
    fn tunnels_and_what_is_no_ip_go_to_the_first() {
        let mut dealer = Dealer::new(DecodeSettings::default(), 4, false);
        for n in 0..50u8 {
            // IPv6 within IPv4 (6in4, protocol 41).
            let mut tunnel = frame([10, 0, 0, n], [192, 0, 2, n], false);
            tunnel[14 + 9] = 41;
            tunnel[14 + 3] = 60;
            tunnel.extend([0x60, 0, 0, 0, 0, 0, 59, 64]);
            tunnel.extend([n; 32]);
            assert_eq!(worker(&mut dealer, &tunnel), 0);
            let arp = [&[n; 12][..], &[8, 6], &[0; 28]].concat();
            assert_eq!(worker(&mut dealer, &arp), 0);
        }
    }
    #[test]
    fn an_icmp_error_meets_its_flow() {
        let mut dealer = Dealer::new(DecodeSettings::default(), 8, false);
        for n in 0..50u8 {
            let there = frame([10, 0, 0, n], [192, 0, 2, 1], false);
            let mut error = frame([203, 0, 113, n], [10, 0, 0, n], false);
            error[14 + 9] = 1;
            error.extend([3, 1, 0, 0, 0, 0, 0, 0]);
            error.extend(&there[14..]);
            assert_eq!(worker(&mut dealer, &there), worker(&mut dealer, &error));
        }
    }
}
