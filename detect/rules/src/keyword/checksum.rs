//! `ipv4-csum`, `tcpv4-csum` and their kind: whether checksums are right.

use std::net::IpAddr;

use decode::{IpHeader, Packet, Transport};

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::Subject;
use crate::keyword::contract::{Features, Keyword, OptionText};

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The IPv4 header's.
    Ipv4,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// ICMP.
    Icmp4,
    /// ICMPv6.
    Icmp6,
}

/// A checksum that must be right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Which.
    pub layer: Layer,
    /// Right.
    pub valid: bool,
}

impl Checksum {
    /// Whether the packet has the layer and its checksum is as asked.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let packet = subject.packet;
        let there = match (self.layer, packet.ip_version(), &packet.transport) {
            (Layer::Ipv4, 4, _) => true,
            (Layer::Tcp4, 4, Transport::Tcp(_)) | (Layer::Tcp6, 6, Transport::Tcp(_)) => true,
            // RFC 768: zero means that the sender made no checksum.
            (Layer::Udp4, 4, Transport::Udp(udp)) => udp.checksum != 0,
            (Layer::Udp6, 6, Transport::Udp(_)) => true,
            (Layer::Icmp4, 4, Transport::Icmp4(_)) => true,
            (Layer::Icmp6, 6, Transport::Icmp6(_)) => true,
            _ => false,
        };
        if !there {
            return false;
        }
        if packet.flags.ignore_checksum {
            return self.valid;
        }
        let right = match self.layer {
            Layer::Ipv4 => ipv4_header(packet),
            Layer::Icmp4 => transport(packet, None),
            Layer::Tcp4 | Layer::Tcp6 => transport(packet, Some(6)),
            Layer::Udp4 | Layer::Udp6 => transport(packet, Some(17)),
            Layer::Icmp6 => transport(packet, Some(58)),
        };
        right == Some(self.valid)
    }
}

fn ipv4_header(packet: &Packet<'_>) -> Option<bool> {
    let IpHeader::V4 { header_len, .. } = packet.ip else { return None };
    let header = packet.network_bytes().get(..usize::from(header_len))?;
    Some(fold(sum(header)) == 0xffff)
}

/// RFC 1071 over the transport layer, with the pseudo header of `proto` if there is one.
fn transport(packet: &Packet<'_>, proto: Option<u8>) -> Option<bool> {
    let end = match packet.ip {
        IpHeader::None => return None,
        IpHeader::V4 { total_len, .. } => packet.network as usize + usize::from(total_len),
        IpHeader::V6 { payload_len, .. } => packet.network as usize + 40 + usize::from(payload_len),
    };
    let bytes = packet.bytes.get(packet.transport_offset as usize..end)?;
    let mut total = sum(bytes);
    if let Some(proto) = proto {
        total += match (packet.src, packet.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => sum(&src.octets()) + sum(&dst.octets()),
            (IpAddr::V6(src), IpAddr::V6(dst)) => sum(&src.octets()) + sum(&dst.octets()),
            _ => return None,
        };
        total += u64::from(proto) + bytes.len() as u64;
    }
    Some(fold(total) == 0xffff)
}

fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let mut total: u64 = 0;
    for word in &mut words {
        if let [high, low] = word {
            total += u64::from(u16::from_be_bytes([*high, *low]));
        }
    }
    if let [last] = words.remainder() {
        total += u64::from(*last) << 8;
    }
    total
}

const fn fold(mut total: u64) -> u64 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total
}

macro_rules! keywords {
    ($($constant:ident $setup:ident $name:literal $layer:ident $doc:literal),+ $(,)?) => {
        $(pub(crate) const $constant: Keyword = Keyword::new($name, "detect-csum", $setup)
            .doc($doc)
            .features(Features::NONE);

        fn $setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
            let valid = wanted(option)?;
            builder.push_check(Checksum { layer: Layer::$layer, valid });
            Ok(())
        })+
    };
}

keywords! {
    IPV4 ipv4 "ipv4-csum" Ipv4 "checksum of the IPv4 header",
    TCPV4 tcpv4 "tcpv4-csum" Tcp4 "checksum of TCP over IPv4",
    TCPV6 tcpv6 "tcpv6-csum" Tcp6 "checksum of TCP over IPv6",
    UDPV4 udpv4 "udpv4-csum" Udp4 "checksum of UDP over IPv4",
    UDPV6 udpv6 "udpv6-csum" Udp6 "checksum of UDP over IPv6",
    ICMPV4 icmpv4 "icmpv4-csum" Icmp4 "checksum of ICMP",
    ICMPV6 icmpv6 "icmpv6-csum" Icmp6 "checksum of ICMPv6",
}

fn wanted(option: &OptionText<'_>) -> Result<bool> {
    match option.value.to_ascii_lowercase().as_str() {
        "valid" => Ok(true),
        "invalid" => Ok(false),
        _ => Err(RuleError::new(format!("invalid {}: '{}'", option.name, option.value))
            .advice("valid or invalid")),
    }
}
