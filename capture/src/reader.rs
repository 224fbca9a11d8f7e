//! Reads one input of any format that is a row of records.

use std::borrow::Cow;

use crate::batch::Record;
use crate::window::Window;
use crate::{Batch, Position, ReadError, Received, Source, SourceStatistics};

/// The longest frame that is taken for real, as in libpcap (MAXIMUM_SNAPLEN).
pub const MAXIMUM_FRAME: u32 = 262_144;

/// How the records of a format are laid out.
pub(crate) trait Format: Send {
    /// Takes records from `bytes`, beginning at `place` and moving it past every one taken, until
    /// there are `max` of them or something else stops it.
    fn take(
        &mut self,
        bytes: &[u8],
        place: &mut usize,
        max: usize,
        records: &mut Vec<Record>,
    ) -> Stop;

    /// Blocks passed over so far.
    fn skipped_blocks(&self) -> u64 {
        0
    }
}

/// Why a format took no further record.
pub(crate) enum Stop {
    /// There are enough records.
    Full,
    /// The next record or block is not complete: so many bytes of it are needed, counted from its
    /// beginning.
    Needs { bytes: usize, what: &'static str },
    /// So many bytes are of no interest. Returned only if there are no records.
    Skip(u64),
    /// The next record or block cannot be right.
    Fault(Cow<'static, str>),
}

/// An input with its format.
pub(crate) struct Reader<F> {
    name: String,
    decompressed: bool,
    window: Window,
    format: F,
    records: Vec<Record>,
    statistics: SourceStatistics,
    finished: bool,
}

impl<F: Format> Reader<F> {
    pub(crate) fn new(name: String, decompressed: bool, window: Window, format: F) -> Reader<F> {
        Reader {
            name,
            decompressed,
            window,
            format,
            records: Vec::with_capacity(256),
            statistics: SourceStatistics { files: 1, ..SourceStatistics::default() },
            finished: false,
        }
    }

    fn count(&mut self) {
        self.statistics.frames += self.records.len() as u64;
        for record in &self.records {
            self.statistics.bytes += u64::from(record.length);
            self.statistics.wire_bytes += u64::from(record.wire_len);
            self.statistics.shortened_frames += u64::from(record.wire_len > record.length);
        }
    }

    fn fault(&mut self, byte: u64, what: String) -> ReadError {
        self.finished = true;
        self.statistics.faulty_files = 1;
        let position = Position { byte, decompressed: self.decompressed };
        ReadError::Fault { file: self.name.clone(), position, what }
    }

    /// The input has ended while more was needed: an end, a failure to read or a cut.
    fn ended(&mut self, needed: u64, what: &str, byte: u64) -> Result<Received, ReadError> {
        self.finished = true;
        if let Some(cause) = self.window.take_failure() {
            self.statistics.faulty_files = 1;
            let byte = self.window.end_position();
            let position = Position { byte, decompressed: self.decompressed };
            return Err(ReadError::Read { file: self.name.clone(), position, cause });
        }
        let left = self.window.end_position().saturating_sub(byte);
        if left == 0 {
            return Ok(Received::End);
        }
        let what = format!(
            "the file ends too early: {what} needs {needed} bytes from here, only {left} are left"
        );
        Err(self.fault(byte, what))
    }
}

impl<F: Format> Source for Reader<F> {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        self.records.clear();
        if self.finished {
            return Ok(Received::End);
        }
        loop {
            let mut place = self.window.start();
            let buffer = self.window.buffer();
            let stop = self.format.take(buffer, &mut place, max.max(1), &mut self.records);
            self.window.advance_to(place);
            if !self.records.is_empty() {
                // Whatever stopped the format will do so again, at the beginning of a batch.
                self.count();
                return Ok(Received::Frames);
            }
            let position = self.window.position();
            match stop {
                Stop::Full => {}
                Stop::Needs { bytes, what } => {
                    if !self.window.require(bytes) {
                        return self.ended(bytes as u64, what, position);
                    }
                }
                Stop::Skip(count) => {
                    if !self.window.skip(count) {
                        return self.ended(count, "a block", position);
                    }
                }
                Stop::Fault(what) => return Err(self.fault(position, what.into_owned())),
            }
        }
    }

    fn batch(&self) -> Batch<'_> {
        Batch::new(self.window.buffer(), &self.records)
    }

    fn statistics(&self) -> SourceStatistics {
        SourceStatistics { skipped_blocks: self.format.skipped_blocks(), ..self.statistics }
    }
}
