//! ARP records.

use decode::Packet;
use json::Writer;

use crate::event::envelope::{self, Envelope, mac};
use crate::settings::EveSettings;

/// Writes the record of an ARP packet for IPv4 over Ethernet; others yield none.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    head: &Envelope<'_>,
    packet: &Packet<'_>,
) -> bool {
    let Some(arp) = packet.arp() else { return false };
    envelope::open(out, eve, "arp", head);
    out.key("arp").open();
    out.field_str("hw_type", "ethernet").field_str("proto_type", "ipv4");
    let opcode = match arp.opcode {
        1 => "request",
        2 => "reply",
        3 => "request_reverse",
        4 => "reply_reverse",
        _ => "unknown",
    };
    out.field_str("opcode", opcode);
    out.field_str("src_mac", &mac(arp.src_mac));
    out.field_str("src_ip", &arp.src_ip.to_string());
    out.field_str("dest_mac", &mac(arp.dst_mac));
    out.field_str("dest_ip", &arp.dst_ip.to_string());
    out.close();
    envelope::close(out, eve, packet.input);
    true
}
