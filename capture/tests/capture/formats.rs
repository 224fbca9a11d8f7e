//! Every format and dialect, as tables of files and what must come out of them.

use crate::craft::{
    Bytes, Dialect, MODIFIED, NANO, PLAIN, Sample, block, classic, interface, packet, pcapng, read,
    section, simple_packet,
};
use capture::LinkType;

fn samples() -> Vec<Sample> {
    vec![
        Sample::new(1_700_000_000_123_456, &[1; 60]),
        Sample { wire_len: 9000, ..Sample::new(1_700_000_000_123_457, &[2; 96]) },
        Sample::new(4_294_967_295_999_999, b""),
        Sample::new(0, &[3; 65_535]),
        Sample::new(5, &vec![4; capture::MAXIMUM_FRAME as usize]),
        Sample::new(6, &[5; 61]),
    ]
}

fn check(name: &str, bytes: &[u8], expected: &[Sample]) {
    for max in [1, 2, 32] {
        let (frames, error) = read(bytes.to_vec(), max);
        assert!(frames == expected, "{name}: other frames, batches of {max}");
        assert!(error.is_none(), "{name}: {error:?}");
    }
}

fn check_fault(name: &str, bytes: &[u8], frames: usize, message: &str) {
    let (delivered, error) = read(bytes.to_vec(), 32);
    assert_eq!(delivered.len(), frames, "{name}");
    assert_eq!(error.unwrap().to_string(), message, "{name}");
}

#[test]
fn classic_dialects() {
    let samples = samples();
    for big in [false, true] {
        for (name, dialect) in [
            ("microseconds", PLAIN),
            ("nanoseconds", NANO),
            ("modified", MODIFIED),
            ("no snap length", Dialect { snap_length: 0, ..PLAIN }),
            ("snap length smaller than the frames", Dialect { snap_length: 64, ..PLAIN }),
            ("version 2.2 with the lengths swapped", Dialect { version: (2, 2), ..PLAIN }),
            ("version 543.0 with the lengths swapped", Dialect { version: (543, 0), ..PLAIN }),
            ("version 2.3", Dialect { version: (2, 3), ..PLAIN }),
            ("frame check sequence in the link type", Dialect { link_word: 0x2400_0001, ..PLAIN }),
        ] {
            let name = format!("{name}, {}", if big { "big-endian" } else { "little-endian" });
            check(&name, &classic(&samples, big, dialect).bytes, &samples);
        }
    }
}

#[test]
fn classic_link_types() {
    for (number, expected) in [
        (12, LinkType::RAW),
        (14, LinkType::RAW),
        (101, LinkType::RAW),
        (276, LinkType::LINUX_SLL2),
        (0, LinkType::NULL),
    ] {
        let sample = Sample { link_type: expected, ..Sample::new(1, &[0x45; 20]) };
        let dialect = Dialect { link_word: number, ..PLAIN };
        let bytes = classic(std::slice::from_ref(&sample), true, dialect).bytes;
        check("link type", &bytes, &[sample]);
    }
}

#[test]
fn a_wire_length_below_the_captured_one_is_raised() {
    let sample = Sample { wire_len: 5, ..Sample::new(1, &[1; 60]) };
    let raised = Sample { wire_len: 60, ..sample.clone() };
    check(
        "classic",
        &classic(std::slice::from_ref(&sample), false, PLAIN).bytes,
        std::slice::from_ref(&raised),
    );
    check("pcapng", &pcapng(&[sample], false, false).bytes, &[raised]);
}

#[test]
fn pcapng_packets() {
    let mut samples = samples();
    samples[0].timestamp_us = i64::MAX as u64;
    for big in [false, true] {
        check("enhanced", &pcapng(&samples, big, false).bytes, &samples);
        check("obsolete", &pcapng(&samples, big, true).bytes, &samples);
    }
}

#[test]
fn pcapng_simple_packets() {
    for big in [false, true] {
        let mut out = Bytes::new(big);
        section(&mut out);
        interface(&mut out, 113, 64, None, 0);
        let sll = |sample: Sample| Sample { link_type: LinkType::LINUX_SLL, ..sample };
        let cut = sll(Sample { wire_len: 1500, ..Sample::new(0, &[1; 64]) });
        let whole = sll(Sample::new(0, &[2; 61]));
        let timed = sll(Sample::new(77, &[3; 10]));
        let after = sll(Sample::new(77, &[4; 3]));
        simple_packet(&mut out, &cut);
        simple_packet(&mut out, &whole);
        packet(&mut out, false, 77, &timed);
        simple_packet(&mut out, &after);
        check("simple", &out.bytes, &[cut, whole, timed, after]);
    }
}

#[test]
fn pcapng_clocks() {
    let year = 1_700_000_000u64;
    for (resolution, offset, units, expected) in [
        (None, 0, 1_234_567, 1_234_567),
        (Some(6), 0, 1_234_567, 1_234_567),
        (Some(9), 0, 1_234_567_999, 1_234_567),
        (Some(3), 0, 1_234, 1_234_000),
        (Some(0), 0, 12, 12_000_000),
        (Some(12), 0, 1_234_567_999_999, 1_234_567),
        (Some(40), 0, u64::MAX, 0),
        (Some(127), 0, u64::MAX, 0),
        (Some(0x80), 0, 3, 3_000_000),
        (Some(0x8a), 0, 1536, 1_500_000),
        (Some(0xa0), 0, year << 32 | 1 << 31, year * 1_000_000 + 500_000),
        (Some(0xff), 0, u64::MAX, 0),
        (Some(9), 1_700_000_000, 5_000, year * 1_000_000 + 5),
        (None, -1, 3_000_000, 2_000_000),
        (None, -10, 3_000_000, 0),
        (None, i64::MIN, 3_000_000, 0),
        (None, i64::MAX, 3_000_000, i64::MAX as u64),
        (Some(0), 0, u64::MAX, i64::MAX as u64),
    ] {
        for big in [false, true] {
            let mut out = Bytes::new(big);
            section(&mut out);
            interface(&mut out, 1, 0, resolution, offset);
            let sample = Sample::new(expected, b"x");
            packet(&mut out, false, units, &sample);
            check(&format!("{resolution:?} {offset} {units}"), &out.bytes, &[sample]);
        }
    }
}

#[test]
fn pcapng_sections_interfaces_and_other_blocks() {
    let mut out = Bytes::new(false);
    let mut expected = Vec::new();
    for big in [false, true, true] {
        out.big = big;
        section(&mut out);
        interface(&mut out, 1, 0, None, 0);
        block(&mut out, 4, |out| out.u64(0));
        interface(&mut out, 228, 96, Some(9), 0);
        block(&mut out, 0x0bad, |out| out.bytes.extend([0xee; 400_000]));
        block(&mut out, 5, |_| {});
        for (interface, link_type, units) in [
            (1, LinkType::IPV4, 2_000_000_000),
            (0, LinkType::ETHERNET, 1_500_000),
            (1, LinkType::IPV4, 3_000_001_999),
        ] {
            let time = if interface == 1 { units / 1000 } else { units };
            let sample = Sample { interface, link_type, ..Sample::new(time, &[7; 33]) };
            packet(&mut out, false, units, &sample);
            block(&mut out, 0x8000_0001, |out| out.bytes.extend([1; 70_000]));
            expected.push(sample);
        }
    }
    check("sections", &out.bytes, &expected);
    let mut source = capture::open_bytes("test", out.bytes).unwrap();
    crate::craft::drain(source.as_mut(), 32);
    assert_eq!(source.statistics().skipped_blocks, 18);
}

#[test]
fn faults_of_classic_files() {
    let one = [Sample::new(1, &[1; 60])];
    let good = classic(&one, false, PLAIN).bytes;
    let with_header = |length: u32| {
        let mut out = classic(&one, false, PLAIN);
        for field in [1, 1, length, length] {
            out.u32(field);
        }
        out.bytes.extend([0; 100]);
        out.bytes
    };
    let version = Dialect { version: (3, 1), ..PLAIN };
    for (name, bytes, frames, message) in [
        ("empty", vec![], 0, "test: is empty: a capture file has at least a header of 24 bytes"),
        (
            "header",
            good[..23].to_vec(),
            0,
            "test: at byte 0: the file ends too early: \
             its header needs 24 bytes, only 23 are there",
        ),
        ("tiny", good[..3].to_vec(), 0, "test: is not a capture file: it has only 3 bytes"),
        (
            "text",
            b"hello".to_vec(),
            0,
            "test: is not a capture file: it begins with the bytes 68 65 6c 6c",
        ),
        (
            "xz",
            b"\xfd7zXZ\0\0\0".to_vec(),
            0,
            "test: is not a capture file: it seems to be xz data, unpack it first",
        ),
        (
            "version",
            classic(&one, true, version).bytes,
            0,
            "test: at byte 0: version 3.1 of the pcap format is not known",
        ),
        (
            "length",
            with_header(262_145),
            1,
            "test: at byte 100: a packet with a captured length of 262145 bytes, \
             the limit is 262144",
        ),
        (
            "cut",
            with_header(262_144),
            1,
            "test: at byte 100: the file ends too early: \
             a packet with its header needs 262160 bytes from here, only 116 are left",
        ),
    ] {
        check_fault(name, &bytes, frames, message);
    }
}

#[test]
fn faults_of_pcapng_files() {
    let start = pcapng(&[Sample::new(1, &[1; 60])], true, false);
    let at = start.bytes.len();
    let with = |add: &dyn Fn(&mut Bytes)| {
        let mut out = start.clone();
        add(&mut out);
        out.bytes
    };
    let sample = Sample::new(1, &[1; 60]);
    for (name, bytes, what) in [
        (
            "interface",
            with(&|out| packet(out, false, 1, &Sample { interface: 1, ..sample.clone() })),
            "a packet of interface 1, but its section describes only 1 so far",
        ),
        (
            "section without interface",
            with(&|out| {
                section(out);
                packet(out, false, 1, &sample);
            }),
            "a packet of interface 0, but its section describes only 0 so far",
        ),
        (
            "length of packet",
            with(&|out| {
                block(out, 6, |out| {
                    for field in [0, 0, 0, 13, 13, 0, 0, 0] {
                        out.u32(field);
                    }
                });
            }),
            "a packet with a captured length of 13 bytes in a block with room for 12",
        ),
        (
            "length of block",
            with(&|out| {
                out.u32(6);
                out.u32(34);
                out.bytes.extend([0; 60]);
            }),
            "a block of type 0x6 with a length of 34 bytes, not a multiple of 4 of at least 12",
        ),
        (
            "short block",
            with(&|out| block(out, 6, |out| out.u32(0))),
            "a packet block that is too short",
        ),
        (
            "two lengths",
            with(&|out| {
                block(out, 99, |_| {});
                let last = out.bytes.len() - 1;
                out.bytes[last] = 16;
            }),
            "a block that states a length of 12 bytes at its beginning and 16 at its end",
        ),
        (
            "huge block",
            with(&|out| {
                out.u32(6);
                out.u32(0x0200_0000);
                out.u32(0);
            }),
            "a block of 33554432 bytes, the limit is 16777216",
        ),
        (
            "huge unknown block, cut",
            with(&|out| {
                out.u32(77);
                out.u32(0x0200_0000);
                out.u32(0);
            }),
            "the file ends too early: a block needs 33554432 bytes from here, only 12 are left",
        ),
        (
            "version",
            with(&|out| {
                block(out, 0x0a0d_0d0a, |out| {
                    out.u32(0x1a2b_3c4d);
                    out.u16(2);
                    out.u16(7);
                    out.u64(0);
                });
            }),
            "version 2.7 of the pcapng format is not known",
        ),
        (
            "option",
            with(&|out| {
                block(out, 1, |out| {
                    out.u64(0);
                    out.u16(9);
                    out.u16(500);
                });
            }),
            "an option of an interface description with a length of 500 bytes, \
             more than the block has left",
        ),
    ] {
        // The fault of a new section lies in the packet after it.
        let at = if name == "section without interface" { at + 28 } else { at };
        check_fault(name, &bytes, 1, &format!("test: at byte {at}: {what}"));
    }
}
