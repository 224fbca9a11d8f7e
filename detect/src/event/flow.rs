//! Flow and netflow records, written when a flow ends.

use decode::{Direction, Timestamp};
use engine::{Flow, Ruleset};
use flow::{EndReason, FlowAction, FlowState, Offloaded};
use json::Writer;
use protocol::AppProto;

use crate::event::alert::time;
use crate::event::community;
use crate::event::envelope::{self, Endpoints};
use crate::settings::EveSettings;

/// IP protocol of ESP.
const ESP: u8 = 50;

/// Writes the record of a flow.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    flow: &Flow,
    reason: EndReason,
    now: Timestamp,
    rules: &Ruleset,
) {
    head(out, eve, "flow", flow, now, Direction::ToServer, true);
    envelope::app_proto(out, flow);
    out.key("flow").open();
    let passed = flow.extension.passed_by.as_deref().copied().unwrap_or_default();
    let sum = |own: [u64; 2], more: [u64; 2]| [own[0] + more[0], own[1] + more[1]];
    counts(out, sum(flow.packets, passed.packets), sum(flow.bytes, passed.bytes));
    if flow.state == FlowState::Bypassed {
        out.key("bypassed").open();
        counts(out, passed.packets, passed.bytes);
        out.close();
    }
    time(out, "start", flow.start);
    time(out, "end", flow.last);
    out.field_u64("age", flow.last.seconds().saturating_sub(flow.start.seconds()));
    if flow.emergency {
        out.field_bool("emergency", true);
    }
    outcome(out, flow, reason);
    if !flow.exception_policies.is_empty() {
        out.key("exception_policy").open_array();
        for (target, policy) in &flow.exception_policies {
            out.open().field_str("target", target).field_str("policy", policy).close();
        }
        out.close_array();
    }
    let transactions = flow.extension.session.tx_count();
    if transactions > 0 {
        out.field_u64("tx_cnt", transactions);
    }
    out.close();
    common(out, eve, flow, Direction::ToServer, rules);
    tcp(out, flow, None);
    envelope::close(out, eve, flow.input);
}

/// Packets and bytes by direction.
fn counts(out: &mut Writer<'_>, packets: [u64; 2], bytes: [u64; 2]) {
    out.field_u64("pkts_toserver", packets[0]);
    out.field_u64("pkts_toclient", packets[1]);
    out.field_u64("bytes_toserver", bytes[0]);
    out.field_u64("bytes_toclient", bytes[1]);
}

/// How the flow stands at its end, and how it ended.
fn outcome(out: &mut Writer<'_>, flow: &Flow, reason: EndReason) {
    let state = match flow.state {
        FlowState::New => "new",
        FlowState::Established => "established",
        FlowState::Closed => "closed",
        FlowState::Bypassed => "bypassed",
    };
    out.field_str("state", state);
    if flow.state == FlowState::Bypassed {
        let by_capture = flow.offloaded == Offloaded::Yes;
        out.field_str("bypass", if by_capture { "capture" } else { "local" });
    }
    let reason = match reason {
        EndReason::Timeout => "timeout",
        EndReason::Forced => "forced",
        EndReason::Shutdown => "shutdown",
        EndReason::TcpReuse => "tcp_reuse",
    };
    out.field_str("reason", reason);
    out.field_bool("alerted", flow.alerted);
    if flow.elephant {
        out.field_bool("elephant", true);
    }
    let action = match flow.action {
        FlowAction::None => None,
        FlowAction::Pass => Some("pass"),
        FlowAction::Drop => Some("drop"),
        FlowAction::Accept => Some("accept"),
    };
    if let Some(action) = action {
        out.field_str("action", action);
    }
}

/// Writes the record of one direction of a flow.
pub fn write_half(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    flow: &Flow,
    direction: Direction,
    now: Timestamp,
    rules: &Ruleset,
) {
    head(out, eve, "netflow", flow, now, direction, false);
    if flow.extension.session.proto() != AppProto::Unknown {
        out.field_str("app_proto", flow.extension.session.proto().name());
    }
    let at = direction.index();
    out.key("netflow").open();
    out.field_u64("pkts", flow.packets[at]);
    out.field_u64("bytes", flow.bytes[at]);
    time(out, "start", flow.start);
    time(out, "end", flow.last);
    out.field_u64("age", flow.last.seconds().saturating_sub(flow.start.seconds()));
    out.field_u64("min_ttl", u64::from(flow.ttl[at].0));
    out.field_u64("max_ttl", u64::from(flow.ttl[at].1));
    let transactions = flow.extension.session.tx_count();
    if transactions > 0 {
        out.field_u64("tx_cnt", transactions);
    }
    out.close();
    tcp(out, flow, Some(direction));
    common(out, eve, flow, direction, rules);
    envelope::close(out, eve, flow.input);
}

/// What options of eve-log add.
fn common(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    flow: &Flow,
    direction: Direction,
    rules: &Ruleset,
) {
    if eve.metadata {
        envelope::metadata(out, flow, rules, &[]);
    }
    if eve.ethernet {
        envelope::flow_ethernet(out, flow, direction);
    }
    if let Some(seed) = eve.community_id {
        out.field_str("community_id", &community::id(seed, flow));
    }
}

/// In flow records the version of IP comes before the protocol.
fn head(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    kind: &str,
    flow: &Flow,
    now: Timestamp,
    direction: Direction,
    version: bool,
) {
    out.open();
    envelope::start(out, eve, kind, now, Some(flow), None, flow.input);
    envelope::vlans(out, flow.vlan);
    let ends = Endpoints::of_flow(flow, direction);
    envelope::endpoints(out, eve, ends, envelope::has_ports(flow.proto));
    if version {
        out.field_u64("ip_v", if flow.client.is_ipv4() { 4 } else { 6 });
    }
    envelope::proto(out, flow.proto);
    if let Some((kind, code)) = flow.icmp {
        out.field_u64("icmp_type", u64::from(kind));
        out.field_u64("icmp_code", u64::from(code));
        if let Some((kind, code)) = flow.icmp_response {
            out.field_u64("response_icmp_type", u64::from(kind));
            out.field_u64("response_icmp_code", u64::from(code));
        }
    }
    if flow.proto == ESP {
        // The key of an ESP flow holds the index in place of the ports.
        let spi = u64::from(flow.client_port) << 16 | u64::from(flow.server_port);
        out.field_u64("spi", spi);
    }
    if let Some(version) = &eve.version {
        out.field_str("suricata_version", version);
    }
}

/// The flags of both directions, or of one.
fn tcp(out: &mut Writer<'_>, flow: &Flow, only: Option<Direction>) {
    if flow.proto != 6 {
        return;
    }
    let session = flow.tcp.as_deref();
    let [ts, tc] = Direction::BOTH.map(|d| session.map_or(0, |s| s.stream(d).tcp_flags()));
    out.key("tcp").open();
    let shown = match only {
        None => {
            out.key("tcp_flags").hexadecimal(&[ts | tc]);
            out.key("tcp_flags_ts").hexadecimal(&[ts]);
            out.key("tcp_flags_tc").hexadecimal(&[tc]);
            ts | tc
        }
        Some(direction) => {
            let own = if direction == Direction::ToServer { ts } else { tc };
            out.key("tcp_flags").hexadecimal(&[own]);
            own
        }
    };
    for (key, bit) in [
        ("syn", 0x02),
        ("fin", 0x01),
        ("rst", 0x04),
        ("psh", 0x08),
        ("ack", 0x10),
        ("urg", 0x20),
        ("ecn", 0x40),
        ("cwr", 0x80),
    ] {
        if shown & bit != 0 {
            out.field_bool(key, true);
        }
    }
    if let (None, Some(session)) = (only, session) {
        out.field_str("state", session.state().name());
        let (ts, tc) = (session.stream(Direction::ToServer), session.stream(Direction::ToClient));
        if ts.gap_seen() {
            out.field_bool("ts_gap", true);
        }
        if tc.gap_seen() {
            out.field_bool("tc_gap", true);
        }
        out.field_u64("ts_max_regions", u64::from(ts.max_regions()));
        out.field_u64("tc_max_regions", u64::from(tc.max_regions()));
        for (key, stream) in [("ts_urgent_oob_data", ts), ("tc_urgent_oob_data", tc)] {
            if stream.urgent_oob() > 0 {
                out.field_u64(key, u64::from(stream.urgent_oob()));
            }
        }
    }
    out.close();
}
