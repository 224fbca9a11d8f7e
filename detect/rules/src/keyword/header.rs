//! Buffers of packet headers and addresses: `ip.src`, `tcp.hdr` and their kind.

use std::net::IpAddr;

use decode::{IpHeader, Packet, Transport};

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::rule::{Place, Target};

/// What `Place::Header` numbers.
/// Number of the destination address; the buffers up to it are addresses, those behind headers.
pub const DESTINATION: u8 = 1;

/// Names of the buffers; the place is the number.
pub const NAMES: [&str; 8] =
    ["ip.src", "ip.dst", "ipv4.hdr", "ipv6.hdr", "tcp.hdr", "udp.hdr", "icmpv4.hdr", "icmpv6.hdr"];

/// The bytes of a header buffer; none when the packet lacks it. Addresses go through `scratch`.
pub fn bytes<'a>(
    buffer: u8,
    packet: &'a Packet<'_>,
    scratch: &'a mut [u8; 16],
) -> Option<&'a [u8]> {
    match (NAMES.get(usize::from(buffer)).copied()?, &packet.transport) {
        ("ip.src", _) if packet.is_ip() => Some(address(packet.src, scratch)),
        ("ip.dst", _) if packet.is_ip() => Some(address(packet.dst, scratch)),
        ("ipv4.hdr", _) => match packet.ip {
            IpHeader::V4 { header_len, .. } => {
                packet.network_bytes().get(..usize::from(header_len))
            }
            _ => None,
        },
        ("ipv6.hdr", _) => match packet.ip {
            IpHeader::V6 { header_len, .. } => {
                packet.network_bytes().get(..usize::from(header_len))
            }
            _ => None,
        },
        ("tcp.hdr", Transport::Tcp(tcp)) => {
            packet.transport_bytes().get(..usize::from(tcp.header_len))
        }
        ("udp.hdr", Transport::Udp(_)) => packet.transport_bytes().get(..8),
        ("icmpv4.hdr", Transport::Icmp4(_)) | ("icmpv6.hdr", Transport::Icmp6(_)) => {
            let start = packet.transport_offset as usize;
            let end = (packet.payload_offset as usize).max(start);
            packet.bytes.get(start..end)
        }
        _ => None,
    }
}

fn address(address: IpAddr, scratch: &mut [u8; 16]) -> &[u8] {
    match address {
        IpAddr::V4(v4) => {
            scratch[..4].copy_from_slice(&v4.octets());
            &scratch[..4]
        }
        IpAddr::V6(v6) => {
            *scratch = v6.octets();
            &scratch[..]
        }
    }
}

macro_rules! keywords {
    ($($constant:ident $setup:ident $index:literal $doc:literal),+ $(,)?) => {
        $(pub(crate) const $constant: Keyword =
            Keyword::new(NAMES[$index], "detect-header", $setup)
                .doc($doc)
                .no_value()
                .features(Features { sticky: true, packet: $index > 1, ..Features::NONE });

        fn $setup(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
            name(builder, $index)
        })+
    };
}

keywords! {
    IP_SRC ip_src 0 "source address",
    IP_DST ip_dst 1 "destination address",
    IPV4_HDR ipv4_hdr 2 "IPv4 header",
    IPV6_HDR ipv6_hdr 3 "IPv6 header",
    TCP_HDR tcp_hdr 4 "TCP header",
    UDP_HDR udp_hdr 5 "UDP header",
    ICMPV4_HDR icmpv4_hdr 6 "ICMP header",
    ICMPV6_HDR icmpv6_hdr 7 "ICMPv6 header",
}

fn name(builder: &mut Builder<'_>, index: u8) -> Result<()> {
    let name = NAMES.get(usize::from(index)).copied().unwrap_or("");
    let needed = match name {
        "tcp.hdr" => Some(6),
        "udp.hdr" => Some(17),
        "icmpv4.hdr" => Some(1),
        "icmpv6.hdr" => Some(58),
        _ => None,
    };
    let protocols = builder.rule.protocol.ip_protocols;
    let has = |n: usize| protocols.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1);
    if protocols != [0; 4] && needed.is_some_and(|number| !has(number)) {
        return refuse(format!("{name} needs another protocol in the header"))
            .map_err(RuleError::silent);
    }
    let target = Target { place: Place::Header(index), transforms: Vec::new(), direction: None };
    builder.name_target(target, false, name)
}
