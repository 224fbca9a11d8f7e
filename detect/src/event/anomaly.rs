//! Anomaly records: decoder, stream and application layer events.

use decode::Packet;
use json::Writer;

use crate::event::envelope::{self, Envelope};
use crate::event::packet;
use crate::settings::EveSettings;

/// Bytes of a packet that `packethdr` shows.
const HEADER_LEN: usize = 32;

/// An event of a decoder or of the stream engine on a packet.
pub fn on_packet(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    head: &Envelope<'_>,
    packet: &Packet<'_>,
    code: u16,
    with_header: bool,
) {
    envelope::open(out, eve, "anomaly", head);
    out.key("anomaly").open();
    let kind = if decode::event::is_stream(code) { "stream" } else { "decode" };
    out.field_str("type", kind);
    out.field_str("event", decode::event::name(code));
    out.close();
    if with_header {
        packet::write(out, packet, HEADER_LEN);
    }
    envelope::close(out, eve, packet.input);
}

/// An event of an application layer.
pub fn app_layer(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    head: &Envelope<'_>,
    app_proto: &str,
    event: &str,
    layer: &str,
) {
    envelope::open(out, eve, "anomaly", head);
    out.key("anomaly").open();
    out.field_str("app_proto", app_proto);
    out.field_str("type", "applayer");
    out.field_str("event", event);
    out.field_str("layer", layer);
    out.close();
    envelope::close(out, eve, head.input);
}
