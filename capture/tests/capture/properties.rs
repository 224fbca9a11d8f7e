//! What must hold for all captures: formats agree, cuts and noise do no harm.

use std::io::{self, Read};

use crate::craft::{MODIFIED, NANO, PLAIN, Packing, Sample, classic, drain, pack, pcapng, read};
use capture::LinkType;
use proptest::prelude::*;

const PACKINGS: [Packing; 4] = [Packing::None, Packing::Gzip, Packing::Zstd, Packing::Lz4];

fn sample() -> impl Strategy<Value = Sample> {
    let bytes = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..200),
        1 => prop::collection::vec(any::<u8>(), 0..9000),
    ];
    (0..u64::from(u32::MAX) * 1_000_000, bytes, 0u32..100).prop_map(|(time, bytes, missing)| {
        let wire_len = bytes.len() as u32 + missing;
        Sample { wire_len, ..Sample::new(time, &bytes) }
    })
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec(sample(), 0..80)
}

/// Gives its bytes in pieces of a certain size, as a pipe may.
struct Pieces(io::Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

fn every_format(samples: &[Sample]) -> Vec<crate::craft::Bytes> {
    let mut files = Vec::new();
    for big in [false, true] {
        for dialect in [PLAIN, NANO, MODIFIED] {
            files.push(classic(samples, big, dialect));
        }
        for obsolete in [false, true] {
            files.push(pcapng(samples, big, obsolete));
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_format_gives_the_same_frames(
        samples in samples(), piece in 1usize..5000, max in 1usize..70
    ) {
        for file in every_format(&samples) {
            for packing in PACKINGS {
                let bytes = pack(&file.bytes, packing);
                let pieces = Pieces(io::Cursor::new(bytes), piece);
                let mut source = capture::open_reader("test", Box::new(pieces)).unwrap();
                let (frames, errors) = drain(source.as_mut(), max);
                prop_assert!(errors.is_empty(), "{packing:?}: {errors:?}");
                prop_assert!(frames == samples, "{packing:?}");
            }
        }
    }

    #[test]
    fn compressed_parts_follow_each_other(samples in samples(), part in 1usize..20_000) {
        let file = classic(&samples, false, PLAIN);
        let part = part.max(file.bytes.len() / 50);
        for packing in [Packing::Gzip, Packing::Zstd, Packing::Lz4] {
            let parts: Vec<u8> =
                file.bytes.chunks(part).flat_map(|part| pack(part, packing)).collect();
            let (frames, error) = read(parts, 32);
            prop_assert!(error.is_none(), "{packing:?}: {error:?}");
            prop_assert!(frames == samples, "{packing:?}");
        }
    }

    #[test]
    fn written_files_are_read(samples in samples(), link in 15u16..300) {
        let link_type = LinkType(link);
        let samples: Vec<Sample> =
            samples.into_iter().map(|sample| Sample { link_type, ..sample }).collect();
        let frames = samples.iter().map(Sample::frame);
        let bytes = capture::write_pcap(Vec::new(), LinkType(link), frames).unwrap();
        let (frames, error) = read(bytes, 32);
        prop_assert!(error.is_none());
        prop_assert!(frames == samples);
    }

    #[test]
    fn noise_does_no_harm(
        start in prop::sample::select(vec![
            vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0], vec![0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4],
            vec![0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a],
            vec![0x1f, 0x8b, 8], vec![0x28, 0xb5, 0x2f, 0xfd], vec![0x04, 0x22, 0x4d, 0x18],
            vec![0x50, 0x2a, 0x4d, 0x18], vec![],
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        read([start, noise].concat(), 32);
    }

    #[test]
    fn changed_bytes_do_no_harm(
        samples in prop::collection::vec(sample(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for file in every_format(&samples) {
            for packing in PACKINGS {
                let mut bytes = pack(&file.bytes, packing);
                for (index, value) in &changes {
                    let index = index.index(bytes.len());
                    bytes[index] = *value;
                }
                read(bytes, 32);
            }
        }
    }
}

fn few() -> Vec<Sample> {
    (0..9u8)
        .map(|number| Sample::new(u64::from(number), &vec![number; 40 + 7 * number as usize]))
        .collect()
}

#[test]
fn a_cut_anywhere_costs_only_what_follows() {
    let samples = few();
    for file in every_format(&samples) {
        // The parts before the first packet: one header, or two blocks.
        let before = file.ends.len() - samples.len();
        for cut in 1..=file.bytes.len() {
            let (frames, error) = read(file.bytes[..cut].to_vec(), 4);
            let whole = file.ends.iter().filter(|end| **end <= cut).count();
            let expected = whole.saturating_sub(before);
            assert!(frames == samples[..expected], "cut at {cut}");
            let last = file.ends[..whole].last().copied().unwrap_or(0);
            match error {
                None => assert_eq!(last, cut, "a cut at {cut} that went unnoticed"),
                Some(_) if cut < 4 => {}
                Some(error) => {
                    assert_ne!(last, cut, "{error}");
                    assert_eq!(error.position().unwrap().byte, last as u64, "{error}");
                    assert!(error.to_string().contains("ends too early"), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_cut_in_compressed_data_is_noticed_everywhere() {
    let samples = few();
    let file = classic(&samples, false, PLAIN);
    for packing in [Packing::Gzip, Packing::Zstd, Packing::Lz4] {
        let bytes = pack(&file.bytes, packing);
        for cut in 4..bytes.len() {
            let (frames, error) = read(bytes[..cut].to_vec(), 4);
            assert!(samples.starts_with(&frames), "{packing:?} cut at {cut}");
            let error = error.unwrap_or_else(|| panic!("{packing:?} cut at {cut} went unnoticed"));
            assert!(error.to_string().contains("ends too early"), "{packing:?} {cut}: {error}");
        }
        // Only the checks at the end are missing: every frame is there.
        let (frames, error) = read(bytes[..bytes.len() - 1].to_vec(), 4);
        assert!(frames == samples, "{packing:?}: {} frames", frames.len());
        assert!(error.unwrap().position().unwrap().decompressed);
    }
}

#[test]
fn what_was_unpacked_before_a_cut_is_delivered() {
    // Blocks are of 64 KiB (lz4) or 128 KiB (zstd), so that most of the data lies in complete ones.
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let samples: Vec<Sample> = (0..1000)
        .map(|time| Sample::new(time, &(0..1000).map(|_| noise()).collect::<Vec<u8>>()))
        .collect();
    let file = classic(&samples, false, PLAIN);
    for packing in [Packing::Gzip, Packing::Zstd, Packing::Lz4] {
        let bytes = pack(&file.bytes, packing);
        let (frames, error) = read(bytes[..bytes.len() / 2].to_vec(), 32);
        assert!(samples.starts_with(&frames));
        assert!(frames.len() > 340, "{packing:?}: only {} frames", frames.len());
        assert!(error.unwrap().to_string().contains("of the decompressed data"));
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let file = classic(&few(), false, PLAIN);
    // gzip ends in a checksum and a length, zstd in a checksum.
    for (packing, from_end) in [(Packing::Gzip, 8), (Packing::Zstd, 4)] {
        let mut bytes = pack(&file.bytes, packing);
        let place = bytes.len() - from_end;
        bytes[place] ^= 1;
        let (frames, error) = read(bytes, 4);
        assert_eq!(frames, few(), "{packing:?}");
        assert!(error.is_some(), "{packing:?}");
    }
}

#[test]
fn another_reader_agrees() {
    use pcap_parser::{Block, PcapBlockOwned, PcapError};

    let samples = few();
    for file in [
        classic(&samples, false, PLAIN),
        classic(&samples, true, NANO),
        pcapng(&samples, false, false),
        pcapng(&samples, true, false),
    ] {
        let mut reader =
            pcap_parser::create_reader(65_536, io::Cursor::new(file.bytes.clone())).unwrap();
        let mut theirs = Vec::new();
        loop {
            match reader.next() {
                Ok((offset, block)) => {
                    match block {
                        PcapBlockOwned::Legacy(packet) => theirs.push(packet.data.to_vec()),
                        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                            let data = packet.data.get(..packet.caplen as usize).unwrap();
                            assert_eq!(packet.ts_low, theirs.len() as u32);
                            theirs.push(data.to_vec());
                        }
                        _ => {}
                    }
                    reader.consume(offset);
                }
                Err(PcapError::Eof) => break,
                Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
                Err(error) => panic!("{error:?}"),
            }
        }
        let ours: Vec<Vec<u8>> = read(file.bytes, 32).0.into_iter().map(|s| s.bytes).collect();
        assert_eq!(ours, theirs);
    }
}
