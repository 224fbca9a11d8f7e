//! What a filter asks of a frame: link layer, one IP header, ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The parts of a frame.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) ether_type: u16,
    pub(super) source_mac: Option<&'a [u8; 6]>,
    pub(super) destination_mac: Option<&'a [u8; 6]>,
    /// IP version, 0 without.
    pub(super) version: u8,
    pub(super) source: Option<IpAddr>,
    pub(super) destination: Option<IpAddr>,
    pub(super) protocol: Option<u8>,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) wire_len: u32,
    /// What follows the EtherType.
    rest: &'a [u8],
}

impl<'a> Facts<'a> {
    pub(super) fn of(link_type: u16, bytes: &'a [u8]) -> Self {
        let mut facts = Self::default();
        let after = |n: usize| bytes.get(n..).unwrap_or_default();
        let (ether_type, rest) = match link_type {
            1 => {
                facts.destination_mac = bytes.first_chunk();
                facts.source_mac = after(6).first_chunk();
                (be16(bytes, 12), after(14))
            }
            101 | 228 | 229 | 12 | 14 | 778 => (by_version(bytes), bytes),
            0 | 108 => (by_version(after(4)), after(4)),
            113 => (be16(bytes, 14), after(16)),
            276 => (be16(bytes, 0), after(20)),
            104 => (be16(bytes, 2), after(4)),
            9 => {
                // PPP, with the HDLC address and control bytes or without.
                let at = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
                let ether_type = match be16(bytes, at) {
                    Some(0x0021) => Some(0x0800),
                    Some(0x0057) => Some(0x86dd),
                    _ => None,
                };
                (ether_type, after(at + 2))
            }
            _ => (None, &[][..]),
        };
        facts.take(ether_type.unwrap_or(0), rest);
        facts
    }

    /// Goes behind a VLAN tag, if there is one (with the identifier asked for).
    pub(super) fn enter_vlan(&mut self, wanted: Option<u16>) -> bool {
        if !VLAN.contains(&self.ether_type) {
            return false;
        }
        let (Some(tag), Some(next)) = (be16(self.rest, 0), be16(self.rest, 2)) else {
            return false;
        };
        if wanted.is_some_and(|wanted| wanted != tag & 0x0fff) {
            return false;
        }
        self.take(next, self.rest.get(4..).unwrap_or_default());
        true
    }

    fn take(&mut self, ether_type: u16, rest: &'a [u8]) {
        self.ether_type = ether_type;
        self.rest = rest;
        match ether_type {
            0x0800 => drop(self.ipv4()),
            0x86dd => drop(self.ipv6()),
            _ => {}
        }
    }

    fn ipv4(&mut self) -> Option<()> {
        let header = self.rest.first_chunk::<20>()?;
        self.version = 4;
        self.source = Some(Ipv4Addr::from(*self.rest.get(12..)?.first_chunk::<4>()?).into());
        self.destination = Some(Ipv4Addr::from(*self.rest.get(16..)?.first_chunk::<4>()?).into());
        self.protocol = Some(header[9]);
        let first_fragment = (u16::from(header[6]) << 8 | u16::from(header[7])) & 0x1fff == 0;
        let length = usize::from(header[0] & 15) * 4;
        if first_fragment && matches!(header[9], 6 | 17 | 132) {
            self.ports = Some((be16(self.rest, length)?, be16(self.rest, length + 2)?));
        }
        Some(())
    }

    fn ipv6(&mut self) -> Option<()> {
        let header = self.rest.first_chunk::<40>()?;
        self.version = 6;
        self.source = Some(Ipv6Addr::from(*self.rest.get(8..)?.first_chunk::<16>()?).into());
        self.destination = Some(Ipv6Addr::from(*self.rest.get(24..)?.first_chunk::<16>()?).into());
        // As libpcap: extension headers are not followed.
        self.protocol = Some(header[6]);
        if matches!(header[6], 6 | 17 | 132) {
            self.ports = Some((be16(self.rest, 40)?, be16(self.rest, 42)?));
        }
        Some(())
    }
}

fn by_version(bytes: &[u8]) -> Option<u16> {
    match bytes.first()? >> 4 {
        4 => Some(0x0800),
        6 => Some(0x86dd),
        _ => None,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}
