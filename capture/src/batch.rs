//! Frames, together as slices of one buffer.

use crate::LinkType;
#[cfg(target_os = "linux")]
use crate::live::Shown;

/// One frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Microseconds since 1970-01-01 00:00 UTC.
    pub timestamp_us: u64,
    /// What the bytes begin with.
    pub link_type: LinkType,
    /// Index of the interface within its section of the capture file, 0 where there are none.
    pub interface: u32,
    /// Length on the wire: at least that of `bytes`, more if the capture cut the frame.
    pub wire_len: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Index of the input that the frame comes from: a file, or live an interface.
    pub file: u32,
    /// Its transport checksum is not computed yet: this host sent it, and leaves that to a NIC.
    pub no_checksum: bool,
}

/// Several frames that live equally long, in the buffer of a source or of an [`OwnedBatch`].
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    /// Slices of one buffer.
    Buffer { buffer: &'a [u8], records: &'a [Record] },
    /// Where the kernel put them.
    #[cfg(target_os = "linux")]
    Live(Shown<'a>),
}

/// The frames of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    batch: Batch<'a>,
    next: usize,
}

/// A copy of frames in one allocation, to keep or to send to another thread; meant to be reused.
#[derive(Clone, Debug, Default)]
pub struct OwnedBatch {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

/// A frame whose bytes are somewhere in a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) timestamp_us: u64,
    pub(crate) offset: usize,
    pub(crate) length: u32,
    pub(crate) wire_len: u32,
    pub(crate) interface: u32,
    pub(crate) file: u32,
    pub(crate) link_type: LinkType,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(buffer: &'a [u8], records: &'a [Record]) -> Batch<'a> {
        Batch(Kind::Buffer { buffer, records })
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn live(shown: Shown<'a>) -> Batch<'a> {
        Batch(Kind::Live(shown))
    }

    /// The number of frames.
    pub fn len(&self) -> usize {
        match self.0 {
            Kind::Buffer { records, .. } => records.len(),
            #[cfg(target_os = "linux")]
            Kind::Live(shown) => shown.len(),
        }
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame at a place in the batch.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Frame<'a>> {
        match self.0 {
            Kind::Buffer { buffer, records } => {
                records.get(index).map(|record| record.frame(buffer))
            }
            #[cfg(target_os = "linux")]
            Kind::Live(shown) => shown.get(index),
        }
    }

    /// The frames in the order of their source.
    pub fn frames(&self) -> Frames<'a> {
        Frames { batch: *self, next: 0 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let frame = self.batch.get(self.next)?;
        self.next += 1;
        Some(frame)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batch.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Frames<'_> {}

impl OwnedBatch {
    /// An empty batch.
    pub fn new() -> OwnedBatch {
        OwnedBatch::default()
    }

    /// Replaces the contents by a copy of a batch.
    pub fn copy_from(&mut self, batch: &Batch<'_>) {
        self.clear();
        for frame in batch.frames() {
            self.push(&frame);
        }
    }

    /// Adds a copy of a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(frame.bytes);
        self.records.push(Record {
            timestamp_us: frame.timestamp_us,
            offset,
            length: u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX),
            wire_len: frame.wire_len,
            interface: frame.interface,
            file: frame.file,
            link_type: frame.link_type,
        });
    }

    /// Removes all frames and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// The frames, for reading.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(&self.bytes, &self.records)
    }
}

impl Record {
    fn frame<'a>(&self, buffer: &'a [u8]) -> Frame<'a> {
        let end = self.offset.saturating_add(self.length as usize);
        Frame {
            timestamp_us: self.timestamp_us,
            link_type: self.link_type,
            interface: self.interface,
            wire_len: self.wire_len,
            bytes: buffer.get(self.offset..end).unwrap_or_default(),
            file: self.file,
            no_checksum: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_reusable_and_crosses_threads() {
        let bytes = [7u8; 60];
        let frame = Frame {
            timestamp_us: 5,
            link_type: LinkType::ETHERNET,
            interface: 3,
            wire_len: 1500,
            bytes: &bytes,
            file: 2,
            no_checksum: false,
        };
        let mut first = OwnedBatch::new();
        first.push(&frame);
        first.push(&Frame { bytes: &[], wire_len: 0, ..frame });
        let mut copy = OwnedBatch::new();
        copy.push(&frame);
        copy.copy_from(&first.batch());
        let copy = std::thread::spawn(move || copy).join().unwrap();
        assert_eq!(copy.batch().len(), 2);
        assert_eq!(copy.batch().get(0), Some(frame));
        assert_eq!(copy.batch().get(1).unwrap().bytes, b"");
        assert_eq!(copy.batch().get(2), None);
        assert!(copy.batch().frames().eq(first.batch().frames()));
        first.clear();
        assert!(first.batch().is_empty());
    }
}
