//! Frames made by hand, and the table of all kinds that steering tells apart.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// One side of a flow.
#[derive(Clone, Copy)]
pub(crate) struct End<A> {
    pub(crate) address: A,
    pub(crate) port: u16,
}

pub(crate) type End4 = End<Ipv4Addr>;
pub(crate) type End6 = End<Ipv6Addr>;

pub(crate) fn end4(host: u8, port: u16) -> End4 {
    End { address: Ipv4Addr::new(192, 0, 2, host), port }
}

pub(crate) fn end6(host: u16, port: u16) -> End6 {
    End { address: Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 1, 2, 3, host), port }
}

pub(crate) fn ethernet(tags: &[(u16, u16)], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (kind, id) in tags {
        frame.extend(kind.to_be_bytes());
        frame.extend((id | 0x6000).to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `fragment` is the field of flags and offset.
pub(crate) fn ipv4_with(
    (from, to): (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend(((header + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 9]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(options);
    packet.extend(payload);
    packet
}

pub(crate) fn ipv4(pair: (Ipv4Addr, Ipv4Addr), protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(pair, protocol, 0x4000, &[], payload)
}

pub(crate) fn ipv6((from, to): (Ipv6Addr, Ipv6Addr), next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// An extension header of 8 bytes and `units` more units.
pub(crate) fn extension(next: u8, units: u8, unit: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + usize::from(units) * unit];
    (bytes[0], bytes[1]) = (next, units);
    bytes.extend(payload);
    bytes
}

pub(crate) fn fragment6(next: u8, field: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = field.to_be_bytes();
    [&[next, 0, high, low, 0, 0, 0, 7], payload].concat()
}

pub(crate) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let fields = [from.to_be_bytes(), to.to_be_bytes(), length.to_be_bytes(), [0, 0]];
    [&fields.concat(), payload].concat()
}

pub(crate) fn tcp(from: u16, to: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 2, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

pub(crate) fn tcp4(from: End4, to: End4, flags: u8, payload: &[u8]) -> Vec<u8> {
    ipv4((from.address, to.address), TCP, &tcp(from.port, to.port, flags, payload))
}

pub(crate) fn tcp6(from: End6, to: End6, flags: u8, payload: &[u8]) -> Vec<u8> {
    ipv6((from.address, to.address), TCP, &tcp(from.port, to.port, flags, payload))
}

/// An ICMP "unreachable" of a router about a packet.
pub(crate) fn unreachable(router: u8, to: Ipv4Addr, about: &[u8]) -> Vec<u8> {
    let icmp = [&[3, 1, 0, 0, 0, 0, 0, 0], about].concat();
    ipv4((Ipv4Addr::new(203, 0, 113, router), to), 1, &icmp)
}

pub(crate) fn gre(flags: u16, next: u16, payload: &[u8]) -> Vec<u8> {
    let words = [0x8000, 0x2000, 0x1000].iter().filter(|&&bit| flags & bit != 0).count();
    let mut packet = [flags.to_be_bytes(), next.to_be_bytes()].concat();
    packet.extend(vec![0x11; words * 4]);
    packet.extend(payload);
    packet
}

pub(crate) fn vxlan(from: u16, frame: &[u8]) -> Vec<u8> {
    udp(from, 4789, &[&[8, 0, 0, 0, 0, 0, 7, 0], frame].concat())
}

pub(crate) fn geneve(from: u16, next: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let [high, low] = next.to_be_bytes();
    let header = [(options.len() / 4) as u8, 0, high, low, 0, 0, 7, 0];
    udp(from, 6081, &[&header, options, payload].concat())
}

/// All kinds of frames, between these two sides.
pub(crate) fn frames(from: u8, to: u8) -> Vec<(&'static str, Vec<u8>)> {
    let (a, b) = (end4(from, 1025 + u16::from(from)), end4(to, 1025 + u16::from(to)));
    let (c, d) = (end6(from.into(), a.port), end6(to.into(), b.port));
    let pair4 = (a.address, b.address);
    let pair6 = (c.address, d.address);
    let carrier = (Ipv4Addr::new(10, 1, 0, from), Ipv4Addr::new(10, 1, 0, to));
    let plain = tcp4(a, b, 0x10, b"GET / HTTP/1.1\r\n");
    let plain6 = tcp6(c, d, 0x10, b"GET / HTTP/1.1\r\n");
    let datagram = udp(a.port, b.port, b"some words");
    let inner = ethernet(&[], 0x0800, &plain);
    let on4 = |packet: &[u8]| ethernet(&[], 0x0800, packet);
    let on6 = |packet: &[u8]| ethernet(&[], 0x86dd, packet);
    let within = |packet: &[u8]| on4(&ipv4(carrier, UDP, packet));
    let within_gre = |packet: &[u8]| on4(&ipv4(carrier, 47, packet));
    let mut frames = vec![
        ("arp", ethernet(&[], 0x0806, &[1; 28])),
        ("802.3", ethernet(&[], 0x0026, &[0x42; 38])),
        ("tcp over ipv4", on4(&plain)),
        ("udp over ipv4", on4(&ipv4(pair4, UDP, &datagram))),
        ("sctp over ipv4", on4(&ipv4(pair4, 132, &datagram))),
        ("options", on4(&ipv4_with(pair4, UDP, 0, &[1; 12], &datagram))),
        ("short header", on4(&[&[0x44], &plain[1..]].concat())),
        ("wrong version", on4(&plain6)),
        ("wrong version of ipv6", on6(&plain)),
        ("first fragment", on4(&ipv4_with(pair4, UDP, 0x2000, &[], &datagram))),
        ("last fragment", on4(&ipv4_with(pair4, UDP, 0x0010, &[], &datagram))),
        ("echo", on4(&ipv4(pair4, 1, &[8, 0, 0, 0, 0, 1, 0, 1]))),
        ("icmp error", on4(&unreachable(from, a.address, &plain))),
        ("time exceeded", on4(&ipv4(pair4, 1, &[&[11, 0, 0, 0, 0, 0, 0, 0], &plain[..]].concat()))),
        ("cut icmp error", on4(&unreachable(from, a.address, &plain[..19]))),
        ("icmp error without ports", on4(&unreachable(from, a.address, &plain[..20]))),
        ("icmp error about ipv6", on4(&unreachable(from, a.address, &plain6))),
        ("tcp over ipv6", on6(&plain6)),
        (
            "icmp error of ipv6",
            on6(&ipv6(pair6, 58, &[&[1, 0, 0, 0, 0, 0, 0, 0], &plain6[..]].concat())),
        ),
        ("qinq", ethernet(&[(0x88a8, 100), (0x8100, 7)], 0x0800, &plain)),
        ("tag", ethernet(&[(0x8100, 7)], 0x86dd, &plain6)),
        ("old tag", ethernet(&[(0x9100, 7)], 0x0800, &plain)),
        ("three tags", ethernet(&[(0x8100, 1), (0x8100, 2), (0x9100, 3)], 0x0800, &plain)),
        ("four tags", ethernet(&[(0x8100, 7); 4], 0x0800, &plain)),
        ("tagged arp", ethernet(&[(0x8100, 7)], 0x0806, &[1; 28])),
        ("pppoe", ethernet(&[], 0x8864, &[&[0x11, 0, 0, 1, 0, 50, 0, 0x21], &plain[..]].concat())),
        (
            "pppoe ipv6",
            ethernet(
                &[(0x8100, 7)],
                0x8864,
                &[&[0x11, 0, 0, 1, 0, 50, 0, 0x57], &plain6[..]].concat(),
            ),
        ),
        ("pppoe control", ethernet(&[], 0x8864, &[0x11, 0, 0, 1, 0, 50, 0xc0, 0x21, 1, 2, 3, 4])),
        ("mpls", ethernet(&[], 0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64], &plain[..]].concat())),
        ("mpls ipv6", ethernet(&[], 0x8848, &[&[0, 1, 1, 64], &plain6[..]].concat())),
        (
            "mpls ethernet",
            ethernet(&[], 0x8847, &[&[0, 1, 1, 64, 0, 0, 0, 0], &inner[..]].concat()),
        ),
        ("many labels", ethernet(&[], 0x8847, &[&[0, 1, 0, 64].repeat(7), &plain[..]].concat())),
    ];
    let walks: [(&'static str, u8, Vec<u8>); 9] = [
        ("hop-by-hop", 0, extension(UDP, 1, 8, &datagram)),
        ("routing and options", 43, extension(60, 2, 8, &extension(UDP, 0, 8, &datagram))),
        ("authentication", 51, extension(UDP, 4, 4, &datagram)),
        ("atomic fragment", 44, fragment6(UDP, 0, &datagram)),
        ("fragment of ipv6", 44, fragment6(UDP, 1, &datagram)),
        ("later fragment of ipv6", 44, fragment6(UDP, 0x0108, &datagram)),
        (
            "eight extensions",
            60,
            (0..7).fold(extension(UDP, 0, 8, &datagram), |b, _| extension(60, 0, 8, &b)),
        ),
        (
            "nine extensions",
            60,
            (0..8).fold(extension(UDP, 0, 8, &datagram), |b, _| extension(60, 0, 8, &b)),
        ),
        ("out of reach", 60, extension(UDP, 130, 8, &datagram)),
    ];
    frames.extend(
        walks.into_iter().map(|(name, next, bytes)| (name, on6(&ipv6(pair6, next, &bytes)))),
    );
    frames.extend([
        ("ip in ip", on4(&ipv4(carrier, 4, &plain))),
        ("6in4", on4(&ipv4(carrier, 41, &plain6))),
        ("4in6", on6(&ipv6(pair6, 4, &plain))),
        ("gre", within_gre(&gre(0, 0x0800, &plain))),
        ("gre with fields", within_gre(&gre(0xb000, 0x86dd, &plain6))),
        ("gre with routes", within_gre(&gre(0x4000, 0x0800, &plain))),
        ("gre version 1", within_gre(&gre(0x3001, 0x880b, &plain))),
        ("gre bridge", within_gre(&gre(0x2000, 0x6558, &inner))),
        ("gre tag", within_gre(&gre(0, 0x8100, &[&[0, 9, 8, 0], &plain[..]].concat()))),
        ("gre arp", within_gre(&gre(0, 0x0806, &[1; 28]))),
        ("erspan i", within_gre(&gre(0, 0x88be, &inner))),
        (
            "erspan ii",
            within_gre(&gre(0x1000, 0x88be, &[&[0x10, 9, 0, 0, 0, 0, 0, 0], &inner[..]].concat())),
        ),
        ("fragment of gre", on4(&ipv4_with(carrier, 47, 0x2000, &[], &gre(0, 0x0800, &plain)))),
        ("vxlan", within(&vxlan(a.port, &inner))),
        ("vxlan of ipv6", within(&vxlan(a.port, &on6(&plain6)))),
        (
            "vxlan of a tag",
            ethernet(
                &[(0x8100, 3)],
                0x0800,
                &ipv4(carrier, UDP, &vxlan(a.port, &ethernet(&[(0x8100, 7)], 0x0800, &plain))),
            ),
        ),
        ("vxlan of arp", within(&vxlan(a.port, &ethernet(&[], 0x0806, &[1; 28])))),
        ("vxlan without identifier", within(&udp(a.port, 4789, &[&[0; 8], &inner[..]].concat()))),
        ("vxlan of an error", within(&vxlan(a.port, &on4(&unreachable(from, a.address, &plain))))),
        (
            "vxlan of a fragment",
            within(&vxlan(a.port, &on4(&ipv4_with(pair4, UDP, 0x2000, &[], &datagram)))),
        ),
        ("geneve", within(&geneve(a.port, 0x6558, &[0; 8], &inner))),
        ("geneve of ip", within(&geneve(a.port, 0x86dd, &[], &plain6))),
        ("gre in vxlan", within(&vxlan(a.port, &within_gre(&gre(0, 0x0800, &plain))))),
    ]);
    let deep = |levels| {
        (0..levels).fold(plain.clone(), |inner, level| {
            ipv4((Ipv4Addr::new(10, level, 0, from), Ipv4Addr::new(10, level, 0, to)), 4, &inner)
        })
    };
    frames.push(("four tunnels", on4(&deep(4))));
    frames.push(("five tunnels", on4(&deep(5))));
    frames
}

/// Bytes derived from the table's: cut, and changed in places.
pub(crate) fn spoilt(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len());
        let value = *random.one_of(&[0, 1, 4, 5, 6, 8, 17, 44, 47, 60, 0x45, 0x60, 0x81, 0xff]);
        bytes[at] = if random.below(2) == 0 { value } else { random.below(256) as u8 };
    }
    if random.below(2) == 0 {
        bytes.truncate(14 + random.below(bytes.len() - 13));
    }
    bytes
}

/// Numbers that look like chance, the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Every combination of settings.
pub(crate) fn all_settings(seed: u32) -> Vec<steer::HashSettings> {
    let mut all = Vec::new();
    for ports in [false, true] {
        for vlans in [false, true] {
            for tunnels in [steer::Tunnels::Outer, steer::Tunnels::Inner] {
                all.push(steer::HashSettings { seed, ports, vlans, tunnels });
            }
        }
    }
    all
}
