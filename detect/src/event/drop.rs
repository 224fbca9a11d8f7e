//! Drop records: packets that inline mode stops.

use decode::{IpHeader, Packet, Tcp, Transport};
use engine::{Alert, Flow, Ruleset, Verdict};
use json::Writer;

use crate::event::alert::reject;
use crate::event::envelope::{self, Envelope};
use crate::event::rule;
use crate::settings::{DropSettings, EveSettings};

/// Writes the record of a dropped packet.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    options: &DropSettings,
    head: &Envelope<'_>,
    packet: &Packet<'_>,
    d: &Dropped<'_>,
) {
    envelope::open(out, eve, "drop", head);
    if d.flow.is_some() {
        out.field_str("direction", d.direction.name());
    }
    out.key("drop").open();
    network(out, packet);
    transport(out, packet);
    out.field_str("reason", d.reason);
    out.close();
    if options.verdict {
        out.key("verdict").open().field_str("action", "drop");
        reject(out, packet, d.verdict.reject);
        out.close();
    }
    if options.alerts
        && let Some(compiled) = d.verdict.drop.and_then(|index| d.rules.get(index))
    {
        out.key("alert").open();
        let blocked = d.alerts.iter().any(|a| a.blocked && Some(a.found.rule) == d.verdict.drop);
        out.field_str("action", if blocked || d.alerts.is_empty() { "blocked" } else { "allowed" });
        out.verbatim(rule::constant(compiled));
        out.close();
    }
    envelope::close(out, eve, packet.input);
}

/// What is known of a dropped packet.
pub struct Dropped<'a> {
    /// Why.
    pub reason: &'static str,
    /// Direction in its flow.
    pub direction: decode::Direction,
    /// Its flow.
    pub flow: Option<&'a Flow>,
    /// Verdict of the rules.
    pub verdict: Verdict,
    /// Alerts on the packet.
    pub alerts: &'a [Alert],
    /// Rules.
    pub rules: &'a Ruleset,
}

/// Writes what the network header of a packet says.
pub fn network(out: &mut Writer<'_>, packet: &Packet<'_>) {
    match packet.ip {
        IpHeader::V4 { total_len, tos, id, .. } => {
            out.field_u64("len", u64::from(total_len));
            out.field_u64("tos", u64::from(tos));
            out.field_u64("ttl", u64::from(packet.ttl));
            out.field_u64("ipid", u64::from(id));
        }
        IpHeader::V6 { payload_len, traffic_class, flow_label, .. } => {
            out.field_u64("len", u64::from(payload_len));
            out.field_u64("tc", u64::from(traffic_class));
            out.field_u64("hoplimit", u64::from(packet.ttl));
            out.field_u64("flowlbl", u64::from(flow_label));
        }
        IpHeader::None => {}
    }
}

/// Writes what the transport header of a packet says.
pub fn transport(out: &mut Writer<'_>, packet: &Packet<'_>) {
    match &packet.transport {
        Transport::Tcp(tcp) => {
            out.field_u64("tcpseq", u64::from(tcp.seq));
            out.field_u64("tcpack", u64::from(tcp.ack));
            out.field_u64("tcpwin", u64::from(tcp.window));
            for (key, bit) in [
                ("syn", Tcp::SYN),
                ("ack", Tcp::ACK),
                ("psh", Tcp::PSH),
                ("rst", Tcp::RST),
                ("urg", Tcp::URG),
                ("fin", Tcp::FIN),
            ] {
                out.field_bool(key, tcp.has(bit));
            }
            out.field_u64("tcpres", u64::from(tcp.reserved));
            out.field_u64("tcpurgp", u64::from(tcp.urgent));
        }
        Transport::Udp(udp) => {
            out.field_u64("udplen", u64::from(udp.len));
        }
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
            // Suricata 8 writes both with their bytes the other way round.
            if let Some(id) = icmp.id {
                out.field_u64("icmp_id", u64::from(id.swap_bytes()));
            }
            if let Some(seq) = icmp.seq {
                out.field_u64("icmp_seq", u64::from(seq.swap_bytes()));
            }
        }
        _ => {}
    }
}
