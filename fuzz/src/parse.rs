//! A parser on its own: fed in pieces, and asked everything that rules and records ask.

use std::sync::Arc;

use decode::{Direction, Timestamp};
use protocol::file::range::Ranges;
use protocol::http::{HttpSettings, Personality, SwfSettings};
use protocol::registry::Opening;
use protocol::{AnyParser, AppProto, Chunk, Effects, Input, LogOptions, Outcome, Parser};
use protocol::{ProtocolSettings, Transport};

/// Settings with much switched on; bits of `choice` decide.
pub fn protocol_settings(choice: u8) -> ProtocolSettings {
    let mut http = HttpSettings { randomize: false, ..HttpSettings::default() };
    let personality = match choice & 3 {
        0 => Personality::Ids,
        1 => Personality::Iis75,
        2 => Personality::Apache2,
        _ => Personality::Minimal,
    };
    http.set_personality(personality);
    http.uri.double_decode_path = choice & 4 != 0;
    http.uri.double_decode_query = choice & 4 != 0;
    http.lzma_layers = u32::from(choice & 8 != 0);
    http.swf = SwfSettings { deflate: choice & 8 != 0, lzma: choice & 8 != 0, ..http.swf };
    http.body_inline = choice & 16 != 0;
    if choice & 32 != 0 {
        http.request_body.limit = 0;
        http.response_body.limit = 0;
        http.response_body.minimal_inspect_size = 64;
    }
    // A fuzzed body must end by its own, not by the clock.
    http.time_limit = u32::MAX;
    let mut settings = ProtocolSettings { http: Arc::new(http), ..ProtocolSettings::default() };
    settings.file.md5 = true;
    settings.file.sha256 = choice & 64 != 0;
    settings.file.store = choice & 64 != 0;
    settings.midstream = choice & 128 != 0;
    let fingerprints = protocol::settings::Fingerprints::Yes;
    (settings.ssh.hassh, settings.tls.ja3) = (fingerprints, fingerprints);
    settings
}

/// Feeds a parser with the input in pieces, in both directions, with holes, and asks it for all
/// that rules and records ask for. Control: 0x20 to the client, 0x40 transactions are freed after
/// it, 0xc0 a hole, 0x80 the end.
pub fn parse(proto: AppProto, transport: Transport, data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let settings = protocol_settings(*choice);
    let opening = Opening { settings: &settings, transport, server: None, origin: None };
    let Some(mut parser) = AnyParser::open(proto, &opening) else { return };
    let mut ranges = Ranges::new(settings.ranges);
    let mut waiting = [Vec::new(), Vec::new()];
    for (control, piece) in crate::pieces(data) {
        let direction = Direction::BOTH[usize::from(control & 0x20 != 0)];
        let kept: &mut Vec<u8> = &mut waiting[direction.index()];
        let hole = control & 0xc0 == 0xc0 && parser.accepts_gaps();
        kept.extend_from_slice(piece);
        let chunk = if hole { Chunk::Gap(kept.len() as u64) } else { Chunk::Bytes(kept) };
        let eof = control & 0xc0 == 0x80;
        let mut effects = Effects::default();
        let input = Input { direction, chunk, eof, timestamp: Timestamp(0) };
        match parser.parse(&input, &mut effects) {
            Outcome::Consumed(_) if hole || transport == Transport::Udp => kept.clear(),
            Outcome::Consumed(count) => {
                assert!(count <= kept.len(), "consumed {count} of {}", kept.len());
                kept.drain(..count);
            }
            Outcome::Error => return ask(&parser),
        }
        if effects.parts {
            parser.join(&mut ranges, Timestamp(0));
        }
        if control & 0xc0 == 0x40 {
            ask(&parser);
            for tx in parser.first_tx()..parser.next_tx() {
                parser.free(tx);
            }
        }
    }
    ask(&parser);
}

/// Buffers, numbers and records of the transactions, of many the first and the last.
pub fn ask(parser: &AnyParser) {
    let (mut scratch, mut record) = (Vec::new(), Vec::new());
    let options = LogOptions {
        extended: true,
        dump_request_headers: true,
        dump_response_headers: true,
        version: 3,
        ..LogOptions::default()
    };
    let (first, next) = (parser.first_tx(), parser.next_tx());
    for tx in (first..next).filter(|tx| *tx < first + 8 || *tx + 8 >= next) {
        for direction in Direction::BOTH {
            let progress = parser.progress(tx, direction);
            let _ = parser.progress_name(progress, direction);
            for buffer in protocol::registry::buffers() {
                for index in 0..3 {
                    scratch.clear();
                    if parser.buffer(tx, buffer.id, direction, index, &mut scratch).is_none() {
                        break;
                    }
                }
            }
            for number in protocol::registry::numbers() {
                let _ = parser.number(tx, number.id, direction, 0);
            }
            for file in parser.files(tx, direction) {
                let _ = format!("{file:?}").len();
            }
        }
        for embedded in [false, true] {
            record.clear();
            let mut writer = json::Writer::new(&mut record);
            writer.open();
            let options = LogOptions { embedded, ..options.clone() };
            let _ = parser.log(tx, &options, &mut writer);
            writer.close();
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&record);
            assert!(valid.is_ok(), "no JSON: {}", String::from_utf8_lossy(&record));
        }
    }
}
