//! Speed of finding flows, by how many there are, and of putting a stream in order.

use decode::{DecodeSettings, Decoder, Packet, RawFrame, Timestamp};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use flow::{AppData, FlowSettings, FlowTable, Lookup, StreamCounters, StreamSettings};

/// LINKTYPE_RAW: a frame begins with its IP header.
const RAW: u16 = 101;
const BATCH: usize = 32;
const SEGMENTS: u32 = 64;
const SEGMENT: usize = 1400;

fn main() {
    divan::main();
}

/// IPv4 and TCP from client `n` to a server, or back.
fn segment(n: u32, back: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = n.to_be_bytes();
    let (client, server) = ([10, a, b, c], [198, 51, 100, 80]);
    let (from, to) = if back { (server, client) } else { (client, server) };
    let (source, target): (u16, u16) = if back { (80, 40_000) } else { (40_000, 80) };
    let length = u16::try_from(40 + payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, 6, 0, 0];
    bytes.extend(from);
    bytes.extend(to);
    bytes.extend(source.to_be_bytes());
    bytes.extend(target.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// The frames' packets, of which checksums are not looked at.
fn packets(frames: &[Vec<u8>]) -> Vec<Packet<'_>> {
    let mut decoder = Decoder::new(DecodeSettings::default());
    let mut packets = Vec::new();
    for (number, bytes) in (1..).zip(frames) {
        let frame = RawFrame {
            bytes,
            timestamp: Timestamp(1_700_000_000_000_000 + number),
            number,
            link_type: RAW,
            input: 0,
            wire_len: u32::try_from(bytes.len()).expect("short"),
            no_checksum: false,
        };
        decoder.decode(frame, &mut packets);
    }
    for packet in &mut packets {
        packet.flags.ignore_checksum = true;
    }
    packets
}

/// Batches of packets of flows that lie far apart in the table, each fetched ahead.
#[divan::bench(args = [1_000, 50_000])]
fn look_up(bencher: Bencher<'_, '_>, count: u32) {
    let frames: Vec<Vec<u8>> = (0..count).map(|n| segment(n, false, 1, 0, 2, b"")).collect();
    let packets = packets(&frames);
    let settings = FlowSettings { memcap: 1 << 30, ..FlowSettings::default() };
    let mut flows: FlowTable<()> = FlowTable::new(settings, 7);
    let mut ended = Vec::new();
    for packet in &packets {
        let hash = flows.hash(packet).expect("has a flow");
        assert!(matches!(flows.lookup(packet, hash, &mut ended), Lookup::Created(..)));
    }
    let mut next = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let batch: [usize; BATCH] = std::array::from_fn(|n| (next + n * 7919) % packets.len());
        next += 1;
        let hashes = batch.map(|at| flows.hash(&packets[at]).expect("has a flow"));
        hashes.iter().for_each(|hash| flows.prefetch(*hash));
        for (at, hash) in batch.into_iter().zip(hashes) {
            divan::black_box(flows.lookup(&packets[at], hash, &mut ended));
        }
    });
}

/// A handshake and a download in order (0) or with each pair of segments swapped (1).
#[divan::bench(args = [0, 1])]
fn download(bencher: Bencher<'_, '_>, swapped: usize) {
    let payload = [b'x'; SEGMENT];
    let mut frames = vec![
        segment(1, false, 100, 0, 0x02, b""),
        segment(1, true, 900, 101, 0x12, b""),
        segment(1, false, 101, 901, 0x10, b""),
    ];
    for n in 0..SEGMENTS {
        let seq = 901 + (n ^ u32::from(swapped == 1)) * SEGMENT as u32;
        frames.push(segment(1, true, seq, 101, 0x18, &payload));
        if n % 2 == 1 {
            let ack = 901 + (n + 1) * SEGMENT as u32;
            frames.push(segment(1, false, 101, ack, 0x10, b""));
        }
    }
    let all = SEGMENTS as usize * SEGMENT;
    let template = packets(&frames);
    let settings = StreamSettings::default();
    let download = || template.clone();
    bencher.counter(BytesCount::new(all)).with_inputs(download).bench_local_values(
        |mut packets| {
            let mut flows: FlowTable<()> = FlowTable::new(FlowSettings::default(), 7);
            let mut counters = StreamCounters::default();
            let mut ended = Vec::new();
            let mut read = 0;
            for packet in &mut packets {
                let hash = flows.hash(packet).expect("has a flow");
                let (Lookup::Found(id, direction) | Lookup::Created(id, direction)) =
                    flows.lookup(packet, hash, &mut ended)
                else {
                    continue;
                };
                let flow = flows.get_mut(id);
                flow::tcp::track(flow, packet, direction, &settings, &mut counters);
                let Some(tcp) = flow.tcp.as_deref_mut() else { continue };
                let stream = tcp.stream_mut(decode::Direction::ToClient);
                if let AppData::Data { bytes, .. } = stream.app_data(false) {
                    let length = bytes.len();
                    read += length;
                    stream.app_consume(length as u64);
                }
            }
            assert_eq!(read, all);
        },
    );
}
