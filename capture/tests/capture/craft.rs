//! Capture files made byte by byte, for the tests.

use std::io::Write;

use capture::{Frame, LinkType, ReadError, Received, Source};

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) timestamp_us: u64,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) wire_len: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) file: u32,
}

impl Sample {
    pub(crate) fn new(timestamp_us: u64, bytes: &[u8]) -> Sample {
        Sample {
            timestamp_us,
            link_type: LinkType::ETHERNET,
            interface: 0,
            wire_len: bytes.len() as u32,
            bytes: bytes.to_vec(),
            file: 0,
        }
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame {
            timestamp_us: self.timestamp_us,
            link_type: self.link_type,
            interface: self.interface,
            wire_len: self.wire_len,
            bytes: &self.bytes,
            file: self.file,
            no_checksum: false,
        }
    }
}

impl From<Frame<'_>> for Sample {
    fn from(frame: Frame<'_>) -> Sample {
        Sample {
            timestamp_us: frame.timestamp_us,
            link_type: frame.link_type,
            interface: frame.interface,
            wire_len: frame.wire_len,
            bytes: frame.bytes.to_vec(),
            file: frame.file,
        }
    }
}

/// Everything a source has: its frames and its errors.
pub(crate) fn drain(source: &mut dyn Source, max: usize) -> (Vec<Sample>, Vec<ReadError>) {
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    loop {
        match source.receive(max) {
            Ok(Received::Frames) => {
                let batch = source.batch();
                assert!((1..=max).contains(&batch.len()));
                frames.extend(batch.frames().map(Sample::from));
            }
            Ok(Received::Idle) => {}
            Ok(Received::End) => break,
            Err(error) => {
                assert!(source.batch().is_empty());
                errors.push(error);
            }
        }
    }
    assert!(source.batch().is_empty());
    assert_eq!(source.receive(max).unwrap(), Received::End, "an end is an end");
    assert_eq!(source.statistics().frames, frames.len() as u64);
    (frames, errors)
}

/// The frames of a capture in memory and the error that ends it, wherever that occurs.
pub(crate) fn read(bytes: Vec<u8>, max: usize) -> (Vec<Sample>, Option<ReadError>) {
    match capture::open_bytes("test", bytes) {
        Ok(mut source) => {
            let (frames, mut errors) = drain(source.as_mut(), max);
            assert!(errors.len() <= 1);
            (frames, errors.pop())
        }
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// Bytes in one of the two orders.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    pub(crate) big: bool,
    pub(crate) bytes: Vec<u8>,
    /// Where each part ends: after the header of the file and after each record or block.
    pub(crate) ends: Vec<usize>,
}

impl Bytes {
    pub(crate) fn new(big: bool) -> Bytes {
        Bytes { big, bytes: Vec::new(), ends: Vec::new() }
    }

    pub(crate) fn u16(&mut self, value: u16) {
        let bytes = if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        let bytes = if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        let bytes = if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A dialect of the classic format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) magic: u32,
    pub(crate) version: (u16, u16),
    pub(crate) snap_length: u32,
    pub(crate) link_word: u32,
}

pub(crate) const PLAIN: Dialect =
    Dialect { magic: 0xa1b2_c3d4, version: (2, 4), snap_length: 262_144, link_word: 1 };
pub(crate) const NANO: Dialect = Dialect { magic: 0xa1b2_3c4d, ..PLAIN };
pub(crate) const MODIFIED: Dialect = Dialect { magic: 0xa1b2_cd34, ..PLAIN };

pub(crate) fn classic(samples: &[Sample], big: bool, dialect: Dialect) -> Bytes {
    let mut out = Bytes::new(big);
    out.u32(dialect.magic);
    out.u16(dialect.version.0);
    out.u16(dialect.version.1);
    out.u64(0);
    out.u32(dialect.snap_length);
    out.u32(dialect.link_word);
    out.ends.push(out.bytes.len());
    for sample in samples {
        let fraction = (sample.timestamp_us % 1_000_000) as u32;
        out.u32((sample.timestamp_us / 1_000_000) as u32);
        // The nanoseconds below a microsecond are dropped by the reader.
        out.u32(if dialect.magic == NANO.magic { fraction * 1000 + 999 } else { fraction });
        let mut lengths = [sample.bytes.len() as u32, sample.wire_len];
        if dialect.version.0 == 543 || dialect.version.1 < 3 {
            lengths.reverse();
        }
        out.u32(lengths[0]);
        out.u32(lengths[1]);
        if dialect.magic == MODIFIED.magic {
            out.u32(77);
            out.u32(0x0800_0102);
        }
        out.bytes.extend(&sample.bytes);
        out.ends.push(out.bytes.len());
    }
    out
}

pub(crate) fn block(out: &mut Bytes, kind: u32, body: impl FnOnce(&mut Bytes)) {
    let start = out.bytes.len();
    out.u32(kind);
    out.u32(0);
    body(out);
    out.pad();
    let length = (out.bytes.len() - start + 4) as u32;
    out.u32(length);
    let stated = if out.big { length.to_be_bytes() } else { length.to_le_bytes() };
    out.bytes[start + 4..start + 8].copy_from_slice(&stated);
    out.ends.push(out.bytes.len());
}

pub(crate) fn section(out: &mut Bytes) {
    block(out, 0x0a0d_0d0a, |out| {
        out.u32(0x1a2b_3c4d);
        out.u16(1);
        out.u16(0);
        out.u64(u64::MAX);
    });
}

pub(crate) fn interface(out: &mut Bytes, link: u16, snap: u32, tsresol: Option<u8>, offset: i64) {
    block(out, 1, |out| {
        out.u16(link);
        out.u16(0);
        out.u32(snap);
        option(out, 2, b"eth0");
        if let Some(resolution) = tsresol {
            option(out, 9, &[resolution]);
        }
        if offset != 0 {
            let big = out.big;
            option(out, 14, &if big { offset.to_be_bytes() } else { offset.to_le_bytes() });
        }
        option(out, 0, b"");
    });
}

fn option(out: &mut Bytes, code: u16, value: &[u8]) {
    out.u16(code);
    out.u16(value.len() as u16);
    out.bytes.extend(value);
    out.pad();
}

/// An enhanced packet, or an obsolete one with the same contents.
pub(crate) fn packet(out: &mut Bytes, obsolete: bool, units: u64, sample: &Sample) {
    block(out, if obsolete { 2 } else { 6 }, |out| {
        if obsolete {
            out.u16(sample.interface as u16);
            out.u16(0xffff);
        } else {
            out.u32(sample.interface);
        }
        out.u32((units >> 32) as u32);
        out.u32(units as u32);
        out.u32(sample.bytes.len() as u32);
        out.u32(sample.wire_len);
        out.bytes.extend(&sample.bytes);
        out.pad();
        option(out, 1, b"a comment");
        option(out, 0, b"");
    });
}

pub(crate) fn simple_packet(out: &mut Bytes, sample: &Sample) {
    block(out, 3, |out| {
        out.u32(sample.wire_len);
        out.bytes.extend(&sample.bytes);
    });
}

/// A file of one section with one interface that counts microseconds.
pub(crate) fn pcapng(samples: &[Sample], big: bool, obsolete: bool) -> Bytes {
    let mut out = Bytes::new(big);
    section(&mut out);
    interface(&mut out, 1, 0, None, 0);
    for sample in samples {
        packet(&mut out, obsolete, sample.timestamp_us, sample);
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
    Lz4,
}

pub(crate) fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::None => bytes.to_vec(),
        Packing::Gzip => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Zstd => {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        }
        Packing::Lz4 => {
            let blocks = lz4_flex::frame::BlockSize::Max64KB;
            let info = lz4_flex::frame::FrameInfo::new().block_size(blocks);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}
