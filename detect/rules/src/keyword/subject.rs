//! What checks on packets look at.

use std::net::IpAddr;

use decode::{Direction, Packet, Timestamp};
use protocol::AppProto;

/// A packet, its direction and its flow.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Direction within the flow (to the server without a flow).
    pub direction: Direction,
    /// The flow.
    pub flow: Option<&'a FlowFacts>,
    /// Knowledge from outside; none when nothing of the kind is configured.
    pub knowledge: Option<&'a dyn Knowledge>,
}

/// What is known of addresses from files: reputation and countries.
pub trait Knowledge {
    /// Reputation of an address in a category.
    fn reputation(&self, address: IpAddr, category: u8) -> Option<u8>;

    /// Country code of an address, upper case.
    fn country(&self, address: IpAddr) -> Option<[u8; 2]>;
}

/// TCP facts of one side of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideFacts {
    /// Initial sequence number.
    pub isn: u32,
    /// Next sequence number expected from it.
    pub next_seq: u32,
}

/// What checks may ask of a flow; the engine fills it once a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowFacts {
    /// Both directions seen, or TCP established.
    pub established: bool,
    /// Packets to the server and to the client, this one counted.
    pub packets: [u64; 2],
    /// Bytes to the server and to the client.
    pub bytes: [u64; 2],
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub last: Timestamp,
    /// TCP session: sides that send to the server (the client) and to the client (the server).
    pub tcp: Option<[SideFacts; 2]>,
    /// Application protocol; [`AppProto::Unknown`] while not known.
    pub proto: AppProto,
    /// Protocol found in the data to the server and to the client.
    pub proto_by_direction: [AppProto; 2],
    /// Protocol before a change (`STARTTLS`, upgrade).
    pub original_proto: AppProto,
    /// Protocol that a change is expected to bring; final when nothing is pending.
    pub final_proto: AppProto,
    /// Detection has ended, by direction.
    pub detection_done: [bool; 2],
    /// Events of the application layer on this packet: bit set by `AppEvent`.
    pub app_events: u8,
    /// Traffic crossed the elephant threshold.
    pub elephant: bool,
}
