//! The bytes of a packet in records, the tunnel around it, and records of tagged packets.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decode::Packet;
use json::Writer;

use crate::event::envelope::{self, Endpoints, Envelope};
use crate::settings::EveSettings;

/// Writes `packet`, at most so many bytes of it, and `packet_info`.
pub fn write(out: &mut Writer<'_>, packet: &Packet<'_>, most: usize) {
    if packet.origin.is_pseudo() {
        out.field_str("packet", &STANDARD.encode(made_up(packet)));
    } else {
        let bytes = packet.bytes.get(..most).unwrap_or(&packet.bytes);
        out.field_str("packet", &STANDARD.encode(bytes));
    }
    out.key("packet_info").open();
    out.field_u64("linktype", u64::from(packet.link_type));
    out.field_str("linktype_name", link_name(packet.link_type));
    out.close();
}

/// The bytes that a packet would have which no wire carried: its network and TCP headers.
fn made_up(packet: &Packet<'_>) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20);
    if let Some(tcp) = packet.tcp() {
        segment.extend(packet.src_port.to_be_bytes());
        segment.extend(packet.dst_port.to_be_bytes());
        segment.extend(tcp.seq.to_be_bytes());
        segment.extend(tcp.ack.to_be_bytes());
        segment.extend([0x50, tcp.flags]);
        segment.extend(tcp.window.to_be_bytes());
        segment.extend([0; 4]);
    }
    let len = segment.len() as u16;
    let mut bytes = Vec::with_capacity(60);
    let mut pseudo = Vec::with_capacity(60);
    match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            bytes.extend([0x45, 0]);
            bytes.extend((20 + len).to_be_bytes());
            bytes.extend([0, 0, 0, 0, packet.ttl, packet.proto, 0, 0]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            let sum = sum(&bytes);
            bytes.splice(10..12, sum);
            pseudo.extend([src.octets(), dst.octets()].concat());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(len.to_be_bytes());
            bytes.extend([packet.proto, packet.ttl]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            pseudo.extend([src.octets(), dst.octets()].concat());
        }
        _ => {}
    }
    pseudo.extend([0, packet.proto]);
    pseudo.extend(len.to_be_bytes());
    pseudo.extend(&segment);
    if !segment.is_empty() {
        segment.splice(16..18, sum(&pseudo));
    }
    bytes.extend(segment);
    bytes
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn sum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
}

/// Name of a link type as libpcap writes it.
const fn link_name(link_type: u16) -> &'static str {
    match link_type {
        0 => "NULL",
        1 => "EN10MB",
        9 => "PPP",
        12 | 14 | 101 => "RAW",
        104 => "C_HDLC",
        113 => "LINUX_SLL",
        228 => "IPv4",
        229 => "IPv6",
        276 => "LINUX_SLL2",
        _ => "n/a",
    }
}

/// Writes `tunnel`: the wire packet around an inner one.
pub fn tunnel(out: &mut Writer<'_>, eve: &EveSettings, inner: &Packet<'_>, root: &Packet<'_>) {
    out.key("tunnel").open();
    envelope::address(out, "src_ip", root.src, eve.ipv6_compress);
    out.field_u64("src_port", u64::from(root.src_port));
    envelope::address(out, "dest_ip", root.dst, eve.ipv6_compress);
    out.field_u64("dest_port", u64::from(root.dst_port));
    envelope::proto(out, root.proto);
    out.field_u64("depth", u64::from(inner.recursion_level));
    if root.number > 0 && eve.interfaces.is_empty() {
        out.field_u64("pcap_cnt", root.number);
    }
    out.field_str("pkt_src", root.origin.name());
    out.close();
}

/// Writes the record of what rules captured on a packet; that is its content, whatever the
/// output adds to other records.
pub fn metadata(out: &mut Writer<'_>, eve: &EveSettings, head: &Envelope<'_>, packet: &Packet<'_>) {
    envelope::open(out, eve, "metadata", head);
    if let (false, Some(flow)) = (eve.metadata, head.flow) {
        envelope::metadata(out, flow, head.rules, head.packet_variables);
    }
    envelope::close(out, eve, packet.input);
}

/// Writes the record of a packet that a tag asked for.
pub fn tagged(out: &mut Writer<'_>, eve: &EveSettings, head: &Envelope<'_>, packet: &Packet<'_>) {
    let ends = packet.is_ip().then(|| Endpoints::of_packet(packet));
    let head = Envelope { endpoints: ends, ..*head };
    envelope::open(out, eve, "packet", &head);
    write(out, packet, usize::MAX);
    envelope::close(out, eve, packet.input);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use decode::{Origin, Packet, Tcp, Timestamp, Transport};

    use super::made_up;

    #[test]
    fn packets_without_bytes_get_headers() {
        let check = |src: &str, dst: &str, expected: &str| {
            let mut packet = Packet::new(Cow::Borrowed(&[]), Timestamp::default(), 0, 1);
            packet.origin = Origin::FlowTimeout;
            (packet.src, packet.dst) = (src.parse().unwrap(), dst.parse().unwrap());
            (packet.src_port, packet.dst_port) = (12345, 8080);
            (packet.proto, packet.ttl) = (6, 64);
            packet.transport = Transport::Tcp(Tcp { seq: 6, window: 2560, ..Tcp::default() });
            let text: String = made_up(&packet).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(text, expected);
        };
        let segment = "30391f90000000060000000050000a00";
        check(
            "1.1.1.1",
            "2.2.2.2",
            &format!("4500002800000000400674cb0101010102020202{segment}50100000"),
        );
        check(
            "::1",
            "::2",
            &format!(
                "60000000001406400000{}00010000{}0002{segment}56130000",
                "0".repeat(24),
                "0".repeat(24)
            ),
        );
    }
}
