//! Internet checksums (RFC 1071), verified when somebody asks.

use std::net::IpAddr;

use crate::ip_protocol;
use crate::packet::{IpHeader, Packet, Transport};

/// Whether the IPv4 header's checksum is right; `None` if there is no such header.
pub fn ipv4_header_ok(packet: &Packet<'_>) -> Option<bool> {
    let IpHeader::V4 { header_len, .. } = packet.ip else { return None };
    let start = packet.network as usize;
    let bytes = packet.bytes.get(start..start + usize::from(header_len))?;
    Some(is_right(sum(bytes)))
}

/// Whether the TCP checksum is right; `None` if the packet is not TCP.
pub fn tcp_ok(packet: &Packet<'_>) -> Option<bool> {
    let Transport::Tcp(_) = packet.transport else { return None };
    let bytes = transport(packet, packet.network_end())?;
    Some(is_right(pseudo_header(packet, ip_protocol::TCP, bytes.len()) + sum(bytes)))
}

/// Whether the UDP checksum is right, or absent as IPv4 allows; `None` if the packet is not UDP.
pub fn udp_ok(packet: &Packet<'_>) -> Option<bool> {
    let Transport::Udp(udp) = packet.transport else { return None };
    if udp.checksum == 0 && packet.src.is_ipv4() {
        return Some(true);
    }
    let end = packet.transport_offset as usize + usize::from(udp.len);
    let bytes = transport(packet, end)?;
    Some(is_right(pseudo_header(packet, ip_protocol::UDP, bytes.len()) + sum(bytes)))
}

/// Whether the checksum of an ICMP message of either version is right; `None` if the packet
/// is neither.
pub fn icmp_ok(packet: &Packet<'_>) -> Option<bool> {
    let bytes = || transport(packet, packet.network_end());
    match packet.transport {
        Transport::Icmp4(_) => Some(is_right(sum(bytes()?))),
        Transport::Icmp6(_) => {
            let bytes = bytes()?;
            Some(is_right(pseudo_header(packet, ip_protocol::ICMP6, bytes.len()) + sum(bytes)))
        }
        _ => None,
    }
}

/// The checksum to write into a field that is 0 in `bytes`.
pub fn of(bytes: &[u8]) -> u16 {
    !u16::from_be_bytes(fold(sum(bytes)).to_ne_bytes())
}

/// `checksum` after a 16-bit field changed from `old` to `new` (RFC 1624).
pub const fn adjusted(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = !checksum as u32 + !old as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// Sum of the bytes as 32-bit words in the machine's order, in wide lanes: the one's complement
/// sum does not depend on the order, and no carry is lost before 2^32 words.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    sum += u64::from(u32::from_ne_bytes(last));
    sum
}

/// The sum of the pseudo header of RFC 9293 or RFC 8200.
fn pseudo_header(packet: &Packet<'_>, proto: u8, len: usize) -> u64 {
    let address = |address: IpAddr| match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    };
    let tail = [(len as u32).to_be_bytes(), [0, 0, 0, proto]];
    address(packet.src) + address(packet.dst) + sum(tail.as_flattened())
}

/// The transport header and its data up to `end`.
fn transport<'p>(packet: &'p Packet<'_>, end: usize) -> Option<&'p [u8]> {
    packet.bytes.get(packet.transport_offset as usize..end)
}

fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// A sum that includes its own checksum has all bits set.
fn is_right(sum: u64) -> bool {
    fold(sum) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as the RFC words it: 16 bits at a time.
    fn plain(bytes: &[u8]) -> u16 {
        let words = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest::proptest! {
        #[test]
        fn wide_and_plain_sums_agree(bytes in proptest::collection::vec(0_u8..=255, 0..200)) {
            proptest::prop_assert_eq!(of(&bytes), plain(&bytes));
        }

        #[test]
        fn an_adjusted_checksum_is_that_of_the_changed_header(
            mut header in proptest::collection::vec(0_u8..=255, 20), new: u16,
        ) {
            header[0] = 0x45;
            header[10..12].fill(0);
            let before = plain(&header);
            let old = u16::from_be_bytes([header[2], header[3]]);
            header[2..4].copy_from_slice(&new.to_be_bytes());
            proptest::prop_assert_eq!(adjusted(before, old, new), plain(&header));
        }
    }
}
