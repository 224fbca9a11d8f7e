//! Frames as they lie in segment files: a header with checks, then records with their marks.
//!
//! All numbers are little endian. Header: magic (4 bytes), length of the body (4), records (4),
//! number of the first record in its lane (8), milliseconds since 1970 (8), CRC-32C of the body
//! (4), CRC-32C of the header up to here (4). Body, for each record: worker (2), sequence (8),
//! length (4), bytes. The header's own check makes a damaged body's end known, and keeps the
//! search for the next frame linear.

use crate::record::Record;

/// Begins a frame. Two of its bytes can't occur in UTF-8, so no record can pass for a frame.
pub(super) const MAGIC: [u8; 4] = [0xff, 0xfe, b'B', b'1'];
/// Bytes of a header.
pub(super) const HEADER: usize = 36;
/// Bytes that a body may have.
pub(super) const LARGEST_BODY: usize = 16 << 20;
/// Bytes before each record.
pub(super) const MARK: usize = 14;
/// Numbers of records above this are taken for damage: sums of them can't overflow.
pub(super) const LARGEST_NUMBER: u64 = 1 << 62;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the body.
    pub(super) body: u32,
    /// Records in it.
    pub(super) records: u32,
    /// Number of the first of them in the lane.
    pub(super) first: u64,
    /// When it was written, in milliseconds since 1970.
    pub(super) time: u64,
    check: u32,
}

impl Header {
    /// The header at the start of bytes, if there is a whole one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        if bytes[..4] != MAGIC || long(bytes, 32) != crc32c::crc32c(&bytes[..32]) {
            return None;
        }
        let header = Self {
            body: long(bytes, 4),
            records: long(bytes, 8),
            first: quad(bytes, 12),
            time: quad(bytes, 20),
            check: long(bytes, 28),
        };
        let fits = header.body as usize <= LARGEST_BODY
            && header.records > 0
            && u64::from(header.records) * MARK as u64 <= u64::from(header.body)
            && header.first <= LARGEST_NUMBER;
        fits.then_some(header)
    }

    /// Bytes of header and body.
    pub(super) fn whole(&self) -> usize {
        HEADER + self.body as usize
    }

    /// Number of the record behind the last.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.records)
    }

    /// True when a body is the one that belongs to it.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        crc32c::crc32c(body) == self.check
    }

    fn write(body: &[u8], records: u32, first: u64, time: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
        bytes[8..12].copy_from_slice(&records.to_le_bytes());
        bytes[12..20].copy_from_slice(&first.to_le_bytes());
        bytes[20..28].copy_from_slice(&time.to_le_bytes());
        bytes[28..32].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let check = crc32c::crc32c(&bytes[..32]);
        bytes[32..].copy_from_slice(&check.to_le_bytes());
        bytes
    }
}

/// The records of a body; ends early when a mark does not fit what is there.
pub(super) fn records(mut body: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (mark, rest) = body.split_first_chunk::<MARK>()?;
        let (bytes, rest) = rest.split_at_checked(long(mark, 10) as usize)?;
        body = rest;
        let worker = u16::from_le_bytes([mark[0], mark[1]]);
        Some(Record { worker, sequence: quad(mark, 2), bytes })
    })
}

/// Makes frames, one behind the other, in one buffer.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// Where the frame begins that is being made.
    start: usize,
    /// Its records.
    count: u32,
    /// Bytes of a body at which the next frame is begun.
    target: usize,
    first: u64,
    time: u64,
    records: u64,
}

impl Encoder {
    /// One that makes frames of about so many bytes.
    pub(super) fn new(target: usize) -> Self {
        let target = target.min(LARGEST_BODY);
        Self { bytes: Vec::new(), start: 0, count: 0, target, first: 0, time: 0, records: 0 }
    }

    /// Begins anew; `first` is the number of the next record in the lane.
    pub(super) fn begin(&mut self, first: u64, time: u64) {
        self.bytes.clear();
        (self.start, self.count, self.records) = (0, 0, 0);
        (self.first, self.time) = (first, time);
    }

    /// Adds a record, of at most [`super::LARGEST_RECORD`] bytes.
    pub(super) fn push(&mut self, record: &Record<'_>) {
        let size = MARK + record.bytes.len();
        if self.count > 0 && self.bytes.len() - self.start - HEADER + size > self.target {
            self.close();
        }
        if self.count == 0 {
            self.start = self.bytes.len();
            self.bytes.extend_from_slice(&[0; HEADER]);
        }
        let mut mark = [0; MARK];
        mark[..2].copy_from_slice(&record.worker.to_le_bytes());
        mark[2..10].copy_from_slice(&record.sequence.to_le_bytes());
        mark[10..].copy_from_slice(&(record.bytes.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&mark);
        self.bytes.extend_from_slice(record.bytes);
        self.count += 1;
    }

    /// Ends the frame that is being made.
    pub(super) fn close(&mut self) {
        if self.count == 0 {
            return;
        }
        let (front, body) = self.bytes.split_at_mut(self.start + HEADER);
        let header = Header::write(body, self.count, self.first + self.records, self.time);
        front[self.start..].copy_from_slice(&header);
        self.records += u64::from(self.count);
        self.count = 0;
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Records in frames that are closed.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Shows each record of the closed frames.
    pub(super) fn each(&self, mut show: impl FnMut(Record<'_>)) {
        let mut rest = &self.bytes[..];
        while let Some(header) = Header::read(rest) {
            let Some((frame, behind)) = rest.split_at_checked(header.whole()) else { return };
            records(&frame[HEADER..]).for_each(&mut show);
            rest = behind;
        }
    }
}

fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four))
}

fn quad(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
}
