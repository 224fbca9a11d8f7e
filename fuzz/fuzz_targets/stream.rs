//! TCP: state machine and reassembly; pieces of the input are segments.
#![no_main]

use decode::{DecodeSettings, Decoder, Direction};
use flow::{AppData, FlowSettings, FlowTable, Lookup, StreamCounters, StreamSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(DecodeSettings::default());
    let mut flows: FlowTable<()> = FlowTable::new(FlowSettings::default(), 1);
    let mut counters = StreamCounters::default();
    let settings = StreamSettings { midstream: true, ..StreamSettings::default() };
    let mut ended = Vec::new();
    let segments: Vec<(u8, Vec<u8>)> = fuzz::pieces(data)
        .map(|(control, piece)| (control, fuzz::segment(control, piece)))
        .collect();
    for (number, (control, bytes)) in segments.iter().enumerate() {
        let mut packets = Vec::new();
        decoder.decode(fuzz::frame(bytes, number as u64 + 1, fuzz::RAW, *control), &mut packets);
        for packet in &mut packets {
            packet.flags.ignore_checksum = true;
            let Some(hash) = flows.hash(packet) else { continue };
            let (Lookup::Found(id, direction) | Lookup::Created(id, direction)) =
                flows.lookup(packet, hash, &mut ended)
            else {
                continue;
            };
            let tracked =
                flow::tcp::track(flows.get_mut(id), packet, direction, &settings, &mut counters);
            if tracked.reverse {
                flows.reverse(id);
            }
            let Some(tcp) = flows.get_mut(id).tcp.as_deref_mut() else { continue };
            for direction in Direction::BOTH {
                let stream = tcp.stream_mut(direction);
                let before = stream.app_offset();
                let taken = match stream.app_data(false) {
                    AppData::None => continue,
                    AppData::Data { bytes, offset } => {
                        assert_eq!(offset, before);
                        bytes.len() as u64
                    }
                    AppData::Gap { len } => len,
                };
                stream.app_consume(taken);
                assert_eq!(stream.app_offset(), before + taken);
            }
        }
    }
});
