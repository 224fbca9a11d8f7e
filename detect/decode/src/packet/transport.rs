//! The transport layer of a packet: header fields that later stages want.

use std::net::IpAddr;

/// TCP options that matter later (RFC 9293, 7323, 2018, 7413).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale; above 14 is taken as 0.
    pub window_scale: Option<u8>,
    /// Selective acknowledgement permitted.
    pub sack_permitted: bool,
    /// Timestamp value and echo reply.
    pub timestamp: Option<(u32, u32)>,
    /// Number of SACK blocks.
    pub sack_blocks: u8,
    /// Offset of the first SACK block in the packet's bytes (8 bytes each), when there are any.
    pub sack_offset: u32,
    /// Fast open option seen.
    pub fast_open: bool,
    /// MD5 signature or authentication option seen.
    pub authenticated: bool,
}

/// TCP header fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// The eight flag bits CWR ECE URG ACK PSH RST SYN FIN, FIN lowest.
    pub flags: u8,
    /// The four reserved bits (lowest nibble of the offset byte).
    pub reserved: u8,
    /// Window as on the wire.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Checksum field.
    pub checksum: u16,
    /// Header length with options, bytes.
    pub header_len: u8,
    /// Options.
    pub options: TcpOptions,
}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// Acknowledgement field is significant.
    pub const ACK: u8 = 0x10;
    /// Urgent pointer is significant.
    pub const URG: u8 = 0x20;
    /// Congestion echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;

    /// True if any flag of `mask` is set.
    pub const fn has(&self, mask: u8) -> bool {
        self.flags & mask != 0
    }
}

/// UDP header fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// Length field.
    pub len: u16,
    /// Checksum field.
    pub checksum: u16,
}

/// ICMP header fields, version 4 or 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum field.
    pub checksum: u16,
    /// Identifier, for messages that have one (echo, timestamp, ...).
    pub id: Option<u16>,
    /// Sequence number, for messages that have one.
    pub seq: Option<u16>,
    /// MTU of a packet-too-big message (ICMPv6) or fragmentation-needed message.
    pub mtu: Option<u32>,
    /// The packet embedded in an error message.
    pub embedded: Option<Embedded>,
}

/// Addresses and ports of the packet that an ICMP error carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Source address of the embedded packet.
    pub src: IpAddr,
    /// Destination address of the embedded packet.
    pub dst: IpAddr,
    /// Its IP protocol.
    pub proto: u8,
    /// Its ports, if it was TCP, UDP or SCTP and they were there.
    pub ports: Option<(u16, u16)>,
}

/// The transport layer of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// None, or none that was decoded.
    #[default]
    None,
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// ICMP for IPv4.
    Icmp4(Icmp),
    /// ICMP for IPv6.
    Icmp6(Icmp),
    /// SCTP: verification tag.
    Sctp {
        /// Verification tag.
        tag: u32,
    },
    /// ESP: security parameters index.
    Esp {
        /// Security parameters index.
        spi: u32,
    },
    /// GRE.
    Gre,
    /// An IP-in-IP tunnel's outer header, either version inside.
    IpTunnel,
}
