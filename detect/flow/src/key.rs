//! What makes packets belong together: the flow key and its hash, equal for both directions.

use std::net::IpAddr;

use decode::{Direction, Icmp, Packet, Transport, VlanIds};

use crate::entry::Flow;
use crate::settings::FlowSettings;

pub(crate) const ICMP4: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ESP: u8 = 50;
pub(crate) const ICMP6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

/// The key of a packet, in the packet's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port, ICMP type, or upper half of the ESP security parameters index.
    pub src_port: u16,
    /// Destination port, ICMP counterpart type, or lower half of the index.
    pub dst_port: u16,
    /// IP protocol.
    pub proto: u8,
    /// Tunnel depth.
    pub recursion_level: u8,
    /// VLAN identifiers.
    pub vlan: VlanIds,
    /// Input.
    pub input: u32,
    /// The key is that of a packet embedded in an ICMP error.
    pub embedded: bool,
}

impl FlowKey {
    /// The key of `p`; none if such packets have no flow.
    #[inline]
    pub fn of(p: &Packet<'_>) -> Option<Self> {
        if !p.flags.wants_flow || !p.is_ip() {
            return None;
        }
        let key = Self {
            src: p.src,
            dst: p.dst,
            src_port: p.src_port,
            dst_port: p.dst_port,
            proto: p.proto,
            recursion_level: p.recursion_level,
            vlan: if p.vlan.count == 0 { VlanIds::default() } else { tidy(p.vlan) },
            input: p.input,
            embedded: false,
        };
        if matches!(p.transport, Transport::Tcp(_) | Transport::Udp(_)) {
            return Some(key);
        }
        key.of_transport(&p.transport)
    }

    /// The key with what stands for ports in other protocols.
    fn of_transport(mut self, transport: &Transport) -> Option<Self> {
        let key = &mut self;
        match transport {
            Transport::Icmp4(icmp) if is_error(icmp.kind) => return self.of_embedded(icmp),
            Transport::Icmp4(icmp) => {
                key.src_port = u16::from(icmp.kind);
                key.dst_port = counterpart_v4(icmp.kind).map_or(0, u16::from);
            }
            Transport::Icmp6(icmp) => {
                let code = u16::from(icmp.code) << 8;
                key.src_port = code | u16::from(icmp.kind);
                key.dst_port = counterpart_v6(icmp.kind).map_or(0, |kind| code | u16::from(kind));
            }
            Transport::Esp { spi } => {
                key.src_port = (spi >> 16) as u16;
                key.dst_port = *spi as u16;
            }
            _ => {}
        }
        Some(self)
    }

    /// The seeded hash; the same for both directions.
    #[inline]
    pub fn hash(&self, seed: u64, settings: &FlowSettings) -> u32 {
        let seed = seed ^ 0x9e37_79b9_7f4a_7c15;
        let end = |address, port: u16| mix(fold(address, seed), seed ^ (u64::from(port) << 17 | 1));
        let (source, destination) = (end(self.src, self.src_port), end(self.dst, self.dst_port));
        let mut rest = u64::from(self.proto);
        if settings.recursion_tracking {
            rest |= u64::from(self.recursion_level) << 8;
        }
        if settings.vlan_tracking && self.vlan.count > 0 {
            for (at, id) in self.vlan.as_slice().iter().enumerate() {
                rest ^= u64::from(id & 0x0fff) << (16 + 12 * at);
            }
        }
        if settings.livedev_tracking {
            rest ^= u64::from(self.input).rotate_left(52);
        }
        let both = source.wrapping_add(destination);
        let mixed = mix(both ^ rest, seed.rotate_left(29) | 1);
        (mixed ^ (mixed >> 32)) as u32
    }

    /// True if a packet with this key belongs to `flow`.
    #[inline]
    pub(crate) fn matches<X>(&self, flow: &Flow<X>, settings: &FlowSettings) -> bool {
        let ports = (self.src_port, self.dst_port);
        let forward = ports == (flow.client_port, flow.server_port)
            && self.src == flow.client
            && self.dst == flow.server;
        let backward = || {
            ports == (flow.server_port, flow.client_port)
                && self.src == flow.server
                && self.dst == flow.client
                && self.proto != ESP
        };
        self.proto == flow.proto
            && (forward || backward())
            && (self.recursion_level == flow.recursion_level || !settings.recursion_tracking)
            && (self.input == flow.input || !settings.livedev_tracking)
            && ((self.vlan.count == flow.vlan.count && self.vlan.ids == flow.vlan.ids)
                || !settings.vlan_tracking)
    }

    /// Which way a packet with source `src` and this key goes in `flow`.
    #[inline]
    pub(crate) fn direction<X>(&self, src: IpAddr, flow: &Flow<X>) -> Direction {
        let to_server = match self.proto {
            _ if self.embedded => src == flow.client,
            TCP | UDP | SCTP if flow.client_port != flow.server_port => {
                self.src_port == flow.client_port
            }
            TCP | UDP | SCTP | ICMP4 | ICMP6 => src == flow.client,
            _ => true,
        };
        if to_server { Direction::ToServer } else { Direction::ToClient }
    }

    /// The key of the packet that an ICMPv4 error is about; only "unreachable" is looked up.
    fn of_embedded(mut self, icmp: &Icmp) -> Option<Self> {
        let embedded = icmp.embedded.as_ref().filter(|_| icmp.kind == 3)?;
        let (src_port, dst_port) = embedded.ports?;
        if !matches!(embedded.proto, TCP | UDP) {
            return None;
        }
        self.src = embedded.src;
        self.dst = embedded.dst;
        self.src_port = src_port;
        self.dst_port = dst_port;
        self.proto = embedded.proto;
        self.embedded = true;
        Some(self)
    }
}

/// The ICMPv4 types that never make a flow: unreachable, quench, redirect, time exceeded,
/// parameter problem.
const fn is_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

const fn counterpart_v4(kind: u8) -> Option<u8> {
    Some(match kind {
        8 => 0,
        0 => 8,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        10 => 9,
        9 => 10,
        17 => 18,
        18 => 17,
        _ => return None,
    })
}

const fn counterpart_v6(kind: u8) -> Option<u8> {
    Some(match kind {
        128 | 130 | 133 | 135 | 139 | 144 | 146 | 148 | 151 | 157 => kind + 1,
        129 | 131 | 134 | 136 | 140 | 145 | 147 | 149 | 152 | 158 => kind - 1,
        _ => return None,
    })
}

/// The identifiers with those that are not set zeroed, so that they compare by value.
fn tidy(vlan: VlanIds) -> VlanIds {
    let mut tidy = VlanIds { count: vlan.count.min(3), ..VlanIds::default() };
    for (kept, id) in tidy.ids.iter_mut().zip(vlan.as_slice()) {
        *kept = *id;
    }
    tidy
}

/// Folded multiplication: both halves of the 128-bit product.
#[inline]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn fold(address: IpAddr, seed: u64) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()) ^ seed.rotate_left(7),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            mix(bits as u64 ^ seed, (bits >> 64) as u64 ^ seed.rotate_left(32)) ^ bits as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use decode::{IpHeader, Timestamp};

    fn key(src: IpAddr, src_port: u16, dst: IpAddr, dst_port: u16) -> FlowKey {
        FlowKey {
            src,
            dst,
            src_port,
            dst_port,
            proto: TCP,
            recursion_level: 0,
            vlan: VlanIds::default(),
            input: 0,
            embedded: false,
        }
    }

    proptest::proptest! {
        #[test]
        fn both_directions_hash_alike(a: u32, b: u128, pa: u16, pb: u16, six: bool, seed: u64) {
            let first = IpAddr::V4(Ipv4Addr::from_bits(a));
            let other = if six {
                IpAddr::V6(Ipv6Addr::from_bits(b))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits(b as u32))
            };
            let settings = FlowSettings::default();
            let there = key(first, pa, other, pb).hash(seed, &settings);
            let back = key(other, pb, first, pa).hash(seed, &settings);
            assert_eq!(there, back);
        }
    }

    #[test]
    fn neighbouring_keys_spread_over_the_buckets() {
        let settings = FlowSettings::default();
        let mut rows = vec![0u32; 1024];
        for host in 0..64u32 {
            for port in 0..256u16 {
                let client = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
                let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
                let hash = key(client, 1024 + port, server, 443).hash(7, &settings);
                rows[(hash & 1023) as usize] += 1;
            }
        }
        let most = rows.iter().max().copied().unwrap_or(0);
        assert!(most < 45, "{most} of 16 expected in one row");
    }

    #[test]
    fn what_is_not_tracked_is_not_hashed() {
        let host = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let plain = key(host(1), 1, host(2), 2);
        let tagged = FlowKey { vlan: VlanIds { ids: [5, 0, 0], count: 1 }, ..plain };
        let mut settings = FlowSettings::default();
        assert_ne!(plain.hash(1, &settings), tagged.hash(1, &settings));
        settings.vlan_tracking = false;
        assert_eq!(plain.hash(1, &settings), tagged.hash(1, &settings));
    }

    #[test]
    fn pings_of_two_hosts_share_a_key_and_errors_have_none() {
        let check = |kind: u8, expected: Option<(u16, u16)>| {
            let mut p = Packet::new(vec![].into(), Timestamp::default(), 1, 1);
            p.flags.wants_flow = true;
            p.proto = ICMP4;
            p.ip = IpHeader::V4 {
                header_len: 20,
                total_len: 28,
                tos: 0,
                id: 0,
                fragment: 0,
                options: 0,
            };
            p.transport = Transport::Icmp4(Icmp { kind, ..Icmp::default() });
            assert_eq!(FlowKey::of(&p).map(|key| (key.src_port, key.dst_port)), expected);
        };
        check(8, Some((8, 0)));
        check(0, Some((0, 8)));
        check(9, Some((9, 10)));
        check(42, Some((42, 0)));
        check(3, None);
        check(11, None);
    }
}
