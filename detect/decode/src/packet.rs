//! A decoded packet: where each layer lies in its bytes.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

mod transport;

pub use crate::arp::Arp;
use crate::time::Timestamp;
pub use transport::{Embedded, Icmp, Tcp, TcpOptions, Transport, Udp};

/// Which way a packet, a byte or a record goes within its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// From the client (who sent the first packet) to the server.
    #[default]
    ToServer = 0,
    /// From the server to the client.
    ToClient = 1,
}

impl Direction {
    /// Both directions, to the server first.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];

    /// The other direction.
    pub const fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 to the server, 1 to the client: an index into pairs.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// `to_server` or `to_client`, as EVE writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToServer => "to_server",
            Self::ToClient => "to_client",
        }
    }
}

/// How a packet came to be; `pkt_src` in EVE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Read from a wire or a capture file.
    #[default]
    Wire,
    /// Inner packet of GRE.
    Gre,
    /// Inner packet of IPv4 (IP in IP, 6in4).
    Ipv4Tunnel,
    /// Inner packet of IPv6.
    Ipv6Tunnel,
    /// Inner packet of Teredo.
    Teredo,
    /// Inner packet of VXLAN.
    Vxlan,
    /// Inner packet of Geneve.
    Geneve,
    /// Rebuilt from fragments.
    Defrag,
    /// Made at the end of a flow so that the rest of its data is inspected.
    FlowTimeout,
    /// Made when inspection of a stream is forced (protocol change, end of inspection).
    StreamFlush,
}

impl Origin {
    /// The text of `pkt_src`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire/pcap",
            Self::Gre => "gre tunnel",
            Self::Ipv4Tunnel => "ipv4 tunnel",
            Self::Ipv6Tunnel => "ipv6 tunnel",
            Self::Teredo => "teredo tunnel",
            Self::Vxlan => "vxlan encapsulation",
            Self::Geneve => "geneve encapsulation",
            Self::Defrag => "defrag",
            Self::FlowTimeout => "stream (flow timeout)",
            Self::StreamFlush => "stream (detect/log)",
        }
    }

    /// True for packets that no wire carried.
    pub const fn is_pseudo(self) -> bool {
        matches!(self, Self::FlowTimeout | Self::StreamFlush)
    }
}

/// Up to three VLAN identifiers, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VlanIds {
    /// The 12-bit identifiers; only the first `count` are set.
    pub ids: [u16; 3],
    /// How many tags there are, 0 to 3.
    pub count: u8,
}

impl VlanIds {
    /// The identifiers that are set.
    pub fn as_slice(&self) -> &[u16] {
        &self.ids[..usize::from(self.count.min(3))]
    }
}

/// The network layer of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpHeader {
    /// No IP layer, or one that did not decode.
    #[default]
    None,
    /// IPv4 (RFC 791).
    V4 {
        /// Length of the header with options, bytes.
        header_len: u8,
        /// Total length field.
        total_len: u16,
        /// Type of service.
        tos: u8,
        /// Identification.
        id: u16,
        /// Flags and fragment offset as on the wire.
        fragment: u16,
        /// Bit set of the options seen (see `decode::ipv4`).
        options: u16,
    },
    /// IPv6 (RFC 8200).
    V6 {
        /// Length of the fixed header and the extension headers walked, bytes.
        header_len: u16,
        /// Payload length field.
        payload_len: u16,
        /// Traffic class.
        traffic_class: u8,
        /// Flow label.
        flow_label: u32,
    },
}

/// Numbers of the decoder and stream events on a packet; further ones than 15 are lost, as in
/// Suricata 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventList {
    codes: [u16; 15],
    count: u8,
}

impl EventList {
    /// Adds an event; returns false when the list was full and the event is lost.
    pub fn push(&mut self, code: u16) -> bool {
        let at = usize::from(self.count);
        match self.codes.get_mut(at) {
            Some(slot) => {
                *slot = code;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// The events in the order in which they were set.
    pub fn as_slice(&self) -> &[u16] {
        self.codes.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// True if `code` was set.
    pub fn contains(&self, code: u16) -> bool {
        self.as_slice().contains(&code)
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Facts about a packet, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFlags {
    /// A decoder found the packet invalid (counter `decoder.invalid`).
    pub invalid: bool,
    /// A fragment: no transport layer, no flow.
    pub fragment: bool,
    /// The decoder wants a flow for it.
    pub wants_flow: bool,
    /// The payload belongs to an inner packet and is not inspected on this one.
    pub no_payload_inspection: bool,
    /// The transport checksum is to be ignored.
    pub ignore_checksum: bool,
    /// UDP recognised as a tunnel: no application layer on this flow for this packet.
    pub tunnel_carrier: bool,
    /// Source and destination address were set, though the network layer may have failed later.
    pub addresses: bool,
    /// An ARP message lies at `network`.
    pub arp: bool,
    /// Defragmentation had no tracker left for this fragment (`defrag.memcap-policy`).
    pub defrag_memcap: bool,
}

/// Bytes of a packet: a slice of the frame, or a buffer of its own when it was put together.
pub type PacketBytes<'a> = Cow<'a, [u8]>;

/// One decoded packet.
///
/// Offsets are relative to `bytes`. A packet whose network or transport layer did not decode
/// has `IpHeader::None` or `Transport::None`; the rest is still meaningful.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The packet's bytes: link layer first on wire packets, network layer first on inner ones.
    pub bytes: PacketBytes<'a>,
    /// Time of capture.
    pub timestamp: Timestamp,
    /// Number of the wire frame in the capture, from 1; `pcap_cnt` in EVE. 0: none.
    pub number: u64,
    /// Link type of the wire frame (LINKTYPE_ number); for inner packets 101 (raw IP).
    pub link_type: u16,
    /// Index of the input (interface or file) it came from.
    pub input: u32,
    /// How it came to be.
    pub origin: Origin,
    /// Tunnel depth: 0 on the wire, one more per tunnel (not for defragmented packets).
    pub recursion_level: u8,
    /// Layers counted so far (`decoder.max-layers`).
    pub layers: u8,
    /// For inner packets: index of the root (wire) packet in the vector it was delivered in.
    pub root: Option<u32>,
    /// Offset of the Ethernet header.
    pub ethernet: Option<u32>,
    /// VLAN tags.
    pub vlan: VlanIds,
    /// Ethertype that ended the link layer, 0 without one.
    pub ethertype: u16,
    /// Network layer.
    pub ip: IpHeader,
    /// Offset of the network header.
    pub network: u32,
    /// Source address (unspecified without network layer).
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol of the transport layer (after IPv6 extension headers).
    pub proto: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Transport layer.
    pub transport: Transport,
    /// Offset of the transport header.
    pub transport_offset: u32,
    /// Source port (TCP, UDP, SCTP), else 0.
    pub src_port: u16,
    /// Destination port, else 0.
    pub dst_port: u16,
    /// Offset of the transport payload.
    pub payload_offset: u32,
    /// Length of the transport payload.
    pub payload_len: u32,
    /// Decoder and stream events (see `event::PacketEvent`).
    pub events: EventList,
    /// Facts.
    pub flags: PacketFlags,
}

impl<'a> Packet<'a> {
    /// A packet of which nothing is known. As a constant it is copied in a few wide moves, which
    /// matters at one packet every few nanoseconds.
    const BLANK: Self = Self {
        bytes: Cow::Borrowed(&[]),
        timestamp: Timestamp(0),
        number: 0,
        link_type: 0,
        input: 0,
        origin: Origin::Wire,
        recursion_level: 0,
        layers: 0,
        root: None,
        ethernet: None,
        vlan: VlanIds { ids: [0; 3], count: 0 },
        ethertype: 0,
        ip: IpHeader::None,
        network: 0,
        src: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        proto: 0,
        ttl: 0,
        transport: Transport::None,
        transport_offset: 0,
        src_port: 0,
        dst_port: 0,
        payload_offset: 0,
        payload_len: 0,
        events: EventList { codes: [0; 15], count: 0 },
        flags: PacketFlags {
            invalid: false,
            fragment: false,
            wants_flow: false,
            no_payload_inspection: false,
            ignore_checksum: false,
            tunnel_carrier: false,
            addresses: false,
            arp: false,
            defrag_memcap: false,
        },
    };

    /// An undecoded packet over `bytes`.
    #[inline]
    pub fn new(bytes: PacketBytes<'a>, timestamp: Timestamp, number: u64, link_type: u16) -> Self {
        Self { bytes, timestamp, number, link_type, ..Self::BLANK }
    }

    /// The transport payload; empty when there is none.
    pub fn payload(&self) -> &[u8] {
        let start = self.payload_offset as usize;
        let end = start.saturating_add(self.payload_len as usize);
        self.bytes.get(start..end).unwrap_or(&[])
    }

    /// The bytes from the network header on.
    pub fn network_bytes(&self) -> &[u8] {
        self.bytes.get(self.network as usize..).unwrap_or(&[])
    }

    /// The bytes from the transport header on.
    pub fn transport_bytes(&self) -> &[u8] {
        self.bytes.get(self.transport_offset as usize..).unwrap_or(&[])
    }

    /// The TCP header, if the packet is TCP.
    pub const fn tcp(&self) -> Option<&Tcp> {
        match &self.transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The ICMP header of either version.
    pub const fn icmp(&self) -> Option<&Icmp> {
        match &self.transport {
            Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some(icmp),
            _ => None,
        }
    }

    /// True if the packet has a network layer.
    pub const fn is_ip(&self) -> bool {
        !matches!(self.ip, IpHeader::None)
    }

    /// The fields of the ARP message, if the packet is one.
    pub fn arp(&self) -> Option<Arp> {
        if self.flags.arp { Arp::read(self.network_bytes()) } else { None }
    }

    /// Destination and source MAC address, if there is an Ethernet header.
    pub fn macs(&self) -> Option<([u8; 6], [u8; 6])> {
        let header = self.bytes.get(self.ethernet? as usize..)?;
        Some((*header.first_chunk()?, *header.get(6..)?.first_chunk()?))
    }

    /// The type in the Ethernet header, if there is one.
    pub fn ethernet_type(&self) -> Option<u16> {
        let header = self.bytes.get(self.ethernet? as usize..)?;
        Some(u16::from_be_bytes(*header.get(12..)?.first_chunk()?))
    }

    /// Offset just behind the network layer's data, as its length field says.
    pub fn network_end(&self) -> usize {
        let len = match self.ip {
            IpHeader::None => return self.bytes.len(),
            IpHeader::V4 { total_len, .. } => usize::from(total_len),
            IpHeader::V6 { payload_len, .. } => 40 + usize::from(payload_len),
        };
        self.bytes.len().min(self.network as usize + len)
    }

    /// 4, 6 or 0.
    pub const fn ip_version(&self) -> u8 {
        match self.ip {
            IpHeader::None => 0,
            IpHeader::V4 { .. } => 4,
            IpHeader::V6 { .. } => 6,
        }
    }
}
