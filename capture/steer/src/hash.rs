//! The symmetric hash that says which worker a frame belongs to.
//!
//! It is made of 32-bit multiplications, shifts and sums, so that a filter of the kernel's packet
//! sockets, an XDP program and this code come to the same value for the same frame: frames that
//! the kernel sent to the right place need no hand-over, and all others can be handed over.
//!
//! By default only the two IP addresses count, those of the embedded packet in an ICMP
//! "unreachable": so the fragments of a flow, the errors about it and the data connections that it
//! announces meet it in one worker. Frames without IP have hash 0.

use crate::header::{self, Packet, REACH, Start};
use crate::tags::Tags;
use crate::tunnel;

/// What a frame that live capture meets begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    #[default]
    Ethernet,
    /// An IP header, its version told by its first bits.
    Raw,
}

/// Which packet of a frame with tunnels counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tunnels {
    /// The outermost: all flows of a tunnel stay together.
    #[default]
    Outer,
    /// The innermost that is found through IP in IP, GRE version 0, VXLAN and Geneve.
    Inner,
}

/// What the hash is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashSettings {
    /// A number that strangers do not know, so that they cannot aim at one worker.
    pub seed: u32,
    /// Ports of unfragmented TCP, UDP and SCTP count too: one pair of hosts is spread, but
    /// fragments, expected data connections and errors without ports may part from their flow.
    pub ports: bool,
    /// VLAN identifiers count too.
    pub vlans: bool,
    /// Whose addresses count where there is a packet within a packet.
    pub tunnels: Tunnels,
}

/// Where a frame belongs, and what was seen on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// The same for both directions; 0 without IP.
    pub hash: u32,
    /// The outermost packet carries another one, as its protocol and port tell.
    pub tunnel: bool,
    /// The packet whose addresses count is a part of a datagram.
    pub fragment: bool,
    /// There is a whole IP header.
    pub ip: bool,
}

impl Steering {
    /// The worker of the frame, from 0.
    pub const fn worker(&self, workers: u32) -> u32 {
        match self.hash.checked_rem(workers) {
            Some(worker) => worker,
            None => 0,
        }
    }

    /// Whether the frame is among the `permille` thousandths of flows that are kept when load is
    /// shed; frames without IP always are. It does not depend on the worker.
    pub const fn is_kept(&self, permille: u32) -> bool {
        !self.ip || (self.hash as u64 * 1000) >> 32 < permille as u64
    }
}

/// Where a frame belongs by its outermost addresses alone.
pub fn steering(seed: u32, link: Link, frame: &[u8]) -> Steering {
    HashSettings { seed, ..HashSettings::default() }.steering(link, frame)
}

impl HashSettings {
    /// Where a frame belongs.
    pub fn steering(&self, link: Link, frame: &[u8]) -> Steering {
        let mut tags = Tags::default();
        self.find(link, frame, &mut tags).unwrap_or_default()
    }

    fn find(&self, link: Link, frame: &[u8], tags: &mut Tags) -> Option<Steering> {
        let start = match link {
            Link::Ethernet => header::ethernet(frame, 0, tags)?,
            Link::Raw => header::by_version(frame, 0)?,
        };
        let bytes = frame.get(..start.at + REACH).unwrap_or(frame);
        let mut packet = header::packet(bytes, start)?;
        let tunnel = tunnel::is_tunnel(bytes, &packet);
        if tunnel && self.tunnels == Tunnels::Inner {
            packet = innermost(bytes, packet, tags);
        }
        let fragment = packet.fragment;
        let counted = header::embedded(bytes, &packet).unwrap_or(packet);
        Some(Steering { hash: self.hash(bytes, &counted, tags), tunnel, fragment, ip: true })
    }

    fn hash(&self, bytes: &[u8], packet: &Packet, tags: &Tags) -> u32 {
        let words = if packet.version == 4 { 1 } else { 4 };
        let address =
            |address: &[u32; 4]| address.iter().take(words).copied().fold(self.seed, fold);
        let (mut source, mut destination) = (address(&packet.source), address(&packet.destination));
        if let Some((from, to)) = header::ports(bytes, packet).filter(|_| self.ports) {
            source = fold(source, u32::from(from));
            destination = fold(destination, u32::from(to));
        }
        let mut sum = source.wrapping_add(destination);
        if self.vlans {
            let ids = tags.ids().iter().map(|&id| u32::from(id));
            sum = sum.wrapping_add(ids.fold(self.seed, fold));
        }
        finish(sum)
    }
}

pub(crate) const FOLD_FIRST: u32 = 0x9e37_79b1;
pub(crate) const FOLD_FIRST_SHIFT: u32 = 15;
pub(crate) const FOLD_SECOND: u32 = 0x85eb_ca77;
pub(crate) const FOLD_SECOND_SHIFT: u32 = 13;
pub(crate) const FINISH_FIRST: u32 = 0x85eb_ca6b;
pub(crate) const FINISH_SECOND: u32 = 0xc2b2_ae35;

/// Takes a word into a hash.
const fn fold(hash: u32, word: u32) -> u32 {
    let hash = (hash ^ word).wrapping_mul(FOLD_FIRST);
    let hash = (hash ^ (hash >> FOLD_FIRST_SHIFT)).wrapping_mul(FOLD_SECOND);
    hash ^ (hash >> FOLD_SECOND_SHIFT)
}

/// Lets every bit of a sum reach every bit of the hash (the last step of MurmurHash3).
const fn finish(sum: u32) -> u32 {
    let hash = (sum ^ (sum >> 16)).wrapping_mul(FINISH_FIRST);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(FINISH_SECOND);
    hash ^ (hash >> 16)
}

fn innermost(bytes: &[u8], mut packet: Packet, tags: &mut Tags) -> Packet {
    for _ in 0..tunnel::DEPTH {
        let mut within = *tags;
        let start: Option<Start> = tunnel::inner(bytes, &packet, &mut within);
        let Some(inner) = start.and_then(|start| header::packet(bytes, start)) else { break };
        (packet, *tags) = (inner, within);
    }
    packet
}
