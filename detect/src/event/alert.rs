//! Alert records.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decode::{Direction, Packet};
use engine::{Alert, ContextValue, Flow, Ruleset, Verdict};
use json::Writer;
use protocol::{AppProto, LogOptions, Parser};
use rules::Action;
use rules::rule::AttackTarget;

use crate::event::envelope::{self, Endpoints, Envelope};
use crate::event::{packet, rule, text, transaction, xff};
use crate::settings::{AlertSettings, EveSettings};

/// What an alert record is made of.
pub struct AlertRecord<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// Rules.
    pub rules: &'a Ruleset,
    /// The packet on which it matched.
    pub packet: &'a Packet<'a>,
    /// The wire packet around it, for packets in tunnels.
    pub root: Option<&'a Packet<'a>>,
    /// Its flow.
    pub flow: Option<&'a Flow>,
    /// Variables captured on the packet.
    pub packet_variables: &'a [(String, Vec<u8>)],
    /// Verdict on the packet.
    pub verdict: Verdict,
    /// The packet is dropped (inline).
    pub dropped: bool,
}

/// Writes the record.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    options: &AlertSettings,
    r: &AlertRecord<'_>,
) {
    let Some(compiled) = r.rules.get(r.alert.found.rule) else { return };
    let found = &r.alert.found;
    let mut ends = r.packet.is_ip().then(|| Endpoints::of_packet(r.packet));
    let xff = options.xff.as_ref().or(eve.xff.as_ref()).and_then(|settings| {
        let address = xff::find(settings, r.flow?.extension.session.parser()?, found.tx)?;
        Some((settings, address))
    });
    if let (Some((settings, address)), Some(ends)) = (&xff, &mut ends)
        && settings.overwrite
    {
        match r.alert.direction {
            Direction::ToServer => ends.src = *address,
            Direction::ToClient => ends.dst = *address,
        }
    }
    let head = Envelope {
        timestamp: r.packet.timestamp,
        flow: r.flow,
        packet: Some(r.packet),
        endpoints: ends,
        rules: r.rules,
        packet_variables: r.packet_variables,
        tx_id: found.tx,
        input: r.packet.input,
    };
    envelope::open(out, eve, "alert", &head);
    if found.tx_guessed {
        out.field_bool("tx_guessed", true);
    }
    alert_object(out, options, r, rule::constant(compiled), &compiled.rule);
    if let Some(root) = r.root {
        packet::tunnel(out, eve, r.packet, root);
    }
    if options.app_layer {
        app_layer(out, options, r);
    }
    if let Some(flow) = r.flow {
        if flow.extension.session.proto() != AppProto::Unknown {
            envelope::app_proto(out, flow);
        }
        out.field_str("direction", r.alert.direction.name());
        if options.flow {
            flow_object(out, eve, flow);
        }
    }
    payload(out, options, r);
    if options.packet {
        packet::write(out, r.packet, usize::MAX);
    }
    if options.verdict {
        verdict(out, r);
    }
    if let Some((settings, address)) = xff
        && !settings.overwrite
    {
        envelope::address(out, "xff", address, false);
    }
    envelope::close(out, eve, r.packet.input);
}

fn alert_object(
    out: &mut Writer<'_>,
    options: &AlertSettings,
    r: &AlertRecord<'_>,
    prepared: &[u8],
    rule: &rules::Rule,
) {
    out.key("alert").open();
    out.field_str("action", if r.alert.blocked { "blocked" } else { "allowed" });
    out.verbatim(prepared);
    if let Some(target) = rule.target {
        let src = (r.packet.src, r.packet.src_port);
        let dst = (r.packet.dst, r.packet.dst_port);
        let (source, target) = match target {
            AttackTarget::Src => (dst, src),
            AttackTarget::Dst => (src, dst),
        };
        let ports = envelope::has_ports(r.packet.proto);
        for (key, (address, port)) in [("source", source), ("target", target)] {
            out.key(key).open();
            envelope::address(out, "ip", address, false);
            if ports {
                out.field_u64("port", u64::from(port));
            }
            out.close();
        }
    }
    if options.rule_reference {
        rule::references(rule, out);
    }
    if options.rule_metadata {
        rule::metadata(rule, out);
    }
    if !r.alert.found.context.is_empty() {
        out.key("context").open();
        for (name, value) in &r.alert.found.context {
            out.key_text(name.as_bytes());
            match value {
                ContextValue::Text(bytes) => out.text(bytes),
                ContextValue::Json(json) => out.raw(json),
            };
        }
        out.close();
    }
    if options.rule_raw {
        out.field_str("rule", rule.text.as_str());
    }
    out.close();
}

/// The object of the transaction, and its files.
fn app_layer(out: &mut Writer<'_>, options: &AlertSettings, r: &AlertRecord<'_>) {
    let (Some(flow), Some(tx)) = (r.flow, r.alert.found.tx) else { return };
    let Some(parser) = flow.extension.session.parser() else { return };
    if parser.meta(tx).is_none() {
        return;
    }
    let ts = parser.progress_name(parser.progress(tx, Direction::ToServer), Direction::ToServer);
    let tc = parser.progress_name(parser.progress(tx, Direction::ToClient), Direction::ToClient);
    if parser.names_progress() {
        out.field_str("ts_progress", ts);
        out.field_str("tc_progress", tc);
    }
    let log = LogOptions { extended: true, version: 3, embedded: true, ..LogOptions::default() };
    parser.log(tx, &log, out);
    if options.http_body || options.http_body_printable {
        transaction::bodies(out, parser, tx, options.http_body, options.http_body_printable);
    }
    crate::event::fileinfo::list(out, parser, tx, r.alert.direction);
}

fn flow_object(out: &mut Writer<'_>, eve: &EveSettings, flow: &Flow) {
    out.key("flow").open();
    out.field_u64("pkts_toserver", flow.packets[0]);
    out.field_u64("pkts_toclient", flow.packets[1]);
    out.field_u64("bytes_toserver", flow.bytes[0]);
    out.field_u64("bytes_toclient", flow.bytes[1]);
    time(out, "start", flow.start);
    envelope::address(out, "src_ip", flow.client, eve.ipv6_compress);
    envelope::address(out, "dest_ip", flow.server, eve.ipv6_compress);
    if envelope::has_ports(flow.proto) {
        out.field_u64("src_port", u64::from(flow.client_port));
        out.field_u64("dest_port", u64::from(flow.server_port));
    }
    out.close();
}

/// Writes a time under a key.
pub fn time(out: &mut Writer<'_>, key: &str, time: decode::Timestamp) {
    out.key(key).plain(|out| text::timestamp(time, out));
}

fn payload(out: &mut Writer<'_>, options: &AlertSettings, r: &AlertRecord<'_>) {
    if !(options.payload || options.payload_printable || options.payload_length) {
        return;
    }
    let limit = options.payload_buffer_size;
    let tcp = r.flow.and_then(|f| f.tcp.as_deref());
    let stream = r.alert.found.stream || r.alert.found.tx.is_some() && tcp.is_some();
    let from_stream = tcp.filter(|_| stream).map(|t| t.stream(r.alert.direction));
    match from_stream {
        Some(stream) => {
            let (mut bytes, mut printed) = (Vec::new(), Vec::new());
            let (mut at, pieces) = stream.all_buffered(false);
            for (offset, piece) in pieces {
                if offset > at {
                    let missing = format!("[{} bytes missing]", offset - at);
                    printed.extend_from_slice(missing.as_bytes());
                    bytes.extend_from_slice(missing.as_bytes());
                }
                at = offset + piece.len() as u64;
                let room = limit.saturating_sub(bytes.len());
                let shown = &piece[..piece.len().min(room)];
                bytes.extend_from_slice(shown);
                text::printable(shown, &mut printed);
            }
            if !bytes.is_empty() {
                payload_fields(out, options, &bytes, &printed);
            }
            out.field_u64("stream", 1);
        }
        None => {
            let bytes = r.packet.payload();
            if !bytes.is_empty() {
                let shown = &bytes[..bytes.len().min(limit)];
                let mut printed = Vec::new();
                text::printable(shown, &mut printed);
                payload_fields(out, options, shown, &printed);
            }
            out.field_u64("stream", 0);
        }
    }
}

fn payload_fields(out: &mut Writer<'_>, options: &AlertSettings, bytes: &[u8], printed: &[u8]) {
    if options.payload {
        out.field_str("payload", &STANDARD.encode(bytes));
    }
    if options.payload_printable {
        out.field_text("payload_printable", printed);
    }
    if options.payload_length {
        out.field_u64("payload_length", bytes.len() as u64);
    }
}

/// Writes the verdict on the packet.
pub fn verdict(out: &mut Writer<'_>, r: &AlertRecord<'_>) {
    out.key("verdict").open();
    let action = if r.dropped {
        "drop"
    } else if r.verdict.pass || r.alert.action == Action::Pass {
        "pass"
    } else {
        "alert"
    };
    out.field_str("action", action);
    reject(out, r.packet, r.verdict.reject);
    out.close();
}

/// Writes to whom a reject goes and how.
pub fn reject(out: &mut Writer<'_>, packet: &Packet<'_>, reject: [bool; 2]) {
    let target = match reject {
        [false, false] => return,
        [true, true] => "both",
        [true, false] => "to_client",
        [false, true] => "to_server",
    };
    out.field_str("reject-target", target);
    let how = if packet.tcp().is_some() { "tcp-reset" } else { "icmp-prohib" };
    out.key("reject").open_array().str(how).close_array();
}
