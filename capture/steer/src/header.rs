//! From the first byte of a frame to its IP packets, as far as steering needs them.
//!
//! The program for XDP and the one for packet sockets read headers in the very same way: whoever
//! changes a rule here changes it there.

use crate::tags::Tags;

/// How many bytes from the outermost IP header on are looked at.
pub(crate) const REACH: usize = 1024;
/// How many MPLS labels are skipped.
pub(crate) const LABELS: usize = 6;
/// How many IPv6 extension headers are skipped.
pub(crate) const EXTENSIONS: usize = 8;
/// Length of an IPv4 header without options.
const IPV4_LEN: usize = 20;
/// Length of the header of an ICMP error before the packet that it is about.
const ICMP_LEN: usize = 8;

/// Numbers of protocols behind an IP header.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const SCTP: u8 = 132;
    /// Headers whose length field counts units of 8 bytes beyond the first 8: hop-by-hop
    /// options, routing, destination options, mobility, HIP, Shim6.
    pub(crate) const EXTENSIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
}

/// What a frame or the payload of a tunnel says about what follows.
pub(crate) mod ether_type {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
    pub(crate) const PPPOE: u16 = 0x8864;
    pub(crate) const MPLS: [u16; 2] = [0x8847, 0x8848];
    /// Ethernet in GRE or Geneve.
    pub(crate) const BRIDGE: u16 = 0x6558;
    /// Mirrored Ethernet in GRE, types I and II.
    pub(crate) const ERSPAN: u16 = 0x88be;
}

/// IPv4 and IPv6 as PPP numbers them.
pub(crate) mod ppp {
    pub(crate) const IPV4: u16 = 0x0021;
    pub(crate) const IPV6: u16 = 0x0057;
}

/// Where an IP header begins, and of which version it is said to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) at: usize,
    pub(crate) version: u8,
}

/// What the headers of one IP packet say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// The addresses in words of 32 bits; IPv4 has only the first.
    pub(crate) source: [u32; 4],
    pub(crate) destination: [u32; 4],
    pub(crate) version: u8,
    /// What follows the IP header and its extensions.
    pub(crate) protocol: u8,
    /// Where that begins.
    pub(crate) transport: usize,
    /// A part of a datagram.
    pub(crate) fragment: bool,
    /// A part other than the first.
    pub(crate) later: bool,
}

/// The IP header behind the Ethernet header at `at`.
pub(crate) fn ethernet(bytes: &[u8], at: usize, tags: &mut Tags) -> Option<Start> {
    behind(bytes, be16(bytes, at + 12)?, at + 14, tags)
}

/// The IP header that follows at `at` according to an Ethernet type, behind tags, PPPoE or MPLS.
pub(crate) fn behind(bytes: &[u8], mut next: u16, mut at: usize, tags: &mut Tags) -> Option<Start> {
    for _ in 0..Tags::LIMIT {
        if !ether_type::TAGS.contains(&next) {
            break;
        }
        let following = be16(bytes, at + 2)?;
        tags.push(be16(bytes, at)?);
        (next, at) = (following, at + 4);
    }
    match next {
        ether_type::IPV4 => Some(Start { at, version: 4 }),
        ether_type::IPV6 => Some(Start { at, version: 6 }),
        ether_type::PPPOE => match be16(bytes, at + 6)? {
            ppp::IPV4 => Some(Start { at: at + 8, version: 4 }),
            ppp::IPV6 => Some(Start { at: at + 8, version: 6 }),
            _ => None,
        },
        label if ether_type::MPLS.contains(&label) => behind_labels(bytes, at),
        _ => None,
    }
}

/// The IP header at `at`, its version told by its first bits.
pub(crate) fn by_version(bytes: &[u8], at: usize) -> Option<Start> {
    let version = bytes.get(at)? >> 4;
    matches!(version, 4 | 6).then_some(Start { at, version })
}

/// The packet whose header begins at `start`; none if the header is cut or of another version.
pub(crate) fn packet(bytes: &[u8], start: Start) -> Option<Packet> {
    let header = bytes.get(start.at..)?;
    if header.first()? >> 4 != start.version {
        return None;
    }
    if start.version == 4 { ipv4(header, start.at) } else { ipv6(bytes, header, start.at) }
}

/// The packet that an ICMP "destination unreachable" is about, if it is one and holds that much.
///
/// As in Suricata 8 only this type of error finds the flow it is about.
pub(crate) fn embedded(bytes: &[u8], packet: &Packet) -> Option<Packet> {
    if packet.version != 4 || packet.protocol != protocol::ICMP || packet.later {
        return None;
    }
    if *bytes.get(packet.transport)? != 3 {
        return None;
    }
    self::packet(bytes, Start { at: packet.transport + ICMP_LEN, version: 4 })
}

/// Source and destination port of a packet that has ports and is whole.
pub(crate) fn ports(bytes: &[u8], packet: &Packet) -> Option<(u16, u16)> {
    let has = matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::SCTP);
    if !has || packet.fragment {
        return None;
    }
    Some((be16(bytes, packet.transport)?, be16(bytes, packet.transport + 2)?))
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

fn behind_labels(bytes: &[u8], mut at: usize) -> Option<Start> {
    for _ in 0..LABELS {
        let bottom = bytes.get(at + 2)? & 1 != 0;
        at += 4;
        if bottom {
            return by_version(bytes, at);
        }
    }
    None
}

fn ipv4(header: &[u8], at: usize) -> Option<Packet> {
    let header: &[u8; IPV4_LEN] = header.first_chunk()?;
    let length = usize::from(header[0] & 15) * 4;
    if length < IPV4_LEN {
        return None;
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    Some(Packet {
        source: [be32(header, 12), 0, 0, 0],
        destination: [be32(header, 16), 0, 0, 0],
        version: 4,
        protocol: header[9],
        transport: at + length,
        fragment: fragment & 0x3fff != 0,
        later: fragment & 0x1fff != 0,
    })
}

fn ipv6(bytes: &[u8], header: &[u8], at: usize) -> Option<Packet> {
    let header: &[u8; 40] = header.first_chunk()?;
    let mut packet = Packet {
        source: [8, 12, 16, 20].map(|at| be32(header, at)),
        destination: [24, 28, 32, 36].map(|at| be32(header, at)),
        version: 6,
        protocol: header[6],
        transport: at + 40,
        fragment: false,
        later: false,
    };
    for _ in 0..EXTENSIONS {
        if !skip_extension(bytes, &mut packet) {
            break;
        }
    }
    Some(packet)
}

/// Goes past the extension header, if there is a whole one; false if the walk is over.
fn skip_extension(bytes: &[u8], packet: &mut Packet) -> bool {
    let at = packet.transport;
    let Some(&[next, length]) = bytes.get(at..).and_then(|bytes| bytes.first_chunk()) else {
        return false;
    };
    let length = usize::from(length);
    match packet.protocol {
        protocol::FRAGMENT => {
            if bytes.len() < at + 8 {
                return false;
            }
            // Of an atomic fragment (RFC 6946) nothing else is to come.
            let field = be16(bytes, at + 2).unwrap_or(0);
            packet.fragment = field & 0xfff9 != 0;
            packet.later = field & 0xfff8 != 0;
            packet.transport += 8;
        }
        protocol::AUTHENTICATION => packet.transport += 8 + length * 4,
        header if protocol::EXTENSIONS.contains(&header) => packet.transport += 8 + length * 8,
        _ => return false,
    }
    packet.protocol = next;
    !packet.fragment
}

fn be32<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    header.get(at..).and_then(|word| word.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}
