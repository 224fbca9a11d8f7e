//! `decode-event`, `stream-event`, `engine-event`, `app-layer-event`: what went wrong.

use decode::event::{self, EventKind};
use protocol::AppProto;

use crate::builder::Builder;
use crate::error::{Result, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, TxCheck};

/// An event of a decoder or of the stream engine on the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketEvent(pub u16);

impl PacketEvent {
    /// Whether the packet has it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.packet.events.contains(self.0)
    }
}

/// An event of the application layer that belongs to no protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AppLayerEvent {
    /// The sides speak different protocols.
    MismatchProtocolBothDirections,
    /// The wrong side spoke first.
    WrongDirectionFirstData,
    /// The protocol could be detected in one direction only.
    DetectProtocolOnlyOneDirection,
    /// Detection was skipped.
    ProtoDetectionSkipped,
    /// No TLS came after `STARTTLS`.
    NoTlsAfterStarttls,
    /// Another protocol than expected came.
    UnexpectedProtocol,
}

impl AppLayerEvent {
    /// All, in order of their numbers.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::MismatchProtocolBothDirections, "applayer_mismatch_protocol_both_directions"),
        (Self::WrongDirectionFirstData, "applayer_wrong_direction_first_data"),
        (Self::DetectProtocolOnlyOneDirection, "applayer_detect_protocol_only_one_direction"),
        (Self::ProtoDetectionSkipped, "applayer_proto_detection_skipped"),
        (Self::NoTlsAfterStarttls, "applayer_no_tls_after_starttls"),
        (Self::UnexpectedProtocol, "applayer_unexpected_protocol"),
    ];

    /// Its bit in `FlowFacts::app_events`.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whether it happened on the packet.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        subject.flow.is_some_and(|flow| flow.app_events & self.bit() != 0)
    }
}

pub(crate) const DECODE: Keyword = Keyword::new("decode-event", "detect-engine-event", decode)
    .doc("event of a decoder")
    .features(Features { decoder_only: true, ..Features::NONE.prefilter() });
pub(crate) const ENGINE: Keyword = Keyword::new("engine-event", "detect-engine-event", decode)
    .doc("event of a decoder (old name)")
    .features(Features { decoder_only: true, ..Features::NONE.prefilter() });
pub(crate) const STREAM: Keyword = Keyword::new("stream-event", "detect-engine-event", stream)
    .doc("event of the stream engine")
    .features(Features::NONE.prefilter());
pub(crate) const APP: Keyword = Keyword::new("app-layer-event", "detect-app-layer-event", app)
    .doc("event of a protocol parser or of protocol detection");

fn decode(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let Some(code) = event::by_rule_name(EventKind::Decode, option.value) else {
        return refuse(format!("unknown decode event \"{}\"", option.value));
    };
    builder.facts.decode_events += 1;
    builder.push_check(PacketEvent(code));
    Ok(())
}

fn stream(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let name = option.value;
    let found = event::by_rule_name(EventKind::Stream, name);
    let Some(code) = found else {
        return refuse(format!("unknown stream event \"{name}\""));
    };
    builder.push_check(PacketEvent(code));
    Ok(())
}

fn app(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let name = option.value.trim();
    let Some((proto, event)) = name.split_once('.') else {
        let known = AppLayerEvent::ALL.iter().find(|(_, text)| *text == name);
        return match known {
            Some((event, _)) => {
                builder.facts.ip_only = false;
                builder.push_check(*event);
                Ok(())
            }
            None => {
                refuse(format!("app-layer-event keyword supplied with an unknown event '{name}'"))
            }
        };
    };
    let protos = event_protocols(proto);
    if protos.is_empty() {
        return refuse(format!("app-layer-event keyword with unknown protocol \"{proto}\""));
    }
    let catalogue = builder.catalogue();
    let found = protos.iter().find_map(|&proto| catalogue.event(proto, event));
    if found.is_none() {
        builder.warn(format!(
            "app-layer-event keyword's protocol \"{proto}\" doesn't have event \"{event}\""
        ));
    }
    builder.push_tx_check(TxCheck::Event { protos, event: found }, protos)
}

/// The protocol of an event's name; here `http` is HTTP/1 alone and `dns` DNS alone.
fn event_protocols(name: &str) -> &'static [AppProto] {
    match name {
        "http" | "http1" => &[AppProto::Http1],
        "dns" => &[AppProto::Dns],
        _ => AppProto::by_rule_name(name),
    }
}
