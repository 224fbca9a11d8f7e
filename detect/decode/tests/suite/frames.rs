//! Frames to decode, put together by layer, and what is asked about the packets they give.

use decode::{DecodeSettings, Decoder, Packet, RawFrame, Timestamp, event};

pub(crate) const A: [u8; 4] = [10, 0, 0, 1];
pub(crate) const B: [u8; 4] = [10, 0, 0, 2];

/// The bytes of several layers, one behind the other.
pub(crate) fn join(layers: &[&[u8]]) -> Vec<u8> {
    layers.concat()
}

pub(crate) fn ethernet(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &ethertype.to_be_bytes(), rest])
}

pub(crate) fn vlan(id: u16, ethertype: u16, rest: &[u8]) -> Vec<u8> {
    join(&[&id.to_be_bytes(), &ethertype.to_be_bytes(), rest])
}

/// An IPv4 packet with options (whole words) and a right checksum.
pub(crate) fn ipv4_with(proto: u8, options: &[u8], fragment: u16, id: u16, rest: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = (header_len + rest.len()) as u16;
    let mut header = vec![0x40 | (header_len / 4) as u8, 0];
    header.extend(total.to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([64, proto, 0, 0]);
    header.extend(A);
    header.extend(B);
    header.extend(options);
    let checksum = decode::checksum::of(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    join(&[&header, rest])
}

pub(crate) fn ipv4(proto: u8, rest: &[u8]) -> Vec<u8> {
    ipv4_with(proto, &[], 0x4000, 7, rest)
}

pub(crate) fn ipv6(next_header: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend([next_header, 64]);
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    join(&[&header, rest])
}

/// An IPv6 extension header whose `body` fills up units of eight bytes with the first two.
pub(crate) fn extension(next_header: u8, body: &[u8], rest: &[u8]) -> Vec<u8> {
    join(&[&[next_header, ((body.len() + 2) / 8 - 1) as u8], body, rest])
}

pub(crate) fn ipv6_fragment(next: u8, offset: u16, more: bool, id: u32, rest: &[u8]) -> Vec<u8> {
    let field = offset | u16::from(more);
    join(&[&[next, 0], &field.to_be_bytes(), &id.to_be_bytes(), rest])
}

pub(crate) fn udp(src: u16, dst: u16, rest: &[u8]) -> Vec<u8> {
    let len = (8 + rest.len()) as u16;
    join(&[&src.to_be_bytes(), &dst.to_be_bytes(), &len.to_be_bytes(), &[0, 0], rest])
}

/// A TCP segment with the ACK flag; `options` in whole words.
pub(crate) fn tcp(options: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut header = vec![4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2];
    header.extend([((20 + options.len()) / 4 * 16) as u8, 0x10, 0x10, 0, 0, 0, 0, 0]);
    join(&[&header, options, rest])
}

/// A UDP datagram in IPv4, the smallest thing that gets a flow.
pub(crate) fn datagram() -> Vec<u8> {
    ipv4(17, &udp(1000, 2000, b"data"))
}

pub(crate) fn frame(link_type: u16, bytes: &[u8], seconds: u64) -> RawFrame<'_> {
    RawFrame {
        bytes,
        timestamp: Timestamp::from_seconds(seconds),
        number: 1,
        link_type,
        input: 0,
        wire_len: bytes.len() as u32,
        no_checksum: false,
    }
}

/// The packets of a frame, by a decoder that has seen nothing else.
pub(crate) fn decode(link_type: u16, bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    decoder().decode(frame(link_type, bytes, 1), &mut packets);
    packets
}

pub(crate) fn decoder() -> Decoder {
    Decoder::new(DecodeSettings::default())
}

/// The packet of a frame that has no other within.
pub(crate) fn only<'a>(link_type: u16, bytes: &'a [u8]) -> Packet<'a> {
    let mut packets = decode(link_type, bytes);
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

/// Names of the events on a packet, as rules write them.
pub(crate) fn events(packet: &Packet<'_>) -> Vec<&'static str> {
    packet.events.as_slice().iter().map(|&code| event::rule_name(code)).collect()
}

/// The value of a counter.
pub(crate) fn counter(decoder: &Decoder, name: &str) -> u64 {
    let mut found = None;
    decoder.counters().for_each(&mut |counter, value| {
        if counter == name {
            found = Some(value);
        }
    });
    found.unwrap_or_else(|| panic!("no counter {name}"))
}
