//! Records about TCP packets and what they did to their session (`stream_tcp`).

use decode::{Direction, Packet};
use flow::{Stream, TcpSession, TcpState};
use json::Writer;

use crate::event::drop;
use crate::event::envelope::{self, Envelope};
use crate::settings::{EveSettings, StreamLogSettings};

/// What is known of the packet's way through its session.
pub struct StreamPacket<'a> {
    /// Direction in its flow.
    pub direction: Direction,
    /// State of the session before it.
    pub before: TcpState,
    /// Why it is dropped, if it is.
    pub reason: Option<&'static str>,
    /// Its session.
    pub session: &'a TcpSession,
}

/// Writes the record of a packet, if the options want it.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    options: &StreamLogSettings,
    head: &Envelope<'_>,
    packet: &Packet<'_>,
    p: &StreamPacket<'_>,
) -> bool {
    let events = packet.events.as_slice().iter().copied().filter(|c| decode::event::is_stream(*c));
    let spurious = decode::event::StreamEvent::PktSpuriousRetransmission.code();
    let changed = !packet.origin.is_pseudo() && p.before != p.session.state();
    let facts = [
        (
            options.spurious_retransmission,
            packet.events.contains(spurious),
            "spurious_retransmission",
        ),
        (options.event_set, events.clone().next().is_some(), "event_set"),
        (options.state_update, changed, "state_update"),
    ];
    if !(options.all || facts.iter().any(|(wanted, holds, _)| *wanted && *holds)) {
        return false;
    }
    envelope::open(out, eve, "stream_tcp", head);
    out.field_str("direction", p.direction.name());
    out.key("stream_tcp").open();
    out.key("packet").open();
    drop::network(out, packet);
    drop::transport(out, packet);
    out.key("flags").open_array();
    for (_, _, name) in facts.iter().filter(|(_, holds, _)| *holds) {
        out.str(name);
    }
    out.close_array().close();
    session(out, p, changed);
    if events.clone().next().is_some() {
        out.key("events").open_array();
        for code in events {
            out.str(decode::event::name(code));
        }
        out.close_array();
    }
    if let Some(reason) = p.reason {
        out.field_str("reason", reason);
    }
    out.close();
    envelope::close(out, eve, packet.input);
    true
}

fn session(out: &mut Writer<'_>, p: &StreamPacket<'_>, changed: bool) {
    out.key("session").open();
    out.field_str("state", p.session.state().name());
    if changed {
        out.field_str("pstate", p.before.name());
    }
    out.key("flags").open().key("flags").open_array();
    for name in p.session.fact_names() {
        out.str(name);
    }
    out.close_array().close();
    side(out, "client", p.session.stream(Direction::ToServer));
    side(out, "server", p.session.stream(Direction::ToClient));
    out.close();
}

fn side(out: &mut Writer<'_>, key: &str, stream: &Stream) {
    out.key(key).open();
    for (key, value) in [
        ("isn", stream.isn()),
        ("next_seq", stream.next_seq()),
        ("last_ack", stream.last_ack()),
        ("next_win", stream.next_win()),
        ("base_seq", stream.base_seq()),
        ("window", stream.window()),
        ("wscale", u32::from(stream.window_scale())),
    ] {
        out.field_u64(key, u64::from(value));
    }
    out.key("flags").open_array();
    if stream.gap_seen() {
        out.str("has_gap");
    }
    out.close_array().close();
}
