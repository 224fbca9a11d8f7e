//! GRE (RFC 1701, 2784, 2890), version 1 for PPTP (RFC 2637).

use crate::context::{Context, Decoded, Inner, be16, header};
use crate::event::DecodeEvent;
use crate::network;
use crate::packet::{Origin, Packet, Transport};

const HEADER_LEN: usize = 4;
const CHECKSUM: u8 = 0x80;
const ROUTE: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const STRICT_ROUTE: u8 = 0x08;
const RECURSION: u8 = 0x07;
/// In the second byte: acknowledgement number present (version 1), reserved flags, version.
const ACKNOWLEDGEMENT: u8 = 0x80;
const RESERVED: u8 = 0x78;
const VERSION: u8 = 0x07;
/// Checksum with offset, key, sequence and acknowledgement number are a word each.
const FIELD_LEN: usize = 4;
const ROUTE_HEADER_LEN: usize = 4;

/// Decodes the header at `at` and notes the packet inside.
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.gre += 1;
    let Some(&[flags, second, high, low]) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::GrePktTooSmall));
    };
    context.enter_layer(packet)?;
    packet.transport = Transport::Gre;
    packet.transport_offset = at as u32;
    let protocol = u16::from_be_bytes([high, low]);
    let payload = match second & VERSION {
        0 => version_0_payload(flags, second, data, at),
        1 => version_1_payload(flags, second, protocol, data, at),
        _ => Err(DecodeEvent::GreWrongVersion),
    };
    let start = match payload {
        Ok(start) => start,
        Err(event) => return Err(packet.invalid(event)),
    };
    let inner = match protocol {
        network::PPP => Inner::Ppp,
        network::IPV4 => Inner::Ipv4,
        network::IPV6 => Inner::Ipv6,
        network::VLAN => Inner::Vlan,
        network::ETHERNET_BRIDGE => Inner::Ethernet,
        network::ARP => Inner::Arp,
        network::ERSPAN if flags & SEQUENCE == 0 => Inner::ErspanI,
        network::ERSPAN => Inner::ErspanII,
        _ => return Ok(()),
    };
    // A PPTP packet that only acknowledges has a payload length of 0.
    if second & VERSION == 1 && be16(data, at + HEADER_LEN) == Some(0) {
        return Ok(());
    }
    context.open_tunnel(packet, Origin::Gre, inner, start..data.len());
    Ok(())
}

/// Where the payload of a version 0 packet begins.
fn version_0_payload(flags: u8, second: u8, data: &[u8], at: usize) -> Result<usize, DecodeEvent> {
    if flags & RECURSION != 0 {
        return Err(DecodeEvent::GreVersion0Recur);
    }
    if second & RESERVED != 0 {
        return Err(DecodeEvent::GreVersion0Flags);
    }
    let words = [CHECKSUM | ROUTE, KEY, SEQUENCE];
    let fields = words.iter().filter(|&&bit| flags & bit != 0).count();
    let start = at + HEADER_LEN + fields * FIELD_LEN;
    if start > data.len() {
        return Err(DecodeEvent::GreVersion0HdrTooBig);
    }
    if flags & ROUTE != 0 { skip_routes(data, start) } else { Ok(start) }
}

/// Where the source route entries that begin at `at` end: behind an entry of family and
/// length 0.
fn skip_routes(data: &[u8], mut at: usize) -> Result<usize, DecodeEvent> {
    loop {
        let Some(&[high, low, _, len]) = header::<ROUTE_HEADER_LEN>(data, at) else {
            return Err(DecodeEvent::GreVersion0MalformedSreHdr);
        };
        at += ROUTE_HEADER_LEN;
        if (high, low, len) == (0, 0, 0) {
            return Ok(at);
        }
        at += usize::from(len);
        if at > data.len() {
            return Err(DecodeEvent::GreVersion0MalformedSreHdr);
        }
    }
}

/// Where the payload of a version 1 packet begins.
fn version_1_payload(
    flags: u8,
    second: u8,
    protocol: u16,
    data: &[u8],
    at: usize,
) -> Result<usize, DecodeEvent> {
    let forbidden = [
        (flags & CHECKSUM != 0, DecodeEvent::GreVersion1Chksum),
        (flags & ROUTE != 0, DecodeEvent::GreVersion1Route),
        (flags & STRICT_ROUTE != 0, DecodeEvent::GreVersion1Ssr),
        (flags & RECURSION != 0, DecodeEvent::GreVersion1Recur),
        (second & RESERVED != 0, DecodeEvent::GreVersion1Flags),
        (protocol != network::PPP, DecodeEvent::GreVersion1WrongProtocol),
        (flags & KEY == 0, DecodeEvent::GreVersion1NoKey),
    ];
    if let Some((_, event)) = forbidden.iter().find(|(wrong, _)| *wrong) {
        return Err(*event);
    }
    let fields =
        1 + usize::from(flags & SEQUENCE != 0) + usize::from(second & ACKNOWLEDGEMENT != 0);
    let start = at + HEADER_LEN + fields * FIELD_LEN;
    if start > data.len() { Err(DecodeEvent::GreVersion1HdrTooBig) } else { Ok(start) }
}
