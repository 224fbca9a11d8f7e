//! The table of flows that need no more inspection: the XDP programs of all NICs share it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, MapType, libbpf_sys};

use crate::error::Error;
use crate::tags::Tags;

const TABLE: &str = "steer_shunts";
const KEY_LEN: usize = 48;
const VALUE_LEN: usize = 48;

/// A TCP, UDP or SCTP flow: its innermost packets where it comes through tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// One side.
    pub source: IpAddr,
    /// The other side; of the same version, or no packet fits.
    pub destination: IpAddr,
    /// Port of the one side.
    pub source_port: u16,
    /// Port of the other.
    pub destination_port: u16,
    /// Number of the protocol.
    pub protocol: u8,
    /// VLANs, of the tunnel's carrier first; they count only if the table tells VLANs apart.
    pub tags: Tags,
    /// How many tunnels it comes through: the same flow without them is another one.
    pub tunnels: u8,
}

/// What was dropped of a flow in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Packets.
    pub packets: u64,
    /// Their bytes: of whole frames, or within tunnels from the inner IP header on.
    pub bytes: u64,
    /// All TCP flags that were seen.
    pub tcp_flags: u8,
}

/// What was dropped of a flow since it is in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shunted {
    /// From the key's source to its destination.
    pub forward: Direction,
    /// The other way.
    pub backward: Direction,
    /// When the last packet came, in nanoseconds of `CLOCK_MONOTONIC`; 0 if none did.
    pub last_seen: u64,
}

/// How the table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuntSettings {
    /// How many flows find room; the one not seen for longest gives way.
    pub capacity: u32,
    /// The same flow in two VLANs is two flows.
    pub vlans: bool,
}

/// The table. It can be read and written after all capabilities were given up.
#[derive(Debug)]
pub struct Shunts {
    table: MapHandle,
    settings: ShuntSettings,
}

impl Shunts {
    /// A new, empty table.
    pub fn new(settings: ShuntSettings) -> Result<Self, Error> {
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        let settings = ShuntSettings { capacity: settings.capacity.max(1), ..settings };
        let (table, _) = crate::messages::kept(|| {
            MapHandle::create(
                MapType::LruHash,
                Some(TABLE),
                KEY_LEN as u32,
                VALUE_LEN as u32,
                settings.capacity,
                &options,
            )
        });
        Ok(Self { table: table.map_err(fault)?, settings })
    }

    /// How many flows find room.
    pub fn capacity(&self) -> u32 {
        self.settings.capacity
    }

    /// How the table was made.
    pub fn settings(&self) -> ShuntSettings {
        self.settings
    }

    /// Packets of this flow, both ways, are dropped and counted from now on. If they already
    /// are, their counts stay.
    pub fn insert(&self, flow: &FlowKey) -> Result<(), Error> {
        let (key, _) = self.canonical(flow);
        match self.table.update(&key, &[0; VALUE_LEN], MapFlags::NO_EXIST) {
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(fault(cause)),
            _ => Ok(()),
        }
    }

    /// What was dropped of a flow; none if it is not in the table, or no more.
    pub fn get(&self, flow: &FlowKey) -> Result<Option<Shunted>, Error> {
        let (key, swapped) = self.canonical(flow);
        let value = self.table.lookup(&key, MapFlags::ANY).map_err(fault)?;
        Ok(value.map(|value| decoded(&value, swapped)))
    }

    /// Takes a flow out of the table; what was dropped of it.
    pub fn remove(&self, flow: &FlowKey) -> Result<Option<Shunted>, Error> {
        let (key, swapped) = self.canonical(flow);
        let value = self.table.lookup_and_delete(&key).map_err(fault)?;
        Ok(value.map(|value| decoded(&value, swapped)))
    }

    /// Shows all flows. A flow that comes or goes meanwhile is shown or not, and in rare cases
    /// others are then shown twice.
    pub fn for_each(&self, mut show: impl FnMut(&FlowKey, Shunted)) -> Result<(), Error> {
        // A walk whose place is taken from it starts again: it must end all the same.
        let limit = self.settings.capacity as usize * 2;
        for key in self.table.keys().take(limit) {
            let value = self.table.lookup(&key, MapFlags::ANY).map_err(fault)?;
            if let (Some(flow), Some(value)) = (flow(&key), value) {
                show(&flow, decoded(&value, false));
            }
        }
        Ok(())
    }

    fn canonical(&self, flow: &FlowKey) -> ([u8; KEY_LEN], bool) {
        canonical(flow, self.settings.vlans)
    }
}

impl AsFd for Shunts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.table.as_fd()
    }
}

fn fault(cause: libbpf_rs::Error) -> Error {
    Error::Table { table: TABLE, cause }
}

/// The key of both directions, and whether the flow's source is its high end: field for field
/// the `struct flow_key` of the program.
fn canonical(flow: &FlowKey, vlans: bool) -> ([u8; KEY_LEN], bool) {
    let source = (words(flow.source), flow.source_port);
    let destination = (words(flow.destination), flow.destination_port);
    let swapped = source > destination;
    let (low, high) = if swapped { (destination, source) } else { (source, destination) };
    let tags = if vlans { flow.tags.padded() } else { [0; Tags::LIMIT] };
    let mut key = [0; KEY_LEN];
    let mut rest = key.iter_mut();
    let mut put = |bytes: &[u8]| rest.by_ref().zip(bytes).for_each(|(to, byte)| *to = *byte);
    low.0.iter().chain(&high.0).for_each(|word| put(&word.to_ne_bytes()));
    put(&low.1.to_ne_bytes());
    put(&high.1.to_ne_bytes());
    tags.iter().for_each(|tag| put(&tag.to_ne_bytes()));
    put(&[flow.protocol, if flow.source.is_ipv4() { 4 } else { 6 }, flow.tunnels]);
    (key, swapped)
}

/// The flow of a key, from its low end to its high one.
fn flow(key: &[u8]) -> Option<FlowKey> {
    let (words, rest) = key.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
    let (low, high) = (words.get(..4)?, words.get(4..8)?);
    let tail = key.get(32..)?;
    let half = |at: usize| tail.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half));
    let (protocol, version, tunnels) = (*tail.get(10)?, *tail.get(11)?, *tail.get(12)?);
    let mut tags = Tags::default();
    for at in [4, 6, 8] {
        // An identifier of 0 stands for no tag: what was tagged with priority only is as good.
        if let Some(id) = half(at).filter(|id| *id != 0) {
            tags.push(id);
        }
    }
    rest.is_empty().then_some(FlowKey {
        source: address(low, version)?,
        destination: address(high, version)?,
        source_port: half(0)?,
        destination_port: half(2)?,
        protocol,
        tags,
        tunnels,
    })
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
        }
    }
}

fn address(words: &[u32], version: u8) -> Option<IpAddr> {
    let first = *words.first()?;
    Some(match version {
        4 => IpAddr::V4(Ipv4Addr::from_bits(first)),
        _ => {
            let bits = words.iter().fold(0u128, |bits, word| bits << 32 | u128::from(*word));
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    })
}

/// A value: field for field the `struct shunted` of the program.
fn decoded(value: &[u8], swapped: bool) -> Shunted {
    let numbers = value.as_chunks::<8>().0;
    let number = |at: usize| numbers.get(at).map_or(0, |number| u64::from_ne_bytes(*number));
    let flags = value.get(40..).and_then(|flags| flags.first_chunk());
    let flags = flags.map_or(0, |flags| u32::from_ne_bytes(*flags));
    let direction = |at: usize| Direction {
        packets: number(at),
        bytes: number(2 + at),
        tcp_flags: (flags >> (8 * at)) as u8,
    };
    let (forward, backward) = if swapped { (1, 0) } else { (0, 1) };
    let (forward, backward) = (direction(forward), direction(backward));
    Shunted { forward, backward, last_seen: number(4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: &str, destination: &str, ports: (u16, u16)) -> FlowKey {
        FlowKey {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            source_port: ports.0,
            destination_port: ports.1,
            protocol: 6,
            tags: Tags::new(&[7, 9]),
            tunnels: 0,
        }
    }

    #[test]
    fn a_tunnelled_copy_has_another_key() {
        let plain = key("10.0.0.1", "9.0.0.2", (1, 2));
        let mut seen = vec![canonical(&plain, true).0];
        for tunnels in 1..=4 {
            let within = FlowKey { tunnels, ..plain };
            let key = canonical(&within, true).0;
            assert_eq!(flow(&key).map(|flow| flow.tunnels), Some(tunnels));
            assert!(!seen.contains(&key), "{tunnels}");
            seen.push(key);
        }
    }

    #[test]
    fn both_directions_have_one_key() {
        for (there, back) in [
            (key("10.0.0.1", "9.0.0.2", (1, 2)), key("9.0.0.2", "10.0.0.1", (2, 1))),
            (key("10.0.0.1", "10.0.0.1", (9, 2)), key("10.0.0.1", "10.0.0.1", (2, 9))),
            (key("2001:db8::1", "::2", (1, 2)), key("::2", "2001:db8::1", (2, 1))),
        ] {
            let ((one, swapped), (other, unswapped)) =
                (canonical(&there, true), canonical(&back, true));
            assert_eq!(one, other);
            assert!(swapped && !unswapped);
            assert_eq!(flow(&one), Some(back));
            assert_ne!(one, canonical(&there, false).0);
        }
        let own = key("10.0.0.1", "10.0.0.1", (2, 2));
        assert!(!canonical(&own, false).1);
    }

    #[test]
    fn directions_follow_the_asking_side() {
        let mut value = Vec::new();
        [1u64, 2, 30, 40, 5].iter().for_each(|number| value.extend(number.to_ne_bytes()));
        value.extend(0x1810u32.to_ne_bytes());
        value.extend([0; 4]);
        assert_eq!(value.len(), VALUE_LEN);
        let low = Direction { packets: 1, bytes: 30, tcp_flags: 0x10 };
        let high = Direction { packets: 2, bytes: 40, tcp_flags: 0x18 };
        let expected = Shunted { forward: low, backward: high, last_seen: 5 };
        assert_eq!(decoded(&value, false), expected);
        let expected = Shunted { forward: high, backward: low, last_seen: 5 };
        assert_eq!(decoded(&value, true), expected);
    }
}
