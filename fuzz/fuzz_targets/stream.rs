//! TCP: state machine and reassembly. Steps of the input are segments whose content only the
//! place in the sequence decides, so that what comes out of reassembly can be checked.
#![no_main]

use decode::settings::OsPolicy;
use decode::{DecodeSettings, Decoder, Direction};
use flow::{AppData, FlowId, FlowSettings, FlowTable, Lookup, StreamCounters, StreamSettings};
use flow::{UrgentLimitPolicy, UrgentPolicy};
use fuzz::Segment;
use libfuzzer_sys::fuzz_target;

const SYN: u8 = 0x02;
const URG: u8 = 0x20;

struct Run {
    flows: FlowTable<()>,
    counters: StreamCounters,
    settings: StreamSettings,
    /// Urgent data moves what follows it: contents can't be foretold.
    urgent: bool,
}

fn settings(first: u8, second: u8) -> (StreamSettings, bool) {
    let mut settings = StreamSettings {
        midstream: first & 1 != 0,
        async_oneside: first & 2 != 0,
        inline: first & 4 != 0,
        check_overlap_different_data: first & 8 != 0,
        depth: if first & 16 != 0 { 300 } else { 0 },
        reassembly_memcap: if first & 32 != 0 { 20_000 } else { 1 << 30 },
        checksum_validation: false,
        raw: first & 64 != 0,
        max_regions: second >> 4,
        ..StreamSettings::default()
    };
    let policy = OsPolicy::ALL[usize::from(second & 15) % OsPolicy::ALL.len()];
    assert!(settings.os_policies.insert("0.0.0.0/0", policy).is_ok());
    let urgent = first & 128 != 0;
    if urgent {
        settings.urgent = match second >> 4 & 3 {
            0 => UrgentPolicy::Inline,
            1 => UrgentPolicy::Oob,
            2 => UrgentPolicy::Gap,
            _ => UrgentPolicy::Drop,
        };
        settings.urgent_limit = UrgentLimitPolicy::Gap;
    }
    (settings, urgent)
}

/// A step: control, flags, sequence, acknowledgement, window, length. Most numbers are small, so
/// that segments lie near each other.
fn segment(step: &[u8; 6], urgent: bool) -> Vec<u8> {
    let [control, flags, seq, ack, window, length] = *step;
    let flags = if urgent { flags } else { flags & !URG };
    let scale = if control & 0x40 != 0 { 64 } else { 1 };
    let base = if control & 0x80 != 0 { 0xffff_ff80 } else { 1_000 };
    let seq = u32::wrapping_add(base, u32::from(seq) * scale);
    let ack = u32::wrapping_add(base, u32::from(ack) * scale);
    let first = if flags & SYN != 0 { seq.wrapping_add(1) } else { seq };
    let length = usize::from(length) * if control & 0x10 != 0 { 5 } else { 1 };
    let payload: Vec<u8> =
        (0..length as u32).map(|at| fuzz::byte_at(first.wrapping_add(at))).collect();
    let to_server = control & 0x20 == 0;
    let window = u16::from(window) << 8;
    Segment { to_server, port: 80, flags, seq, ack, window, payload: &payload }.packet()
}

impl Run {
    fn read(&mut self, id: FlowId, direction: Direction) {
        let Some(tcp) = self.flows.get_mut(id).tcp.as_deref_mut() else { return };
        for side in Direction::BOTH {
            let stream = tcp.stream_mut(side);
            let before = stream.app_offset();
            let first = stream.isn().wrapping_add(1).wrapping_add(before as u32);
            let taken = match stream.app_data(false) {
                AppData::None => continue,
                AppData::Data { bytes, offset } => {
                    assert_eq!(offset, before);
                    let wrong = (0..)
                        .zip(bytes)
                        .position(|(at, b)| *b != fuzz::byte_at(first.wrapping_add(at)));
                    assert!(self.urgent || wrong.is_none(), "{wrong:?} of {}", bytes.len());
                    bytes.len() as u64
                }
                AppData::Gap { len } => len,
            };
            stream.app_consume(taken);
            assert_eq!(stream.app_offset(), before + taken);
        }
        for side in Direction::BOTH {
            let stream = tcp.stream_mut(side);
            if side == direction {
                stream.raw_skip();
            }
            tcp.prune(side, &self.settings, &mut self.counters);
        }
    }

    fn end(&mut self, ended: &mut Vec<(FlowId, flow::EndReason)>) {
        for (id, _) in ended.drain(..) {
            let session = self.flows.remove(id);
            self.counters.recycle(session);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [first, second, steps @ ..] = data else { return };
    let (settings, urgent) = settings(*first, *second);
    let flow_settings = FlowSettings {
        hash_size: 16,
        prealloc: 1,
        midstream: settings.midstream,
        async_oneside: settings.async_oneside,
        ..FlowSettings::default()
    };
    let counters = StreamCounters::default();
    let mut run = Run { flows: FlowTable::new(flow_settings, 1), counters, settings, urgent };
    let mut decoder = Decoder::new(DecodeSettings::default());
    let mut ended = Vec::new();
    for (number, step) in (1..).zip(steps.as_chunks::<6>().0) {
        let bytes = segment(step, urgent);
        let mut packets = Vec::new();
        decoder.decode(fuzz::frame(&bytes, number, fuzz::RAW, number * 1000), &mut packets);
        for packet in &mut packets {
            packet.flags.ignore_checksum = true;
            let Some(hash) = run.flows.hash(packet) else { continue };
            let (Lookup::Found(id, direction) | Lookup::Created(id, direction)) =
                run.flows.lookup(packet, hash, &mut ended)
            else {
                continue;
            };
            let flow = run.flows.get_mut(id);
            let tracked = flow::track(flow, packet, direction, &run.settings, &mut run.counters);
            if tracked.reverse {
                run.flows.reverse(id);
            }
            run.read(id, if tracked.reverse { direction.opposite() } else { direction });
        }
        run.end(&mut ended);
    }
    run.flows.drain(decode::Timestamp(u64::MAX), &mut ended);
    run.end(&mut ended);
    assert_eq!(run.counters.tcp.reassembly_memuse, 0);
});
