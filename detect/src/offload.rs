//! The contract with a capture that can keep packets of flows to itself which need no inspection.

use std::fmt;
use std::net::IpAddr;

use decode::{Timestamp, VlanIds};

/// Takes flows off a detector's hands: counts their packets where they come in, for example in
/// the NIC's XDP program, and does not deliver them.
///
/// Packets that begin or end a TCP session are delivered still. Calls are few: at the begin of
/// such a flow, each time that it would time out, and at its end.
pub trait Offload: fmt::Debug {
    /// Packets of the flow need not come any more. False: they will.
    fn begin(&mut self, flow: &OffloadKey) -> bool;

    /// What was kept back of the flow so far; none if it is not known any more.
    fn totals(&mut self, flow: &OffloadKey) -> Option<OffloadTotals>;

    /// Packets shall come again. Returns what was kept back of the flow.
    fn end(&mut self, flow: &OffloadKey) -> Option<OffloadTotals>;
}

/// A flow, from its client to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadKey {
    /// Address of the client.
    pub client: IpAddr,
    /// Address of the server.
    pub server: IpAddr,
    /// Port of the client.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// IP protocol: TCP, UDP or SCTP.
    pub proto: u8,
    /// VLAN identifiers.
    pub vlan: VlanIds,
    /// How many tunnels the flow comes through.
    pub tunnels: u8,
}

/// What was kept back of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffloadTotals {
    /// Packets to the server and to the client.
    pub packets: [u64; 2],
    /// Bytes of their frames.
    pub bytes: [u64; 2],
    /// Time of the last one; none if there was none.
    pub last: Option<Timestamp>,
}
