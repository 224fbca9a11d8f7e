//! The bytes of a packet in records, the tunnel around it, and records of tagged packets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decode::Packet;
use json::Writer;

use crate::event::envelope::{self, Endpoints, Envelope};
use crate::settings::EveSettings;

/// Writes `packet` and `packet_info`.
pub fn write(out: &mut Writer<'_>, packet: &Packet<'_>) {
    out.field_str("packet", &STANDARD.encode(&packet.bytes));
    out.key("packet_info").open();
    out.field_u64("linktype", u64::from(packet.link_type));
    out.field_str("linktype_name", link_name(packet.link_type));
    out.close();
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
    if root.number > 0 {
        out.field_u64("pcap_cnt", root.number);
    }
    out.field_str("pkt_src", root.origin.name());
    out.close();
}

/// Writes the record of a packet that a tag asked for.
pub fn tagged(out: &mut Writer<'_>, eve: &EveSettings, head: &Envelope<'_>, packet: &Packet<'_>) {
    let ends = packet.is_ip().then(|| Endpoints::of_packet(packet));
    let head = Envelope { endpoints: ends, ..*head };
    envelope::open(out, eve, "packet", &head);
    write(out, packet);
    envelope::close(out, eve, packet.input);
}
