//! The XDP programs of interfaces and the flows that they keep to themselves, if this build has any.

#[cfg(feature = "xdp")]
mod built;
#[cfg(not(feature = "xdp"))]
mod missing;

use std::net::IpAddr;

#[cfg(feature = "xdp")]
pub use built::{Shunts, Steerer};
#[cfg(not(feature = "xdp"))]
pub use missing::{Shunts, Steerer};

/// A TCP, UDP or SCTP flow, from its client to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuntedFlow {
    /// Client and server, of the same version.
    pub addresses: [IpAddr; 2],
    /// Their ports.
    pub ports: [u16; 2],
    /// IP protocol.
    pub protocol: u8,
    /// VLAN identifiers, outermost first.
    pub vlans: [u16; 3],
    /// How many of them there are.
    pub vlan_count: u8,
    /// How many tunnels it comes through.
    pub tunnels: u8,
}

/// What was not delivered of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShuntedTotals {
    /// Packets from the client and from the server.
    pub packets: [u64; 2],
    /// Bytes of their frames.
    pub bytes: [u64; 2],
    /// When the last one came, microseconds since 1970.
    pub last_us: Option<u64>,
}

/// What a program is loaded with.
#[cfg_attr(
    not(feature = "xdp"),
    expect(dead_code, reason = "only a build with XDP loads programs")
)]
pub(crate) struct SteererSettings<'a> {
    /// Index of the interface.
    pub(crate) interface: u32,
    pub(crate) hash: steer::HashSettings,
    /// Frames may come in several buffers.
    pub(crate) buffers: bool,
    /// Only the generic mode.
    pub(crate) generic: bool,
    /// Networks that are not inspected.
    pub(crate) exclude: &'a [super::Prefix],
    pub(crate) shunts: Option<&'a Shunts>,
}
