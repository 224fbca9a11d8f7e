//! `fast.log` and `syslog`: one line an alert.

use decode::{Packet, Transport};
use engine::{Alert, Ruleset};

use crate::event::{envelope, text};

/// Appends the line of an alert to `fast.log`.
pub fn write(out: &mut Vec<u8>, rules: &Ruleset, alert: &Alert, packet: &Packet<'_>, inline: bool) {
    if rules.get(alert.found.rule).is_none() {
        return;
    }
    text::fast_timestamp(packet.timestamp, out);
    out.extend_from_slice(b"  ");
    line(out, rules, alert, packet, (inline, ["[**] ", " [**] "]));
}

/// Appends the line of an alert for `syslog`: without time and stars.
pub fn write_syslog(
    out: &mut Vec<u8>,
    rules: &Ruleset,
    alert: &Alert,
    packet: &Packet<'_>,
    inline: bool,
) {
    // Suricata 8 has stars there only where there is no IP.
    let behind = if packet.is_ip() { " " } else { " [**] " };
    line(out, rules, alert, packet, (inline, ["", behind]));
}

/// The line behind its time; `stars` stand before and behind the rule.
fn line(
    out: &mut Vec<u8>,
    rules: &Ruleset,
    alert: &Alert,
    packet: &Packet<'_>,
    (inline, [before, behind]): (bool, [&str; 2]),
) {
    let Some(compiled) = rules.get(alert.found.rule) else { return };
    let rule = &compiled.rule;
    match alert.action {
        rules::Action::Drop if inline => out.extend_from_slice(b"[Drop] "),
        rules::Action::Drop => out.extend_from_slice(b"[wDrop] "),
        rules::Action::Reject | rules::Action::RejectDst | rules::Action::RejectBoth if inline => {
            out.extend_from_slice(b"[Drop] ");
        }
        _ => {}
    }
    let class = if rule.category.is_empty() { "(null)" } else { &rule.category };
    out.extend_from_slice(
        format!(
            "{before}[{}:{}:{}] {}{behind}[Classification: {class}] [Priority: {}] ",
            rule.gid, rule.sid, rule.rev, rule.msg, rule.priority
        )
        .as_bytes(),
    );
    if !packet.is_ip() {
        out.extend_from_slice(b"[**] [Raw pkt: ");
        for byte in packet.bytes.iter().take(32) {
            out.extend_from_slice(format!("{byte:02X} ").as_bytes());
        }
        out.extend_from_slice(b"]\n");
        return;
    }
    let (src_port, dst_port) = match packet.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
            (u16::from(icmp.kind), u16::from(icmp.code))
        }
        _ => (packet.src_port, packet.dst_port),
    };
    match envelope::protocol_name(packet.proto) {
        Some(name) => out.extend_from_slice(format!("{{{name}}} ").as_bytes()),
        None => out.extend_from_slice(format!("{{PROTO:{:03}}} ", packet.proto).as_bytes()),
    }
    text::address(packet.src, false, out);
    out.extend_from_slice(format!(":{src_port} -> ").as_bytes());
    text::address(packet.dst, false, out);
    out.extend_from_slice(format!(":{dst_port}\n").as_bytes());
}
