//! Frames of made flows, which say at their end which frame of which flow they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use std::{iter, thread};

use crate::system::Sender;

/// A frame, and the interface that it is sent on.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pair: usize,
}

/// Which frame of which flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark {
    pub(crate) flow: u32,
    pub(crate) number: u32,
}

/// The mark of a frame; none if it is not of the test.
pub(crate) fn mark(bytes: &[u8]) -> Option<Mark> {
    let [rest @ .., a, b, c, d, e, f, g, h] = bytes else { return None };
    rest.ends_with(b"mark").then_some(())?;
    let flow = u32::from_be_bytes([*a, *b, *c, *d]);
    Some(Mark { flow, number: u32::from_be_bytes([*e, *f, *g, *h]) })
}

/// One frame of a flow. Flows with odd numbers are of IPv6, every fourth frame of the others is
/// the rest of a datagram in parts. The second direction goes by another interface.
pub(crate) fn frame(flow: u32, number: u32, length: usize, pairs: usize) -> Sent {
    let back = number % 3 == 1;
    let [_, b, c, d] = flow.to_be_bytes();
    let mut ends: [IpAddr; 2] = if flow % 2 == 1 {
        let address =
            |side| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, side, 0, 0, flow as u16));
        [address(1), address(2)]
    } else {
        [Ipv4Addr::new(10, b, c, d).into(), Ipv4Addr::new(192, 0, 2, d).into()]
    };
    let mut ports = [1024 + flow as u16, 53_u16];
    if back {
        ends.reverse();
        ports.reverse();
    }
    let headers = if flow % 2 == 1 { 62 } else { 42 };
    let payload: Vec<u8> = (0..length.max(80) - headers - 12)
        .map(|at| (at as u32).wrapping_mul(7).wrapping_add(flow ^ number) as u8)
        .chain(*b"mark")
        .chain(flow.to_be_bytes())
        .chain(number.to_be_bytes())
        .collect();
    let udp_length = (payload.len() + 8) as u16;
    let fields = [ports[0], ports[1], udp_length, 0];
    let udp = fields.into_iter().flat_map(u16::to_be_bytes).chain(payload).collect::<Vec<u8>>();
    let part = flow.is_multiple_of(2) && number % 4 == 3;
    let bytes = match ends {
        [IpAddr::V4(from), IpAddr::V4(to)] => {
            let place: u16 = if part { 100 } else { 0x4000 };
            let mut packet = vec![0x45, 0];
            packet.extend((20 + udp.len() as u16).to_be_bytes());
            packet.extend((number as u16).to_be_bytes());
            packet.extend(place.to_be_bytes());
            packet.extend([64, 17, 0, 0]);
            packet.extend([from.octets(), to.octets()].concat());
            packet.extend(udp);
            ethernet([8, 0], packet)
        }
        [IpAddr::V6(from), IpAddr::V6(to)] => {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(udp_length.to_be_bytes());
            packet.extend([17, 64]);
            packet.extend([from.octets(), to.octets()].concat());
            packet.extend(udp);
            ethernet([0x86, 0xdd], packet)
        }
        _ => unreachable!("both ends are of one version"),
    };
    let pair = (flow as usize + usize::from(back)) % pairs;
    Sent { bytes, pair }
}

fn ethernet(kind: [u8; 2], packet: Vec<u8>) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind[..], &packet].concat()
}

/// So many frames of so many flows, one flow after the other in turn.
pub(crate) fn frames(flows: u32, count: u32, pairs: usize) -> Vec<Sent> {
    let lengths = iter::successors(Some(80), |length| Some(80 + (length * 31 + 17) % 1400));
    let of = |(at, length): (u32, usize)| frame(at % flows, at / flows, length, pairs);
    (0..count).zip(lengths).map(of).collect()
}

/// Sends frames, slowly enough for the kernel's own queues.
pub(crate) fn send(senders: &[Sender], frames: &[Sent]) {
    for (number, frame) in frames.iter().enumerate() {
        senders[frame.pair].send(&frame.bytes);
        if number % 50 == 49 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
