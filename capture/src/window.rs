//! The one large buffer through which an input is read.

use std::io::{self, Read};

/// Reads this much at a time: few system calls, and still warm in the second-level cache when
/// the records are looked at.
pub(crate) const WINDOW: usize = 256 * 1024;

/// Smaller for each of many inputs that are open together.
pub(crate) const SMALL_WINDOW: usize = 64 * 1024;

/// The part of an input that is in memory.
pub(crate) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Position in the input of the first byte of the buffer.
    base: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl Window {
    pub(crate) fn new(reader: Box<dyn Read + Send>, capacity: usize) -> Window {
        Window {
            reader,
            buffer: vec![0; capacity],
            start: 0,
            end: 0,
            base: 0,
            ended: false,
            failure: None,
        }
    }

    /// The bytes from the beginning of the buffer on; those before [`Window::start`] are passed.
    pub(crate) fn buffer(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The bytes not yet passed.
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer().get(self.start..).unwrap_or_default()
    }

    /// Position in the input of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.base.saturating_add(self.start as u64)
    }

    /// Position in the input after the last byte that could be read.
    pub(crate) fn end_position(&self) -> u64 {
        self.base.saturating_add(self.end as u64)
    }

    /// Passes over everything before a place in the buffer.
    pub(crate) fn advance_to(&mut self, start: usize) {
        self.start = start.clamp(self.start, self.end);
    }

    /// Makes `needed` bytes available; false if the input ends or fails before.
    ///
    /// Moves the rest to the front of the buffer, so no frame may be in use.
    pub(crate) fn require(&mut self, needed: usize) -> bool {
        if self.end - self.start >= needed {
            return true;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.base = self.base.saturating_add(self.start as u64);
        self.end -= self.start;
        self.start = 0;
        while self.end < needed {
            if !self.fill() {
                return false;
            }
        }
        true
    }

    /// Passes over `count` bytes, most of which need not be in memory; false if there are fewer.
    pub(crate) fn skip(&mut self, mut count: u64) -> bool {
        loop {
            let here = ((self.end - self.start) as u64).min(count);
            self.start += here as usize;
            count -= here;
            if count == 0 {
                return true;
            }
            if !self.require(1) {
                return false;
            }
        }
    }

    /// The error that ended the input, if it was one.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The bytes read so far, and the rest of the input; for a look at the first bytes.
    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        let mut read = self.buffer;
        read.truncate(self.end);
        read.drain(..self.start);
        Box::new(io::Cursor::new(read).chain(self.reader))
    }

    /// One successful read; false at the end of the input.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if self.end == self.buffer.len() {
            // Grows with what has really been read, never with what a header promises.
            self.buffer.resize(self.buffer.len().saturating_mul(2).max(4096), 0);
        }
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            let free_len = free.len();
            match self.reader.read(free) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count.min(free_len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.failure = Some(error);
                    self.ended = true;
                }
            }
            return !self.ended;
        }
    }
}
