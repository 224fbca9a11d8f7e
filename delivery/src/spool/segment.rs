//! Finds frames in a segment file, also behind damage, through a window of bounded size.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use memchr::memmem;

use super::codec::{HEADER, Header, MAGIC};

/// Bytes that are read at a time, unless a frame is longer.
const WINDOW: usize = 512 << 10;

/// Reads a segment through a window that it keeps between calls.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    buffer: Vec<u8>,
    filled: usize,
    /// Where the window lies in the file.
    start: u64,
}

/// A whole frame.
#[derive(Debug)]
pub(super) struct Found {
    /// Its header.
    pub(super) header: Header,
    /// The place behind it in the file.
    pub(super) end: u64,
    /// True when something that can't be read lay before it.
    pub(super) damage: bool,
    body: Range<usize>,
}

/// What there was from a place on.
#[derive(Debug)]
pub(super) enum Step {
    /// A frame.
    Frame(Found),
    /// No further whole frame.
    End {
        /// Records of a frame whose header was there and whose body was not.
        torn_records: u64,
    },
}

impl Scanner {
    /// Forgets the window: another file comes.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// The body of a frame that was found last.
    pub(super) fn body(&self, found: &Found) -> &[u8] {
        self.buffer.get(found.body.clone()).unwrap_or_default()
    }

    /// The header at a place, if there is one.
    pub(super) fn header(&mut self, file: &File, at: u64, end: u64) -> io::Result<Option<Header>> {
        Ok(Header::read(self.window(file, at, HEADER, end)?))
    }

    /// The first whole frame at or behind a place and before `end`. Takes time in proportion to
    /// the bytes between, whatever they are: bodies are read once, and skipped when damaged.
    pub(super) fn next(&mut self, file: &File, from: u64, end: u64) -> io::Result<Step> {
        let mut at = from;
        let mut torn_records = 0;
        while at < end {
            let header = Header::read(self.window(file, at, HEADER, end)?);
            if let Some(header) = header {
                let whole = header.whole();
                let bytes = self.window(file, at, whole, end)?;
                if bytes.len() >= whole {
                    if header.fits(&bytes[HEADER..whole]) {
                        let body = self.place(at + HEADER as u64, header.body as usize);
                        let end = at + whole as u64;
                        let damage = at != from;
                        return Ok(Step::Frame(Found { header, end, damage, body }));
                    }
                    at += whole as u64;
                    continue;
                }
                torn_records = u64::from(header.records);
            }
            let bytes = self.window(file, at + 1, MAGIC.len(), end)?;
            if bytes.len() < MAGIC.len() {
                break;
            }
            let skipped = memmem::find(bytes, &MAGIC).unwrap_or(bytes.len() - (MAGIC.len() - 1));
            at += 1 + skipped as u64;
        }
        Ok(Step::End { torn_records })
    }

    /// Bytes from a place on, `need` of them or more unless `end` or the file's end comes before.
    fn window(&mut self, file: &File, at: u64, need: usize, end: u64) -> io::Result<&[u8]> {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let need = need.min(left);
        let has = self.place(at, need).len();
        if has < need || need == 0 {
            let size = need.max(WINDOW).min(left);
            if self.buffer.len() < size {
                self.buffer.resize(size, 0);
            } else if self.buffer.len() > 4 * WINDOW && size <= WINDOW {
                self.buffer.truncate(WINDOW);
                self.buffer.shrink_to_fit();
            }
            (self.start, self.filled) = (at, 0);
            while self.filled < size {
                let place = at + self.filled as u64;
                match file.read_at(&mut self.buffer[self.filled..size], place) {
                    Ok(0) => break,
                    Ok(count) => self.filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        self.filled = 0;
                        return Err(error);
                    }
                }
            }
        }
        let skipped = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let until = self.filled.min(skipped.saturating_add(left));
        Ok(self.buffer.get(skipped..until).unwrap_or_default())
    }

    /// Where so many bytes from a place on are in the buffer; empty when they are not all there.
    fn place(&self, at: u64, count: usize) -> Range<usize> {
        let skipped = at.checked_sub(self.start).and_then(|n| usize::try_from(n).ok());
        match skipped {
            Some(skipped) if skipped <= self.filled && count <= self.filled - skipped => {
                skipped..skipped + count
            }
            _ => 0..0,
        }
    }
}
