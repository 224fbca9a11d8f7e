//! From frames to packets: layers, events, defragmentation.
//!
//! One file a layer. The crate knows bytes only: no flows, no rules, no clock.
#![forbid(unsafe_code)]

mod arp;
mod chdlc;
mod context;
mod dce;
mod decoder;
mod erspan;
mod esp;
mod ethernet;
mod geneve;
mod gre;
mod icmp4;
mod icmp6;
mod ieee8021ah;
mod ip_protocol;
mod ipv6;
mod mpls;
mod network;
mod nsh;
mod null;
mod ppp;
mod pppoe;
mod raw;
mod sctp;
mod sll;
mod tcp;
mod teredo;
mod tunnel;
mod udp;
mod vlan;
mod vntag;
mod vxlan;

pub mod checksum;
pub mod counters;
pub mod defrag;
pub mod event;
pub mod igmp;
pub mod ipv4;
pub mod packet;
pub mod prefix;
pub mod settings;
pub mod time;

pub use counters::{DecodeCounters, DefragCounters, LayerCounters, TcpFlagCounters};
pub use decoder::{Decoder, RawFrame, link_type};
pub use event::{DecodeEvent, EventKind, StreamEvent};
pub use packet::{
    Arp, Direction, Embedded, EventList, Icmp, IpHeader, Origin, Packet, PacketBytes, PacketFlags,
    Tcp, TcpOptions, Transport, Udp, VlanIds,
};
pub use prefix::{Network, PrefixMap};
pub use settings::{DecodeSettings, DefragSettings, OsPolicies, OsPolicy, TunnelPorts};
pub use time::Timestamp;
