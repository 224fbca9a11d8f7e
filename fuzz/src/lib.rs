//! What fuzz targets share: how an input becomes frames, chunks and calls.
#![forbid(unsafe_code)]

use decode::{Direction, RawFrame, Timestamp};
use protocol::registry::Opening;
use protocol::{AnyParser, AppProto, Chunk, Effects, Input, LogOptions, Outcome, Parser};
use protocol::{ProtocolSettings, Transport};

/// LINKTYPE_RAW: a frame begins with its IP header.
pub const RAW: u16 = 101;

/// Cuts the input into pieces: two bytes of control, of which the last five bits and the second
/// byte give the length, then the bytes.
pub fn pieces(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [control, low, rest @ ..] = data else { return None };
        let length = usize::from(*control & 0x1f) << 8 | usize::from(*low);
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        data = behind;
        Some((*control, piece))
    })
}

/// A frame of a capture; the time goes on by what the upper bits of `control` say.
pub fn frame(bytes: &[u8], number: u64, link_type: u16, control: u8) -> RawFrame<'_> {
    let pause = [0, 1_000, 1_000_000, 90_000_000][usize::from(control >> 6)];
    RawFrame {
        bytes,
        timestamp: Timestamp(1_700_000_000_000_000 + number * 1_000 + pause),
        number,
        link_type,
        input: 0,
        wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    }
}

/// An IPv4 packet with TCP; `control` and the first bytes of `piece` give flags and numbers, so
/// that most inputs make segments near each other.
pub fn segment(control: u8, piece: &[u8]) -> Vec<u8> {
    let [flags, seq, ack, window, payload @ ..] = piece else { return Vec::new() };
    let payload = &payload[..payload.len().min(1400)];
    let to_server = control & 0x20 == 0;
    let (client, server) = ([192, 168, 0, 1], [198, 51, 100, 1]);
    let (from, to) = if to_server { (client, server) } else { (server, client) };
    let (source, target): (u16, u16) = if to_server { (40_000, 80) } else { (80, 40_000) };
    let length = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0x45, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend(from);
    bytes.extend(to);
    bytes.extend(source.to_be_bytes());
    bytes.extend(target.to_be_bytes());
    bytes.extend((1_000 + u32::from(*seq) * 16).to_be_bytes());
    bytes.extend((1_000 + u32::from(*ack) * 16).to_be_bytes());
    bytes.extend([0x50, *flags]);
    bytes.extend((u16::from(*window) << 8).to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// Feeds a parser with the input in pieces, in both directions, with holes, and asks it for all
/// that rules and records ask for.
pub fn parse(proto: AppProto, transport: Transport, data: &[u8]) {
    let settings = ProtocolSettings::default();
    let opening = Opening { settings: &settings, transport, server: None, origin: None };
    let Some(mut parser) = AnyParser::open(proto, &opening) else { return };
    let mut waiting = [Vec::new(), Vec::new()];
    let mut effects = Effects::default();
    for (control, piece) in pieces(data) {
        let direction = Direction::BOTH[usize::from(control & 0x20 != 0)];
        let kept: &mut Vec<u8> = &mut waiting[direction.index()];
        let hole = control & 0xc0 == 0xc0 && parser.accepts_gaps();
        kept.extend_from_slice(piece);
        let chunk = if hole { Chunk::Gap(kept.len() as u64) } else { Chunk::Bytes(kept) };
        let eof = control & 0xc0 == 0x80;
        effects = Effects::default();
        let input = Input { direction, chunk, eof, timestamp: Timestamp(0) };
        match parser.parse(&input, &mut effects) {
            Outcome::Consumed(_) if hole || transport == Transport::Udp => kept.clear(),
            Outcome::Consumed(count) => {
                assert!(count <= kept.len(), "consumed {count} of {}", kept.len());
                kept.drain(..count);
            }
            Outcome::Error => return,
        }
        ask(&parser);
    }
    let _ = effects;
}

/// Buffers, numbers and records of all transactions.
fn ask(parser: &AnyParser) {
    let (mut scratch, mut record) = (Vec::new(), Vec::new());
    for tx in parser.first_tx()..parser.next_tx() {
        for direction in Direction::BOTH {
            let progress = parser.progress(tx, direction);
            let _ = parser.progress_name(progress, direction);
            for buffer in protocol::registry::buffers() {
                scratch.clear();
                let _ = parser.buffer(tx, buffer.id, direction, 0, &mut scratch);
            }
            for number in protocol::registry::numbers() {
                let _ = parser.number(tx, number.id, direction, 0);
            }
        }
        record.clear();
        let mut writer = json::Writer::new(&mut record);
        writer.open();
        let _ =
            parser.log(tx, &LogOptions { extended: true, ..LogOptions::default() }, &mut writer);
        writer.close();
    }
}
