//! Records of protocols: one per finished transaction.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decode::Direction;
use json::Writer;
use protocol::registry::AnyParser;
use protocol::{AppProto, LogOptions, Parser};

use crate::event::envelope::{self, Endpoints, Envelope};
use crate::event::{text, xff};
use crate::settings::EveSettings;

/// Type of a protocol's records.
pub fn kind(proto: AppProto) -> &'static str {
    match proto {
        AppProto::FtpData => "ftp_data",
        AppProto::BittorrentDht => "bittorrent_dht",
        AppProto::Http2 => "http",
        _ => proto.name(),
    }
}

/// Writes the record of a transaction; nothing when the protocol has none for it.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    options: &LogOptions,
    head: &Envelope<'_>,
    parser: &AnyParser,
    tx: u64,
) -> bool {
    let Some(flow) = head.flow else { return false };
    let mark = out.mark();
    // Records of version 2 (dns) go from the client to the server, answers too.
    let own = parser.record_direction(tx).filter(|_| options.version != 2);
    let direction = own.unwrap_or(Direction::ToServer);
    let mut endpoints = head.endpoints.map(|_| Endpoints::of_flow(flow, direction));
    let http = parser.proto() == AppProto::Http1;
    let xff = eve.http_xff.as_ref().or(eve.xff.as_ref()).filter(|_| http).and_then(|settings| {
        let address = xff::find(settings, parser, Some(tx))?;
        Some((settings, address))
    });
    if let (Some((settings, address)), Some(ends)) = (&xff, &mut endpoints)
        && settings.overwrite
    {
        // These records go from the client to the server.
        ends.src = *address;
    }
    let tx_id = parser.tx_id_at_root().then_some(tx);
    let head = Envelope { endpoints, tx_id, ..*head };
    envelope::open(out, eve, kind(parser.proto()), &head);
    if !parser.log(tx, options, out) {
        out.truncate(mark);
        return false;
    }
    if let Some((settings, address)) = xff
        && !settings.overwrite
    {
        envelope::address(out, "xff", address, false);
    }
    envelope::close(out, eve, head.input);
    true
}

/// Adds what is still held of the bodies of an HTTP transaction to its object, which has just been
/// written.
pub fn bodies(out: &mut Writer<'_>, parser: &AnyParser, tx: u64, encoded: bool, printable: bool) {
    if parser.proto() != AppProto::Http1 || out.bytes().last() != Some(&b'}') {
        return;
    }
    out.truncate(out.mark() - 1);
    let held = |direction| parser.held_body(tx, direction).filter(|bytes| !bytes.is_empty());
    let sides = Direction::BOTH.map(held);
    if printable {
        let keys = ["http_request_body_printable", "http_response_body_printable"];
        for (key, bytes) in keys.into_iter().zip(sides) {
            let Some(bytes) = bytes else { continue };
            let mut shown = Vec::with_capacity(bytes.len());
            text::printable(bytes, &mut shown);
            out.field_text(key, &shown);
        }
    }
    if encoded {
        for (key, bytes) in ["http_request_body", "http_response_body"].into_iter().zip(sides) {
            if let Some(bytes) = bytes {
                out.field_str(key, &STANDARD.encode(bytes));
            }
        }
    }
    out.close();
}
